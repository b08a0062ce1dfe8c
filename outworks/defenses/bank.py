"""Bank: known bad texts, found again exactly or nearly, in memory and fed by the ledger."""

from collections.abc import Iterator
from difflib import get_close_matches

import msgspec
import numpy as np

from outworks.defenses.entry import CONTAINED_FROM, Entry, from_event
from outworks.defenses.shingles import (
    WIDTH,
    Found,
    Index,
    Keys,
    digest,
    keys,
    prefix_digest,
    prefix_lengths,
)
from outworks.event import Changed
from outworks.normalise import normalise

NEAR = 0.4
"""How much of an entry a text must contain to be its near-duplicate; measured in docs/design/fingerprints.md."""
_FEWEST = 6
"""Shingles in common below which nothing is a near-duplicate, whatever their share."""
_SKETCHED, _ANCHOR, _OPENING = 0, 1, 2
"""What a key is of an entry: one of its sketch; the one where a containment is looked for; its first."""


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
    """Exact matches, in the order in which they end."""
    settled: int
    """Nothing that begins before this byte of the normal form can still become an exact match."""


class Bank:
    """The entries in force, as the ledger's `changed` events give them."""

    def __init__(self) -> None:
        self._slots: list[Entry] = []
        self._by_id: dict[str, int] = {}
        self._index = Index()
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
        """An entry by its id. Raises KeyError, with the nearest id."""
        if name in self._by_id:
            return self._slots[self._by_id[name]]
        near = get_close_matches(name, self._by_id, n=1)
        raise KeyError(f"no fingerprint has the id {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))

    def apply(self, changed: Changed, content: str | None = None) -> None:
        """Take in one `fingerprint` event, with its content where that is not erased; it costs microseconds, however many
        entries there are. Raises ValueError where the event cannot be read, KeyError where it switches an unknown id."""
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
        if entry.is_near:
            for key in entry.print.keys():  # noqa: SIM118
                self._index.add(key, slot << 2 | _SKETCHED)
        if not entry.is_exact:
            return
        if entry.print.length < CONTAINED_FROM:
            self._wholes.setdefault(entry.print.digest, []).append(slot)
            self.longest_whole = max(self.longest_whole, entry.print.length)
            return
        self._index.add(entry.print.keys()[0], slot << 2 | _ANCHOR)
        self._index.add(entry.print.opening_key(), slot << 2 | _OPENING)

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
        hashed = keys(data)
        found = self._index.find(hashed)
        hits: dict[str, Hit] = {}
        for value, shared in found.values.items():
            kind = value & 3
            if kind == _OPENING or (kind == _SKETCHED and (near is None or len(shared) < _FEWEST)):
                continue
            entry = self._slots[value >> 2]
            if not entry.enabled:
                continue
            if kind == _ANCHOR:
                hit = _contained(entry, data, hashed, found.places[shared[0]])
            elif near is not None and len(shared) >= (least := _least(entry, near, reach)):
                hit = _nearby(entry, shared, found, least)
            else:
                continue
            if hit is not None and (entry.id not in hits or hit.score > hits[entry.id].score):
                hits[entry.id] = hit
        return sorted(hits.values(), key=lambda hit: -hit.score)

    def read(self, data: bytes) -> Reading:
        """The exact matches in a normal form that may still grow, and how far it is settled."""
        settled = max(0, len(data) - WIDTH + 1)
        if not settled:
            return Reading((), 0)
        found = self._index.find(keys(data))
        hits: list[Hit] = []
        digests: dict[tuple[int, int], str] = {}
        for value, shared in found.values.items():
            entry = self._slots[value >> 2]
            if value & 3 != _OPENING or not entry.enabled:
                continue
            for start in found.places[shared[0]]:
                end = start + entry.print.length
                if not _agrees(entry, data, start, digests):
                    continue
                if end > len(data):
                    settled = min(settled, start)
                elif digest(data[start:end]) == entry.print.digest:
                    hits.append(Hit(entry=entry, score=1.0, start=start, end=end))
        return Reading(tuple(sorted(hits, key=lambda hit: (hit.end, hit.start, hit.entry.id))), settled)


def _contained(entry: Entry, data: bytes, hashed: Keys, places: list[int]) -> Hit | None:
    """Where the whole entry lies in the text, if it does. The first and last shingles are compared before anything is
    digested, so that a text full of the anchor alone costs no more than its length."""
    length = entry.print.length
    starts = np.array(places) - entry.print.anchor
    starts = starts[(starts >= 0) & (starts <= len(data) - length)]
    starts = starts[hashed[starts] == np.uint64(entry.print.opening_key())]
    for start in starts.tolist():
        if digest(data[start : start + length]) == entry.print.digest:
            return Hit(entry=entry, score=1.0, start=start, end=start + length)
    return None


def _agrees(entry: Entry, data: bytes, start: int, digests: dict[tuple[int, int], str]) -> bool:
    """Whether what has come of a text from `start` on could be the entry, as far as its prefixes tell."""
    at = 0
    for length in prefix_lengths(entry.print.length):
        if start + length > len(data):
            return True
        known = digests.get((start, length))
        if known is None:
            known = digests[start, length] = prefix_digest(data[start : start + length])
        if entry.print.prefixes[at : at + 16] != known:
            return False
        at += 16
    return True


def _least(entry: Entry, near: float, reach: int | None) -> float:
    """How many shingles of its sketch a near-duplicate shares."""
    share = near if reach is None else near * min(1.0, reach / entry.print.length)
    return max(_FEWEST, share * entry.size)


def _nearby(entry: Entry, shared: list[int], found: Found, least: float) -> Hit | None:
    """The place where most of the shared shingles stand together, if they do: a long text has a few of everything."""
    marks = sorted((place, key) for key in shared for place in found.places[key])
    width = 2 * entry.print.length + 20 * WIDTH
    inside: dict[int, int] = {}
    best, start, end, first = 0, 0, 0, 0
    for place, key in marks:
        inside[key] = inside.get(key, 0) + 1
        while place - marks[first][0] > width:
            gone = marks[first][1]
            inside[gone] -= 1
            if not inside[gone]:
                del inside[gone]
            first += 1
        if len(inside) > best:
            best, start, end = len(inside), marks[first][0], place + WIDTH
    return Hit(entry=entry, score=min(best / entry.size, 0.99), start=start, end=end) if best >= least else None
