"""Looking up: cases, decisions, appeals and the rest, as the desk's index has them now."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from outworks.enforcement.desk.cases import (
    Appeal,
    Bulk,
    Case,
    Decision,
    Entry,
    Notice,
    Outcome,
    QueueView,
    Report,
    State,
    TakenAction,
)
from outworks.enforcement.desk.desk import Desk
from outworks.event import BulkPlanned, CaseDecided, CaseOpened
from outworks.ledger.reader import Recorded
from outworks.nearest import did_you_mean

T = TypeVar("T", bound=msgspec.Struct)

_CASE = (
    "id, seq, queue, priority, state, account, product, exchange, opened_at, source, action, appeal, not_for, "
    "lease_by, lease_until, assigned_to, assigned_until, escalated, pending, decision, outcome, decided_by, "
    "decided_at, as_of, golden"
)
_NEAR = 2000


def case(desk: Desk, id: str) -> Case:
    """A case. Raises LookupError with the nearest id."""
    found = desk.rows(f"SELECT {_CASE} FROM cases WHERE id = ?", (id,))  # noqa: S608
    if not found:
        raise LookupError(f"there is no case {id!r}{_near(desk, 'cases', id)}")
    return _case(desk, found[0])


def cases(
    desk: Desk,
    *,
    queue: str | None = None,
    state: State | None = None,
    account: str | None = None,
    limit: int = 50,
    before: float | None = None,
    copies: bool = False,
) -> tuple[Case, ...]:
    """Cases, the latest first; `before` (Unix seconds, when it was opened) pages on. With `copies`, those that only
    measure somebody too: not for the eyes of those who are measured."""
    given = {"queue = ?": queue, "state = ?": state, "account = ?": account, "opened_at < ?": before}
    where = _where({**given, "golden = ?": None if copies else ""})
    rows = desk.rows(
        f"SELECT {_CASE} FROM cases {where.sql} ORDER BY opened_at DESC LIMIT ?",  # noqa: S608
        (*where.values, limit),
    )
    return tuple(_case(desk, row) for row in rows)


def queues(desk: Desk) -> tuple[QueueView, ...]:
    """Every queue in which something waits, by name. Copies that measure somebody are not counted."""
    rows = desk.rows(
        "SELECT queue, count(*), sum(state = 'pending'), sum(lease_until > ?), sum(escalated), min(opened_at) "
        "FROM cases WHERE state <> 'closed' AND golden = '' GROUP BY queue ORDER BY queue",
        (desk.clock(),),
    )
    return tuple(
        QueueView(name=name, waiting=waiting, pending=pending, leased=leased, escalated=escalated, oldest=oldest)
        for name, waiting, pending, leased, escalated, oldest in rows
    )


def queue_names(desk: Desk) -> tuple[str, ...]:
    """Every queue that a case has ever been in, by name."""
    return tuple(name for (name,) in desk.rows("SELECT DISTINCT queue FROM cases ORDER BY queue"))


def timeline(desk: Desk, id: str) -> tuple[Recorded, ...]:
    """A case's own events, in order, with what was written in them."""
    found = case(desk, id)
    rows = desk.rows("SELECT seq FROM entry WHERE case_id = ? ORDER BY seq", (id,))
    return tuple(_shown(desk.event(seq), found) for (seq,) in rows)


def decision(desk: Desk, id: str) -> Decision:
    """A decision. Raises LookupError with the nearest id."""
    found = _decisions(desk, "WHERE id = ?", (id,))
    if not found:
        raise LookupError(f"there is no decision {id!r}{_near(desk, 'decision', id)}")
    return found[0]


def decisions(
    desk: Desk, *, account: str | None = None, case: str | None = None, by: str | None = None, limit: int = 50
) -> tuple[Decision, ...]:
    """Decisions, the latest first; answers to copies that measure somebody are left out unless `case` names one."""
    where = _where({"account = ?": account, "case_id = ?": case, "by = ?": by})
    real = "" if case is not None else (" AND golden = ''" if where.sql else "WHERE golden = ''")
    return _decisions(desk, f"{where.sql}{real} ORDER BY seq DESC LIMIT ?", (*where.values, limit))


def actions(desk: Desk, account: str) -> tuple[TakenAction, ...]:
    """Every action ever taken on an account, in order."""
    return _actions(desk, "account = ? ORDER BY seq", (account,))


def action(desk: Desk, id: str) -> TakenAction:
    """An action. Raises LookupError with the nearest id."""
    found = _actions(desk, "id = ?", (id,))
    if not found:
        raise LookupError(f"no action has the id {id!r}{_near(desk, 'action', id)}")
    return found[0]


def bulk_actions(desk: Desk, bulk: str) -> tuple[TakenAction, ...]:
    """The actions of a bulk action, in order."""
    return _actions(desk, "bulk = ? ORDER BY seq", (bulk,)) if bulk else ()


def appeals(
    desk: Desk, *, account: str | None = None, state: str | None = None, action: str | None = None, limit: int = 50
) -> tuple[Appeal, ...]:
    """Appeals, the latest first."""
    where = _where({"account = ?": account, "state = ?": state, "action = ?": action})
    columns = "id, seq, action, account, at, case_id, state, decision, answered_at"
    rows = desk.rows(f"SELECT {columns} FROM appeal {where.sql} ORDER BY seq DESC LIMIT ?", (*where.values, limit))  # noqa: S608
    return tuple(_made(Appeal, row) for row in rows)


def reports(desk: Desk, *, account: str | None = None, case: str | None = None, limit: int = 50) -> tuple[Report, ...]:
    """Reports, the latest first."""
    where = _where({"account = ?": account, "case_id = ?": case})
    columns = "id, seq, account, exchange, category, reporter, at, case_id"
    rows = desk.rows(f"SELECT {columns} FROM report {where.sql} ORDER BY seq DESC LIMIT ?", (*where.values, limit))  # noqa: S608
    return tuple(_made(Report, row) for row in rows)


def notices(
    desk: Desk, *, account: str | None = None, about: str | None = None, action: str | None = None, limit: int = 50
) -> tuple[Notice, ...]:
    """Notices that were sent, the latest first."""
    where = _where({"account = ?": account, "about = ?": about, "action = ?": action})
    columns = "id, seq, about, account, action, code, at"
    rows = desk.rows(f"SELECT {columns} FROM notice {where.sql} ORDER BY seq DESC LIMIT ?", (*where.values, limit))  # noqa: S608
    return tuple(_made(Notice, row) for row in rows)


def bulks(desk: Desk, limit: int = 50) -> tuple[Bulk, ...]:
    """Bulk actions, the latest first."""
    rows = desk.rows(f"SELECT {_BULK} FROM bulk ORDER BY seq DESC LIMIT ?", (limit,))  # noqa: S608
    return tuple(_bulk(desk, row) for row in rows)


def bulk(desk: Desk, id: str) -> Bulk:
    """A bulk action. Raises LookupError with the nearest id."""
    rows = desk.rows(f"SELECT {_BULK} FROM bulk WHERE id = ?", (id,))  # noqa: S608
    if not rows:
        raise LookupError(f"there is no bulk action {id!r}{_near(desk, 'bulk', id)}")
    return _bulk(desk, rows[0])


def trail(
    desk: Desk,
    *,
    by: str | None = None,
    kind: str | None = None,
    account: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> tuple[Entry, ...]:
    """What people, rules and the clerk did, the latest first; `before` (an event's number) pages on."""
    where = _where({"by = ?": by, "kind = ?": kind, "account = ?": account, "seq < ?": before})
    shown = " AND account <> ''" if account else ""
    rows = desk.rows(
        f"SELECT seq, kind, by, account, at FROM trail {where.sql}{shown} ORDER BY seq DESC LIMIT ?",  # noqa: S608
        (*where.values, limit),
    )
    return tuple(_made(Entry, row) for row in rows)


def looked_at(desk: Desk, by: str, since: float) -> Mapping[str, int]:
    """How many contents a person was shown since that moment, by category."""
    rows = desk.rows(
        "SELECT category, sum(contents) FROM look WHERE by = ? AND at >= ? GROUP BY category ORDER BY category",
        (by, since),
    )
    return dict(rows)


def _shown(recorded: Recorded, found: Case) -> Recorded:
    """An event as reviewers see it: nothing in it tells a copy from its original."""
    body = recorded.event.body
    if not found.golden or not isinstance(body, CaseOpened):
        return recorded
    opened = msgspec.structs.replace(body, source=found.source, only_for="")
    return msgspec.structs.replace(recorded, event=msgspec.structs.replace(recorded.event, body=opened))


_BULK = "id, seq, by, at, state, applied_by, applied_at, undone_by, undone_at"


def _bulk(desk: Desk, row: tuple[Any, ...]) -> Bulk:
    body = desk.event(row[1]).event.body
    assert isinstance(body, BulkPlanned)
    return Bulk(
        id=row[0],
        seq=row[1],
        by=row[2],
        at=row[3],
        outcome=Outcome(body.outcome),
        accounts=body.accounts,
        reason=body.reason,
        policy=body.policy,
        lasts=body.lasts,
        rate_per_minute=body.rate_per_minute,
        state=row[4],
        applied_by=row[5],
        applied_at=row[6],
        undone_by=row[7],
        undone_at=row[8],
    )


def _case(desk: Desk, row: tuple[Any, ...]) -> Case:
    values = dict(zip(_CASE.split(", "), row, strict=True))
    values["state"] = State(values["state"])
    values["not_for"] = tuple(msgspec.json.decode(values["not_for"]))
    values["escalated"] = bool(values["escalated"])
    if values["golden"]:
        # It looks like its original.
        values["source"] = desk.rows("SELECT source FROM cases WHERE id = ?", (values["golden"],))[0][0]
    evidence = desk.rows("SELECT seq FROM evidence WHERE case_id = ? ORDER BY seq", (values["id"],))
    actions = desk.rows(
        "SELECT action FROM reviewed JOIN action ON action.id = reviewed.action WHERE case_id = ? ORDER BY action.seq",
        (values["id"],),
    )
    reported = desk.rows("SELECT id FROM report WHERE case_id = ? ORDER BY seq", (values["id"],))
    return Case(**values, evidence=_first(evidence), actions=_first(actions), reports=_first(reported))


def _first(rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    return tuple(row[0] for row in rows)


def _decisions(desk: Desk, where: str, values: Sequence[object]) -> tuple[Decision, ...]:
    rows = desk.rows(f"SELECT seq, account, at, body, undone FROM decision {where}", values)  # noqa: S608
    found = []
    for seq, account, at, said, undone in rows:
        body = msgspec.json.decode(said, type=CaseDecided)
        fields = {name: getattr(body, name) for name in Decision.__struct_fields__ if hasattr(body, name)}
        fields["outcome"] = Outcome(body.outcome)
        found.append(Decision(**fields, seq=seq, account=account, at=at, undone=bool(undone)))
    return tuple(found)


def _actions(desk: Desk, where: str, values: Sequence[object]) -> tuple[TakenAction, ...]:
    columns = "id, seq, account, standing, by, at, expires, shadow, decision, bulk, undone"
    rows = desk.rows(f"SELECT {columns} FROM action WHERE {where}", values)  # noqa: S608
    return tuple(
        msgspec.structs.replace(each, shadow=bool(each.shadow), undone=bool(each.undone))
        for each in (_made(TakenAction, row) for row in rows)
    )


def _made(kind: type[T], row: tuple[Any, ...]) -> T:
    """A row as a Struct whose fields are its columns, in order."""
    return kind(**dict(zip(kind.__struct_fields__, row, strict=True)))


class _Where(msgspec.Struct, frozen=True):
    sql: str
    values: tuple[object, ...]


def _where(given: Mapping[str, object]) -> _Where:
    held = {condition: value for condition, value in given.items() if value is not None}
    return _Where("WHERE " + " AND ".join(held) if held else "", tuple(held.values()))


def _near(desk: Desk, table: str, id: str) -> str:
    rows = desk.rows(f"SELECT id FROM {table} ORDER BY seq DESC LIMIT {_NEAR}")  # noqa: S608
    return did_you_mean(id, (str(row[0]) for row in rows))
