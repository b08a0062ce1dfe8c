"""Screen: which of many texts may hold an entry of a bank, at the speed of a few passes over their bytes.

What it lets through is looked at by the bank itself, so that a hunt finds exactly what the defense would have found.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from outworks.defenses.bank import NEAR
from outworks.defenses.entry import CONTAINED_FROM, Entry
from outworks.defenses.shingles import WIDTH, Keys, Sieve, digest, keys, let_through, mixed, unmixed
from outworks.hunt.said import is_plain, request_of
from outworks.normalise import fold_ascii, normalise

_CHUNK = 1 << 15
"""Bytes looked at in one pass: what a pass leaves must still be in the processor's cache at the next one."""
_FEWEST = 6
"""Shingles of the bank below which a text is no near-duplicate of any entry; the bank has the same bound."""
_BOUNDARY = b"\xff"
"""Between two texts: a byte that is in no text, and in no shingle that the bank has."""
_TABLE_BITS = (16, 24)


class Screen:
    """Made for one bank's entries; those that are switched off are passed over."""

    def __init__(self, entries: Iterable[Entry], *, near: float = NEAR) -> None:
        """`near` is how much of an entry a near-duplicate contains."""
        owners: dict[int, list[int]] = {}
        anchors: dict[int, set[_Anchor]] = {}
        self._short: set[str] = set()
        self._longest_short = 0
        least: list[float] = []
        for number, entry in enumerate(entry for entry in entries if entry.enabled):
            least.append(max(_FEWEST, near * entry.size))
            for key in entry.print.keys() if entry.is_near else ():
                owners.setdefault(key, []).append(number)
            if entry.is_exact and entry.print.length >= CONTAINED_FROM:
                anchor = _Anchor(entry.print.anchor, entry.print.opening_key())
                anchors.setdefault(entry.print.keys()[0], set()).add(anchor)
            elif entry.is_exact:
                self._short.add(entry.print.digest)
                self._longest_short = max(self._longest_short, entry.print.length)
        self._least = np.array(least)
        self._keys: Keys = np.array(sorted(owners.keys() | anchors.keys()), np.uint64)
        names = self._keys.tolist()
        self._owners = _Lists([owners.get(key, []) for key in names])
        flat = [list(anchors.get(key, ())) for key in names]
        self._offsets = _Lists([[anchor.offset for anchor in some] for some in flat])
        self._openings = np.array([anchor.opening for some in flat for anchor in some], np.uint64)
        # A table so large that few shingles of other texts meet a mark in it, and so small that it stays near.
        bits = int(np.clip(np.ceil(np.log2(64 * max(1, len(self._keys)))), *_TABLE_BITS))
        self._sieve = Sieve(bits)
        self._sieve.add(self._keys, 1)

    def candidates(self, texts: Sequence[bytes], *, json: bool) -> list[int]:
        """The texts that may hold an entry. With `json` each is a request's content as the ledger keeps it: JSON, whose
        strings are the texts; else it is the words themselves. A request of which that is not all is let through."""
        rows = set(self._with_shingles(_form(_BOUNDARY.join(texts), json=json)))
        if json:
            rows.update(n for n, text in enumerate(texts) if not is_plain(text))
        if self._short:
            rows.update(n for n, text in enumerate(texts) if self._has_short(text, json=json))
        return sorted(rows)

    def _with_shingles(self, data: bytes) -> Iterator[int]:
        met = self._met(data) if len(self._keys) else None
        if met is None or not len(met.places):
            return
        boundaries = np.flatnonzero(np.frombuffer(data, np.uint8) == _BOUNDARY[0])
        row = np.searchsorted(boundaries, met.places)
        yield from self._whole(data, met, row)
        yield from self._nearly(met, row)

    def _whole(self, data: bytes, met: "_Met", row: NDArray[np.int64]) -> Iterator[int]:
        """The texts in which an entry may lie whole: its anchor is there, and at the right distance its beginning."""
        each = self._offsets.of(met.numbers)
        starts = met.places[each.which] - each.values
        begins = starts >= 0
        rows, starts, openings = row[each.which][begins], starts[begins], self._openings[each.places[begins]]
        windows = np.frombuffer(data, np.uint8)[starts[:, None] + np.arange(WIDTH)].tobytes()
        yield from np.unique(rows[keys(windows)[::WIDTH] == openings]).tolist()

    def _nearly(self, met: "_Met", row: NDArray[np.int64]) -> Iterator[int]:
        """The texts with enough different shingles of one entry."""
        rows, numbers = np.divmod(np.unique(row * len(self._keys) + met.numbers), len(self._keys))
        each = self._owners.of(numbers)
        shares, counts = np.unique(rows[each.which] * len(self._least) + each.values, return_counts=True)
        enough = counts >= self._least[shares % len(self._least)]
        yield from np.unique(shares[enough] // len(self._least)).tolist()

    def _met(self, data: bytes) -> "_Met":
        """Where the bank's shingles are in the data, and which they are."""
        places, numbers = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for start in range(0, len(data), _CHUNK):
            found = unmixed(data[start : start + _CHUNK + WIDTH - 1])
            passed = let_through(self._sieve.marks(found))
            if len(passed):
                hashed = mixed(found.take(passed))
                at = np.searchsorted(self._keys, hashed)
                same = self._keys.take(at, mode="clip") == hashed
                places.append(passed[same] + start)
                numbers.append(at[same])
        return _Met(np.concatenate(places), np.concatenate(numbers))

    def _has_short(self, text: bytes, *, json: bool) -> bool:
        """Whether a part is, as a whole, a short entry: what has no shingles of its own cannot be screened for."""
        forms = (normalise(part).data for part in _texts(text, json=json))
        return any(len(form) <= self._longest_short and digest(form) in self._short for form in forms)


class _Each(msgspec.Struct, frozen=True):
    """The values of several lists, one behind the other."""

    which: NDArray[np.int64]
    """Of which of those that were asked for each value is."""
    values: NDArray[np.int64]
    places: NDArray[np.int64]
    """Where each stands among all values of all lists."""


class _Lists:
    """Lists of whole numbers in two flat arrays: those of a million shingles are taken at once."""

    def __init__(self, lists: Sequence[Sequence[int]]) -> None:
        self._lengths = np.array([len(each) for each in lists], np.int64)
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._values = np.array([value for each in lists for value in each], np.int64)

    def of(self, numbers: NDArray[np.int64]) -> _Each:
        """The values of these lists."""
        lengths = self._lengths[numbers]
        ends = np.cumsum(lengths)
        which = np.repeat(np.arange(len(numbers)), lengths)
        within = np.arange(len(which)) - np.repeat(ends - lengths, lengths)
        places = np.repeat(self._starts[numbers], lengths) + within
        return _Each(which, self._values[places], places)


class _Anchor(msgspec.Struct, frozen=True):
    offset: int
    opening: int


class _Met(msgspec.Struct, frozen=True):
    places: NDArray[np.int64]
    numbers: NDArray[np.int64]


def _texts(text: bytes, *, json: bool) -> Iterator[str]:
    if not json:
        yield text.decode("utf-8", "replace")
        return
    request = request_of(text)
    yield from (located.text for located in request.texts())
    yield from request.beside()


_CONTROL = re.compile(rb"\\(?:u00[01][0-9a-f]|[trbf])")


def _form(data: bytes, *, json: bool) -> bytes:
    """The normal form of texts, or of JSON documents with their strings as they were before they were escaped."""
    data = fold_ascii(data if data.isascii() else _others_folded(data))
    return _unescaped(data) if json and b"\\" in data else data


def _unescaped(data: bytes) -> bytes:
    """JSON in normal form without its escapes: in the normal form there are fewer bytes to go over, and what is dropped
    never stands behind a backslash that escapes something.

    The ledger's encoder escapes quotes, backslashes and control characters, and nothing else.
    """
    # A zero byte is in no normal form: it stands for a backslash until the other escapes are gone.
    backslashes = b"\\\\" in data
    if backslashes:
        data = data.replace(b"\\\\", b"\0")
    data = data.replace(b"\\n", b"").replace(b'\\"', b'"')
    if b"\\" in data:
        data = _CONTROL.sub(b"", data)
    return data.replace(b"\0", b"\\") if backslashes else data


def _others_folded(data: bytes) -> bytes:
    """The data with every run of characters beyond ASCII in its normal form: each character is folded alone, so a run
    can be folded without what stands beside it. Numpy finds them: a regular expression takes ten times as long."""
    # As signed bytes the boundary is -1, and everything else beyond ASCII is less.
    places = np.flatnonzero(np.frombuffer(data, np.int8) < -1)
    if not len(places):
        return data
    breaks = np.flatnonzero(np.diff(places) > 1)
    starts = places[np.concatenate(([0], breaks + 1))].tolist()
    ends = (places[np.concatenate((breaks, [len(places) - 1]))] + 1).tolist()
    pieces: list[bytes] = []
    last = 0
    for start, end in zip(starts, ends, strict=True):
        pieces += (data[last:start], _folded(data[start:end]))
        last = end
    return b"".join((*pieces, data[last:]))


def _folded(run: bytes) -> bytes:
    return _fold(run) if len(run) <= 64 else normalise(run.decode("utf-8", "surrogatepass")).data


@lru_cache(maxsize=1 << 14)
def _fold(run: bytes) -> bytes:
    return normalise(run.decode("utf-8", "surrogatepass")).data
