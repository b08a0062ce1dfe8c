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
    limit: str = ""
    """Why others are not shown today, where the day's limit stands against them."""


def reveal(ask: Ask, exchanges: Sequence[str], *, case: str = "", besides: Sequence[Recorded] = ()) -> Revealed:
    """The exchanges with what was said in them, the oldest first, and the content of events `besides`. Of more
    conversations than the day's limit has room for, the latest are shown. Raises `Refused` where it has room for none;
    then nothing was shown, and nothing recorded."""
    wanted = list(dict.fromkeys(exchanges))
    day = _within_the_day(ask, _read(ask, wanted[-MOST:]))
    spoken = [one for one in day.exchanges if one.contents]
    written = [one for one in besides if one.event.content is not None]
    full = day.full
    if written and not spoken and full is None:
        full = ask.console.wellness.read(ask.name, f"case:{case}", ())
    if full is not None and not spoken:
        raise Refused(429, _limit(full))
    words = tuple(Words(type(one.event.body).__name__, one.event.at, one.event.content or "") for one in written)
    seen = [seq for one in spoken for seq in one.contents] + [one.seq for one in written]
    if seen:
        category = next((each for one in spoken for each in one.categories), "")
        queues.viewed(ask.console.desk, ask.who, sorted(set(seen)), case=case, category=category)
    limit = _limit(full) if full is not None else ""
    return Revealed(day.exchanges, words, max(0, len(wanted) - MOST), limit)


class _Day(msgspec.Struct, frozen=True):
    """What may be shown today, and the limit that stands against the rest."""

    exchanges: tuple[Exchange, ...]
    full: Room | None


def _within_the_day(ask: Ask, found: Sequence[Exchange]) -> _Day:
    """Counts each conversation that there is room for, the latest first."""
    conversations: dict[str, list[Exchange]] = {}
    for one in found:
        conversations.setdefault(_conversation(one), []).append(one)
    held = set()
    full = None
    for name in reversed(conversations):
        spoken = [one for one in conversations[name] if one.contents]
        categories = tuple(dict.fromkeys(each for one in spoken for each in one.categories))
        room = ask.console.wellness.read(ask.name, f"conversation:{name}", categories) if spoken else None
        if room is not None:
            held.add(name)
            full = room
    return _Day(tuple(one for one in found if _conversation(one) not in held), full)


def _conversation(one: Exchange) -> str:
    return repr((one.account, one.conversation)) if one.conversation else one.id


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
