"""Shingles: what is kept of a known text so that it, and texts like it, can be found without keeping the text."""

import hashlib
from collections.abc import Iterator
from string import hexdigits
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from outworks import kernels

Keys = NDArray[np.uint64]

WIDTH = 10
"""Bytes of the normal form in a shingle: about two English words; three characters of Chinese."""
SKETCH = 32
"""Shingles kept of a text, at most."""
_FIRST, _SECOND, _MIX = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 32))
_FACTORS = np.array([_FIRST, _SECOND], np.uint64)
_WORD, _PLACE = np.dtype("<u8"), np.dtype(np.int64)
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))


def unmixed(data: bytes) -> Keys:
    """What `mixed` makes keys of, for every run of `WIDTH` bytes, by the place where it begins."""
    count = len(data) - WIDTH + 1
    if count <= 0:
        return np.zeros(0, np.uint64)
    # Two overlapping eight-byte words cover the run: a view with a stride of one byte reads them. The copy puts them
    # where words lie: numpy would go over any others by way of buffers of 64 KiB, made anew for each operation.
    words = np.ndarray((len(data) - 7,), _WORD, data, 0, (1,)).copy()
    found: Keys = words[:count] * _FIRST
    found ^= words[WIDTH - 8 :] * _SECOND
    return found


def mixed(found: Keys) -> Keys:
    """The keys: a mixture that can be undone, so that a table can be asked before anything is mixed."""
    hashed = found ^ (found >> _MIX)
    hashed *= _FIRST
    hashed ^= hashed >> _MIX
    return hashed


def keys(data: bytes) -> Keys:
    """A hash of every run of `WIDTH` bytes, by the place where it begins."""
    return mixed(unmixed(data))


def _undone(hashed: Keys) -> Keys:
    """The inverse of `mixed`."""
    found = hashed ^ (hashed >> _MIX)
    found *= _INVERSE
    found ^= found >> _MIX
    return found


class Print(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The fingerprint of one text. It outlives the text, and cannot be read back."""

    digest: str
    """SHA-256 of the normal form, in hexadecimal."""
    length: int
    """Bytes of the normal form."""
    characters: int
    """Characters of the normal form."""
    sketch: str = ""
    """The least keys of its shingles, ascending, in hexadecimal: a bottom-k MinHash (Broder 1997). Held against *all*
    shingles of a text it estimates how much of the entry the text contains, however long the text is (the asymmetric
    use that FracMinHash makes of it: Irber et al. 2022)."""
    anchor: int = 0
    """Where the shingle with the least key first begins: a containment is looked for only where that key occurs."""
    opening: str = ""
    """The key of the first shingle, in hexadecimal."""
    prefixes: str = ""
    """Eight-byte digests of the first 2, 4, 8... times `WIDTH` bytes, in hexadecimal: they tell, while a text still
    grows, whether it goes on as the entry does."""

    def __post_init__(self) -> None:
        """Prints come from others' files too. Raises ValueError for one that no text has: nothing could be found by it,
        and a bank could not be read that holds it."""
        shingled = self.length >= WIDTH
        expected = (
            ("digest", 64, 64),
            ("sketch", 16 * shingled, 16 * SKETCH * shingled),
            ("opening", 16 * shingled, 16 * shingled),
            ("prefixes", *(16 * sum(1 for _ in prefix_lengths(self.length)),) * 2),
        )
        for name, least, most in expected:
            given = getattr(self, name)
            if not least <= len(given) <= most or len(given) % 16 or not set(given) <= _HEX:
                raise ValueError(f"{name}: no text of {self.length} bytes has {given[:40]!r}")
        if not 0 <= self.anchor <= max(0, self.length - WIDTH):
            raise ValueError(f"anchor: {self.anchor} is outside of a text of {self.length} bytes")

    def keys(self) -> list[int]:
        """The sketch."""
        return [int(key) for key in np.frombuffer(bytes.fromhex(self.sketch), "<u8")]

    def opening_key(self) -> int:
        """The key of the first shingle."""
        return int(self.opening, 16)


_HEX = frozenset(hexdigits)


def fingerprint(data: bytes) -> Print:
    """The print of a normal form."""
    hashed = keys(data)
    characters = len(data.decode("utf-8", "surrogatepass"))
    if not len(hashed):
        return Print(digest=digest(data), length=len(data), characters=characters)
    sketch = np.unique(hashed)[:SKETCH]
    return Print(
        digest=digest(data),
        length=len(data),
        characters=characters,
        sketch=sketch.astype("<u8").tobytes().hex(),
        anchor=int((hashed == sketch[0]).argmax()),
        opening=f"{int(hashed[0]):016x}",
        prefixes="".join(prefix_digest(data[:length]) for length in prefix_lengths(len(data))),
    )


def digest(data: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def prefix_digest(data: bytes) -> str:
    """Eight bytes of BLAKE2b, in hexadecimal."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def prefix_lengths(length: int) -> Iterator[int]:
    """The lengths of the prefixes of a text that its print has digests of."""
    prefix = 2 * WIDTH
    while prefix < length:
        yield prefix
        prefix *= 2


class Index:
    """A hash table that numbers keys, looked up a whole text at a time and grown one key at a time.

    Chains in flat arrays under one fixed table of heads: adding never rebuilds anything, so that a bank of 100,000
    grows without a stall, and a key costs 12 bytes. Numbers begin at 1.
    """

    def __init__(self, bits: int) -> None:
        self._mask = np.uint64((1 << bits) - 1)
        self._heads = np.zeros(1 << bits, np.uint32)
        # Zeroed pages are not there until something is written on them.
        self._keys = np.zeros(1 << bits, np.uint64)
        self._next = np.zeros(1 << bits, np.uint32)
        self._size = 1

    def __len__(self) -> int:
        return self._size - 1

    @property
    def known(self) -> Keys:
        """Every key, by its number less one."""
        return self._keys[1 : self._size]

    def add(self, key: int) -> int:
        """The number of a key, a new one where it has none yet."""
        bucket = key & int(self._mask)
        node = head = int(self._heads[bucket])
        while node:
            if self._keys[node] == key:
                return node
            node = int(self._next[node])
        if self._size == len(self._keys):
            self._keys = np.concatenate([self._keys, np.zeros_like(self._keys)])
            self._next = np.concatenate([self._next, np.zeros_like(self._next)])
        node = self._size
        self._size += 1
        self._keys[node], self._next[node], self._heads[bucket] = key, head, node
        return node

    def find(self, hashed: Keys) -> "Found":
        """Which keys of a text have a number."""
        nodes = self._heads.take((hashed & self._mask).view(np.int64))
        # Most keys of most texts lead to no chain at all, and most chains are of one; the others are walked together.
        places = nodes.nonzero()[0]
        nodes = nodes[places]
        found: list[Found] = []
        while len(places):
            same = (self._keys.take(nodes) == hashed.take(places)).nonzero()[0]
            if len(same):
                found.append(Found(places[same], nodes[same]))
            nodes = self._next.take(nodes)
            further = nodes.nonzero()[0]
            places, nodes = places[further], nodes[further]
        if len(found) == 1:
            return found[0]
        if not found:
            return Found(places, nodes)
        return Found(np.concatenate([f.places for f in found]), np.concatenate([f.numbers for f in found]))


class Found(msgspec.Struct, frozen=True):
    """What an index found in a text, in no particular order."""

    places: NDArray[np.int64]
    """Where a shingle with a known key begins."""
    numbers: NDArray[np.uint32]
    """The number of that key."""


class Sifted(NamedTuple):
    """What a sieve lets through of a text."""

    known: int
    """How many keys."""
    highest: int
    """The greatest mark of these; 0 without any."""


class Sieve:
    """A byte a bucket: tells of most texts, in one pass or a handful of numpy calls, that none of their keys is known.

    A call costs more than what it does to 300 bytes, and a chained table of megabytes costs a cache miss a key; so the
    keys of a text are mixed, and looked up in an `Index`, only where this lets them through.
    """

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self._shift = np.uint64(64 - bits)
        self._marks = np.zeros(1 << bits, np.uint8)

    def add(self, hashed: Keys, mark: int) -> None:
        """Let keys through with a mark; of several marks in one bucket the greatest holds."""
        buckets = (_undone(hashed) >> self._shift).view(np.int64)
        self._marks[buckets] = np.maximum(self._marks[buckets], np.uint8(mark))

    def sifted(self, data: bytes) -> Sifted:
        """Of a normal form, how much is let through: most texts end here."""
        if (fast := kernels.compiled) is None:
            return self.sifted_by_numpy(data)
        return Sifted(*fast.sift(data, _FACTORS, 64 - self.bits, self._marks))

    def sifted_by_numpy(self, data: bytes) -> Sifted:
        """The same where there is no compiler."""
        marks = self.marks(unmixed(data))
        known = len(marks) - marks.count(0)
        return Sifted(known, max(marks) if known else 0)

    def marks(self, found: NDArray[np.uint64]) -> bytes:
        """The mark of every key of a text, given unmixed; 0 for one that is certainly not known."""
        return self._marks.take((found >> self._shift).view(_PLACE)).tobytes()


def let_through(marks: bytes) -> NDArray[np.int64]:
    """The places of the keys that a sieve has a mark for."""
    return np.frombuffer(marks, np.uint8).nonzero()[0]
