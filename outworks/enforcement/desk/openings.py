"""Openings: which of the things that happened open a case, and which belong to one that is open already."""

import msgspec

from outworks.enforcement.desk import decisions, lookup
from outworks.enforcement.desk.cases import State
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.history import STANDING
from outworks.enforcement.ids import new_id
from outworks.enforcement.language.words import SURE
from outworks.event import Acted, Appealed, Body, CaseJoined, CaseOpened, Event, Reported
from outworks.ledger.signal import Signal
from outworks.verdict import Decision

_FOLLOWED = "signals"
_MOST = 2000
"""Signals looked at in one turn."""


class _Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why a case is called for."""

    queue: str
    source: str
    account: str
    product: str
    exchange: str = ""
    action: str = ""
    evidence: tuple[int, ...] = ()
    not_for: tuple[str, ...] = ()
    joins: str = ""
    """The open case that it belongs to."""


def open_due(desk: Desk, *, most: int = 100) -> int:
    """Open a case, or add to an open one, for each rule's action, report and appeal that waits; returns how many."""
    if not desk.rows("SELECT 1 FROM due LIMIT 1"):
        return 0
    with desk.change():
        rows = desk.rows("SELECT seq FROM due ORDER BY seq LIMIT ?", (most,))
        for (seq,) in rows:
            event = desk.event(seq).event
            _record(desk, _cause(desk, seq, event))
        return len(rows)


def _cause(desk: Desk, seq: int, event: Event) -> _Cause:
    product = event.product or event.account.partition(":")[0]
    match event.body:
        case Acted(action=action):
            source = action.by if action.by.startswith("rule:") else f"action:{action.id}"
            return _Cause(
                queue=action.case,
                source=source,
                account=action.account,
                product=product,
                action=action.id,
                evidence=action.evidence,
                joins=_open_case(desk, action.account, action.case, source),
            )
        case Reported(id=id):
            queue = desk.office.reports.queue
            return _Cause(
                queue=queue,
                source=f"report:{id}",
                account=event.account,
                product=product,
                exchange=event.exchange,
                evidence=(seq,),
                joins=_open_case(desk, event.account, queue, "report:"),
            )
        case Appealed(id=id, action=appealed):
            against = lookup.action(desk, appealed)
            return _Cause(
                queue="appeals",
                source=f"appeal:{id}",
                account=event.account,
                product=product,
                action=appealed,
                evidence=(against.seq, seq),
                not_for=decisions.deciders(desk, against),
            )
    raise TypeError(f"event {seq} opens no case")


def _open_case(desk: Desk, account: str, queue: str, source: str) -> str:
    """The account's open case of this queue and source (or of any source that begins so, where it ends in a colon)."""
    length = len(source) if source.endswith(":") else 1000
    rows = desk.rows(
        "SELECT id FROM cases WHERE account = ? AND queue = ? AND state = ? AND substr(source, 1, ?) = ? "
        "AND golden = '' ORDER BY seq DESC LIMIT 1",
        (account, queue, State.OPEN, length, source),
    )
    return rows[0][0] if rows else ""


def _record(desk: Desk, cause: _Cause) -> None:
    priority = desk.office.cases.priorities.get(cause.queue, 0)
    body: Body
    if cause.joins:
        body = CaseJoined(
            case=cause.joins, source=cause.source, priority=priority, action=cause.action, evidence=cause.evidence
        )
    else:
        body = CaseOpened(
            case=new_id("case"),
            queue=cause.queue,
            source=cause.source,
            priority=priority,
            action=cause.action,
            evidence=cause.evidence,
            not_for=cause.not_for,
        )
    event = Event(body=body, at=desk.clock(), account=cause.account, product=cause.product, exchange=cause.exchange)
    desk.record([event])


class Findings:
    """Follows the ledger's signals, and opens a case where the policy says that a finding opens one."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seq = self._begin()
        desk.note_mark(_FOLLOWED, self._seq)

    def step(self) -> bool:
        """Read on; True where there is more. Going over the same signals again opens nothing twice."""
        desk = self._desk
        categories = desk.office.cases.categories
        head = desk.ledger.head().seq
        if head == self._seq:
            return False
        count = 0
        last = self._seq
        if categories:
            for signal in desk.ledger.signals(after=self._seq):
                if count >= _MOST:
                    break
                count += 1
                last = signal.seq
                queue = categories.get(signal.category, "")
                if queue and _counts(signal):
                    self._open(signal, queue)
        # A signal's event may have others: they are read again.
        self._seq = last - 1 if count >= _MOST else head
        desk.note_mark(_FOLLOWED, self._seq)
        return count >= _MOST

    def _begin(self) -> int:
        """Where it was; else behind the last finding that opened a case; else now: what lies before the first policy
        that opens cases is for a hunt."""
        desk = self._desk
        noted = desk.mark(_FOLLOWED)
        if noted is not None:
            return noted
        rows = desk.rows(
            "SELECT max(evidence.seq) FROM evidence JOIN cases ON cases.id = case_id "
            "WHERE source LIKE 'defense:%' AND golden = ''"
        )
        return int(rows[0][0]) if rows[0][0] is not None else desk.ledger.head().seq

    def _open(self, signal: Signal, queue: str) -> None:
        desk = self._desk
        if self._covered(signal, queue):
            return
        with desk.change():
            if self._covered(signal, queue):
                return
            cause = _Cause(
                queue=queue,
                source=f"defense:{signal.defense}",
                account=signal.account,
                product=signal.product,
                exchange=signal.exchange,
                evidence=(signal.seq,),
            )
            _record(desk, cause)

    def _covered(self, signal: Signal, queue: str) -> bool:
        """Whether the account has, or lately had, a case of this queue: reviewers see there what came later. It is
        asked of the places in the ledger, so that the answer is the same whenever it is asked."""
        rows = self._desk.rows(
            "SELECT 1 FROM cases WHERE account = ? AND queue = ? AND golden = '' AND source LIKE 'defense:%' "
            "AND (SELECT min(seq) FROM evidence WHERE case_id = cases.id) <= ? "
            "AND (state <> 'closed' OR closed_seq >= ? OR decided_at + ? > ?) LIMIT 1",
            (
                signal.account,
                queue,
                signal.seq,
                signal.seq,
                self._desk.office.cases.reopen_seconds,
                signal.at,
            ),
        )
        return bool(rows)


def _counts(signal: Signal) -> bool:
    """A live finding that is sure, of an account, and about the account."""
    return (
        bool(signal.account)
        and signal.mode == "live"
        and signal.defense != STANDING
        and (signal.score >= SURE or signal.decision > Decision.ALLOW)
    )
