"""The hunt for fingerprints: exactly what the bank would have found in what was asked and answered, only sooner."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec
from typing_extensions import override

from outworks.defenses.bank import NEAR, Bank, Hit
from outworks.defenses.entry import Known, added
from outworks.defenses.fingerprint import found_in, spelled
from outworks.hunt.found import Found, Hunter
from outworks.hunt.said import request_of
from outworks.hunt.screen import Screen
from outworks.ledger.reader import Content
from outworks.message import ToolCall

_BATCH = 1 << 20
"""Bytes that are screened at once: enough that a call to numpy costs little, few enough to stay in the cache."""


class Fingerprints(Hunter):
    """A bank of the entries that are hunted for. Made anew from these wherever it is sent."""

    def __init__(self, entries: Sequence[Known], *, near: float = NEAR) -> None:
        self._entries = tuple(entries)
        self._near = near
        self._bank = Bank()
        for entry in entries:
            self._bank.apply(added(entry, by=""), entry.text)
        self._screen = Screen(self._bank.entries(), near=near)

    @override
    def __reduce__(self) -> tuple[object, ...]:
        return _made, (msgspec.json.encode(self._entries), self._near)

    @override
    def look(self, contents: Sequence[Content]) -> list[Found]:
        found: list[Found] = []
        for kind in ("received", "released"):
            # What was asked is kept as JSON, what left as it was said.
            those = [c for c in contents if c.kind == kind]
            for some in _batches(those):
                for row in self._screen.candidates([c.text for c in some], json=kind == "received"):
                    found += self._judge(some[row])
        for content in contents:
            if content.kind == "called":
                found += self._judge(content)
        return found

    def _judge(self, content: Content) -> list[Found]:
        best: dict[str, Hit] = {}
        for hit in self._hits(content):
            if hit.entry.id not in best or hit.score > best[hit.entry.id].score:
                best[hit.entry.id] = hit
        return [
            Found(
                account=content.account,
                seq=content.seq,
                exchange=content.exchange,
                at=content.at,
                what=name,
                score=round(hit.score, 3),
                side="request" if content.kind == "received" else "output",
            )
            for name, hit in best.items()
        ]

    def _hits(self, content: Content) -> Iterator[Hit]:
        if content.kind == "received":
            yield from (place.hit for place in found_in(request_of(content.text), self._bank, near=self._near))
            return
        said = content.text.decode("utf-8", "replace")
        for text in spelled(ToolCall("", "", said)) if content.kind == "called" else [said]:
            yield from self._bank.match(text, near=self._near)


@lru_cache(maxsize=1)
def _made(entries: bytes, near: float) -> Fingerprints:
    return Fingerprints(msgspec.json.decode(entries, type=tuple[Known, ...]), near=near)


def _batches(contents: Sequence[Content]) -> list[list[Content]]:
    batches: list[list[Content]] = [[]]
    size = 0
    for content in contents:
        if size > _BATCH:
            batches.append([])
            size = 0
        batches[-1].append(content)
        size += len(content.text)
    return [batch for batch in batches if batch]
