"""Reviewed: whatever took an action back keeps it so until that is undone, and who had a part answers no appeal."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from outworks.action import GOOD, Action, Standing
from outworks.enforcement import bulk
from outworks.enforcement.desk import decisions, golden, lookup, queues
from outworks.enforcement.desk.cases import Case, Outcome
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.reviewed import ALONE, against, deciders
from outworks.enforcement.telling.appeals import appealed
from outworks.event import Acted, Notified
from tests.enforcement.desk_kit import ADA, BEN, EVA, LEA, a_case, by_rule, opened, standing, work
from tests.enforcement.kit import ANN

WEEK = 7 * 86_400.0


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path) as desk:
        yield desk


def made(desk: Desk, id: str) -> Action:
    body = desk.event(lookup.action(desk, id).seq).event.body
    assert isinstance(body, Acted)
    return body.action


def appeal(desk: Desk, action: str) -> Case:
    """The case of an appeal against an action."""
    desk.ledger.append_now([appealed(made(desk, action), "It was not me.", desk.clock())])
    work(desk)
    return lookup.case(desk, lookup.appeals(desk, action=action)[0].case)


def codes(desk: Desk) -> list[str]:
    work(desk)
    found = [each.event.body for each in desk.ledger.events(kinds={"notified"})]
    return [body.code for body in found if isinstance(body, Notified)]


def in_bulk(desk: Desk) -> str:
    """The id of a suspension of ann and bob, planned and applied by lea."""
    planned = bulk.plan(desk, LEA, [ANN, "shop:bob"], Outcome.SUSPEND, reason="A ring.", lasts=WEEK)
    bulk.apply(desk, LEA, planned.bulk.id)
    return planned.bulk.id


ORDERS = [("dismissed", "overturned"), ("overturned", "dismissed")]


@pytest.mark.parametrize("taken", ORDERS)
@pytest.mark.parametrize("undone", ORDERS)
def test_an_action_counts_again_when_the_last_that_took_it_back_is_undone(
    desk: Desk, taken: tuple[str, ...], undone: tuple[str, ...]
) -> None:
    """Dismissed and overturned in either order, and undone in either: nothing is in force until both are undone, and
    then exactly what was."""
    case = a_case(desk)
    before = standing(desk)
    appeals = appeal(desk, case.action)
    done = {
        name: decisions.decide(desk, EVA, case.id, Outcome.DISMISS)
        if name == "dismissed"
        else decisions.decide(desk, BEN, appeals.id, Outcome.OVERTURN, reason="You were right.")
        for name in taken
    }

    first, last = undone
    decisions.undo(desk, ADA, done[first].id, reason="A slip.")
    assert standing(desk) is GOOD
    assert "restored" not in codes(desk)

    decisions.undo(desk, ADA, done[last].id, reason="A slip.")
    assert standing(desk) == before
    assert codes(desk).count("restored") == 1


def test_an_action_does_not_outlive_the_decision_that_made_it(desk: Desk) -> None:
    """A warning in a suspension's place is overturned; the decision that made it is undone, then the answer: the
    suspension alone is in force, and the account was told so."""
    case = a_case(desk)
    before = standing(desk)
    warned = decisions.decide(desk, EVA, case.id, Outcome.WARN, reason="x", lasts=WEEK)
    answered = decisions.decide(desk, BEN, appeal(desk, warned.action).id, Outcome.OVERTURN, reason="You were right.")

    decisions.undo(desk, EVA, warned.id, reason="A slip.")
    decisions.undo(desk, LEA, answered.id, reason="A slip.")

    assert lookup.action(desk, warned.action).undone
    assert standing(desk) == before
    assert codes(desk) == ["suspended", "warned", "overturned", "restored"]


def test_a_lead_does_not_restore_what_a_decision_took_back(desk: Desk) -> None:
    """`restore_action` gives back what was undone by itself; what a decision took back needs that decision undone."""
    case = a_case(desk)
    answered = decisions.decide(desk, BEN, appeal(desk, case.action).id, Outcome.OVERTURN, reason="You were right.")

    with pytest.raises(ValueError, match=f"was taken back by {answered.id}"):
        decisions.restore_action(desk, LEA, case.action, reason="x")

    assert standing(desk) is GOOD


def test_what_was_undone_by_itself_stays_so_when_a_decision_is_undone(desk: Desk) -> None:
    """A lead undoes an action, and a reviewer then dismisses its case: each has to be undone before it counts."""
    case = a_case(desk)
    before = standing(desk)
    decisions.undo_action(desk, LEA, case.action, reason="x")
    dismissed = decisions.decide(desk, EVA, case.id, Outcome.DISMISS)
    assert against(desk, lookup.action(desk, case.action)) == {ALONE, dismissed.id}

    with pytest.raises(ValueError, match=dismissed.id):
        decisions.restore_action(desk, LEA, case.action, reason="x")
    decisions.undo(desk, EVA, dismissed.id, reason="A slip.")
    assert standing(desk) is GOOD

    decisions.restore_action(desk, LEA, case.action, reason="x")
    assert standing(desk) == before


def test_a_bulk_action_restores_nothing_that_was_overturned(desk: Desk) -> None:
    """An appeal overturned, before or while the bulk action is undone, outlives that undoing's undoing; and where the
    answer is undone, the action counts as the others do."""
    id = in_bulk(desk)
    ann, bob = lookup.bulk_actions(desk, id)
    cases = [appeal(desk, each.id) for each in (ann, bob)]
    before = decisions.decide(desk, BEN, cases[0].id, Outcome.OVERTURN, reason="You were right.")
    bulk.undo(desk, LEA, id, reason="Wait.")
    while_undone = decisions.decide(desk, BEN, cases[1].id, Outcome.OVERTURN, reason="You were right.")

    bulk.redo(desk, LEA, id, reason="Go on.")
    assert standing(desk, ANN) is standing(desk, "shop:bob") is GOOD

    bulk.undo(desk, LEA, id, reason="Wait.")
    decisions.undo(desk, ADA, before.id, reason="A slip.")
    assert standing(desk, ANN) is GOOD
    with pytest.raises(ValueError, match=f"was taken back by {id}"):
        decisions.restore_action(desk, ADA, ann.id, reason="x")
    bulk.redo(desk, LEA, id, reason="Go on.")
    assert standing(desk, ANN).id == ann.id
    assert standing(desk, "shop:bob") is GOOD

    decisions.undo(desk, ADA, while_undone.id, reason="A slip.")
    assert standing(desk, "shop:bob").id == bob.id


def test_a_withdrawn_proposal_restores_nothing(desk: Desk) -> None:
    """A proposed ban took nothing back, so withdrawing it brings back nothing that a person undid."""
    case = a_case(desk)
    proposed = decisions.decide(desk, EVA, case.id, Outcome.BAN, reason="For good.")
    decisions.undo_action(desk, LEA, case.action, reason="x")

    decisions.undo(desk, EVA, proposed.id, reason="A slip.")

    assert standing(desk) is GOOD


PARTS: dict[str, Callable[[Desk, Case], object]] = {
    "kept": lambda desk, case: decisions.decide(desk, EVA, case.id, Outcome.KEEP),
    "dismissed": lambda desk, case: decisions.decide(desk, EVA, case.id, Outcome.DISMISS),
    "proposed a ban": lambda desk, case: decisions.decide(desk, EVA, case.id, Outcome.BAN, reason="x"),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_who_decided_about_an_action_answers_no_appeal_against_it(desk: Desk, part: str, when: str) -> None:
    """Whoever kept, dismissed or would have banned is neither given the appeal, nor can take or answer it, nor is it
    handed to him, whether he decided before it was opened or while it waits; another reviewer answers."""
    case = a_case(desk)
    if when == "before":
        PARTS[part](desk, case)
    appeals = appeal(desk, case.action)
    if when == "after":
        queues.claim_this(desk, EVA, appeals.id)
        PARTS[part](desk, case)
        desk.clock.now += 3600  # type: ignore[attr-defined]

    assert queues.claim(desk, EVA, queues=["appeals"]) is None
    with pytest.raises(ValueError, match="somebody else has to look at it"):
        queues.claim_this(desk, EVA, appeals.id)
    with pytest.raises(ValueError, match="somebody else has to look at it"):
        decisions.decide(desk, EVA, appeals.id, Outcome.UPHOLD, reason="No.")
    with pytest.raises(ValueError, match="hand it to somebody else"):
        queues.hand_over(desk, LEA, appeals.id, to="eva", why="x")
    assert queues.claim(desk, BEN, queues=["appeals"]).id == appeals.id  # type: ignore[union-attr]
    decisions.decide(desk, BEN, appeals.id, Outcome.UPHOLD, reason="No.")


def test_a_lease_does_not_outlast_the_right_to_answer(desk: Desk) -> None:
    """Who has an appeal and then keeps the action can answer no more, and is given other cases."""
    case = a_case(desk)
    appeals = appeal(desk, case.action)
    queues.claim_this(desk, EVA, appeals.id)
    decisions.decide(desk, EVA, case.id, Outcome.KEEP)

    assert queues.claim(desk, EVA) is None
    with pytest.raises(ValueError, match="somebody else has to look at it"):
        decisions.decide(desk, EVA, appeals.id, Outcome.UPHOLD, reason="No.")


def test_a_decision_taken_back_bars_nobody(desk: Desk) -> None:
    """Who kept an action while its appeal waited, and took that back, has no part in it."""
    case = a_case(desk)
    appeals = appeal(desk, case.action)
    kept = decisions.decide(desk, EVA, case.id, Outcome.KEEP)
    assert deciders(desk, lookup.action(desk, case.action)) == ("eva",)

    decisions.undo(desk, EVA, kept.id, reason="A slip.")

    assert deciders(desk, lookup.action(desk, case.action)) == ()
    assert queues.claim_this(desk, EVA, appeals.id).lease_by == "eva"


def test_who_had_a_part_does_not_undo_the_answer(desk: Desk) -> None:
    """A lead who suspended, or planned in bulk, leaves the answer to the appeal against it to others; another lead may
    undo it, and so may who answered."""
    suspended = decisions.decide(desk, LEA, a_case(desk).id, Outcome.SUSPEND, reason="x", lasts=WEEK)
    ann, _ = lookup.bulk_actions(desk, in_bulk(desk))
    for action in (suspended.action, ann.id):
        answered = decisions.decide(desk, BEN, appeal(desk, action).id, Outcome.OVERTURN, reason="You were right.")

        with pytest.raises(ValueError, match="somebody else has to undo it"):
            decisions.undo(desk, LEA, answered.id, reason="x")
        assert lookup.action(desk, action).undone

        decisions.undo(desk, ADA if action == ann.id else BEN, answered.id, reason="A slip.")
        assert not lookup.action(desk, action).undone


def test_answers_to_copies_bar_nobody_and_keep_nothing(desk: Desk) -> None:
    """A copy that measures a reviewer holds the same action; what he answers there neither takes it back nor keeps him
    from its appeal."""
    case = a_case(desk)
    kept = decisions.decide(desk, LEA, case.id, Outcome.KEEP)
    golden.set_golden(desk, LEA, case.id, Outcome.KEEP)
    by_rule(desk, account="shop:bob")
    work(desk)
    copy = queues.claim(desk, EVA, chance=lambda: -1.0)
    assert copy is not None
    assert copy.golden == case.id
    decisions.decide(desk, EVA, copy.id, Outcome.DISMISS)

    assert against(desk, lookup.action(desk, case.action)) == frozenset()
    assert deciders(desk, lookup.action(desk, case.action)) == ("lea",)
    decisions.undo(desk, LEA, kept.id, reason="A slip.")
    assert standing(desk).standing is Standing.SUSPENDED
