"""Cases: what waits for a reviewer, what became of it, and what it rests on."""

from enum import StrEnum

import msgspec


class State(StrEnum):
    """How far a case is."""

    OPEN = "open"
    PENDING = "pending"
    """A ban was decided; another person has yet to confirm it."""
    CLOSED = "closed"


class Outcome(StrEnum):
    """What a reviewer decides."""

    DISMISS = "dismiss"
    """Nothing is held against the account: the action under review is taken back, and its evidence was wrong."""
    KEEP = "keep"
    """The action under review stays as it is."""
    WARN = "warn"
    LIMIT = "limit"
    SUSPEND = "suspend"
    BAN = "ban"
    """For good, or until it says; not before another person has confirmed it."""
    REINSTATE = "reinstate"
    """Lifts whatever is in force on the account, and no rule counts anything before it."""
    UPHOLD = "uphold"
    """An appeal: the action stays."""
    OVERTURN = "overturn"
    """An appeal: the action is taken back, and its evidence was wrong."""


ANSWERS = frozenset({Outcome.UPHOLD, Outcome.OVERTURN})
"""What an appeal can be answered with, and nothing else can."""
LETS_BE = frozenset({Outcome.KEEP, Outcome.UPHOLD, Outcome.REINSTATE})
"""Decisions that take no action under review back; all others do."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A case as it is now."""

    id: str
    seq: int
    """The event that opened it."""
    queue: str
    priority: int
    state: State
    account: str
    product: str
    exchange: str
    """The exchange that it is about; empty where there is no single one."""
    opened_at: float
    """Unix seconds, as everywhere."""
    source: str
    """`rule:NAME`, `defense:NAME`, `report:ID`, `appeal:ID` or `person:NAME`."""
    action: str
    """The action under review, the latest where a rule acted again meanwhile."""
    actions: tuple[str, ...]
    """All of them."""
    appeal: str
    reports: tuple[str, ...]
    evidence: tuple[int, ...]
    not_for: tuple[str, ...]
    """Who may not decide it."""
    lease_by: str
    lease_until: float
    assigned_to: str
    """Whom it was handed over to."""
    assigned_until: float
    escalated: bool
    pending: str
    """The decision that waits for another person."""
    decision: str
    """The decision that closed it."""
    outcome: str
    decided_by: str
    decided_at: float
    as_of: float | None
    """Show the account as it was at this moment: a copy by which reviewers are measured must look like its original.
    None for now."""
    golden: str
    """The case that it is a copy of. Not for the eyes of those who are measured."""

    def leased_to(self, now: float) -> str:
        """Who has it; nobody once the lease has ended."""
        return self.lease_by if now < self.lease_until else ""


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """A queue at a glance."""

    name: str
    waiting: int
    """Open or pending, leased ones included."""
    pending: int
    leased: int
    escalated: int
    oldest: float | None
    """When the oldest that waits was opened."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it was made, and whether it still holds."""

    id: str
    seq: int
    case: str
    account: str
    by: str
    at: float
    outcome: Outcome
    reason: str
    policy: str
    lasts: float | None
    rate_per_minute: float | None
    pending: bool
    """It waits, or waited, for another person."""
    confirms: str
    action: str
    undid: tuple[str, ...]
    rule: str
    holds: bool | None
    golden: str
    undone: bool


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that somebody did, for the audit."""

    seq: int
    kind: str
    by: str
    account: str
    at: float


class TakenAction(msgspec.Struct, frozen=True, kw_only=True):
    """An action on an account, as the index has it."""

    id: str
    seq: int
    account: str
    standing: int
    by: str
    at: float
    expires: float | None
    shadow: bool
    decision: str
    bulk: str
    undone: bool


class Appeal(msgspec.Struct, frozen=True, kw_only=True):
    """An appeal; what the account wrote is the content of its event."""

    id: str
    seq: int
    action: str
    account: str
    at: float
    case: str
    """Empty until the clerk has opened it."""
    state: str
    """`open`, `upheld` or `overturned`."""
    decision: str
    answered_at: float | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report; what was written is the content of its event."""

    id: str
    seq: int
    account: str
    exchange: str
    category: str
    reporter: str
    at: float
    case: str


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A notice that was sent; its words are in its event."""

    id: str
    seq: int
    about: str
    account: str
    action: str
    code: str
    at: float


class Bulk(msgspec.Struct, frozen=True, kw_only=True):
    """A bulk action."""

    id: str
    seq: int
    by: str
    at: float
    outcome: Outcome
    accounts: tuple[str, ...]
    reason: str
    policy: str
    lasts: float | None
    rate_per_minute: float | None
    state: str
    """`planned`, `applied` or `undone`."""
    applied_by: str
    applied_at: float | None
    undone_by: str
    undone_at: float | None
