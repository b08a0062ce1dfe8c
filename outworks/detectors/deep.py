"""deep: the second stage, a small transformer (E5-small, arXiv 2212.03533) that is asked where the first is unsure."""

from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

import numpy as np

from outworks.detectors.categories import MODERATION, Category, Side
from outworks.detectors.files import content, sums
from outworks.detectors.grams import Array

TOKENS = 96
"""Read at once: of what is longer the ends, and where the first stage found most; of suspect documents all."""
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
MODEL, TOKENIZER = "second.onnx", "tokenizer.json"
_FIRST, _LAST = 101, 102
_MARKS = {Side.REQUEST: 5310, Side.CONTENT: 6254, Side.OUTPUT: 3437}
"""The token before a text, by whose words it is: `user`, `document`, `answer`."""
_ROOM = TOKENS - 3
_LETTERS = 8 * TOKENS
"""Characters at an end, or around a place, that are turned into tokens: more than fit."""
_BEFORE = 240
"""Characters before the middle of a place that are read with it."""
_WHOLE = 16
"""Stretches at most in which a document is read from end to end: about 3 KB of English."""


class Batch(NamedTuple):
    """Rows of tokens, filled up to one length."""

    ids: Array
    """[rows, tokens]"""
    mask: Array
    """[rows, tokens]: 1 for a token, 0 for filling."""


def batch(rows: Sequence[Sequence[int]], sides: Sequence[Side]) -> Batch:
    """The rows as the transformer reads them, each under its side's mark."""
    width = max(map(len, rows)) + 3
    ids, mask = np.zeros((len(rows), width), np.int64), np.zeros((len(rows), width), np.float32)
    for n, (row, side) in enumerate(zip(rows, sides, strict=True)):
        ids[n, : len(row) + 3] = (_FIRST, _MARKS[side], *row, _LAST)
        mask[n, : len(row) + 3] = 1
    return Batch(ids, mask)


class Reader:
    """What of a text is read, as tokens."""

    def __init__(self, tokenizer: bytes) -> None:
        """Raises `ModuleNotFoundError` naming the extra."""
        try:
            from tokenizers import Tokenizer
        except ModuleNotFoundError as error:
            raise _missing(error) from error
        self._tokenizer = Tokenizer.from_buffer(tokenizer)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def rows(self, text: str, places: Sequence[tuple[int, int]] = ()) -> list[list[int]]:
        """All, or both ends, and those around each place, in characters."""
        whole = self._tokens(text if len(text) <= 2 * _LETTERS else text[:_LETTERS])
        if len(text) <= 2 * _LETTERS and len(whole) <= _ROOM:
            return [whole]
        last = whole if len(text) <= 2 * _LETTERS else self._tokens(text[-_LETTERS:])
        rows = [whole[: _ROOM // 2] + last[-(_ROOM // 2) :]]
        for start, end in dict.fromkeys(places):
            begin = max(start, (start + end) // 2 - _BEFORE)
            rows.append(self._tokens(text[begin : begin + _LETTERS])[:_ROOM])
        return rows

    def stretches(self, text: str) -> list[list[int]]:
        """All of a text, each stretch half in the next, or none where they would be more than are read at once."""
        if len(text) > _WHOLE * _LETTERS:
            return []
        whole, step = self._tokens(text), _ROOM // 2
        starts = range(0, max(1, len(whole) - _ROOM + step), step)
        return [whole[at : at + _ROOM] for at in starts] if len(starts) <= _WHOLE else []

    def vocabulary(self) -> list[str]:
        """Every token; those that stand inside a word begin with `##`."""
        return sorted(self._tokenizer.get_vocab())

    def _tokens(self, text: str) -> list[int]:
        # A lone surrogate is no Unicode text, and the tokenizer takes nothing else.
        clean = text.encode("utf-8", "replace").decode()
        return list(self._tokenizer.encode(clean, add_special_tokens=False).ids)


class Deep:
    """The lower layers of E5-small, tuned, in int8, with an output for each of HEADS."""

    def __init__(self, session: Any, reader: Reader) -> None:
        self._session = session
        self._reader = reader

    @classmethod
    def load(cls, folder: Traversable) -> "Deep":
        """Raises `ModuleNotFoundError` naming the extra, and what `content` raises."""
        known = sums(folder)
        return cls(session(content(folder, MODEL, known)), Reader(content(folder, TOKENIZER, known)))

    def read(
        self, text: str, side: Side, places: Sequence[tuple[int, int]] = (), *, whole: bool = False
    ) -> dict[Category, float]:
        """The logit of each category that is looked for on this side: the highest over what is read of the text.
        `places` are characters. With `whole` it is read from end to end, if it is not very long: up to 0.2 s."""
        rows = self._reader.stretches(text) if whole else []
        rows = rows or self._reader.rows(text, places)
        # One by one: read together, rows would share the scale of their whole numbers, and take the memory of all.
        logits = np.max([self.logits(batch([row], [side]))[0] for row in rows], axis=0)
        return {HEADS[n][1]: float(logits[n]) for n in _OF[side]}

    def logits(self, given: Batch) -> Array:
        """[rows, heads]"""
        (found,) = self._session.run(None, given._asdict())
        return np.asarray(found)


def session(model: bytes) -> Any:
    """Raises `ModuleNotFoundError` naming the extra."""
    try:
        from onnxruntime import InferenceSession, SessionOptions  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    options = SessionOptions()
    # One core a text: a worker judges several at once, and threads that wait in a loop starve the event loop.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    return InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _missing(error: ModuleNotFoundError) -> ModuleNotFoundError:
    return ModuleNotFoundError(
        f"the second stage needs {error.name}: install outworks[classifier], or do without it", name=error.name
    )


_OF: Mapping[Side, tuple[int, ...]] = {
    side: tuple(
        n for n, (of, category) in enumerate(HEADS) if of is side or (side is Side.OUTPUT and category in MODERATION)
    )
    for side in Side
}
"""The outputs that count, by side."""
