"""Samples: answers drawn at random from those that were served, and what people say of them."""

import random
import time

from outworks.enforcement.reports.numbers import Numbers
from outworks.event import Event, Labelled, Released, Sampled
from outworks.ledger.ledger import Ledger
from outworks.ledger.reader import Reader, Recorded

_FEW = 5_000
"""Events that are read one by one; of more, places are drawn."""
_TRIES = 500


def draw(
    ledger: Ledger, count: int, *, since: float, until: float, by: str, chance: random.Random | None = None
) -> int:
    """Draw up to `count` exchanges that served an answer between two times (Unix seconds), each as likely as any other,
    and record that. Returns how many: fewer where there are fewer, or where they were drawn before.
    """
    if count < 1:
        raise ValueError(f"draw how many? expected 1 or more, not {count}")
    # Nobody may be able to tell which of his answers will be looked at.
    chance = chance or random.SystemRandom()
    first, last = ledger.seq_at(since) + 1, ledger.seq_at(until)
    places = list(range(first, last + 1)) if last - first < _FEW else None
    if places is not None:
        chance.shuffle(places)
    numbers = _read(ledger)
    drawn: dict[str, Recorded] = {}
    tries = iter(places) if places is not None else (chance.randint(first, last) for _ in range(count * _TRIES))
    for seq in tries:
        found = _answer(ledger, seq)
        if found is not None and not numbers.was_sampled(found.event.exchange):
            drawn.setdefault(found.event.exchange, found)
            if len(drawn) == count:
                break
    numbers.close()
    now = time.time()
    events = [
        Event(
            body=Sampled(by=by),
            at=now,
            exchange=exchange,
            account=found.event.account,
            product=found.event.product,
            conversation=found.event.conversation,
        )
        for exchange, found in drawn.items()
    ]
    if events:
        ledger.append_now(events)
    return len(drawn)


def label(
    ledger: Ledger, exchange: str, *, by: str, violating: bool, category: str = "", now: float | None = None
) -> None:
    """Say whether an answer that was drawn went against the policy; who says it again, says it anew. Raises LookupError
    for an exchange that was not drawn: labels of answers that somebody chose would not tell how many there are."""
    if not by.strip():
        raise ValueError("say who labels it")
    drawn = [r for r in ledger.events(exchange=exchange) if isinstance(r.event.body, Sampled)]
    if not drawn:
        raise LookupError(f"the exchange {exchange!r} was not drawn")
    body = Labelled(by=by, violating=violating, category=category)
    at = time.time() if now is None else now
    ledger.append_now([Event(body=body, at=at, exchange=exchange, account=drawn[0].event.account)])


def _read(reader: Reader) -> Numbers:
    numbers = Numbers(reader)
    while numbers.follow(most=50_000):
        pass
    return numbers


def _answer(reader: Reader, seq: int) -> Recorded | None:
    """The event, where it is the first release of an exchange: then each exchange is as likely as any other."""
    found = reader.event(seq)
    if found is None or not isinstance(found.event.body, Released):
        return None
    first = next(reader.events(exchange=found.event.exchange, kinds=("released",), limit=1), None)
    return found if first is not None and first.seq == seq else None
