"""The hunt for fingerprints: exactly what the bank would have found in what was asked and answered, only sooner."""

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from typing_extensions import override

from outworks.defenses.bank import NEAR, Bank, Hit
from outworks.defenses.entry import Known, added
from outworks.hunt.found import Found, Hunter
from outworks.hunt.said import texts_of
from outworks.hunt.screen import Screen
from outworks.ledger.reader import Content

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
            # What was asked is kept as JSON, what left as it was said, unless it had tool calls.
            those = [c for c in contents if c.kind == kind]
            for some in _batches(those):
                for row in self._screen.candidates([c.text for c in some], json=kind == "received"):
                    found += self._judge(some[row])
        return found

    def _judge(self, content: Content) -> list[Found]:
        best: dict[str, Hit] = {}
        for text in texts_of(content.text, json=content.kind == "received"):
            for hit in self._bank.match(text, near=self._near):
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
