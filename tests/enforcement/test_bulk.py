"""Bulk: looked at before it is done, done whole, and taken back exactly."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outworks.action import GOOD, Action, Standing
from outworks.enforcement import bulk
from outworks.enforcement.desk import decisions, lookup
from outworks.enforcement.desk.cases import Outcome
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.roles import Forbidden
from outworks.enforcement.standings import StandingTable
from outworks.event import Notified, RecordError
from outworks.ledger import verify
from tests.enforcement.desk_kit import ADA, EVA, LEA, Clock, by_rule, opened, standing, work
from tests.enforcement.kit import ANN, received


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    with opened(tmp_path, clock=clock) as desk:
        yield desk


BOTH = [ANN, "shop:bob"]
BAN: dict[str, Any] = {"outcome": Outcome.BAN, "reason": "A ring of one template."}


def everybody(desk: Desk, accounts: list[str]) -> dict[str, Action]:
    table = StandingTable(desk.ledger)
    table.refresh()
    return {account: table.of(account, desk.clock()) for account in accounts}


def test_a_plan_does_nothing_but_say_whom_it_would_meet(desk: Desk) -> None:
    """A preview counts each account once, says how they stand, and who was never seen."""
    by_rule(desk, case="")

    planned = bulk.plan(desk, LEA, [ANN, "shop:bob", ANN, " ", "shop:nobody"], **BAN)

    assert (planned.count, planned.unseen) == (3, ("shop:nobody",))
    assert planned.standings == {"suspended": 1, "good": 2}
    assert planned.bulk.state == "planned"
    assert standing(desk, "shop:bob") is GOOD
    assert bulk.preview(desk, planned.bulk.id) == planned


def test_a_bulk_ban_of_a_thousand_is_undone_exactly(desk: Desk, tmp_path: Path) -> None:
    """A thousand accounts, some of them restricted before, some twice: banned in one go by two people, each told; then
    undone, and each stands exactly as before; then the undoing is taken back, and each is banned again."""
    accounts = [f"shop:ring-{n}" for n in range(1000)]
    desk.ledger.append_now([received(account=account) for account in accounts])
    for n, account in enumerate(accounts):
        if n % 3 == 0:
            by_rule(desk, account=account, case="")
        if n % 7 == 0:
            by_rule(desk, account=account, case="", standing=Standing.LIMITED, rate_per_minute=float(n + 1))
    before = everybody(desk, accounts)
    work(desk)
    planned = bulk.plan(desk, LEA, accounts, **BAN)

    began = time.perf_counter()
    applied = bulk.apply(desk, ADA, planned.bulk.id)
    assert time.perf_counter() - began < 5

    assert (applied.state, applied.by, applied.applied_by) == ("applied", "lea", "ada")
    assert {action.standing for action in everybody(desk, accounts).values()} == {Standing.BANNED}
    assert bulk.undo(desk, LEA, planned.bulk.id, reason="The wrong template.").state == "undone"
    assert everybody(desk, accounts) == before
    assert bulk.redo(desk, LEA, planned.bulk.id, reason="It was the right one.").state == "applied"
    assert {action.standing for action in everybody(desk, accounts).values()} == {Standing.BANNED}
    bulk.undo(desk, LEA, planned.bulk.id, reason="Enough.")
    assert everybody(desk, accounts) == before
    work(desk)
    told = [each.event for each in desk.ledger.events(kinds={"notified"}, account=accounts[1])]
    assert [e.body.code for e in told if isinstance(e.body, Notified)] == ["banned", "lifted", "restored", "lifted"]
    assert verify(tmp_path / "ledger.db").ok


def test_what_was_undone_by_itself_stays_undone(desk: Desk) -> None:
    """An account that was let off before the bulk action was undone is not met again when that undoing is taken
    back."""
    planned = bulk.plan(desk, LEA, BOTH, **BAN)
    bulk.apply(desk, ADA, planned.bulk.id)
    (ann, _) = lookup.bulk_actions(desk, planned.bulk.id)
    decisions.undo_action(desk, LEA, ann.id, reason="Not she.")

    bulk.undo(desk, LEA, planned.bulk.id, reason="x")
    bulk.redo(desk, LEA, planned.bulk.id, reason="x")

    assert standing(desk, ANN) is GOOD
    assert standing(desk, "shop:bob").standing is Standing.BANNED
    assert len(list(desk.ledger.events(kinds={"undone"}, account=ANN))) == 1


def test_a_bulk_ban_needs_two_people(desk: Desk) -> None:
    """Whoever planned a ban does not apply it; anything less he does. Each action names both, for its appeals."""
    planned = bulk.plan(desk, LEA, BOTH, **BAN)
    with pytest.raises(ValueError, match="another person has to apply it"):
        bulk.apply(desk, LEA, planned.bulk.id)
    bulk.apply(desk, ADA, planned.bulk.id)
    warned = bulk.plan(desk, LEA, BOTH, Outcome.WARN, reason="x", lasts=60.0)
    bulk.apply(desk, LEA, warned.bulk.id)

    (one, _) = lookup.bulk_actions(desk, planned.bulk.id)
    assert decisions.deciders(desk, one) == ("ada", "lea")


def test_a_bulk_action_is_taken_once(desk: Desk, clock: Clock) -> None:
    """Neither applied twice, nor undone twice, nor applied a day after it was looked at."""
    planned = bulk.plan(desk, LEA, BOTH, **BAN)
    bulk.apply(desk, ADA, planned.bulk.id)
    with pytest.raises(ValueError, match="was applied already"):
        bulk.apply(desk, ADA, planned.bulk.id)
    bulk.undo(desk, LEA, planned.bulk.id, reason="x")
    with pytest.raises(ValueError, match="is undone, not applied"):
        bulk.undo(desk, LEA, planned.bulk.id, reason="x")
    stale = bulk.plan(desk, LEA, BOTH, **BAN)
    clock.now += 86_401
    with pytest.raises(ValueError, match="more than a day ago"):
        bulk.apply(desk, ADA, stale.bulk.id)

    assert [each.state for each in lookup.bulks(desk)] == ["planned", "undone"]


def test_it_is_done_whole_or_not_at_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the ledger takes nothing, nobody is banned, and it can be applied later."""
    planned = bulk.plan(desk, LEA, BOTH, **BAN)

    def broken(events: object) -> list[int]:
        raise RecordError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(desk.ledger, "append_now", broken)
        with pytest.raises(RecordError):
            bulk.apply(desk, ADA, planned.bulk.id)

    assert {action.standing for action in everybody(desk, BOTH).values()} == {Standing.GOOD}
    bulk.apply(desk, ADA, planned.bulk.id)


PLANS_NOT: list[tuple[dict[str, Any], str]] = [
    ({"accounts": []}, "0 accounts are named"),
    ({"accounts": [f"s:{n}" for n in range(10_001)]}, "10001 accounts are named"),
    ({"outcome": Outcome.DISMISS}, "'dismiss' is no bulk action"),
    ({"outcome": Outcome.SUSPEND}, "suspended needs an expiry"),
    ({"reason": " "}, "give a reason"),
]


@pytest.mark.parametrize(("fields", "says"), PLANS_NOT)
def test_what_does_not_fit_is_not_planned(desk: Desk, fields: dict[str, Any], says: str) -> None:
    """A plan that lacks what it needs is refused and leaves no trace."""
    head = desk.ledger.head()

    with pytest.raises(ValueError, match=re.escape(says)):
        bulk.plan(desk, LEA, **{"accounts": BOTH, **BAN, **fields})

    assert desk.ledger.head() == head


def test_a_reviewer_does_not_act_in_bulk(desk: Desk) -> None:
    """Planning, applying and undoing are a lead's; a mistyped id gets the nearest."""
    planned = bulk.plan(desk, LEA, BOTH, **BAN)

    with pytest.raises(Forbidden):
        bulk.plan(desk, EVA, BOTH, **BAN)
    with pytest.raises(Forbidden):
        bulk.apply(desk, EVA, planned.bulk.id)
    with pytest.raises(Forbidden):
        bulk.undo(desk, EVA, planned.bulk.id, reason="x")
    with pytest.raises(LookupError, match=f"did you mean '{planned.bulk.id}'"):
        bulk.apply(desk, ADA, planned.bulk.id[:-1])
