"""Openings: what opens a case, what belongs to one that is open, and what opens none however often it happens."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from outworks.action import Standing
from outworks.enforcement.desk import decisions, lookup
from outworks.enforcement.desk.cases import Case, Outcome
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.openings import Findings
from outworks.enforcement.enforcer import Enforcer
from outworks.enforcement.rules import Measure, RuleError, compile_rules
from outworks.enforcement.settings import CaseSettings, Office, reviewed
from outworks.enforcement.telling.appeals import appealed
from outworks.event import Acted, Event, Reported, Undone
from outworks.verdict import Decision, Finding
from tests.enforcement.desk_kit import BEN, EVA, Clock, by_rule, opened, standing, work
from tests.enforcement.kit import ANN, NOW, action, exchange, rule
from tests.enforcement.test_enforcer import enforcing, now_events, until

OFFICE = Office(cases=CaseSettings(categories={"known_bad": "attacks", "canary": "leaks"}, reopen_after="1h"))
FOUND = (Finding("known_bad", 0.9),)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    with opened(tmp_path, OFFICE, clock=clock) as desk:
        Findings(desk).step()
        yield desk


def cases(desk: Desk) -> list[Case]:
    work(desk)
    return sorted(lookup.cases(desk), key=lambda case: case.seq)


def reported(desk: Desk, id: str, *, account: str = ANN, text: str = "He bullies me.") -> None:
    event = Event(
        body=Reported(id=id, category="bullying", reporter="kim"), at=NOW, account=account, product="shop", content=text
    )
    desk.ledger.append_now([event])


def test_a_finding_opens_one_case(desk: Desk) -> None:
    """The categories that the policy names open a case in their queue; ten thousand more of them add nothing."""
    desk.ledger.append_now(exchange(findings=FOUND))

    (case,) = cases(desk)
    assert (case.queue, case.source, case.account) == ("attacks", "defense:fingerprint", ANN)
    assert desk.event(case.evidence[0]).event.exchange == case.exchange
    head = desk.ledger.head().seq
    desk.ledger.append_now([event for _ in range(50) for event in exchange(findings=FOUND)])

    assert len(cases(desk)) == 1
    assert desk.ledger.head().seq == head + 100


NO_CASE = {
    "another category": exchange(findings=(Finding("other", 1.0),)),
    "a weak finding": exchange(decision=Decision.ALLOW, findings=(Finding("known_bad", 0.3),)),
    "in shadow": exchange(mode="shadow", findings=FOUND),
    "a check that failed": exchange(error="raised", findings=FOUND),
    "nobody's": exchange(account="", findings=FOUND),
}


@pytest.mark.parametrize("name", NO_CASE)
def test_less_opens_none(desk: Desk, name: str) -> None:
    """Weak, failed and shadow findings, others, and those of no account open nothing."""
    desk.ledger.append_now(NO_CASE[name])

    assert cases(desk) == []


def test_after_a_decision_a_queue_rests_for_a_while(desk: Desk, clock: Clock) -> None:
    """What is found soon after a decision opens no other case; what is found later does."""
    desk.ledger.append_now(exchange(at=clock.now, findings=FOUND))
    (case,) = cases(desk)
    decisions.decide(desk, EVA, case.id, Outcome.DISMISS)
    desk.ledger.append_now(exchange(at=clock.now + 3599, findings=FOUND))
    assert len(cases(desk)) == 1

    desk.ledger.append_now(exchange(at=clock.now + 3601, findings=FOUND))

    assert len(cases(desk)) == 2


def test_a_lost_index_opens_nothing_anew(desk: Desk, clock: Clock) -> None:
    """Signals that were read before lead to nothing when they are read again, whatever was decided meanwhile."""
    for later in (0, 10, 5000):
        desk.ledger.append_now(exchange(at=clock.now + later, findings=FOUND))
        for case in cases(desk):
            if case.state == "open":
                decisions.decide(desk, EVA, case.id, Outcome.DISMISS)
    head = desk.ledger.head()
    desk.close()
    for name in desk.path.parent.glob("*.desk*"):
        name.unlink()
    again = Desk(desk.ledger, OFFICE, clock=clock)

    assert len(cases(again)) == 2
    assert desk.ledger.head() == head
    again.close()


def test_what_was_found_before_the_policy_said_so_is_for_a_hunt(tmp_path: Path) -> None:
    """A ledger full of findings opens no case the day that the policy first names their category."""
    with opened(tmp_path) as plain:
        plain.ledger.append_now([event for _ in range(20) for event in exchange(findings=FOUND)])
    with opened(tmp_path, OFFICE) as desk:
        assert cases(desk) == []


def test_reports_open_one_case_for_an_account(desk: Desk) -> None:
    """Reports of one account come together in a case; those of another have their own."""
    reported(desk, "rep_1")
    reported(desk, "rep_2")
    reported(desk, "rep_3", account="shop:bob")

    ann, bob = cases(desk)

    assert (ann.queue, ann.priority, ann.reports, bob.reports) == ("reports", 10, ("rep_1", "rep_2"), ("rep_3",))
    assert [desk.event(seq).event.content for seq in ann.evidence] == ["He bullies me."] * 2


def test_an_appeal_opens_a_case_that_the_decider_does_not_get(desk: Desk) -> None:
    """An appeal comes before everything else, to somebody who had no part in the decision."""
    by_rule(desk)
    (case,) = cases(desk)
    decisions.decide(desk, EVA, case.id, Outcome.SUSPEND, reason="x", lasts=3600.0)
    now = standing(desk)
    desk.ledger.append_now([appealed(now, "It was my son.", NOW)])

    appeal = cases(desk)[1]

    assert (appeal.queue, appeal.priority, appeal.action, appeal.not_for) == ("appeals", 20, now.id, ("eva",))
    assert decisions.choices(desk, BEN, appeal) == (Outcome.UPHOLD, Outcome.OVERTURN)


async def test_a_strict_action_of_a_rule_opens_a_case(desk: Desk) -> None:
    """By default suspensions and bans are reviewed; a rule's own `case` names another queue, for any action."""
    given = (
        rule('blocked("1h") >= 1', "warn", name="w"),
        rule('blocked("1h") >= 1', "suspend", name="s"),
        rule('blocked("1h") >= 1', "limit", name="l", case="slow"),
        rule('blocked("1h") >= 1', "ban", name="b", mode="shadow", case="never"),
    )
    filled = reviewed(given, CaseSettings())
    async with enforcing(desk.ledger, compile_rules(filled)):
        await desk.ledger.append(now_events())
        await until(lambda: len(list(desk.ledger.events(kinds={"acted"}))) == 4)

    found = {case.source: case for case in cases(desk)}
    assert {source: case.queue for source, case in found.items()} == {"rule:s": "rules", "rule:l": "slow"}
    assert found["rule:s"].evidence


async def test_a_rule_may_only_open_a_case(desk: Desk) -> None:
    """`action = "case"` asks a person: nothing is in force, nobody is told, and it opens one case until it expires."""
    asks = compile_rules([rule('blocked("1h") >= 1', "case", case="look")])
    async with enforcing(desk.ledger, asks):
        for _ in range(3):
            await desk.ledger.append(now_events())
            await until(lambda: list(desk.ledger.events(kinds={"acted"})))

    (recorded,) = desk.ledger.events(kinds={"acted"})
    assert isinstance(recorded.event.body, Acted)
    assert (recorded.event.body.action.shadow, recorded.event.body.notify) == (True, False)
    (case,) = cases(desk)
    assert (case.queue, case.source) == ("look", "rule:repeat")
    assert standing(desk).standing is Standing.GOOD
    assert lookup.notices(desk, account=ANN) == ()
    made = decisions.decide(desk, EVA, case.id, Outcome.DISMISS)
    assert (made.undid, made.rule, made.holds) == ((), "repeat", False)


def test_a_rule_that_only_opens_a_case_says_in_which_queue() -> None:
    """Without its queue such a rule is refused, and so is one without an expiry."""
    with pytest.raises(RuleError) as error:
        compile_rules([rule('blocked("1h") >= 1', "case", expires="")])

    assert [fault.field for fault in error.value.faults] == ["case", "expires"]


@pytest.mark.parametrize(
    ("review", "opening"),
    [("never", 0), ("banned", 1), ("suspended", 2), ("limited", 3), ("warned", 4)],
)
def test_the_policy_says_from_where_on_actions_are_reviewed(review: str, opening: int) -> None:
    """The stricter the threshold, the fewer actions open a case."""
    each = [rule('blocked("1h") >= 1', action.value, name=action.value) for action in list(Measure)[:4]]

    found = reviewed(each, CaseSettings(review=review))  # type: ignore[arg-type]

    assert sum(bool(one.case) for one in found) == opening


async def test_shadow_of_such_a_rule_does_not_spend_its_evidence(desk: Desk) -> None:
    """What a rule would have asked in shadow does not keep it from asking once it is live."""
    shadow = compile_rules([rule('blocked("1h") >= 1', "case", case="look", mode="shadow")])
    async with enforcing(desk.ledger, shadow) as enforcer:
        await desk.ledger.append(now_events())
        await until(lambda: list(desk.ledger.events(kinds={"acted"})))
        assert cases(desk) == []
        assert isinstance(enforcer, Enforcer)
        enforcer.replace_rules(compile_rules([rule('blocked("1h") >= 1', "case", case="look")]))
        await desk.ledger.append(now_events())
        await until(lambda: len(list(desk.ledger.events(kinds={"acted"}))) == 2)

    assert len(cases(desk)) == 1


def test_rules_of_like_names_have_cases_of_their_own(desk: Desk) -> None:
    """A name in which some character could stand for any other is no other rule's."""
    by_rule(desk, by="rule:axb")
    by_rule(desk, by="rule:a_b")
    by_rule(desk, by="rule:a_b")

    assert [(case.source, len(case.actions)) for case in cases(desk)] == [("rule:axb", 1), ("rule:a_b", 2)]


def test_what_speaks_of_no_action_holds_up_nothing(desk: Desk) -> None:
    """An appeal and an undoing of an action that is not there lead to nothing, and what comes after them is done."""
    nothing = action(Standing.BANNED)
    desk.ledger.append_now(
        [
            appealed(nothing, "x", NOW),
            Event(body=Undone(action=nothing.id, by="person:eva", reason="x", notify=True), at=NOW, account=ANN),
        ]
    )
    by_rule(desk)

    assert [case.source for case in cases(desk)] == ["rule:repeat"]
    assert len(lookup.notices(desk, account=ANN)) == 1
