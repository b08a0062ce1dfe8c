"""Decisions: each does what it says and no more, is signed and told, and is taken back exactly."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outworks.action import GOOD, Standing
from outworks.enforcement.desk import decisions, lookup, queues
from outworks.enforcement.desk.cases import Outcome, State
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.queues import Held
from outworks.enforcement.desk.roles import Forbidden
from outworks.enforcement.settings import Office, PolicyText
from outworks.event import CaseDecided
from outworks.ledger import verify
from tests.enforcement.desk_kit import AUD, BEN, EVA, LEA, a_case, by_hand, by_rule, opened, standing, work

WEEK = 7 * 86_400.0


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path) as desk:
        yield desk


RESTRICTIONS: list[tuple[Outcome, Standing, dict[str, Any]]] = [
    (Outcome.WARN, Standing.WARNED, {"lasts": WEEK}),
    (Outcome.LIMIT, Standing.LIMITED, {"lasts": WEEK, "rate_per_minute": 3.0}),
    (Outcome.SUSPEND, Standing.SUSPENDED, {"lasts": WEEK, "policy": "Use 2"}),
]


@pytest.mark.parametrize(("outcome", "level", "fields"), RESTRICTIONS)
def test_a_restriction_takes_the_place_of_the_rules_action(
    desk: Desk, outcome: Outcome, level: Standing, fields: dict[str, Any]
) -> None:
    """A reviewer's warning, limit or suspension holds instead of what the rule did, and cites the case's evidence."""
    case = a_case(desk)

    made = decisions.decide(desk, EVA, case.id, outcome, reason="Because.", **fields)

    now = standing(desk)
    assert (now.standing, now.by, now.reason) == (level, "person:eva", "Because.")
    assert now.expires == desk.clock() + WEEK
    assert now.evidence == case.evidence
    assert made.undid == case.actions
    assert (made.rule, made.holds) == ("repeat", True)
    assert lookup.case(desk, case.id).state is State.CLOSED


def test_dismissing_takes_the_rules_action_back_and_marks_its_evidence_wrong(desk: Desk) -> None:
    """What is dismissed is lifted, and counts against the rule."""
    case = a_case(desk)

    made = decisions.decide(desk, EVA, case.id, Outcome.DISMISS)

    assert standing(desk) is GOOD
    assert (made.rule, made.holds) == ("repeat", False)


def test_keeping_changes_nothing_and_marks_the_evidence_right(desk: Desk) -> None:
    """What is kept stays as the rule did it, its expiry too."""
    case = a_case(desk)
    before = standing(desk)

    made = decisions.decide(desk, EVA, case.id, Outcome.KEEP)

    assert standing(desk) == before
    assert (made.action, made.undid, made.rule, made.holds) == ("", (), "repeat", True)


def test_a_reinstatement_lifts_everything_and_judges_no_evidence(desk: Desk) -> None:
    """Whatever was in force is lifted; mercy says nothing of the rule."""
    by_rule(desk, standing=Standing.LIMITED, case="", rate_per_minute=1.0)
    case = a_case(desk)

    made = decisions.decide(desk, EVA, case.id, Outcome.REINSTATE, reason="A misunderstanding.")

    assert standing(desk).standing is Standing.GOOD
    assert made.holds is None


UNDOABLE: list[tuple[Outcome, dict[str, Any]]] = [
    (Outcome.DISMISS, {}),
    (Outcome.KEEP, {}),
    (Outcome.REINSTATE, {"reason": "x"}),
    *((outcome, {**fields, "reason": "x"}) for outcome, _, fields in RESTRICTIONS),
]


@pytest.mark.parametrize(("outcome", "fields"), UNDOABLE)
def test_every_decision_can_be_undone(desk: Desk, tmp_path: Path, outcome: Outcome, fields: dict[str, Any]) -> None:
    """After an undo the account stands exactly as before, and the case waits as before; the ledger tells all of it."""
    case = a_case(desk)
    before = standing(desk)
    made = decisions.decide(desk, EVA, case.id, outcome, **fields)

    decisions.undo(desk, EVA, made.id, reason="A slip.")

    assert standing(desk) == before
    again = lookup.case(desk, case.id)
    assert (again.state, again.decision, again.leased_to(desk.clock())) == (State.OPEN, "", "")
    assert lookup.decision(desk, made.id).undone
    decisions.decide(desk, BEN, case.id, outcome, **fields)
    assert verify(tmp_path / "ledger.db").ok


def test_an_undone_decision_is_not_undone_twice_nor_before_a_later_one(desk: Desk) -> None:
    """Undoing needs the last word on the case; a second undo is refused and changes nothing."""
    case = a_case(desk)
    first = decisions.decide(desk, EVA, case.id, Outcome.DISMISS)
    decisions.undo(desk, EVA, first.id, reason="A slip.")
    second = decisions.decide(desk, EVA, case.id, Outcome.KEEP)
    head = desk.ledger.head()

    with pytest.raises(ValueError, match="already undone"):
        decisions.undo(desk, EVA, first.id, reason="x")
    with pytest.raises(ValueError, match="say why"):
        decisions.undo(desk, EVA, second.id, reason=" ")
    with pytest.raises(LookupError, match=f"did you mean '{second.id}'"):
        decisions.undo(desk, EVA, second.id[:-1], reason="x")
    assert desk.ledger.head() == head


def test_others_decisions_are_undone_by_a_lead_alone(desk: Desk) -> None:
    """A reviewer takes back his own decisions, a lead anybody's, an auditor none."""
    case = a_case(desk)
    made = decisions.decide(desk, EVA, case.id, Outcome.DISMISS)

    for person in (BEN, AUD):
        with pytest.raises(Forbidden):
            decisions.undo(desk, person, made.id, reason="x")
    decisions.undo(desk, LEA, made.id, reason="Looked at again.")

    assert standing(desk).standing is Standing.SUSPENDED


def test_a_ban_waits_for_another_person(desk: Desk) -> None:
    """A ban changes nothing until somebody else confirms it; the same person cannot, and does not get the case."""
    case = by_hand(desk)

    first = decisions.decide(desk, EVA, case.id, Outcome.BAN, reason="For good.")

    assert (first.pending, first.action) == (True, "")
    assert standing(desk) is GOOD
    assert queues.claim(desk, EVA) is None
    with pytest.raises(ValueError, match="it waits for another person"):
        decisions.decide(desk, EVA, case.id, Outcome.BAN, reason="For good.")

    assert queues.claim(desk, BEN).id == case.id  # type: ignore[union-attr]
    second = decisions.decide(desk, BEN, case.id, Outcome.BAN)

    now = standing(desk)
    assert (now.standing, now.by, now.reason) == (Standing.BANNED, "person:eva", "For good.")
    assert (second.confirms, second.action) == (first.id, now.id)
    assert decisions.deciders(desk, lookup.action(desk, now.id)) == ("ben", "eva")


def test_a_second_person_may_decide_otherwise(desk: Desk) -> None:
    """Whatever the second person decides takes the place of the proposed ban."""
    case = by_hand(desk)
    decisions.decide(desk, EVA, case.id, Outcome.BAN, reason="For good.")

    decisions.decide(desk, BEN, case.id, Outcome.WARN, reason="Once is enough.", lasts=WEEK)

    assert standing(desk).standing is Standing.WARNED
    assert lookup.case(desk, case.id).outcome == "warn"


@pytest.mark.parametrize("who", ["pending", "confirmed by first", "confirmed by second"])
def test_a_ban_is_undone(desk: Desk, who: str) -> None:
    """A proposed ban is withdrawn, and a confirmed one taken back, by either of the two."""
    case = a_case(desk)
    before = standing(desk)
    first = made = decisions.decide(desk, EVA, case.id, Outcome.BAN, reason="For good.")
    if who != "pending":
        made = decisions.decide(desk, BEN, case.id, Outcome.BAN)
        assert standing(desk).standing is Standing.BANNED

    decisions.undo(desk, BEN if who.endswith("second") else EVA, made.id, reason="A slip.")

    assert standing(desk) == before
    again = lookup.case(desk, case.id)
    if who == "pending":
        assert (again.state, again.pending) == (State.OPEN, "")
    else:
        assert (again.state, again.pending) == (State.PENDING, first.id)
        decisions.undo(desk, EVA, first.id, reason="Not even proposed.")
        assert lookup.case(desk, case.id).state is State.OPEN


def test_a_proposed_ban_waits_again_once_what_replaced_it_is_undone(desk: Desk) -> None:
    """Whoever takes back what he decided in a ban's place leaves the ban to be confirmed, by another than its
    proposer."""
    case = by_hand(desk)
    first = decisions.decide(desk, EVA, case.id, Outcome.BAN, reason="For good.")
    other = decisions.decide(desk, BEN, case.id, Outcome.WARN, reason="x", lasts=WEEK)

    decisions.undo(desk, BEN, other.id, reason="Not enough.")

    assert lookup.case(desk, case.id).pending == first.id
    assert queues.claim(desk, EVA) is None
    decisions.decide(desk, LEA, case.id, Outcome.BAN)
    assert standing(desk).standing is Standing.BANNED


REFUSED: list[tuple[Outcome, dict[str, Any], str]] = [
    (Outcome.SUSPEND, {"reason": "", "lasts": 60.0}, "give a reason"),
    (Outcome.SUSPEND, {}, "suspended needs an expiry"),
    (Outcome.SUSPEND, {"lasts": -5.0}, "an expiry lies ahead"),
    (Outcome.SUSPEND, {"lasts": float("nan")}, "an expiry lies ahead"),
    (Outcome.LIMIT, {"lasts": 60.0}, "needs a rate"),
    (Outcome.WARN, {"lasts": 60.0, "rate_per_minute": 1.0}, "only limited has a rate"),
    (Outcome.DISMISS, {"lasts": 60.0}, "neither an expiry nor a rate"),
    (Outcome.KEEP, {"rate_per_minute": 1.0}, "neither an expiry nor a rate"),
    (Outcome.REINSTATE, {"lasts": 60.0}, "no expiry"),
    (Outcome.UPHOLD, {}, "cannot be decided by 'uphold'"),
    (Outcome.OVERTURN, {}, "cannot be decided by 'overturn'"),
]


@pytest.mark.parametrize(("outcome", "fields", "says"), REFUSED)
def test_what_does_not_fit_is_refused(desk: Desk, outcome: Outcome, fields: dict[str, Any], says: str) -> None:
    """A decision that lacks what it needs, or says what makes no sense, is refused and leaves no trace."""
    case = a_case(desk)
    head = desk.ledger.head()

    with pytest.raises(ValueError, match=re.escape(says)):
        decisions.decide(desk, EVA, case.id, outcome, **{"reason": "x", **fields})

    assert desk.ledger.head() == head
    assert lookup.case(desk, case.id).state is State.OPEN


def test_a_case_without_an_action_cannot_be_kept(desk: Desk) -> None:
    """Where nothing was done there is nothing to keep."""
    with pytest.raises(ValueError, match="cannot be decided by 'keep'"):
        decisions.decide(desk, EVA, by_hand(desk).id, Outcome.KEEP)


def test_who_may_not_decide_does_not(desk: Desk) -> None:
    """An auditor decides nothing, whatever page let him through."""
    case = a_case(desk)

    with pytest.raises(Forbidden, match="aud is auditor; 'decide' is for: reviewer, lead, admin"):
        decisions.decide(desk, AUD, case.id, Outcome.DISMISS)
    assert decisions.choices(desk, AUD, case) == ()


def test_a_case_that_somebody_has_is_not_decided_by_another(desk: Desk) -> None:
    """While a lease runs nobody else decides; a decided case is not decided again."""
    case = a_case(desk)
    queues.claim_this(desk, EVA, case.id)

    with pytest.raises(Held, match="eva has the case"):
        decisions.decide(desk, BEN, case.id, Outcome.DISMISS)
    decisions.decide(desk, EVA, case.id, Outcome.DISMISS)
    with pytest.raises(ValueError, match="was decided by eva"):
        decisions.decide(desk, BEN, case.id, Outcome.KEEP)

    found = [each.event.body for each in desk.ledger.events(kinds={"case_decided"})]
    assert [body.by for body in found if isinstance(body, CaseDecided)] == ["eva"]


def test_a_decision_cites_a_passage_that_there_is(tmp_path: Path) -> None:
    """Where the policy has passages, a restriction cites one of them; a mistyped one gets the nearest."""
    office = Office(policies=(PolicyText(id="use-2", title="Known attacks"),))
    with opened(tmp_path, office) as desk:
        case = a_case(desk)
        for policy, says in (("", "cite the passage"), ("use-3", "did you mean 'use-2'")):
            with pytest.raises(ValueError, match=says):
                decisions.decide(desk, EVA, case.id, Outcome.WARN, reason="x", lasts=60.0, policy=policy)

        decisions.decide(desk, EVA, case.id, Outcome.WARN, reason="x", lasts=60.0, policy="use-2")

        assert standing(desk).policy == "use-2"


def test_an_action_without_a_case_is_undone_and_restored(desk: Desk) -> None:
    """A lead takes back what a rule did, and takes that back, exactly; a reviewer does not."""
    made = by_rule(desk, case="")
    with pytest.raises(Forbidden):
        decisions.undo_action(desk, EVA, made.id, reason="x")

    decisions.undo_action(desk, LEA, made.id, reason="A slip.")
    assert standing(desk) is GOOD
    with pytest.raises(ValueError, match="already undone"):
        decisions.undo_action(desk, LEA, made.id, reason="x")

    decisions.restore_action(desk, LEA, made.id, reason="It was none.")
    assert standing(desk) == made
    with pytest.raises(ValueError, match="counts already"):
        decisions.restore_action(desk, LEA, made.id, reason="x")


def test_an_action_of_a_decision_is_undone_with_it(desk: Desk) -> None:
    """Whoever would undo half of a decision is told which decision it is."""
    case = a_case(desk)
    made = decisions.decide(desk, EVA, case.id, Outcome.WARN, reason="x", lasts=60.0)

    with pytest.raises(ValueError, match=f"undo the decision {made.id}"):
        decisions.undo_action(desk, LEA, made.action, reason="x")


def test_a_rule_that_acts_again_meanwhile_is_decided_as_one(desk: Desk) -> None:
    """What a rule did to an account while its case waits belongs to that case: dismissing takes all of it back."""
    case = a_case(desk)
    second = by_rule(desk, standing=Standing.SUSPENDED)
    work(desk)

    again = lookup.case(desk, case.id)
    assert len(lookup.cases(desk)) == 1
    assert again.actions == (*case.actions, second.id)
    decisions.decide(desk, EVA, case.id, Outcome.DISMISS)

    assert standing(desk) is GOOD
