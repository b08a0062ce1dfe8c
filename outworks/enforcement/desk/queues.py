"""Queues: who has which case, and how it moves on undecided."""

import random
from collections.abc import Callable, Sequence

from outworks.enforcement.desk import golden, lookup
from outworks.enforcement.desk.cases import Case, State
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.reviewed import DECIDED, barred
from outworks.enforcement.desk.roles import Operation, Reviewer, check_may, may
from outworks.enforcement.ids import new_id
from outworks.event import Body, CaseClaimed, CaseMoved, CaseNoted, CaseOpened, Event, Viewed

_random = random.SystemRandom()
_SKIPPED_S = 3600.0
"""How long a case does not come back to who skipped it."""
_HANDED_S = 86_400.0
"""How long nobody else gets what was handed over."""
_LONGEST_NOTE = 20_000

_FREE = (
    "state <> 'closed' AND only_for IN ('', :me) AND (lease_until <= :now OR lease_by IN ('', :me)) "  # noqa: S608
    "AND (assigned_to IN ('', :me) OR assigned_until <= :now) AND (escalated = 0 OR :lead) "
    "AND NOT EXISTS (SELECT 1 FROM json_each(not_for) WHERE value = :me) "
    f"AND (appeal = '' OR NOT EXISTS (SELECT 1 {DECIDED} cases.action AND decision.by = :me)) "
    "AND (pending = '' OR (SELECT by FROM decision WHERE decision.id = pending) <> :me) "
    "AND NOT EXISTS (SELECT 1 FROM skip WHERE case_id = cases.id AND reviewer = :me AND until > :now)"
)


class Held(ValueError):
    """A case that somebody else has."""

    def __init__(self, case: str, by: str, until: float) -> None:
        super().__init__(f"{by} has the case {case}")
        self.by = by
        self.until = until


def claim(
    desk: Desk,
    reviewer: Reviewer,
    *,
    queues: Sequence[str] = (),
    chance: Callable[[], float] = _random.random,
) -> Case | None:
    """The next case, for the reviewer alone until its lease ends: the one he has already, then what was handed over to
    him, then the one of highest priority that has waited longest, in these queues or all. None where nothing waits.
    """
    check_may(reviewer, Operation.CLAIM)
    with desk.change():
        now = desk.clock()
        found = _next(desk, reviewer, queues, now)
        if found is None:
            return None
        waits = lookup.case(desk, found)
        if waits.leased_to(now) != reviewer.name and chance() < desk.office.cases.golden_rate:
            found = golden.copied(desk, reviewer) or found
        return _lease(desk, reviewer, lookup.case(desk, found), now)


def _next(desk: Desk, reviewer: Reviewer, queues: Sequence[str], now: float) -> str | None:
    values: dict[str, object] = {"me": reviewer.name, "now": now, "lead": may(reviewer, Operation.TAKE_ESCALATED)}
    names = {f"q{n}": queue for n, queue in enumerate(queues)}
    among = f" AND queue IN ({', '.join(f':{name}' for name in names)})" if queues else ""
    own = f"SELECT id FROM cases WHERE {_FREE}{among} AND "  # noqa: S608
    order = " ORDER BY priority DESC, opened_at, seq LIMIT 1"
    for sql in (
        f"{own} lease_by = :me AND lease_by <> '' AND lease_until > :now{order}",
        f"{own} assigned_to = :me AND assigned_to <> ''{order}",
        f"{own} true{order}",
    ):
        rows = desk.named(sql, {**values, **names})
        if rows:
            return str(rows[0][0])
    return None


def claim_this(desk: Desk, reviewer: Reviewer, case_id: str) -> Case:
    """This case, for the reviewer alone; his lease begins anew. Raises `Held` where somebody else has it, and
    ValueError where he may not decide it, or it is decided."""
    check_may(reviewer, Operation.CLAIM)
    with desk.change():
        case = held(desk, reviewer, case_id)
        return _lease(desk, reviewer, case, desk.clock())


renew = claim_this
"""The lease again, while the reviewer still looks at it."""


def held(desk: Desk, reviewer: Reviewer, case_id: str) -> Case:
    """The case, if the reviewer may work on it now: it waits, nobody else has it, and it is not his own decision that
    is looked at. Raises `Held`, ValueError or LookupError. Within `change`."""
    case = lookup.case(desk, case_id)
    now = desk.clock()
    name = reviewer.name
    if case.state is State.CLOSED:
        raise ValueError(f"{case_id} was decided by {case.decided_by} ({case.outcome}); undo that to decide it anew")
    only = desk.rows("SELECT only_for FROM cases WHERE id = ?", (case_id,))[0][0]
    if only and only != name:
        raise LookupError(f"there is no case {case_id!r}")
    if name in barred(desk, case):
        raise ValueError(f"{name} made the decision that {case_id} is about; somebody else has to look at it")
    if case.pending and lookup.decision(desk, case.pending).by == name:
        raise ValueError(f"{name} has decided {case_id}; it waits for another person")
    if case.escalated:
        check_may(reviewer, Operation.TAKE_ESCALATED)
    if case.leased_to(now) not in ("", name):
        raise Held(case_id, case.lease_by, case.lease_until)
    if case.assigned_to not in ("", name) and now < case.assigned_until:
        raise Held(case_id, case.assigned_to, case.assigned_until)
    return case


def _lease(desk: Desk, reviewer: Reviewer, case: Case, now: float) -> Case:
    body = CaseClaimed(case=case.id, by=reviewer.name, until=now + desk.office.cases.lease_seconds)
    desk.record([about(case, body, now)])
    return lookup.case(desk, case.id)


def skip(desk: Desk, reviewer: Reviewer, case_id: str, *, why: str = "") -> None:
    """Leave it to others; it does not come back to him for an hour."""
    _move(desk, reviewer, case_id, "skipped", why, until=desk.clock() + _SKIPPED_S)


def give_back(desk: Desk, reviewer: Reviewer, case_id: str, *, why: str = "") -> None:
    """Back into its queue, for anybody."""
    _move(desk, reviewer, case_id, "returned", why)


def hand_over(desk: Desk, reviewer: Reviewer, case_id: str, *, to: str, why: str) -> None:
    """To another reviewer, who is given it next; if he does not take it within a day, anybody may."""
    if not to.strip() or to == reviewer.name:
        raise ValueError(f"hand over to whom? expected another reviewer's name, not {to!r}")
    _signed_why(why, "hand it over")
    with desk.change():
        if to in barred(desk, lookup.case(desk, case_id)):
            raise ValueError(f"{to} made the decision that {case_id} is about; hand it to somebody else")
        _move(desk, reviewer, case_id, "handed_over", why, to=to, until=desk.clock() + _HANDED_S)


def escalate(desk: Desk, reviewer: Reviewer, case_id: str, *, why: str) -> None:
    """To a lead."""
    _signed_why(why, "escalate it")
    _move(desk, reviewer, case_id, "escalated", why)


def move(desk: Desk, reviewer: Reviewer, case_id: str, *, queue: str, why: str = "") -> None:
    """Into another queue, where it is no longer escalated."""
    check_may(reviewer, Operation.MOVE_QUEUE)
    if not queue.strip() or len(queue) > 64:
        raise ValueError(f"a queue has a name of 1 to 64 characters, not {queue[:80]!r}")
    _move(desk, reviewer, case_id, "queued", why, to=queue)


def _signed_why(why: str, what: str) -> None:
    if not why.strip():
        raise ValueError(f"say why you {what}: whoever gets it reads this")


def _move(
    desk: Desk, reviewer: Reviewer, case_id: str, how: str, why: str, *, to: str = "", until: float | None = None
) -> None:
    check_may(reviewer, Operation.CLAIM)
    _check_length(why)
    with desk.change():
        case = held(desk, reviewer, case_id)
        body = CaseMoved(case=case_id, by=reviewer.name, how=how, to=to, until=until)
        desk.record([about(case, body, desk.clock(), why.strip() or None)])


def note(desk: Desk, reviewer: Reviewer, case_id: str, text: str) -> None:
    """Write a note into a case, whoever has it. It is content: it can be erased, and is not kept longer than
    content."""
    check_may(reviewer, Operation.NOTE)
    if not text.strip():
        raise ValueError("the note is empty")
    _check_length(text)
    with desk.change():
        case = lookup.case(desk, case_id)
        desk.record([about(case, CaseNoted(case=case_id, by=reviewer.name), desk.clock(), text)])


def open_case(
    desk: Desk,
    reviewer: Reviewer,
    account: str,
    *,
    why: str,
    queue: str = "manual",
    exchange: str = "",
    evidence: Sequence[int] = (),
    priority: int = 0,
) -> Case:
    """Open a case by hand. Raises LookupError for an account that never sent a request."""
    check_may(reviewer, Operation.OPEN_CASE)
    _signed_why(why, "open it")
    _check_length(why)
    if desk.ledger.first_seen(account) is None:
        raise LookupError(f"no request of the account {account!r} is in the ledger")
    with desk.change():
        id = new_id("case")
        body = CaseOpened(
            case=id,
            queue=queue,
            source=f"person:{reviewer.name}",
            priority=priority or desk.office.cases.priorities.get(queue, 0),
            evidence=tuple(evidence),
        )
        product = account.partition(":")[0]
        event = Event(
            body=body, at=desk.clock(), account=account, product=product, exchange=exchange, content=why.strip()
        )
        desk.record([event])
        return lookup.case(desk, id)


def viewed(
    desk: Desk, reviewer: Reviewer, events: Sequence[int], *, account: str = "", case: str = "", category: str = ""
) -> None:
    """Record that the person is about to be shown the content of these events: before it is shown."""
    check_may(reviewer, Operation.SEE_CONTENT)
    body = Viewed(by=reviewer.name, events=tuple(events), case=case, category=category)
    with desk.change():
        desk.record([Event(body=body, at=desk.clock(), account=account)])


def about(case: Case, body: Body, at: float, content: str | None = None) -> Event:
    """An event of a case, under the account that it is about."""
    return Event(body=body, at=at, account=case.account, product=case.product, exchange=case.exchange, content=content)


def _check_length(text: str) -> None:
    if len(text) > _LONGEST_NOTE:
        raise ValueError(f"that is {len(text)} characters long; at most {_LONGEST_NOTE} are taken")
