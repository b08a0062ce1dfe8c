"""linear: the first stage, a linear model over hashed grams whose weights for several categories share one number."""

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np

from outworks import kernels
from outworks.detectors.grams import (
    BUCKETS,
    CHUNK,
    FACTORS,
    PLACED,
    RUN,
    SHIFT,
    WORD_BYTES,
    Array,
    add_up,
    firsts,
    read,
)

LANES = 3
"""Weights in one number: 21 bits each, so that the sum over a window (4,096 grams of at most 127) never overflows."""
_WIDTH = 64 // LANES


class Scale(NamedTuple):
    """A way to look at long texts: windows of so many bytes, one every half."""

    width: int
    least: int
    """Bytes from which a text is looked at in this way; shorter ones are one window of some other scale."""


WIDE = Scale(1_024, 2_048)
NARROW = Scale(320, 480)
"""So that a few sentences are not outvoted by what is around them."""


class Table(msgspec.Struct, frozen=True, dict=True):
    """Weights: `weights` [groups, BUCKETS] of LANES packed whole numbers, `scale` and `bias` [lanes]."""

    packed: Array
    scale: Array
    bias: Array
    scales: tuple[Scale, ...] = (WIDE, NARROW)
    """Widest first."""

    @cached_property
    def scaled(self) -> Array:
        """[scales, 2]: `scales`, for `kernels`."""
        return np.array(self.scales, np.int64)

    @property
    def lanes(self) -> int:
        """How many categories."""
        return len(self.bias)

    @property
    def least(self) -> int:
        """Bytes below which a text is one window."""
        return self.scales[-1].least


def packed(weights: Array) -> Array:
    """[groups, BUCKETS] of uint64 from int8 [BUCKETS, lanes]. Negative weights borrow from the lane above; `_unpacked`
    gives it back."""
    lanes = weights.shape[1]
    groups = np.zeros((-(-lanes // LANES), len(weights)), np.uint64)
    for lane in range(lanes):
        shift = np.uint64(_WIDTH * (lane % LANES))
        groups[lane // LANES] += weights[:, lane].astype(np.int64).view(np.uint64) << shift
    return groups


_HIGH = np.int64(64 - _WIDTH)
_STEP = np.int64(_WIDTH)


def _unpacked(sums: Array, lanes: int) -> Array:
    """[lanes, ...] from packed sums [groups, ...]: each lane is signed, and has borrowed from the one above it."""
    found = np.empty((lanes, *sums.shape[1:]), np.float64)
    for group, left in enumerate(sums.view(np.int64)):
        for lane in range(group * LANES, min(lanes, (group + 1) * LANES)):
            low = left << _HIGH
            low >>= _HIGH
            found[lane] = low
            left = (left - low) >> _STEP
    return found


class Highest(NamedTuple):
    """Of the windows of texts."""

    logits: Array
    """[texts, lanes]: the highest."""
    starts: Array
    ends: Array
    """[texts, lanes]: the bytes of the first window that has it; the whole text where it is no higher than 0."""


def highest(table: Table, texts: Sequence[bytes]) -> Highest:
    """The highest logits of each text's windows, and where they stand. What a text gets does not depend on what it is
    read beside."""
    if (fast := kernels.compiled) is None:
        return highest_by_numpy(table, texts)
    shape = len(texts), table.lanes
    found = Highest(np.empty(shape), np.empty(shape, np.int64), np.empty(shape, np.int64))
    how = (WORD_BYTES, PLACED, FACTORS, SHIFT, table.packed, table.scale, table.bias)
    fast.highest(tuple(texts), *how, table.scaled, CHUNK, WIDE.width, *found)
    return found


def highest_by_numpy(table: Table, texts: Sequence[bytes]) -> Highest:
    """The same where there is no compiler."""
    shape = len(texts), table.lanes
    found = Highest(np.full(shape, -np.inf), np.zeros(shape, np.int64), np.zeros(shape, np.int64))
    found.ends[:] = np.array([len(text) for text in texts], np.int64)[:, None]
    for seen in windows(table, texts):
        edges = firsts(seen.text)
        of, logits = seen.text[edges], np.maximum.reduceat(seen.logits, edges)
        # Where a category stands is told only where it is likelier than not.
        for at, lane in np.argwhere((logits > 0) & (logits > found.logits[of])).tolist():
            begin, end = edges[at], edges[at + 1] if at + 1 < len(edges) else len(seen.text)
            place = begin + int(seen.logits[begin:end, lane].argmax())
            found.starts[of[at], lane], found.ends[of[at], lane] = seen.start[place], seen.end[place]
        found.logits[of] = np.maximum(found.logits[of], logits)
    return found


class Windowed(NamedTuple):
    """The windows of several texts."""

    text: Array
    """[windows]: which text each is of."""
    start: Array
    end: Array
    """[windows]: bytes of that text."""
    logits: Array
    """[windows, lanes]."""


class _Placed(NamedTuple):
    text: int
    """Which of all texts."""
    begin: int
    """Where the piece begins in its text."""
    at: int
    """Where it begins in the bytes read."""
    size: int
    whole: int
    """Bytes of its text."""


def _packs(texts: Sequence[bytes]) -> Iterator[tuple[bytes, list[_Placed]]]:
    """Texts joined, or cut with overlaps, to what is read at once."""
    parts: list[bytes] = []
    placed: list[_Placed] = []
    size = 0
    step = CHUNK - WIDE.width
    for n, text in enumerate(texts):
        for begin in range(0, max(1, len(text) - WIDE.width if len(text) > CHUNK else 1), step):
            piece = text[begin : begin + CHUNK] if len(text) > CHUNK else text
            if size + len(piece) > CHUNK and parts:
                yield b" ".join(parts), placed
                parts, placed, size = [], [], 0
            placed.append(_Placed(n, begin, size, len(piece), len(text)))
            parts.append(piece)
            size += len(piece) + 1
    if parts:
        yield (b" ".join(parts) if len(parts) > 1 else parts[0]), placed


def windows(table: Table, texts: Sequence[bytes]) -> Iterator[Windowed]:
    """The logits of every window of the texts, read together. Each text has at least one window, and what it gets does
    not depend on its neighbours."""
    if len(texts) == 1 and len(texts[0]) < table.least:
        yield _short(table, texts[0], 0)
        return
    for data, placed in _packs(texts):
        yield _read(table, data, placed)


def _read(table: Table, data: bytes, placed: Sequence[_Placed]) -> Windowed:
    at, owners = _spans(placed, table.scales)
    grams = read(data)
    lanes, count = table.lanes, at.shape[1]
    edges = np.empty((2, 2, count), np.int64)
    edges[0] = grams.starts.searchsorted(at)
    edges[1] = at
    np.maximum(at[1] - (RUN - 1), at[0], out=edges[1, 1])
    sums = np.empty((len(table.packed), 2, count), np.uint64)
    if len(placed) > 1:
        ends = grams.starts.searchsorted([piece.at + piece.size for piece in placed])
    for group, weights in enumerate(table.packed):
        words = weights.take(grams.words)
        # No gram of words goes over the end of a text: the score must not depend on what it was read beside.
        if len(placed) == 1:
            words[1:, -1:] = 0
            words[2:, -2:-1] = 0
        else:
            words[1:, ends[ends >= 1] - 1] = 0
            words[2:, ends[ends >= 2] - 2] = 0
        for n, values in enumerate((np.add.reduce(words, axis=0), weights.take(grams.chars))):
            total = np.zeros(len(values) + 1, np.uint64)
            add_up(values, total[1:])
            # Sums modulo 2^64: their differences are exact, as the true ones fit.
            np.subtract(total[edges[n, 1]], total[edges[n, 0]], out=sums[group, n])
    sizes = edges[:, 1] - edges[:, 0]
    sizes[1] = at[1] - at[0]
    roots = np.sqrt(np.maximum(sizes, 1))
    logits = np.add.reduce(_unpacked(sums, lanes) / roots, axis=1).T
    logits *= table.scale
    logits += table.bias
    begin = np.array([piece.begin - piece.at for piece in placed])[owners]
    text = np.array([piece.text for piece in placed])[owners]
    return Windowed(text, at[0] + begin, at[1] + begin, logits)


def _short(table: Table, data: bytes, text: int) -> Windowed:
    """One text that is one window, without what only several need. On short texts numpy's cost is a call's."""
    grams = read(data)
    words, size = grams.words.shape[1], len(data)
    logits = np.empty((1, table.lanes))
    roots = math.sqrt(max(words, 1)), math.sqrt(max(size, 1))
    for group, weights in enumerate(table.packed):
        found = weights.take(grams.words)
        found[1:, -1:] = 0
        found[2:, -2:-1] = 0
        sums = int(np.add.reduce(found, axis=None)), int(np.add.reduce(weights.take(grams.chars[: 1 - RUN])))
        lanes = range(group * LANES, min(table.lanes, (group + 1) * LANES))
        for lane, spoken, spelt in zip(lanes, _lanes(sums[0]), _lanes(sums[1]), strict=False):
            logits[0, lane] = spoken / roots[0] + spelt / roots[1]
    logits *= table.scale
    logits += table.bias
    return Windowed(np.array([text]), np.array([0]), np.array([size]), logits)


def _lanes(left: int) -> Iterator[int]:
    """The lanes of one packed sum."""
    half, whole = 1 << _WIDTH - 1, 1 << _WIDTH
    for _ in range(LANES):
        low = (left + half) % whole - half
        yield low
        left = (left - low) >> _WIDTH


class _Spans(NamedTuple):
    """The windows of several pieces, piece by piece."""

    at: Array
    """[2, windows]: where each begins and ends in the bytes read."""
    owners: Array
    """[windows]: which piece it is of."""


def _spans(placed: Sequence[_Placed], scales: tuple[Scale, ...]) -> _Spans:
    if len(placed) == 1:
        return _spans_of_one(placed[0], scales)
    at, size, whole = np.array([(piece.at, piece.size, piece.whole) for piece in placed], np.int64).T
    owners = np.flatnonzero(whole < scales[0].least)
    if len(owners) == len(placed) and (whole < scales[-1].least).all():
        return _Spans(np.stack((at, at + size)), owners)
    found = [(owners, at[owners], (at + size)[owners])]
    for width, least in scales:
        step = width // 2
        several = np.flatnonzero(whole >= least)
        counts = np.maximum(1, (size[several] - 1) // step)
        owners = np.repeat(several, counts)
        begins = (np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)) * step + at[owners]
        found.append((owners, begins, np.minimum(begins + width, (at + size)[owners])))
    owners, begins, ends = (np.concatenate(each) for each in zip(*found, strict=True))
    order = owners.argsort(kind="stable")
    return _Spans(np.stack((begins[order], ends[order])), owners[order])


def _spans_of_one(piece: _Placed, scales: tuple[Scale, ...]) -> _Spans:
    """The same without what only several need: most of a long text's pieces are read alone."""
    end = piece.at + piece.size
    found = [np.array([[piece.at], [end]])] if piece.whole < scales[0].least else []
    for width, least in scales:
        if piece.whole >= least:
            step = width // 2
            begins = np.arange(piece.at, piece.at + max(1, (piece.size - 1) // step) * step, step)
            found.append(np.stack((begins, np.minimum(begins + width, end))))
    at = np.concatenate(found, axis=1)
    return _Spans(at, np.zeros(at.shape[1], np.int64))


def quantised(weights: Array) -> tuple[Array, Array]:
    """int8 [BUCKETS, lanes] and the scale [lanes] of weights; the largest in a thousand are clipped."""
    scale = np.quantile(np.abs(weights), 0.9998, axis=0) / 127 + 1e-9
    return np.clip(np.round(weights / scale), -127, 127).astype(np.int8), scale.astype(np.float64)


def empty(lanes: int) -> Array:
    """Weights before training."""
    return np.zeros((BUCKETS, lanes), np.float32)
