"""What hunts look through, and what they find."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from outworks.ledger.reader import Content


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was found in the past of an account."""

    account: str
    seq: int
    """The event."""
    exchange: str
    at: float
    """Unix seconds."""
    what: str
    """The fingerprint's id, the rule's name, or the detector's category."""
    score: float = 1.0
    side: str = "request"
    """`request` or `output`."""
    evidence: tuple[int, ...] = ()
    """Of a rule: the events that it rests on."""


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the past that is looked through in one go, and not again when a hunt goes on."""

    source: str
    """A file, or the ledger."""
    first: int
    last: int
    """Events by their numbers; of a rule over files the part of the accounts; of a rule over the ledger unused."""
    accounts: tuple[str, ...] = ()


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What a unit came to."""

    unit: Unit
    found: tuple[Found, ...]
    bytes: int
    """Of content looked through."""


class Hunter(Protocol):
    """Looks through contents for one thing. It is sent to other processes and machines, so it is plain data."""

    def look(self, contents: Sequence[Content]) -> list[Found]:
        """What is found in them."""
        ...


class Person(msgspec.Struct, frozen=True):
    """An account that a hunt found."""

    account: str
    times: int
    """Different exchanges."""
    first: float
    last: float
    score: float
    """The highest."""
    what: tuple[str, ...]
    seqs: tuple[int, ...]
    """Events to read, the surest first."""


_READ = 5


def by_account(found: Iterable[Found]) -> list[Person]:
    """Who was found, the most often first."""
    each: dict[str, list[Found]] = defaultdict(list)
    for one in found:
        each[one.account].append(one)
    people = []
    for account, those in each.items():
        surest = sorted(those, key=lambda one: (-one.score, one.seq))
        people.append(
            Person(
                account,
                len({one.exchange or str(one.seq) for one in those}),
                min(one.at for one in those),
                max(one.at for one in those),
                surest[0].score,
                tuple(sorted({one.what for one in those})),
                tuple(dict.fromkeys(one.seq for one in surest))[:_READ],
            )
        )
    return sorted(people, key=lambda person: (-person.times, person.account))
