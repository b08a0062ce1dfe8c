"""Events: what happened, as the ledger keeps it."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from outworks.action import Action
from outworks.message import Usage
from outworks.verdict import Decision, Finding


class Judgement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One defense's verdict, as recorded."""

    defense: str
    decision: Decision
    mode: str = "live"
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    covered: int | None = None
    """Outputs: characters covered; None means all that had arrived."""
    error: str = ""
    """`raised` or `overran`, where the check failed; the decision is then the policy's `on_error`."""
    us: int = 0
    """Microseconds taken."""


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="body"):
    """What an event says; one subclass a kind. The tag is the kind's name in the ledger."""


class Received(Body, frozen=True, kw_only=True, omit_defaults=True, tag="received"):
    """A request arrived. Content: its messages, tools and parameters as JSON."""

    wire: str
    model: str
    stream: bool = False


class Rejected(Body, frozen=True, kw_only=True, omit_defaults=True, tag="rejected"):
    """A request was turned away before any defense saw it: malformed, unknown key, too large..."""

    wire: str
    status: int
    code: str
    message: str


class Judged(Body, frozen=True, kw_only=True, omit_defaults=True, tag="judged"):
    """Every verdict on a request, or on the output so far."""

    stage: str
    """`request` or `output`."""
    judgements: tuple[Judgement, ...]
    decision: Decision
    """The strictest live one."""
    choice: int = 0
    length: int = 0
    """Outputs: characters that had arrived."""


class Released(Body, frozen=True, kw_only=True, omit_defaults=True, tag="released"):
    """Text left. Content: the very characters (after edits), and tool calls as JSON."""

    choice: int
    start: int
    end: int
    """Characters of the upstream's output that this accounts for; every live verdict before it covers them."""
    tool_calls: int = 0
    finish: str = ""
    usage: Usage | None = None


class UpstreamFailed(Body, frozen=True, kw_only=True, omit_defaults=True, tag="upstream_failed"):
    """The model did not answer, or broke off."""

    error: str
    message: str
    status: int


class Ended(Body, frozen=True, kw_only=True, omit_defaults=True, tag="ended"):
    """How an exchange ended, where `released` with a finish does not say it all."""

    why: str
    """`complete` (usage arrived after the last release), `client_left`, `timed_out`, `shut_down` or `fault`."""
    usage: Usage | None = None


class Acted(Body, frozen=True, kw_only=True, omit_defaults=True, tag="acted"):
    """An action was taken on an account (or, in shadow, would have been)."""

    action: Action


class Undone(Body, frozen=True, kw_only=True, omit_defaults=True, tag="undone"):
    """An action was taken back."""

    action: str
    by: str
    reason: str = ""


class Confirmed(Body, frozen=True, kw_only=True, omit_defaults=True, tag="confirmed"):
    """A person's confirmation was taken: of several events with one nonce, the first counts."""

    nonce: str


class Erased(Body, frozen=True, kw_only=True, omit_defaults=True, tag="erased"):
    """Content was erased; the chain keeps its commitments."""

    by: str
    reason: str
    events: tuple[int, ...]
    """Sequence numbers whose content is gone."""


class Changed(Body, frozen=True, kw_only=True, omit_defaults=True, tag="changed"):
    """The set-up changed: a policy was loaded, a key or a fingerprint was added, switched or revoked."""

    what: str
    """`policy`, `key` or `fingerprint`."""
    name: str
    by: str = ""
    detail: dict[str, Any] = {}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened."""

    body: Body
    at: float
    """Unix seconds."""
    exchange: str = ""
    account: str = ""
    product: str = ""
    conversation: str = ""
    content: str | None = None
    """What was said. Kept beside the chain, so that it can be erased or expire without breaking it."""


class Recorder(Protocol):
    """Where events go. Groups are written in the order of the calls, each group wholly or not at all."""

    def append(self, events: Sequence[Event]) -> asyncio.Future[None]:
        """Start writing; the result is done once they are durable against the death of the process.

        Raises (from the future) `RecordError` when they could not be written: nothing may then be released.
        """
        ...


class RecordError(Exception):
    """Events could not be recorded."""
