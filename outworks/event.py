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
    choices: int = 1
    """How many answers it asks for."""


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
    decision: str = ""
    """The decision of a case that it carries out."""
    bulk: str = ""
    """The bulk action that it is one of."""
    notify: bool = False
    """The account is owed a notice of its own. False where a decision's notice says it all, and in what versions wrote
    that told nobody."""


class Undone(Body, frozen=True, kw_only=True, omit_defaults=True, tag="undone"):
    """An action was taken back."""

    action: str
    by: str
    reason: str = ""
    decision: str = ""
    """The decision that it carries out."""
    bulk: str = ""
    """The bulk action whose undoing it is part of."""
    notify: bool = False
    """As in `acted`."""


class Restored(Body, frozen=True, kw_only=True, omit_defaults=True, tag="restored"):
    """An action that was taken back counts again: the undoing was undone."""

    action: str
    by: str
    reason: str = ""
    decision: str = ""
    """The decision whose undoing it carries out."""
    bulk: str = ""
    """The bulk action whose undoing was undone."""


class Confirmed(Body, frozen=True, kw_only=True, omit_defaults=True, tag="confirmed"):
    """A person's confirmation was taken: of several events with one nonce, the first counts."""

    nonce: str


class Counted(Body, frozen=True, kw_only=True, omit_defaults=True, tag="counted"):
    """A tool call took its place among those of its turn, before it left: where two do so at once, this order
    decides."""

    tool: str
    words: str
    """What stands for the user's last words: without the gateway's secret it tells nothing of them."""
    place: int = 0
    """How often the user had said just this before."""
    slot: str
    """Which call it is of which output."""


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


class CaseOpened(Body, frozen=True, kw_only=True, omit_defaults=True, tag="case_opened"):
    """A case waits for a reviewer."""

    case: str
    queue: str
    source: str
    """What opened it: `rule:NAME`, `defense:NAME`, `report:ID`, `appeal:ID`, `person:NAME` or `golden:CASE`."""
    priority: int = 0
    action: str = ""
    """The action that is to be reviewed."""
    evidence: tuple[int, ...] = ()
    """Sequence numbers of ledger events."""
    not_for: tuple[str, ...] = ()
    """Reviewers who may not decide it: those who made the decision that is appealed."""
    only_for: str = ""
    """The one reviewer who gets it: a golden case measures him."""


class CaseJoined(Body, frozen=True, kw_only=True, omit_defaults=True, tag="case_joined"):
    """Something more belongs to an open case."""

    case: str
    source: str
    priority: int = 0
    action: str = ""
    evidence: tuple[int, ...] = ()


class CaseClaimed(Body, frozen=True, kw_only=True, omit_defaults=True, tag="case_claimed"):
    """A reviewer has a case, and nobody else until the lease ends."""

    case: str
    by: str
    until: float
    """Unix seconds."""


class CaseMoved(Body, frozen=True, kw_only=True, omit_defaults=True, tag="case_moved"):
    """A case left its reviewer undecided. Content: why."""

    case: str
    by: str
    how: str
    """`skipped`, `handed_over`, `escalated`, `returned` or `queued`."""
    to: str = ""
    """Handed over: to whom. Queued: to which queue."""
    until: float | None = None
    """Skipped: when he may get it again; handed over: until when nobody else does. Unix seconds."""


class CaseNoted(Body, frozen=True, kw_only=True, omit_defaults=True, tag="case_noted"):
    """A reviewer wrote a note. Content: the note."""

    case: str
    by: str


class CaseDecided(Body, frozen=True, kw_only=True, omit_defaults=True, tag="case_decided"):
    """A person decided a case. Actions that follow are in the same transaction, right behind it."""

    id: str
    case: str
    by: str
    outcome: str
    """`dismiss`, `keep`, `warn`, `limit`, `suspend`, `ban` or `reinstate`; of an appeal `uphold` or `overturn`."""
    policy: str = ""
    reason: str = ""
    """What the account is told."""
    lasts: float | None = None
    """Seconds."""
    rate_per_minute: float | None = None
    pending: bool = False
    """Nothing follows until another person confirms it."""
    confirms: str = ""
    """The pending decision that this one confirms."""
    action: str = ""
    """The action that it led to."""
    undid: tuple[str, ...] = ()
    """The actions that it took back."""
    rule: str = ""
    """The rule whose action was under review."""
    holds: bool | None = None
    """Whether that rule's evidence was found right."""
    golden: str = ""
    """The case that this one was a copy of: the answer is measured, and nothing follows."""


class CaseReopened(Body, frozen=True, kw_only=True, omit_defaults=True, tag="case_reopened"):
    """A decision was taken back, and with it all that followed; its case waits again."""

    case: str
    decision: str
    by: str
    reason: str


class Notified(Body, frozen=True, kw_only=True, omit_defaults=True, tag="notified"):
    """An account was told of a decision: the statement of reasons (DSA, Art. 17). There is one for each decision."""

    id: str
    """The same for the same decision, however often it is worked out."""
    about: str
    """The decision, or the action where no case was decided; `undo:ACTION` where that was taken back."""
    code: str
    """`warned`, `limited`, `suspended`, `banned`, `reinstated`, `lifted`, `restored`, `upheld` or `overturned`."""
    text: str
    action: str = ""
    """The action that can be appealed."""
    policy: str = ""
    automated: bool = False
    """No person decided it."""
    expires: float | None = None
    """Unix seconds."""


class Reported(Body, frozen=True, kw_only=True, omit_defaults=True, tag="reported"):
    """Somebody reported an account to the product. Content: what they wrote."""

    id: str
    category: str = ""
    reporter: str = ""
    """Who reported, in the product's words."""


class Appealed(Body, frozen=True, kw_only=True, omit_defaults=True, tag="appealed"):
    """An account appeals against an action. Content: what it wrote."""

    id: str
    action: str


class Viewed(Body, frozen=True, kw_only=True, omit_defaults=True, tag="viewed"):
    """A person looked at what was said."""

    by: str
    events: tuple[int, ...] = ()
    """Sequence numbers whose content was shown."""
    case: str = ""
    category: str = ""
    """What it was about, for the daily limit."""


class SignedIn(Body, frozen=True, kw_only=True, omit_defaults=True, tag="signed_in"):
    """A person signed in to the console."""

    by: str
    how: str
    """`password`, `openid` or `link`."""


class BulkPlanned(Body, frozen=True, kw_only=True, omit_defaults=True, tag="bulk_planned"):
    """A bulk action was written down to be looked at; nothing follows until it is applied."""

    id: str
    by: str
    outcome: str
    """`warn`, `limit`, `suspend`, `ban` or `reinstate`."""
    accounts: tuple[str, ...]
    reason: str
    policy: str = ""
    lasts: float | None = None
    rate_per_minute: float | None = None


class BulkApplied(Body, frozen=True, kw_only=True, omit_defaults=True, tag="bulk_applied"):
    """A bulk action was taken; its actions are in the same transaction, right behind it."""

    id: str
    by: str


class BulkUndone(Body, frozen=True, kw_only=True, omit_defaults=True, tag="bulk_undone"):
    """A bulk action was taken back; each undoing is in the same transaction, right behind it."""

    id: str
    by: str
    reason: str


class BulkRestored(Body, frozen=True, kw_only=True, omit_defaults=True, tag="bulk_restored"):
    """A bulk action counts again; each action is in the same transaction, right behind it."""

    id: str
    by: str
    reason: str


class GoldenSet(Body, frozen=True, kw_only=True, omit_defaults=True, tag="golden_set"):
    """A decided case became one by which reviewers are measured, or no longer is one."""

    case: str
    by: str
    outcome: str = ""
    """The right answer; empty where it measures no longer."""


class Begun(Body, frozen=True, kw_only=True, omit_defaults=True, tag="begun"):
    """From here on something is done that was not before: what lies earlier in the ledger is none of its business."""

    what: str
    """`webhook:NAME`."""


class Delivered(Body, frozen=True, kw_only=True, omit_defaults=True, tag="delivered"):
    """A webhook took a message, or was given up."""

    message: str
    webhook: str
    ok: bool
    attempts: int
    status: int = 0
    """The last HTTP status; 0 where there was no answer."""


class Sampled(Body, frozen=True, kw_only=True, omit_defaults=True, tag="sampled"):
    """An exchange was drawn at random, to be looked at: what is found in such tells how much is in all. It stands in
    the event."""

    by: str


class Labelled(Body, frozen=True, kw_only=True, omit_defaults=True, tag="labelled"):
    """A person said of an exchange that was drawn whether its answer went against the policy. It stands in the
    event."""

    by: str
    violating: bool
    category: str = ""


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

    def append(self, events: Sequence[Event], *, within: float = 0.0) -> asyncio.Future[None]:
        """Start writing, at once or, to go with others, `within` so many seconds; the result is done once they are
        durable against the death of the process.

        Raises (from the future) `RecordError` when they could not be written: nothing may then be released.
        """
        ...


class RecordError(Exception):
    """Events could not be recorded."""
