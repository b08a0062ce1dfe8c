"""Bank: known bad texts, found again exactly or nearly, in memory and fed by the ledger."""

from array import array
from collections import deque
from collections.abc import Iterator
from itertools import starmap
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from outworks.defenses.entry import CONTAINED_FROM, Entry, from_event
from outworks.defenses.shingles import (
    WIDTH,
    Found,
    Index,
    Keys,
    Print,
    Sieve,
    digest,
    let_through,
    mixed,
    prefix_digest,
    prefix_lengths,
    unmixed,
)
from outworks.event import Changed
from outworks.nearest import did_you_mean
from outworks.normalise import normalise

NEAR = 0.4
"""How much of an entry a text must contain to be its near-duplicate; measured in docs/design/fingerprints.md."""
_FEWEST = 6
"""Shingles in common below which nothing is a near-duplicate, whatever their share."""
_ENOUGH = 8
"""Near-duplicates of one category to name: a text may resemble a whole family of entries."""

_Owners = int | array  # type: ignore[type-arg]
"""One entry, or several. Nearly every shingle has one, and an array for each would cost more than all the rest."""
_NOBODY = -1
_SKETCHED, _ANCHORED = 1, 2
"""Marks in the sieve: a shingle of some sketch, which says little alone, and an anchor, which may be a whole entry."""
_SIEVE_BITS, _MOST_SIEVE_BITS, _SPARSE = 22, 25, 5
"""The sieve has 2 to the power of 5 buckets a key or more, as far as 32 MiB allow."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """An entry found in a text."""

    entry: Entry
    score: float
    """1 where it is exact, and only there; else the share of the entry that the text contains."""
    start: int
    end: int
    """Where: bytes of the normal form; characters of the text itself from `Bank.match`."""


class Reading(msgspec.Struct, frozen=True):
    """What is known of a text that may still grow."""

    hits: tuple[Hit, ...]
    """Exact matches, in no particular order."""
    settled: int
    """Nothing that begins before this byte of the normal form can still become an exact match."""


class Bank:
    """The entries in force, as the ledger's `changed` events give them."""

    def __init__(self) -> None:
        self._slots: list[Entry] = []
        self._by_id: dict[str, int] = {}
        self._shingles = Index(bits=21)
        self._sketched: list[_Owners] = [_NOBODY]
        """The entries that have a shingle in their sketch, by the shingle's number."""
        self._anchored: dict[int, dict[_Anchor, list[int]]] = {}
        """The entries whose anchor a shingle is. A family of entries shares one anchor, and one look at the text."""
        self._sieve = Sieve(_SIEVE_BITS)
        self._openings = Index(bits=18)
        self._opening_sieve = Sieve(20)
        self._opened: dict[int, list[int]] = {}
        """The entries that begin with a shingle."""
        self._wholes: dict[str, list[int]] = {}
        self._exact = self._near = 0
        self.longest_whole = 0
        """Bytes of the longest entry, ever in force, that must be a whole part."""

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def has_exact(self) -> bool:
        """Whether any exact entry is enabled."""
        return self._exact > 0

    @property
    def has_near(self) -> bool:
        """Whether any entry with near-duplicates is enabled."""
        return self._near > 0

    def entries(self) -> Iterator[Entry]:
        """Every entry, disabled ones too, in the order of their adding."""
        return (self._slots[slot] for slot in self._by_id.values())

    def get(self, name: str) -> Entry:
        """An entry by its id. Raises LookupError, with the nearest id."""
        if name in self._by_id:
            return self._slots[self._by_id[name]]
        raise LookupError(f"no fingerprint has the id {name!r}{did_you_mean(name, self._by_id)}")

    def apply(self, changed: Changed, content: str | None = None) -> None:
        """Take in one `fingerprint` event, with its content where that is not erased. Its cost does not grow with the
        bank. Raises ValueError where the event cannot be read, LookupError where it switches an unknown id."""
        op = changed.detail.get("op")
        if op == "add":
            self._put(from_event(changed, content))
        elif op in ("enable", "disable"):
            entry = self.get(changed.name)
            self._count(entry, -1)
            entry = msgspec.structs.replace(entry, enabled=op == "enable")
            self._count(entry, 1)
            self._slots[self._by_id[entry.id]] = entry
        else:
            raise ValueError(f"fingerprint {changed.name!r}: op is {op!r}, not one of add, enable, disable")

    def _put(self, entry: Entry) -> None:
        """Add an entry; one with the same id gives way to it, and its keys lead nowhere from then on."""
        old = self._by_id.get(entry.id)
        if old is not None:
            self._count(self._slots[old], -1)
            self._slots[old] = msgspec.structs.replace(self._slots[old], enabled=False)
        slot = self._by_id[entry.id] = len(self._slots)
        self._slots.append(entry)
        self._count(entry, 1)
        sketch = entry.print.keys() if entry.is_near else []
        for key in sketch:
            number = self._number(key)
            self._sketched[number] = _joined(self._sketched[number], slot)
        self._sieve.add(np.array(sketch, np.uint64), _SKETCHED)
        if not entry.is_exact:
            return
        if entry.print.length < CONTAINED_FROM:
            self._wholes.setdefault(entry.print.digest, []).append(slot)
            self.longest_whole = max(self.longest_whole, entry.print.length)
            return
        anchor = _Anchor(entry.print.anchor, entry.print.opening_key())
        least, opening = entry.print.keys()[0], entry.print.opening_key()
        self._anchored.setdefault(self._number(least), {}).setdefault(anchor, []).append(slot)
        self._sieve.add(np.array([least], np.uint64), _ANCHORED)
        self._opened.setdefault(self._openings.add(opening), []).append(slot)
        self._opening_sieve.add(np.array([opening], np.uint64), _ANCHORED)

    def _number(self, key: int) -> int:
        number = self._shingles.add(key)
        if number == len(self._sketched):
            self._sketched.append(_NOBODY)
            if number >> (self._sieve.bits - _SPARSE) and self._sieve.bits < _MOST_SIEVE_BITS:
                self._widen()
        return number

    def _widen(self) -> None:
        """A wider sieve: a tenth of a second for a million keys, and that three times at most."""
        self._sieve = Sieve(self._sieve.bits + 1)
        self._sieve.add(self._shingles.known, _SKETCHED)
        anchors = np.fromiter(self._anchored, np.int64, len(self._anchored))
        self._sieve.add(self._shingles.known[anchors - 1], _ANCHORED)

    def _count(self, entry: Entry, by: int) -> None:
        if entry.enabled:
            self._exact += by * entry.is_exact
            self._near += by * entry.is_near

    def match(self, text: str, *, near: float = NEAR) -> list[Hit]:
        """Every enabled entry that a text is, contains or nearly duplicates; the surest first."""
        form = normalise(text)
        hits = [*self.whole(form.data), *self.find(form.data, near=near)]
        if not hits:
            return hits
        offsets = form.offsets().tolist()
        return [msgspec.structs.replace(h, start=offsets[h.start], end=offsets[h.end - 1] + 1) for h in hits]

    def whole(self, data: bytes) -> list[Hit]:
        """The short exact entries that a normal form is."""
        if not 0 < len(data) <= self.longest_whole:
            return []
        found = [self._slots[slot] for slot in self._wholes.get(digest(data), ())]
        return [Hit(entry=entry, score=1.0, start=0, end=len(data)) for entry in found if entry.enabled]

    def find(self, data: bytes, *, near: float | None, reach: int | None = None) -> list[Hit]:
        """The entries that a normal form contains, whole or (where `near` says how much) in part; the surest first.

        With `reach` the text is a window of so many bytes upon a longer one: of an entry that does not fit into it only
        what could fit is asked for.
        """
        if len(data) < CONTAINED_FROM or not (self._exact or self._near):
            return []
        wants_near = near is not None and self._near > 0
        sifted = self._sieve.sifted(data)
        if sifted.highest < _ANCHORED and not (wants_near and sifted.known >= _FEWEST):
            return []
        text = _Shingled(data)
        places = let_through(self._sieve.marks(text.found))
        found = self._shingles.find(text.keys(places))
        if not len(found.places):
            return []
        found = Found(places[found.places], found.numbers)
        hits = {hit.entry.id: hit for hit in self._contained(text, found)} if self._exact else {}
        if near is not None and wants_near and len(found.places) >= _FEWEST:
            for hit in self._nearby(text, found, near, reach):
                hits.setdefault(hit.entry.id, hit)
        return sorted(hits.values(), key=lambda hit: -hit.score)

    def _contained(self, text: "_Shingled", found: Found) -> Iterator[Hit]:
        """The entries that lie whole in the text, where their anchors are."""
        digests: dict[tuple[int, int], str] = {}
        for number in self._anchored.keys() & set(found.numbers.tolist()):
            places = np.sort(found.places[found.numbers == number]).tolist()
            for anchor, slots in self._anchored[number].items():
                starts = [p - anchor.offset for p in places if p >= anchor.offset]
                # The first shingle is compared before anything is digested: a text may be full of the anchor alone.
                starts = [start for start in starts if text.key(start) == anchor.opening]
                for entry in (self._slots[slot] for slot in slots) if starts else ():
                    start = _start(entry.print, text.data, starts, digests) if entry.enabled else None
                    if start is not None:
                        yield Hit(entry=entry, score=1.0, start=start, end=start + entry.print.length)

    def _nearby(self, text: "_Shingled", found: Found, near: float, reach: int | None) -> Iterator[Hit]:
        """The entries that share enough of their sketch with the text; those that share most come first."""
        owners = [self._sketched[number] for number in set(found.numbers.tolist())]
        if len(owners) < _FEWEST:
            return
        single = [slot for slot in owners if isinstance(slot, int) and slot != _NOBODY]
        several = [np.frombuffer(slots, np.uint32) for slots in owners if not isinstance(slots, int)]
        slots, counts = np.unique(np.concatenate([np.array(single, np.uint32), *several]), return_counts=True)
        enough = counts >= _FEWEST
        named: dict[str, int] = {}
        order = np.argsort(-counts[enough], kind="stable")
        for slot, count in zip(slots[enough][order].tolist(), counts[enough][order].tolist(), strict=True):
            entry = self._slots[slot]
            least = _least(entry, near, reach)
            if count < least or not entry.enabled or named.get(entry.category, 0) == _ENOUGH:
                continue
            hit = _densest(entry, text, found, least)
            if hit is not None:
                named[entry.category] = named.get(entry.category, 0) + 1
                yield hit

    def read(self, data: bytes) -> Reading:
        """The exact matches in a normal form that may still grow, and how far it is settled."""
        settled = max(0, len(data) - WIDTH + 1)
        if not settled:
            return Reading((), 0)
        if not self._opening_sieve.sifted(data).known:
            return Reading((), settled)
        text = _Shingled(data)
        places = let_through(self._opening_sieve.marks(text.found))
        found = self._openings.find(text.keys(places))
        hits: list[Hit] = []
        digests: dict[tuple[int, int], str] = {}
        for start, number in zip(places[found.places].tolist(), found.numbers.tolist(), strict=True):
            for slot in self._opened[number]:
                entry = self._slots[slot]
                if not entry.enabled or not _agrees(entry.print, data, start, digests):
                    continue
                end = start + entry.print.length
                if end > len(data):
                    settled = min(settled, start)
                elif digest(data[start:end]) == entry.print.digest:
                    hits.append(Hit(entry=entry, score=1.0, start=start, end=end))
        return Reading(tuple(hits), settled)


def _joined(owners: _Owners, slot: int) -> _Owners:
    if isinstance(owners, int):
        return slot if owners == _NOBODY else array("I", (owners, slot))
    owners.append(slot)
    return owners


def _start(known: Print, data: bytes, starts: list[int], digests: dict[tuple[int, int], str]) -> int | None:
    """Where the whole entry begins in the text, of the places where it may."""
    for start in starts:
        end = start + known.length
        if end <= len(data) and _agrees(known, data, start, digests) and digest(data[start:end]) == known.digest:
            return start
    return None


def _agrees(known: Print, data: bytes, start: int, digests: dict[tuple[int, int], str]) -> bool:
    """Whether what has come of a text from `start` on could be the entry, as far as its prefixes tell."""
    at = 0
    for length in prefix_lengths(known.length):
        if start + length > len(data):
            return True
        come = digests.get((start, length))
        if come is None:
            come = digests[start, length] = prefix_digest(data[start : start + length])
        if known.prefixes[at : at + 16] != come:
            return False
        at += 16
    return True


def _least(entry: Entry, near: float, reach: int | None) -> float:
    """How many shingles of its sketch a near-duplicate shares."""
    share = near if reach is None else near * min(1.0, reach / entry.print.length)
    return max(_FEWEST, share * entry.size)


def _densest(entry: Entry, text: "_Shingled", found: Found, least: float) -> Hit | None:
    """Where most of the shared shingles stand together, if they do: a long text has a few of everything."""
    sketch = np.array(entry.print.keys(), np.uint64)
    places = np.sort(found.places[np.isin(text.keys(found.places), sketch)])
    marks = zip(places.tolist(), text.keys(places).tolist(), strict=True)
    width = 2 * entry.print.length + 20 * WIDTH
    inside: dict[int, int] = {}
    window: deque[_Mark] = deque()
    best, start, end = 0, 0, 0
    for mark in starmap(_Mark, marks):
        window.append(mark)
        inside[mark.key] = inside.get(mark.key, 0) + 1
        while mark.place - window[0].place > width:
            gone = window.popleft().key
            inside[gone] -= 1
            if not inside[gone]:
                del inside[gone]
        if len(inside) > best:
            best, start, end = len(inside), window[0].place, mark.place + WIDTH
    return Hit(entry=entry, score=min(best / entry.size, 0.99), start=start, end=end) if best >= least else None


class _Shingled:
    """A normal form with its shingles; few of their keys are ever wanted."""

    __slots__ = ("data", "found")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.found = unmixed(data)

    def keys(self, places: NDArray[np.int64]) -> Keys:
        return mixed(self.found.take(places))

    def key(self, place: int) -> int:
        return int(mixed(self.found[place : place + 1])[0])


class _Anchor(NamedTuple):
    offset: int
    opening: int


class _Mark(NamedTuple):
    place: int
    key: int
