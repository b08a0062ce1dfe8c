"""strings: the machine-made strings in texts, which `surprise` finds where `junctions` stand close together."""

import math
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, TypeAlias

import numpy as np

from outworks import kernels
from outworks.detectors import junctions
from outworks.detectors.junctions import CLASSES, ODD, Dense, dense
from outworks.detectors.surprise import (
    APART,
    BEFORE,
    BITS,
    CLASS,
    EVEN,
    FACTORS,
    FOLD,
    LEAST,
    MOST,
    UNITS,
    Array,
    Tables,
    rises,
)

LONG, SPACED, DENSE = 40, 0.03, 0.7
"""Characters of a span that counts in full; the share of blanks below which it is dense; what a dense one counts."""
LENGTH = 2_048
"""Characters of a text up to which EVEN holds."""
CHUNK = 16_384
"""Characters read at a stretch."""
OVERLAP = 1_024
"""Characters read twice, so that a span across two stretches is whole in one (a GCG suffix has 40 to 300)."""
_BREAK = "\n" * BEFORE
_Row: TypeAlias = tuple[int, int, int, int, int]
"""A string: which text, its first character and the one behind it, its height in units, its blanks."""
_ROWS = struct.Struct("=5q")


class Suspect(NamedTuple):
    """A span of one of several texts that reads as machine-made."""

    text: int
    start: int
    end: int
    score: float


def strings(tables: Tables, texts: Sequence[str], *, everywhere: bool = False) -> list[Suspect]:
    """The machine-made strings of texts, where many junctions stand close together, or `everywhere`. What is found in
    one does not depend on what it is read beside."""
    if kernels.compiled is None:
        rows: Iterable[_Row] = strings_by_numpy(tables, texts, everywhere=everywhere)
    else:
        rows = _ROWS.iter_unpack(
            kernels.compiled.strings(
                tuple([_coded(text) for text in texts]), everywhere,
                CLASSES, ODD, junctions.NEAR, junctions.LEAST, junctions.AROUND,
                _SYMBOLS, CLASS, tables.joined, tables.begins, FACTORS, 32 - BITS, MOST, LEAST, APART, CHUNK, OVERLAP,
            )
        )  # fmt: skip
    return [
        Suspect(text, start, end, _score(height, end - start, blanks, len(texts[text])))
        for text, start, end, height, blanks in rows
    ]


def _score(height: int, size: int, blanks: int, length: int) -> float:
    """Units to 0..1. A text twice as long (`length`, in characters) has twice the places for chance to strike, and must
    show ln 2 nats more. A search over tokens leaves LONG characters and more, with blanks among them; odd junctions on
    few characters are usually a name or a formula, and without any blank usually code."""
    worth = height * min(1.0, size / LONG) * (DENSE if blanks < SPACED * size else 1.0)
    return worth / (worth + EVEN + UNITS * math.log(max(1.0, length / LENGTH)))


_BEYOND = 128
"""What a character beyond ASCII is coded as: this, and its symbol."""


def _codes() -> Array:
    """[2^16]"""
    codes = FOLD + np.uint8(_BEYOND)
    codes[:_BEYOND] = np.arange(_BEYOND)
    return codes


_CODES = _codes()
_SYMBOLS = FOLD[:_BEYOND].tobytes() + bytes(range(256 - _BEYOND))


def _coded(text: str) -> bytes:
    """A byte a character, which says both what it is to a junction and which symbol it is."""
    if text.isascii():
        return text.encode()
    return b"".join([_coded_beyond(text[at : at + CHUNK]) for at in range(0, len(text), CHUNK)])


def _coded_beyond(text: str) -> bytes:
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return _CODES.take(np.minimum(points, 0xFFFF)).tobytes()


def strings_by_numpy(tables: Tables, texts: Sequence[str], *, everywhere: bool) -> list[_Row]:
    """The same without a compiler, before it is scored. Parts of texts are read together, as numpy's cost is a call's,
    not a character's."""
    parts = [Dense(n, 0, len(text)) for n, text in enumerate(texts)] if everywhere else dense(texts)
    found: list[_Row] = []
    waiting: list[Dense] = []
    size = 0
    for part in parts:
        length = part.end - part.start
        if size + length > CHUNK:
            found += _of_several(tables, texts, waiting)
            waiting, size = [], 0
        if length > CHUNK:
            found += dict.fromkeys(_of_one(tables, texts[part.text], part))
        else:
            waiting.append(part)
            size += length + BEFORE
    return [*found, *_of_several(tables, texts, waiting)]


def _of_one(tables: Tables, text: str, part: Dense) -> Iterator[_Row]:
    """A stretch at a time. What overlaps may tell a string twice."""
    for at in range(part.start, max(part.start + 1, part.end - OVERLAP), CHUNK - OVERLAP):
        before = _BREAK if at == part.start else text[at - BEFORE : at]
        for start, end, height, blanks in rises(tables, before + text[at : min(at + CHUNK, part.end)]):
            yield part.text, at + start, at + end, height, blanks


def _of_several(tables: Tables, texts: Sequence[str], parts: Sequence[Dense]) -> Iterator[_Row]:
    """All of them at once."""
    if not parts:
        return
    said = [texts[part.text][part.start : part.end] for part in parts]
    starts = list(accumulate((len(each) + BEFORE for each in said[:-1]), initial=0))
    # No span goes over the gap between two parts, from its first character to its last: what is beside a text must not
    # change what is found in it.
    breaks = [at for start in starts[1:] for at in (start - BEFORE, start - 1)]
    for start, end, height, blanks in rises(tables, _BREAK + _BREAK.join(said), breaks):
        n = bisect_right(starts, start) - 1
        at = parts[n].start - starts[n]
        yield parts[n].text, at + start, at + end, height, blanks
