"""Standing and actions: what an account may do now, and what changed it."""

from enum import IntEnum
from typing import Protocol

import msgspec


class Standing(IntEnum):
    """What an account may do now; the strictest action in force decides."""

    GOOD = 0
    WARNED = 1
    """May go on; has been told."""
    LIMITED = 2
    """May go on at a rate."""
    SUSPENDED = 3
    """May not go on until it expires, or is undone."""
    BANNED = 4
    """May not go on."""


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """A change of an account's standing: who made it, on which ground, until when."""

    id: str
    """Also the reference to quote in an appeal."""
    account: str
    standing: Standing
    """What it sets; GOOD is a reinstatement."""
    by: str
    """`rule:NAME` or `person:NAME`."""
    reason: str
    """What the account is told."""
    policy: str = ""
    """The passage of the usage policy that it rests on."""
    evidence: tuple[int, ...] = ()
    """Sequence numbers of ledger events."""
    at: float = 0.0
    """Unix seconds."""
    expires: float | None = None
    """Unix seconds; None never."""
    rate_per_minute: float | None = None
    """With LIMITED: requests a minute."""
    shadow: bool = False
    """Proposed by a rule in shadow, or only to open a case: recorded, never in force."""
    case: str = ""
    """The queue of the case that it opens for review; empty where none."""


GOOD = Action(id="", account="", standing=Standing.GOOD, by="", reason="")


class Standings(Protocol):
    """Reads standing; the gateway's is fed by the ledger within a second of any change."""

    def of(self, account: str, now: float) -> Action:
        """The action in force for the account; `GOOD` where there is none."""
        ...

    async def requests_since(self, account: str, since: float) -> int:
        """How many requests of the account were received after `since` (Unix seconds), by every worker."""
        ...
