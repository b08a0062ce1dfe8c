"""Golden cases: copies that nobody can tell from others, that change nothing, and that measure who decides."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from outworks.enforcement.desk import decisions, golden, lookup, queues
from outworks.enforcement.desk.cases import Case, Outcome
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.roles import Forbidden
from outworks.enforcement.settings import CaseSettings, Office
from outworks.event import CaseOpened
from tests.enforcement.desk_kit import ADA, AUD, BEN, EVA, LEA, Clock, a_case, by_hand, opened, standing, work

ALWAYS = Office(cases=CaseSettings(golden_rate=0.5))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    with opened(tmp_path, ALWAYS, clock=clock) as desk:
        yield desk


def made_golden(desk: Desk, right: Outcome = Outcome.SUSPEND) -> Case:
    """A case that lea decided, and set as the measure."""
    case = a_case(desk, account="shop:bob")
    decisions.decide(desk, LEA, case.id, Outcome.SUSPEND, reason="x", lasts=9e6)
    golden.set_golden(desk, LEA, case.id, right)
    return lookup.case(desk, case.id)


def lucky() -> float:
    return 0.0


def test_a_copy_looks_like_its_original_and_changes_nothing(desk: Desk, clock: Clock) -> None:
    """A golden case comes as an ordinary one; the answer is measured, and the account stands as it stood."""
    original = made_golden(desk)
    by_hand(desk)
    clock.now += 50
    before = standing(desk, "shop:bob")

    copy = queues.claim(desk, EVA, chance=lucky)

    assert copy is not None
    assert copy.id != original.id
    shown = {name: getattr(copy, name) for name in ("queue", "priority", "account", "source", "action", "evidence")}
    assert shown == {name: getattr(original, name) for name in shown}
    assert copy.as_of == original.opened_at
    body = lookup.timeline(desk, copy.id)[0].event.body
    assert isinstance(body, CaseOpened)
    assert (body.source, body.only_for) == (original.source, "")
    answer = decisions.decide(desk, EVA, copy.id, Outcome.DISMISS)
    work(desk)

    assert standing(desk, "shop:bob") == before
    assert (answer.undid, answer.action, answer.golden) == ((), "", original.id)
    assert len(lookup.notices(desk, account="shop:bob")) == 2
    with pytest.raises(ValueError, match="nothing followed"):
        decisions.undo(desk, LEA, answer.id, reason="x")


def test_a_ban_of_a_copy_waits_for_nobody(desk: Desk) -> None:
    """Even a ban is only an answer: no second person is bothered with it."""
    made_golden(desk)
    by_hand(desk)
    copy = queues.claim(desk, EVA, chance=lucky)
    assert copy is not None

    assert not decisions.decide(desk, EVA, copy.id, Outcome.BAN, reason="x").pending
    assert queues.claim(desk, BEN, chance=lambda: 1.0) is not None
    assert lookup.queues(desk)[0].waiting == 1


def test_who_decided_the_original_is_not_measured_by_it(desk: Desk) -> None:
    """Lea decided it, so she gets the real case; and nobody gets the same copy twice."""
    made_golden(desk)
    real = by_hand(desk)
    by_hand(desk)

    assert queues.claim(desk, LEA, chance=lucky).id == real.id  # type: ignore[union-attr]
    first = queues.claim(desk, EVA, chance=lucky)
    assert first is not None
    assert first.golden
    decisions.decide(desk, EVA, first.id, Outcome.SUSPEND, reason="x", lasts=60.0)
    second = queues.claim(desk, EVA, chance=lucky)
    assert second is not None
    assert not second.golden


SAW: dict[str, Callable[[Desk, str], object]] = {
    "took it": lambda desk, case: queues.give_back(desk, EVA, queues.claim_this(desk, EVA, case).id),
    "looked at its content": lambda desk, case: queues.viewed(desk, EVA, [1], case=case),
    "wrote a note": lambda desk, case: queues.note(desk, EVA, case, "Dismiss it."),
    "had decided it": lambda desk, case: decisions.undo(
        desk, EVA, decisions.decide(desk, EVA, case, Outcome.KEEP).id, reason="A slip."
    ),
}


@pytest.mark.parametrize("part", SAW)
def test_who_saw_the_original_is_not_measured_by_it(desk: Desk, part: str) -> None:
    """Whoever took, read or noted the original, or decided it and took that back, gets the real case; others a copy."""
    case = a_case(desk, account="shop:bob")
    SAW[part](desk, case.id)
    decisions.decide(desk, LEA, case.id, Outcome.SUSPEND, reason="x", lasts=9e6)
    golden.set_golden(desk, LEA, case.id, Outcome.SUSPEND)
    real = by_hand(desk)

    assert queues.claim(desk, EVA, chance=lucky).id == real.id  # type: ignore[union-attr]
    queues.give_back(desk, EVA, real.id)
    assert queues.claim(desk, BEN, chance=lucky).golden == case.id  # type: ignore[union-attr]


def test_who_opened_it_or_set_the_answer_is_not_measured_by_it(desk: Desk) -> None:
    """Eva opened the case, and ada said what is right: neither gets a copy of it."""
    case = by_hand(desk)
    decisions.decide(desk, LEA, case.id, Outcome.DISMISS)
    golden.set_golden(desk, ADA, case.id, Outcome.DISMISS)
    a_case(desk, account="shop:bob")

    for person in (EVA, ADA):
        claimed = queues.claim(desk, person, chance=lucky)
        assert claimed is not None
        assert not claimed.golden
        queues.give_back(desk, person, claimed.id)
    assert queues.claim(desk, BEN, chance=lucky).golden == case.id  # type: ignore[union-attr]


def test_copies_are_given_at_the_rate_of_the_policy(desk: Desk) -> None:
    """Above the rate the real case comes; where nothing real waits no copy is made up."""
    made_golden(desk)
    assert queues.claim(desk, EVA, chance=lucky) is None
    real = by_hand(desk)

    assert queues.claim(desk, EVA, chance=lambda: 0.51).id == real.id  # type: ignore[union-attr]


def test_a_copy_is_for_one_reviewer(desk: Desk) -> None:
    """Others do not see it in lists, are not given it, and cannot take it."""
    made_golden(desk)
    by_hand(desk)
    copy = queues.claim(desk, EVA, chance=lucky)
    assert copy is not None

    assert copy.id not in {case.id for case in lookup.cases(desk)}
    assert copy.id in {case.id for case in lookup.cases(desk, copies=True)}
    with pytest.raises(LookupError):
        queues.claim_this(desk, BEN, copy.id)
    queues.give_back(desk, EVA, copy.id)
    assert queues.claim(desk, BEN, chance=lambda: 1.0).id != copy.id  # type: ignore[union-attr]


def test_answers_are_scored(desk: Desk) -> None:
    """Each reviewer's share of right answers comes with its interval; leads, admins and auditors see it."""
    made_golden(desk)
    by_hand(desk)
    by_hand(desk)
    for person, outcome in ((EVA, Outcome.SUSPEND), (BEN, Outcome.DISMISS)):
        copy = queues.claim(desk, person, chance=lucky)
        assert copy is not None
        reason = {"reason": "x", "lasts": 60.0} if outcome is Outcome.SUSPEND else {}
        decisions.decide(desk, person, copy.id, outcome, **reason)  # type: ignore[arg-type]

    ben, eva = golden.scores(desk, AUD)

    assert (ben.name, ben.right, ben.answered, eva.name, eva.right, eva.share) == ("ben", 0, 1, "eva", 1, 1.0)
    assert 0 == ben.low < ben.high < 1
    assert golden.agreement(desk, LEA).cases == 1
    assert golden.agreement(desk, LEA).same == pytest.approx(1 / 3)
    with pytest.raises(Forbidden):
        golden.scores(desk, EVA)


def test_what_can_measure(desk: Desk) -> None:
    """Only decided cases, no appeals, set and unset by a lead."""
    case = by_hand(desk)
    with pytest.raises(ValueError, match="only a decided case"):
        golden.set_golden(desk, LEA, case.id, Outcome.BAN)
    decisions.decide(desk, EVA, case.id, Outcome.DISMISS)
    with pytest.raises(ValueError, match="an appeal cannot"):
        golden.set_golden(desk, LEA, case.id, Outcome.UPHOLD)
    with pytest.raises(Forbidden):
        golden.set_golden(desk, EVA, case.id, Outcome.DISMISS)
    with pytest.raises(ValueError, match="no golden case"):
        golden.unset_golden(desk, LEA, case.id)
    golden.set_golden(desk, LEA, case.id, Outcome.DISMISS)
    assert golden.answers_wanted(desk) == {case.id: Outcome.DISMISS}
    golden.unset_golden(desk, LEA, case.id)
    assert golden.answers_wanted(desk) == {}


def test_wilsons_interval() -> None:
    """The interval of 81 right answers in 263 is that of Newcombe (1998), table I: 0.2553 to 0.3662."""
    score = golden._score("eva", 81, 263)

    assert (round(score.low, 4), round(score.high, 4)) == (0.2553, 0.3662)


def test_alpha_is_krippendorffs() -> None:
    """His own example of four observers and twelve units with missing answers: nominal alpha 0.743."""
    units = ["111", "2223", "3333", "3333", "2222", "1234", "4444", "1112", "2222", "555", "11", "3"]

    found = golden.agree(units)

    assert round(found.alpha, 3) == 0.743
    assert (found.cases, found.answers) == (11, 40)


@pytest.mark.parametrize("answers", [[], [["a"]], [["a", "a"], ["a", "a"]]])
def test_where_nothing_can_be_told_alpha_says_so(answers: list[list[str]]) -> None:
    """Without two answers to compare, or two values to tell apart, there is no agreement beyond chance to speak of."""
    assert math.isnan(golden.agree(answers).alpha)
