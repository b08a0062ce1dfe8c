"""grams: the hashed words and characters of texts, read together in a few passes over their bytes."""

from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

BITS = 18
"""Of a bucket: the first half of a table is words', the second characters'."""
BUCKETS = 2 << BITS
RUN = 4
"""Bytes in a run of characters: four letters of Latin, one or two of other scripts."""
CHUNK = 1 << 15
"""Bytes read at once, at most; what is longer the caller cuts."""
KINDS = 4
"""Of word grams."""
SHIFT = 64 - BITS
"""Of a hash, to a bucket."""
_BASE = 0x9E3779B97F4A7C15
_SECOND, _THIRD, _SKIP, _MIX = (
    np.uint64(n) for n in (0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xFF51AFD7ED558CCD)
)
_CHARS = np.uint64(1 << BITS)
WORD_BYTES = bytes(code >= 128 or chr(code).isalnum() or code == ord("'") for code in range(256))


def _values() -> Array:
    """A random number for each byte; the two cases of a letter share one, as do all digits and all blanks."""
    values = np.random.default_rng(8600).integers(1, 2**63, 256, np.uint64) * np.uint64(2) + np.uint64(1)
    values[ord("A") : ord("Z") + 1] = values[ord("a") : ord("z") + 1]
    values[ord("0") : ord("9") + 1] = values[ord("0")]
    values[[ord(c) for c in "\t\n\r\v\f"]] = values[ord(" ")]
    return values


def _powers(base: int) -> Array:
    powers = np.full(CHUNK, base, np.uint64)
    powers[0] = 1
    return np.multiply.accumulate(powers)


_VALUES = _values()
_POWERS = _powers(_BASE)
_INVERSE = _powers(pow(_BASE, -1, 1 << 64))
"""A run of bytes hashes alike wherever it stands: the sum of value times power, divided by the first's power."""
_MIXED = _INVERSE * _MIX
PLACED = np.multiply.outer(_POWERS[:RUN], _VALUES * _MIX)
"""[RUN, 256]: what a byte adds to the hash of a run, by its place in it. For `kernels`."""
FACTORS = np.array([_BASE, _SECOND, _THIRD, _SKIP], np.uint64)
"""The base; what the second and third word are multiplied by in grams, and the third where the second is left out."""


class Grams(msgspec.Struct, frozen=True):
    """Where the grams of a stretch of bytes stand in a table."""

    starts: Array
    """Where each word begins."""
    words: Array
    """[KINDS, words]: the bucket of each word, and of it with the next, with the next two, and with the one after the
    next. In the last two columns only the first row, or two, mean something."""
    chars: Array
    """[bytes]: the bucket of the RUN bytes from each place on; the last RUN - 1 mean nothing."""


def add_up(numbers: Array, out: Array) -> None:
    """Running sums modulo 2^64. As signed numbers, of which the sums are the same bits in half the time."""
    np.add.accumulate(numbers.view(np.int64), out=out.view(np.int64))


def firsts(values: Array) -> Array:
    """Where another value begins, in an array in which equal ones stand together."""
    new = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return np.flatnonzero(new)


def read(data: bytes) -> Grams:
    """The grams of at most CHUNK bytes."""
    size = len(data)
    total, terms = _running(data)
    chars = np.subtract(total[RUN:], total[:size], out=terms)
    chars *= _MIXED[:size]
    chars >>= np.uint64(SHIFT)
    chars += _CHARS
    starts, _, word = _words(total, data, WORD_BYTES)
    count = len(starts)
    words = np.empty((KINDS, count), np.uint64)
    words[0] = word[:count]
    np.multiply(word[1 : count + 1], _SECOND, out=words[1])
    words[1] += words[0]
    np.multiply(word[2:], _THIRD, out=words[2])
    words[2] += words[1]
    np.multiply(word[2:], _SKIP, out=words[3])
    words[3] += words[0]
    words >>= np.uint64(SHIFT)
    return Grams(starts, words.view(np.int64), chars.view(np.int64))


class Words(NamedTuple):
    """The words of a stretch of bytes, one after the other."""

    starts: Array
    ends: Array
    """[words], bytes."""
    hashes: Array
    """[words], uint64: the same for the same letters, small or capital."""


def hashed(data: bytes, inside: bytes) -> Words:
    """The words of at most CHUNK bytes. `inside`, a table as `bytes.translate` takes, has 1 for each byte that words
    are made of, else 0."""
    starts, ends, padded = _words(_running(data)[0], data, inside)
    return Words(starts, ends, padded[:-2])


def _running(data: bytes) -> tuple[Array, Array]:
    """[bytes + RUN], the sums of all terms before a place; and [bytes], the terms."""
    size = len(data)
    total = np.zeros(size + RUN, np.uint64)
    terms = _VALUES.take(np.frombuffer(data, np.uint8))
    terms *= _POWERS[:size]
    add_up(terms, total[1 : size + 1])
    return total, terms


def _words(total: Array, data: bytes, inside: bytes) -> Words:
    """As `hashed`, but for two hashes more, which mean nothing: every word has a next, and one after that."""
    within = np.zeros(len(data) + 2, np.bool_)
    within[1:-1] = np.frombuffer(data.translate(inside), np.bool_)
    edges = np.flatnonzero(within[1:] != within[:-1])
    starts, ends = edges[::2], edges[1::2]
    count = len(starts)
    hashes = np.zeros(count + 2, np.uint64)
    np.subtract(total[ends], total[starts], out=hashes[:count])
    hashes[:count] *= _MIXED[starts]
    return Words(starts, ends, hashes)
