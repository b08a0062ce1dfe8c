"""Verdict: what a defense decides about a request or an output, and on which findings."""

from collections.abc import Iterable
from enum import IntEnum

import msgspec

from outworks.message import Request


class Decision(IntEnum):
    """What is to happen; the strictest of several holds."""

    ALLOW = 0
    MODIFY = 1
    ESCALATE = 2
    """A person must decide; until one does, it is held as if blocked."""
    BLOCK = 3


class Span(msgspec.Struct, frozen=True):
    """A place in a request's messages, or in an output (message and part 0): characters `start` to `end`."""

    start: int
    end: int
    message: int = 0
    part: int = 0


class Finding(msgspec.Struct, frozen=True):
    """Evidence. Recorded on ALLOW too, so that thresholds can be retuned from the ledger."""

    category: str
    score: float
    """0 to 1; 1 where the finding is exact."""
    span: Span | None = None
    detail: str = ""
    """What a reviewer needs besides (the fingerprint's id, the parameter's name). Never content."""


class Edit(msgspec.Struct, frozen=True):
    """A replacement in an output's text. It is never empty, so that what stood on either side cannot grow together."""

    start: int
    end: int
    replacement: str


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What the account is told; the reason in the ledger may say more."""

    code: str = "blocked_by_policy"
    message: str = "This request was stopped by the usage policy."
    status: int = 400
    """The HTTP status it travels under."""
    param: str = ""
    """The parameter at fault, under its canonical name."""
    retry_after: float | None = None
    """Seconds."""
    confirm: tuple[str, ...] = ()
    """With ESCALATE: tokens, each of which lets one held call go."""
    appeal: str = ""
    """The reference to quote in an appeal."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, its reason and its findings."""

    decision: Decision = Decision.ALLOW
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    covered: int | None = None
    """Outputs only: the characters of `output.text` that this verdict is final for; None means all so far. What lies
    beyond is held until a later verdict covers it. With BLOCK: where the violation begins; what comes before it is
    not in dispute. It must depend on the text alone, never on how the text was cut into chunks."""
    edits: tuple[Edit, ...] = ()
    """Outputs, with MODIFY: what to replace. Offsets are into `output.text`."""
    request: Request | None = None
    """Requests, with MODIFY: the request to go on with."""
    notice: Notice | None = None
    """With ESCALATE or BLOCK: what the account is told, where the default words do not say it."""


ALLOW = Verdict()


def strictest(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict with the strictest decision; the first among equals; ALLOW for none."""
    return max(verdicts, key=lambda verdict: verdict.decision, default=ALLOW)
