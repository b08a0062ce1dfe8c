"""Shingles: what is kept of a known text so that it, and texts like it, can be found without keeping the text."""

import hashlib
from array import array
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

WIDTH = 10
"""Bytes of the normal form in a shingle: about two English words; three characters of Chinese."""
SKETCH = 32
"""Shingles kept of a text, at most."""
_FIRST, _SECOND, _MIX = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 32))


def keys(data: bytes) -> Keys:
    """A hash of every run of `WIDTH` bytes, by the place where it begins."""
    count = len(data) - WIDTH + 1
    if count <= 0:
        return np.zeros(0, np.uint64)
    # Two overlapping eight-byte words cover the run: a view with a stride of one byte reads them without a copy.
    words = np.ndarray((len(data) - 7,), "<u8", data, 0, (1,))
    hashed: Keys = words[:count] * _FIRST
    hashed ^= words[WIDTH - 8 :] * _SECOND
    hashed ^= hashed >> _MIX
    hashed *= _FIRST
    hashed ^= hashed >> _MIX
    return hashed


class Print(msgspec.Struct, frozen=True, kw_only=True):
    """The fingerprint of one text. It outlives the text, and cannot be read back."""

    digest: str
    """SHA-256 of the normal form, in hexadecimal."""
    length: int
    """Bytes of the normal form."""
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

    def keys(self) -> list[int]:
        """The sketch."""
        return [int(key) for key in np.frombuffer(bytes.fromhex(self.sketch), "<u8")]

    def opening_key(self) -> int:
        """The key of the first shingle."""
        return int(self.opening, 16)


def fingerprint(data: bytes) -> Print:
    """The print of a normal form."""
    hashed = keys(data)
    if not len(hashed):
        return Print(digest=digest(data), length=len(data))
    sketch = np.unique(hashed)[:SKETCH]
    return Print(
        digest=digest(data),
        length=len(data),
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
    """A hash table from keys to numbers: looked up a whole text at a time, and grown one key at a time.

    Chains of nodes in flat arrays under one fixed table of heads: adding never rebuilds anything, so a bank of 100,000
    grows without a stall, and a key costs 16 bytes.
    """

    def __init__(self, bits: int = 22) -> None:
        self._mask = np.uint64((1 << bits) - 1)
        self._heads = np.zeros(1 << bits, np.uint32)
        self._keys = array("Q", [0])
        self._values = array("I", [0])
        self._next = array("I", [0])

    def add(self, key: int, value: int) -> None:
        """Put a number under a key. One key may have many."""
        bucket = key & int(self._mask)
        self._keys.append(key)
        self._values.append(value)
        self._next.append(int(self._heads[bucket]))
        self._heads[bucket] = len(self._keys) - 1

    def find(self, hashed: Keys) -> "Found":
        """Which numbers lie under the keys of a text."""
        nodes = self._heads.take((hashed & self._mask).view(np.int64))
        hits = nodes.nonzero()[0]
        places: dict[int, list[int]] = {}
        first: dict[int, int] = {}
        for place, node, key in zip(hits.tolist(), nodes[hits].tolist(), hashed[hits].tolist(), strict=True):
            seen = places.get(key)
            if seen is None:
                places[key], first[key] = [place], node
            else:
                seen.append(place)
        values: dict[int, list[int]] = {}
        for key, head in first.items():
            node = head
            while node:
                if self._keys[node] == key:
                    values.setdefault(self._values[node], []).append(key)
                node = self._next[node]
        return Found(values, places)


class Found(msgspec.Struct, frozen=True):
    """What an index found in a text."""

    values: dict[int, list[int]]
    """The distinct keys of the text under which each number lies."""
    places: dict[int, list[int]]
    """Where in the text each key begins, ascending."""
