"""Bulk: one action on many accounts, looked at before it is taken, and taken back exactly."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from outworks.action import Action, Standing
from outworks.enforcement.actions import check_act
from outworks.enforcement.desk import lookup
from outworks.enforcement.desk.cases import Bulk, Outcome
from outworks.enforcement.desk.decisions import STANDINGS, check_policy
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.reviewed import against
from outworks.enforcement.desk.roles import Operation, Reviewer, check_may
from outworks.enforcement.ids import new_id
from outworks.enforcement.standings import StandingTable
from outworks.event import Acted, Body, BulkApplied, BulkPlanned, BulkRestored, BulkUndone, Event, Restored, Undone

MOST = 10_000
"""Accounts in one bulk action: it is one transaction, and the gateway's own wait for it."""
STALE_S = 86_400.0
"""Seconds after which a plan is looked at anew: who was on the list yesterday may not belong there today."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A plan, and whom it would meet."""

    bulk: Bulk
    count: int
    standings: Mapping[str, int]
    """How many of the accounts are in which standing now."""
    unseen: tuple[str, ...]
    """Accounts that never sent a request: mistyped, perhaps."""


def plan(
    desk: Desk,
    reviewer: Reviewer,
    accounts: Sequence[str],
    outcome: Outcome,
    *,
    reason: str,
    policy: str = "",
    lasts: float | None = None,
    rate_per_minute: float | None = None,
) -> Preview:
    """Write down what is to be done to these accounts; nothing is done yet. Raises ValueError for what does not fit."""
    check_may(reviewer, Operation.BULK)
    if outcome not in STANDINGS:
        raise ValueError(f"{outcome.value!r} is no bulk action; expected one of: {', '.join(STANDINGS)}")
    check_act(STANDINGS[outcome], reviewer.name, reason, lasts, rate_per_minute)
    check_policy(desk, policy, needed=STANDINGS[outcome] is not Standing.GOOD)
    named = tuple(dict.fromkeys(account.strip() for account in accounts if account.strip()))
    if not 0 < len(named) <= MOST:
        raise ValueError(f"{len(named)} accounts are named; expected 1 to {MOST}")
    body = BulkPlanned(
        id=new_id("blk"),
        by=reviewer.name,
        outcome=outcome.value,
        accounts=named,
        reason=reason.strip(),
        policy=policy,
        lasts=lasts,
        rate_per_minute=rate_per_minute,
    )
    with desk.change():
        desk.record([Event(body=body, at=desk.clock())])
        return preview(desk, body.id)


def preview(desk: Desk, bulk_id: str) -> Preview:
    """A bulk action, and in which standing its accounts are now."""
    bulk = lookup.bulk(desk, bulk_id)
    table = StandingTable(desk.ledger)
    table.refresh()
    now = desk.clock()
    standings = Counter(table.of(account, now).standing.name.lower() for account in bulk.accounts)
    unseen = tuple(account for account in bulk.accounts if desk.ledger.first_seen(account) is None)
    return Preview(bulk=bulk, count=len(bulk.accounts), standings=dict(standings), unseen=unseen)


def apply(desk: Desk, reviewer: Reviewer, bulk_id: str) -> Bulk:
    """Take a planned bulk action, all of it or nothing. A ban is applied by another person than who planned it."""
    check_may(reviewer, Operation.BULK)
    with desk.change():
        bulk = lookup.bulk(desk, bulk_id)
        now = desk.clock()
        if bulk.state != "planned":
            raise ValueError(f"{bulk_id} was {bulk.state} already; plan another one")
        if now - bulk.at > STALE_S:
            raise ValueError(f"{bulk_id} was planned more than a day ago; plan it anew, and look at it")
        if bulk.outcome is Outcome.BAN and reviewer.name == bulk.by:
            raise ValueError(f"{bulk_id} bans, and {bulk.by} planned it: another person has to apply it")
        done = [
            Event(body=Acted(action=_action(bulk, account, now), bulk=bulk_id, notify=True), at=now, account=account)
            for account in bulk.accounts
        ]
        desk.record([Event(body=BulkApplied(id=bulk_id, by=reviewer.name), at=now), *done])
        return lookup.bulk(desk, bulk_id)


def undo(desk: Desk, reviewer: Reviewer, bulk_id: str, *, reason: str) -> Bulk:
    """Take a bulk action back. Its actions that were undone one by one before stay so, whatever becomes of this."""
    check_may(reviewer, Operation.BULK)
    said = _said(reason)
    with desk.change():
        _check_state(desk, bulk_id, "applied")
        standing = [each for each in lookup.bulk_actions(desk, bulk_id) if not each.undone]
        by = f"person:{reviewer.name}"
        each = [(one.account, Undone(action=one.id, by=by, reason=said, bulk=bulk_id, notify=True)) for one in standing]
        _record(desk, BulkUndone(id=bulk_id, by=reviewer.name, reason=said), each)
        return lookup.bulk(desk, bulk_id)


def redo(desk: Desk, reviewer: Reviewer, bulk_id: str, *, reason: str) -> Bulk:
    """Take the undoing back: its actions count again, but for those that something else took back, too: a person, one
    by one, or the answer to an appeal."""
    check_may(reviewer, Operation.BULK)
    said = _said(reason)
    with desk.change():
        _check_state(desk, bulk_id, "undone")
        taken = (each for each in lookup.bulk_actions(desk, bulk_id) if each.undone)
        freed = [each for each in taken if against(desk, each) <= {bulk_id}]
        by = f"person:{reviewer.name}"
        each = [(one.account, Restored(action=one.id, by=by, reason=said, bulk=bulk_id)) for one in freed]
        _record(desk, BulkRestored(id=bulk_id, by=reviewer.name, reason=said), each)
        return lookup.bulk(desk, bulk_id)


def _said(reason: str) -> str:
    if not reason.strip():
        raise ValueError("give a reason: the accounts are told it")
    return reason.strip()


def _check_state(desk: Desk, bulk_id: str, wanted: str) -> None:
    bulk = lookup.bulk(desk, bulk_id)
    if bulk.state != wanted:
        raise ValueError(f"{bulk_id} is {bulk.state}, not {wanted}")


def _record(desk: Desk, first: Body, each: Sequence[tuple[str, Body]]) -> None:
    now = desk.clock()
    desk.record([Event(body=first, at=now), *(Event(body=body, at=now, account=account) for account, body in each)])


def _action(bulk: Bulk, account: str, now: float) -> Action:
    return Action(
        id=new_id("act"),
        account=account,
        standing=STANDINGS[bulk.outcome],
        by=f"person:{bulk.by}",
        reason=bulk.reason,
        policy=bulk.policy,
        evidence=(bulk.seq,),
        at=now,
        expires=None if bulk.lasts is None else now + bulk.lasts,
        rate_per_minute=bulk.rate_per_minute,
    )
