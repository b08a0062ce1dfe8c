"""surprise: a character language model of machine-made strings, and the spans of a text that it finds likely."""

import io
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from outworks.detectors.files import content, sums
from outworks.detectors.grams import firsts

Array: TypeAlias = NDArray[Any]

DATA: Traversable = resources.files("outworks.detectors") / "data"
STRINGS = "strings.npz"
BITS = 17
"""Of a key into a hashed table: four tables of 128 KiB stay in a core's cache."""
UNITS = 32
"""In a nat: the tables hold whole units, so a score is the same on every machine."""
MOST = 48
"""Units that one character may add or take, so that one odd junction is never enough."""
EVEN = 300
"""Units at which a span scores 0.5: the threshold's default, fixed on dev (docs/design/detectors.md)."""
LEAST = EVEN // 3
"""Units below which a span is not worth recording."""
APART = 2 * EVEN
"""Units of ordinary text after which a span has ended: what follows is another, however high the first one stood."""
BEFORE = 7
"""Characters before one that its n-grams need."""


class Rise(NamedTuple):
    """A span that reads as machine-made, its log odds in units, and how many of its characters are blanks."""

    start: int
    end: int
    height: int
    blanks: int


class Tables(msgspec.Struct, frozen=True, dict=True):
    """A character language model: the log odds, in units, of token salad against ordinary text for each n-gram."""

    pairs: Array
    """2^14: two characters."""
    triples: Array
    """2^BITS, hashed, as those below: three characters."""
    fours: Array
    """Four characters."""
    shapes6: Array
    """The classes (lower case, upper case, digit, bracket...) of six characters."""
    shapes8: Array
    """The classes of eight characters."""

    @cached_property
    def joined(self) -> Array:
        """All of them, one behind another, so that one look-up serves all."""
        return np.concatenate([self.pairs, self.triples, self.fours, self.shapes6, self.shapes8])

    @cached_property
    def begins(self) -> Array:
        """Where in `joined` each begins, as a column."""
        sizes = [len(table) for table in (self.pairs, self.triples, self.fours, self.shapes6)]
        return np.array([[place] for place in accumulate(sizes, initial=0)], np.uint32)


def load(folder: Traversable = DATA) -> Tables:
    """The tables that ship with the package. Raises where they are missing, cut short or exchanged: a detector without
    its weights would pass everything."""
    stored = content(folder, STRINGS, sums(folder))
    with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
        return Tables(**{name: arrays[name] for name in Tables.__struct_fields__})


def _folded() -> Array:
    """Characters to 7-bit symbols: one for all digits, a few for what is not ASCII, typographic marks as plain ones."""
    fold = np.full(65_536, 1, np.uint8)
    fold[:32] = fold[127:160] = 5
    fold[32:127] = np.arange(32, 127)
    fold[ord("0") : ord("9") + 1] = ord("0")
    fold[ord("\t")] = ord("\t")
    fold[[ord("\n"), ord("\r")]] = ord("\n")
    fold[0xC0:0x250] = fold[0x1E00:0x1F00] = 2
    fold[0x2190:0x2400] = 3
    fold[0x2500:0x2800] = fold[[0xFE0F, 0x200D, 0xFFFF]] = 4  # 0xFFFF stands for all beyond, emoji for the most part
    fold[0xA0] = fold[0x2000:0x200B] = ord(" ")
    fold[0x2010:0x2016] = ord("-")
    fold[0x2018:0x201C] = ord("'")
    fold[0x201C:0x2020] = ord('"')
    fold[0x2026] = ord(".")
    fold[[0xB7, 0x2022]] = ord("*")
    fold[[0x3001, 0x3002, 0xFF0C]] = ord(",")
    return fold


def _classed() -> Array:
    """Symbols to 16 classes."""
    groups = ("'\"`", ".!?", ",;:", "()", "[]", "{}", "\\", "-_", "/|<>", "=+*")
    classes = np.full(128, 15, np.uint8)
    classes[ord("a") : ord("z") + 1] = classes[1:3] = 0
    classes[ord("A") : ord("Z") + 1] = 1
    classes[[ord(c) for c in "0 \n\t"]] = 2, 3, 4, 4
    for n, group in enumerate(groups, 5):
        classes[[ord(c) for c in group]] = n
    return classes


FOLD = _folded()
CLASS = _classed()


_SYMBOLS = FOLD[:128].tobytes() + bytes(128)
_DIGITS = bytes(b"0123456789abcdef"[kind] for kind in CLASS) + bytes(128)
"""Symbols to their classes, as the digit that stands for each: two make a byte, eight a number, without arithmetic."""
_LAST = np.array([[0x3FFF], [0x1FFFFF], [0xFFFFFFF]], np.uint32)
"""What of a number made of four characters is the last two, three and four."""
_LAST6 = np.uint32(0xFFFFFF)
# Multiplicative hashing; a pair of characters is its own key, and comes out of the same shift unchanged.
FACTORS = np.array([[1 << (32 - BITS)], [0x9E3779B1], [0x85EBCA6B], [0xC2B2AE35], [0x27D4EB2F]], np.uint32)
_SHIFT = np.uint32(32 - BITS)


def keys(text: str) -> Array:
    """Where the n-grams of every character of a text but the first `BEFORE` stand in the tables: a row a table, in the
    order of `Tables`. On short texts numpy's cost is a call's, so what bytes can do is not left to arrays."""
    symbols = _symbols(text)
    count = len(symbols) - BEFORE
    found = np.empty((len(FACTORS), count), np.uint32)
    one = np.frombuffer(symbols, np.uint8).astype(np.uint32)
    two = one[BEFORE - 3 : -1] << 7
    two |= one[BEFORE - 2 :]
    four = two[:-2] << 14
    four |= two[2:]
    np.bitwise_and(four, _LAST, out=found[:3])
    digits = symbols.translate(_DIGITS).decode()
    # Eight digits from every even place, then from every odd one.
    for parity in (0, 1):
        packed = bytes.fromhex(digits[parity : len(digits) - (len(digits) - parity) % 2])
        shapes = found[4, parity::2]
        shapes[:] = np.ndarray(shapes.shape, ">u4", packed, 0, (1,))
    np.bitwise_and(found[4], _LAST6, out=found[3])
    found *= FACTORS
    found >>= _SHIFT
    return found


def _symbols(text: str) -> bytes:
    if text.isascii():
        return text.encode().translate(_SYMBOLS)
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return FOLD.take(np.minimum(points, 0xFFFF)).tobytes()


def _heights(evidence: Array) -> Array:
    """Page's CUSUM test: how far the sum of evidence stands above its lowest so far, before each character and after
    the last. From a zero to the peak that follows is a span, and the peak is the log odds that it is machine-made."""
    total = np.zeros(len(evidence) + 1, np.int64)
    np.add.accumulate(evidence, out=total[1:])
    # The same as `minimum`, whose loop over 64-bit whole numbers takes five times as long.
    total -= np.fmin.accumulate(total)
    return total


def rises(tables: Tables, text: str, breaks: Sequence[int] = ()) -> list[Rise]:
    """The spans of a text whose first `BEFORE` characters are context only; none goes over a break. By numpy;
    `strings` has a kernel for it."""
    at = keys(text)
    pairs = at[0]
    at += tables.begins
    evidence = np.add.reduce(tables.joined.take(at), axis=0, dtype=np.int16)
    np.minimum(np.maximum(evidence, -MOST, out=evidence), MOST, out=evidence)
    if breaks:
        evidence = evidence.astype(np.int64)
        evidence[np.array(breaks)] = -len(text) * MOST  # no span has more
    heights = _heights(evidence)
    if np.maximum.reduce(heights) < LEAST:
        return []
    # Repetition only takes away, so whatever was too low before stays so: only what rose high enough is read again.
    between = zip(*(places.tolist() for places in _high(heights)), strict=True)
    symbols = _symbols(text)[BEFORE:]
    return [
        Rise(begin, top, height, symbols.count(b" ", begin, top))
        for start, end in between
        for begin, top, height in _again(evidence, pairs, start, end)
    ]


def _again(evidence: Array, pairs: Array, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """One rise again: from where to where its spans go, and how high. Repetition is no evidence ("____", "[ [ [ ["): a
    pair of characters counts once, until all has sunk to zero, or by APART. What came before must not use up what a
    string is found by."""
    height = begin = top = best = 0
    seen: set[int] = set()
    units = zip(evidence[start:end].tolist(), pairs[start:end].tolist(), strict=True)
    for n, (one, pair) in enumerate(units, start):
        if not height:
            begin, top, best = n, n, 0
            seen.clear()
        height = max(0, height + (one if one <= 0 or pair not in seen else 0))
        if one > 0:
            seen.add(pair)
        if height > best:
            top, best = n + 1, height
        if best - height >= APART:
            height = 0
        if (not height or n == end - 1) and best >= LEAST:
            yield begin, top, best


class _Between(NamedTuple):
    """From which character to before which each of several rises goes."""

    starts: Array
    ends: Array


def _high(heights: Array) -> _Between:
    """The rises that reach LEAST."""
    zeros = np.flatnonzero(heights == 0)
    above = heights >= LEAST
    # Before the first of them it stands lower, but not at zero: no character adds so much.
    nexts = zeros.searchsorted(np.flatnonzero(above[1:] > above[:-1]))
    nexts = nexts[firsts(nexts)]
    ends = zeros.take(nexts, mode="clip")
    if len(nexts) and nexts[-1] == len(zeros):
        ends[-1] = len(heights) - 1  # it does not sink again
    return _Between(zeros[nexts - 1], ends)  # the first height of all is a zero
