"""Appeals: only who was told can make one, somebody else answers it, and an overturn puts everything right."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outworks.action import GOOD, Action, Standing
from outworks.enforcement import bulk
from outworks.enforcement.desk import decisions, lookup, queues
from outworks.enforcement.desk.cases import Case, Outcome, State
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.history import History
from outworks.enforcement.ids import new_id
from outworks.enforcement.propose import propose
from outworks.enforcement.standings import StandingTable
from outworks.enforcement.telling.appeals import Tokens, appealable, appealed
from outworks.event import Notified
from outworks.ledger import verify
from tests.enforcement.desk_kit import ADA, AUD, BEN, EVA, LEA, Clock, by_hand, by_rule, opened, standing, work
from tests.enforcement.kit import ANN, NOW, action, exchange, rule, rules

TOKENS = Tokens(b"secret of the gateway")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    with opened(tmp_path, clock=clock) as desk:
        yield desk


def appeal(desk: Desk, against: Action) -> Case:
    """The case of an appeal against an action."""
    desk.ledger.append_now([appealed(against, "It was not me.", desk.clock())])
    work(desk)
    return next(case for case in lookup.cases(desk, queue="appeals") if case.action == against.id)


def codes(desk: Desk) -> list[str]:
    found = [each.event.body for each in desk.ledger.events(kinds={"notified"})]
    return [body.code for body in found if isinstance(body, Notified)]


def test_a_token_names_its_action_and_nothing_else_does() -> None:
    """A token leads to the action that it was made for, under the secret that it was made with."""
    id = new_id("act")
    token = TOKENS.token(id)

    assert TOKENS.action(token) == id
    assert Tokens(b"another").action(token) is None
    assert Tokens(b"secret of the gateway").action(token) == id
    assert TOKENS.path(id, "https://example.com/") == f"https://example.com/v1/appeals/{token}"
    assert TOKENS.token("act_short") == TOKENS.token("case_" + id[4:]) == TOKENS.path("") == ""


@given(st.integers(0, 35), st.sampled_from("0123456789abcdefghjkmnpqrstvwxyz"))
def test_no_character_of_a_token_can_be_changed(place: int, char: str) -> None:
    """A token that differs anywhere leads nowhere."""
    token = TOKENS.token("act_7k3mq9tzxw4p")
    other = token[:place] + char + token[place + 1 :]

    assert TOKENS.action(other) == ("act_7k3mq9tzxw4p" if other == token else None)


@given(st.text(max_size=60))
def test_whatever_is_no_token_leads_nowhere(text: str) -> None:
    """Any text can be asked for."""
    assert TOKENS.action(text) is None


def test_what_can_be_appealed() -> None:
    """Restrictions within the time; not a reinstatement, not what was never in force, not what is long past."""
    made = action(Standing.SUSPENDED)

    assert appealable(made, NOW + 10, 100) == ""
    assert "passed" in appealable(made, NOW + 101, 100)
    assert "does not restrict" in appealable(action(Standing.GOOD), NOW, 100)
    assert "does not restrict" in appealable(action(Standing.BANNED, shadow=True), NOW, 100)


def test_an_overturn_restores_standing_and_marks_the_evidence_wrong(desk: Desk, tmp_path: Path) -> None:
    """A rule suspends, a reviewer overturns: the account stands as before, the rule's evidence was wrong, the account
    is told, and the same evidence does not suspend it again."""
    desk.ledger.append_now(exchange() + exchange())
    made = by_rule(desk, evidence=tuple(signal.seq for signal in desk.ledger.signals()))
    case = appeal(desk, made)
    claimed = queues.claim(desk, BEN, queues=["appeals"])
    assert claimed is not None

    answer = decisions.decide(desk, BEN, case.id, Outcome.OVERTURN, reason="A class was using one prompt.")
    work(desk)

    assert standing(desk) is GOOD
    assert (answer.rule, answer.holds, answer.undid) == ("repeat", False, (made.id,))
    assert codes(desk) == ["suspended", "overturned"]
    assert [each.state for each in lookup.appeals(desk, account=ANN)] == ["overturned"]
    table = StandingTable(desk.ledger)
    table.refresh()
    again = History(account=ANN, at=NOW, signals=tuple(desk.ledger.signals()), taken=table.taken(ANN))
    assert propose(rules(rule('blocked("1d") >= 2')), again).actions == ()
    assert verify(tmp_path / "ledger.db").ok


def test_an_upheld_decision_stays(desk: Desk) -> None:
    """Upheld, the action stays in force, its rule's evidence holds, and the account is told so once."""
    made = by_rule(desk)
    case = appeal(desk, made)

    answer = decisions.decide(desk, BEN, case.id, Outcome.UPHOLD, reason="It was you.")
    work(desk)

    assert standing(desk) == made
    assert (answer.rule, answer.holds) == ("repeat", True)
    assert codes(desk) == ["suspended", "upheld"]
    assert lookup.appeals(desk)[0].state == "upheld"


@pytest.mark.parametrize("outcome", [Outcome.UPHOLD, Outcome.OVERTURN])
def test_an_answer_is_undone(desk: Desk, outcome: Outcome) -> None:
    """Taking back an answer puts the action where it was, to the second, and the appeal waits again."""
    made = by_rule(desk)
    case = appeal(desk, made)
    answer = decisions.decide(desk, BEN, case.id, outcome, reason="x")

    decisions.undo(desk, BEN, answer.id, reason="A slip.")

    assert standing(desk) == made
    assert lookup.case(desk, case.id).state is State.OPEN
    assert lookup.appeals(desk)[0].state == "open"
    decisions.decide(desk, LEA, case.id, Outcome.OVERTURN, reason="x")
    assert standing(desk) is GOOD


def test_an_appeal_goes_to_somebody_else(desk: Desk) -> None:
    """Neither the one who decided nor the one who confirmed is given the appeal, can take it, or is handed it."""
    ban = by_hand(desk)
    decisions.decide(desk, EVA, ban.id, Outcome.BAN, reason="x")
    decisions.decide(desk, BEN, ban.id, Outcome.BAN)
    case = appeal(desk, standing(desk))

    for person in (EVA, BEN):
        assert queues.claim(desk, person) is None
        for do in (
            lambda: queues.claim_this(desk, person, case.id),
            lambda: decisions.decide(desk, person, case.id, Outcome.UPHOLD, reason="x"),
        ):
            with pytest.raises(ValueError, match="somebody else has to look at it"):
                do()
        with pytest.raises(ValueError, match="hand it to somebody else"):
            queues.hand_over(desk, LEA, case.id, to=person.name, why="x")
    decisions.decide(desk, LEA, case.id, Outcome.OVERTURN, reason="x")

    assert standing(desk) is GOOD


def test_an_appeal_against_a_bulk_action_goes_to_a_third(desk: Desk) -> None:
    """Neither who planned it nor who applied it answers."""
    planned = bulk.plan(desk, LEA, [ANN], Outcome.BAN, reason="x")
    bulk.apply(desk, ADA, planned.bulk.id)
    case = appeal(desk, standing(desk))

    assert case.not_for == ("ada", "lea")
    assert queues.claim(desk, EVA).id == case.id  # type: ignore[union-attr]


def test_an_appeal_is_answered_and_not_decided_otherwise(desk: Desk) -> None:
    """An appeal is upheld or overturned, with words; an auditor answers none; the first answer is final."""
    case = appeal(desk, by_rule(desk))

    with pytest.raises(ValueError, match="expected one of: uphold, overturn"):
        decisions.decide(desk, BEN, case.id, Outcome.DISMISS)
    with pytest.raises(ValueError, match="give a reason"):
        decisions.decide(desk, BEN, case.id, Outcome.UPHOLD)
    with pytest.raises(PermissionError):
        decisions.decide(desk, AUD, case.id, Outcome.UPHOLD, reason="x")
    decisions.decide(desk, BEN, case.id, Outcome.UPHOLD, reason="x")
    with pytest.raises(ValueError, match="was decided by ben"):
        decisions.decide(desk, LEA, case.id, Outcome.OVERTURN, reason="x")


def test_an_appeal_against_a_persons_decision_speaks_of_the_rule_behind_it(desk: Desk) -> None:
    """Where a reviewer followed a rule, an overturn marks that rule's evidence wrong, too."""
    by_rule(desk)
    work(desk)
    decisions.decide(desk, EVA, lookup.cases(desk)[0].id, Outcome.SUSPEND, reason="x", lasts=60.0)
    case = appeal(desk, standing(desk))

    answer = decisions.decide(desk, BEN, case.id, Outcome.OVERTURN, reason="x")

    assert (answer.rule, answer.holds) == ("repeat", False)
    assert standing(desk) is GOOD


def test_what_was_lifted_meanwhile_can_still_be_answered(desk: Desk) -> None:
    """An appeal against an action that was undone before it was looked at changes nothing more, and is answered."""
    made = by_rule(desk)
    case = appeal(desk, made)
    decisions.undo_action(desk, LEA, made.id, reason="x")

    answer = decisions.decide(desk, BEN, case.id, Outcome.OVERTURN, reason="You were right.")
    work(desk)

    assert answer.undid == ()
    assert codes(desk)[-1] == "overturned"
