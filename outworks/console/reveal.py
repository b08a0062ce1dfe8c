"""Revealing: content is recorded as seen, and counted for the day, before it is put on a page."""

from collections.abc import Sequence

import msgspec

from outworks.console.conversation import Exchange, read_exchange
from outworks.console.web import Ask, Refused
from outworks.console.wellness import Room
from outworks.enforcement.desk import queues
from outworks.ledger import Recorded

MOST = 12
"""Exchanges on one page."""


class Words(msgspec.Struct, frozen=True):
    """What an account or a reporter wrote besides: an appeal, a report."""

    title: str
    at: float
    text: str


class Revealed(msgspec.Struct, frozen=True):
    """What is shown."""

    exchanges: tuple[Exchange, ...]
    words: tuple[Words, ...] = ()
    left_out: int = 0
    """Earlier exchanges that this page has no room for."""


def reveal(
    ask: Ask, exchanges: Sequence[str], *, what: str, case: str = "", besides: Sequence[Recorded] = ()
) -> Revealed:
    """The exchanges with what was said in them, the oldest first, and the content of events `besides`. Raises `Refused`
    where the day's limit stands against it; then nothing was shown, and nothing recorded."""
    wanted = list(dict.fromkeys(exchanges))
    shown = _read(ask, wanted[-MOST:])
    categories = tuple(dict.fromkeys(each for one in shown for each in one.categories))
    full = ask.console.wellness.read(ask.name, what, categories)
    if full is not None:
        raise Refused(429, _limit(full))
    words = tuple(
        Words(type(one.event.body).__name__, one.event.at, one.event.content)
        for one in besides
        if one.event.content is not None
    )
    seen = [seq for one in shown for seq in one.contents]
    seen += [one.seq for one in besides if one.event.content is not None]
    if seen:
        category = categories[0] if categories else ""
        queues.viewed(ask.console.desk, ask.who, sorted(set(seen)), case=case, category=category)
    return Revealed(tuple(shown), words, max(0, len(wanted) - MOST))


def _read(ask: Ask, wanted: Sequence[str]) -> list[Exchange]:
    latest: dict[str, Exchange] = {}
    found = []
    for id in wanted:
        try:
            one = read_exchange(ask.console.ledger, id, with_content=True)
        except LookupError:
            continue
        before = latest.get(one.conversation)
        if before is not None and one.conversation:
            one = read_exchange(ask.console.ledger, id, with_content=True, after=before)
        latest[one.conversation] = one
        found.append(one)
    return found


def _limit(room: Room) -> str:
    what = "conversations" if room.category == "any" else f"conversations with {room.category}"
    return (
        f"You have read {room.read} {what} today, and {room.limit} is your limit. Skip this case, hand it over, or "
        "go on with something else: the limit is there for you."
    )
