"""surprise: a character language model of machine-made strings, and the spans of a text that it finds likely."""

import hashlib
import io
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

WEIGHTS: Traversable = resources.files("outworks.defenses") / "data" / "adversarial_string.npz"
SHA256 = "b78825592e142b18612a3ea9e563f0f436e36b8bfa3d701c490e6b5cf92a140f"
BITS = 17
"""Of a key into a hashed table: four tables of 128 KiB stay in a core's cache."""
UNITS = 32
"""In a nat: the tables hold whole units, so a score is the same on every machine."""
MOST = 48
"""Units that one character may add or take, so that one odd junction is never enough."""
EVEN = 430
"""Units at which a span scores 0.5: the threshold's default, fixed on dev (docs/design/adversarial-string.md)."""
LENGTH = 2_048
"""Characters of a text up to which EVEN holds."""
LEAST = EVEN // 2
"""Units below which a span is not worth recording."""
CHUNK = 16_384
"""Characters read at a stretch; between stretches other exchanges get their turn."""
OVERLAP = 1_024
"""Characters read twice, so that a span across two stretches is whole in one (a GCG suffix has 40 to 300)."""
BEFORE = 7
"""Characters before one that its n-grams need."""
_BREAK = "\n" * BEFORE


class _Rise(NamedTuple):
    """A span of a stretch, and its log odds in units."""

    start: int
    end: int
    height: int


class Suspect(NamedTuple):
    """A span of a text that reads as machine-made."""

    start: int
    end: int
    score: float


class Tables(msgspec.Struct, frozen=True):
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


def load(file: Traversable = WEIGHTS, sha256: str = SHA256) -> Tables:
    """The tables that ship with the package. Raises where they are missing, cut short or exchanged: a detector without
    its weights would pass everything."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise FileNotFoundError(f"adversarial_string: its weights cannot be read: {file}: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"adversarial_string: {file} is not the file that this version shipped with: "
            f"its sha256 is {found[:16]}..., not {sha256[:16]}..."
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return Tables(**{name: stored[name] for name in Tables.__struct_fields__})


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


class Keys(NamedTuple):
    """Where each character's n-grams stand in the tables, in the order of `Tables`."""

    pairs: Array
    triples: Array
    fours: Array
    shapes6: Array
    shapes8: Array


def keys(text: str) -> Keys:
    """The keys of every character of a text but the first `BEFORE`."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    symbols = FOLD.take(np.minimum(points, 0xFFFF))
    one = symbols.astype(np.uint32)
    two = one[:-1] << 7 | one[1:]
    shape = CLASS.take(symbols).astype(np.uint32)
    shape2 = shape[:-1] << 4 | shape[1:]
    shape4 = shape2[:-2] << 8 | shape2[2:]
    return Keys(
        two[6:],
        _hashed(two[5:-1] << 7 | one[7:], _FACTORS[0]),
        _hashed(two[4:-2] << 14 | two[6:], _FACTORS[1]),
        _hashed(shape4[2:-2] << 8 | shape2[6:], _FACTORS[2]),
        _hashed(shape4[:-4] << 16 | shape4[4:], _FACTORS[3]),
    )


def _hashed(ngrams: Array, factor: np.uint32) -> Array:
    return ngrams * factor >> _SHIFT


_FACTORS = tuple(map(np.uint32, (0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35, 0x27D4EB2F)))
_SHIFT = np.uint32(32 - BITS)


def _heights(evidence: Array) -> Array:
    """Page's CUSUM test: how far the sum of evidence stands above its lowest so far, before each character and after
    the last. From a zero to the peak that follows is a span, and the peak is the log odds that it is machine-made."""
    total = np.zeros(len(evidence) + 1, np.int32)
    np.cumsum(evidence, out=total[1:])
    return total - np.minimum.accumulate(total)


def _stretch(tables: Tables, text: str, breaks: Sequence[int]) -> Iterator[_Rise]:
    """The spans of a text whose first `BEFORE` characters are context only; none goes over a break."""
    at = keys(text)
    evidence = np.add(tables.pairs.take(at.pairs), tables.triples.take(at.triples), dtype=np.int16)
    evidence += tables.fours.take(at.fours)
    evidence += tables.shapes6.take(at.shapes6)
    evidence += tables.shapes8.take(at.shapes8)
    np.minimum(np.maximum(evidence, -MOST, out=evidence), MOST, out=evidence)
    if breaks:
        evidence[breaks] = -32_000
    heights = _heights(evidence)
    if heights.max() < LEAST:
        return
    # Repetition is no evidence ("____", "[ [ [ ["): in one rise, a pair of characters counts once. This only takes
    # away, so whatever was too low before stays so.
    rise = np.cumsum(heights[:-1] == 0)
    odd = np.flatnonzero(evidence > 0)
    _, first = np.unique(rise[odd] << 14 | at.pairs[odd], return_index=True)
    once = np.minimum(evidence, 0)
    once[odd[first]] = evidence[odd[first]]
    heights = _heights(once)
    starts = np.flatnonzero(heights == 0)
    ends = np.append(starts[1:], len(heights))
    for n in np.flatnonzero(np.maximum.reduceat(heights, starts) >= LEAST):
        start = int(starts[n])
        end = start + int(heights[start : ends[n]].argmax())
        yield _Rise(start, end, int(heights[end]))


def score(height: int, length: int) -> float:
    """Units to 0..1. A text twice as long has twice the places for chance to strike, and must show ln 2 nats more."""
    return height / (height + EVEN + UNITS * math.log(max(1.0, length / LENGTH)))


class Placed(NamedTuple):
    """A suspect, and which of the texts it stands in."""

    text: int
    suspect: Suspect


def stretches(tables: Tables, texts: Sequence[str]) -> Iterator[list[Placed]]:
    """The spans of several texts, read together (numpy's cost is a call's, not a character's) a stretch at a time."""
    whole = _BREAK + _BREAK.join(texts)
    starts = list(accumulate((len(text) + BEFORE for text in texts[:-1]), initial=BEFORE))
    for begin in range(BEFORE, max(len(whole), BEFORE + 1), CHUNK - OVERLAP):
        end = begin + CHUNK
        breaks = [start - 1 - begin for start in starts[bisect_right(starts, begin) : bisect_right(starts, end)]]
        found = []
        for rise in _stretch(tables, whole[begin - BEFORE : end], breaks):
            n = bisect_right(starts, begin + rise.start) - 1
            shift, length = begin - starts[n], len(texts[n])
            found.append(
                Placed(n, Suspect(rise.start + shift, min(rise.end + shift, length), score(rise.height, length)))
            )
        yield found


def spans(tables: Tables, text: str) -> list[Suspect]:
    """The machine-made spans of a text, in order; where two stretches saw parts of one, the surer."""
    found: list[Suspect] = []
    for stretch in stretches(tables, [text]):
        for _, suspect in stretch:
            if found and suspect.start < found[-1].end:
                found[-1] = max(found[-1], suspect, key=lambda each: each.score)
            else:
                found.append(suspect)
    return found
