"""Notices: one for each decision, and in each all that the account has a right to know."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from outworks.action import Standing
from outworks.enforcement import bulk
from outworks.enforcement.desk import decisions, lookup
from outworks.enforcement.desk.cases import Decision, Outcome
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.settings import AppealSettings, Office, PolicyText
from outworks.enforcement.telling import notices
from outworks.enforcement.telling.appeals import appealed
from outworks.event import Event, Notified, Reported
from outworks.verdict import Finding
from tests.enforcement.desk_kit import ADA, BEN, EVA, LEA, Clock, a_case, by_hand, by_rule, opened, work
from tests.enforcement.kit import ANN, NOW, exchange

OFFICE = Office(
    policies=(PolicyText(id="use-2", title="Known attacks", text="Do not use known attacks."),),
    appeals=AppealSettings(redress="You can also turn to the courts."),
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path, OFFICE, clock=Clock()) as desk:
        yield desk


def sent(desk: Desk) -> list[Notified]:
    work(desk)
    bodies = [each.event.body for each in desk.ledger.events(kinds={"notified"})]
    return [body for body in bodies if isinstance(body, Notified)]


def test_a_notice_says_all_that_a_statement_of_reasons_must(desk: Desk) -> None:
    """What is restricted and until when, why and on which facts, the passage, what was automated, how to appeal."""
    desk.ledger.append_now(exchange(findings=(Finding("known_bad", 1.0),), at=NOW - 50))
    by_rule(desk, case="", evidence=(4,), policy="use-2", reason="Your requests hold known attacks.")

    (notice,) = sent(desk)

    for part in (
        "This account is suspended: its requests are not answered.",
        "It ends on 2027-01-16 08:00 UTC.",
        "Your requests hold known attacks.",
        "The facts: 1 of this account's requests, on 2027-01-15 07:59 UTC, in which we found: known_bad.",
        "our usage policy, use-2, Known attacks: Do not use known attacks.",
        "found by automated checks of this account's own requests. The decision was taken by automated means",
        "You can appeal this decision within 180 days; somebody who had no part in it answers.",
        "You can also turn to the courts.",
    ):
        assert part in notice.text
    assert (notice.code, notice.automated, notice.policy) == ("suspended", True, "use-2")
    assert notice.expires == NOW + 86_400


def test_a_notice_never_repeats_what_was_said(desk: Desk) -> None:
    """The words of a request stay content: a notice outlives them."""
    event = exchange(at=NOW - 50)[0]
    desk.ledger.append_now(
        [Event(**{**{f: getattr(event, f) for f in event.__struct_fields__}, "content": "marzipan"})]
    )
    by_rule(desk, case="", evidence=(3,))

    assert "marzipan" not in sent(desk)[0].text


def test_a_persons_decision_is_told_as_such(desk: Desk) -> None:
    """A decision by a person says so; one after a report says that too, and never who reported."""
    body = Reported(id="rep_1", reporter="kim the neighbour")
    desk.ledger.append_now([Event(body=body, at=NOW, account=ANN, product="shop", content="x")])
    work(desk)
    case = lookup.cases(desk)[0]
    decisions.decide(desk, EVA, case.id, Outcome.WARN, reason="Be kind.", lasts=60.0, policy="use-2")

    (notice,) = sent(desk)

    assert "The decision was taken by a person." in notice.text
    assert "after a report by another person" in notice.text
    assert "kim" not in notice.text
    assert not notice.automated


Do = Callable[[Desk], object]


def _undone(desk: Desk, outcome: Outcome, **fields: object) -> None:
    case = a_case(desk)
    made = decisions.decide(desk, EVA, case.id, outcome, **fields)  # type: ignore[arg-type]
    sent(desk)
    decisions.undo(desk, EVA, made.id, reason="A slip.")


def _banned(desk: Desk) -> None:
    case = by_hand(desk)
    decisions.decide(desk, EVA, case.id, Outcome.BAN, reason="x", policy="use-2")
    sent(desk)
    decisions.decide(desk, BEN, case.id, Outcome.BAN)


def _flipped(desk: Desk) -> None:
    made = by_rule(desk, case="")
    decisions.undo_action(desk, LEA, made.id, reason="x")
    decisions.restore_action(desk, LEA, made.id, reason="x")


SENT: dict[str, tuple[Do, list[str]]] = {
    "dismissed": (lambda d: decisions.decide(d, EVA, a_case(d).id, Outcome.DISMISS), ["suspended", "lifted"]),
    "dismissed without an action": (lambda d: decisions.decide(d, EVA, by_hand(d).id, Outcome.DISMISS), []),
    "kept": (lambda d: decisions.decide(d, EVA, a_case(d).id, Outcome.KEEP), ["suspended"]),
    "replaced": (
        lambda d: decisions.decide(d, EVA, a_case(d).id, Outcome.WARN, reason="x", lasts=9.0, policy="use-2"),
        ["suspended", "warned"],
    ),
    "reinstated": (
        lambda d: decisions.decide(d, EVA, a_case(d).id, Outcome.REINSTATE, reason="x"),
        ["suspended", "reinstated"],
    ),
    "banned": (_banned, ["banned"]),
    "dismissal undone": (lambda d: _undone(d, Outcome.DISMISS), ["suspended", "lifted", "restored"]),
    "keeping undone": (lambda d: _undone(d, Outcome.KEEP), ["suspended"]),
    "reinstatement undone": (
        lambda d: _undone(d, Outcome.REINSTATE, reason="x"),
        ["suspended", "reinstated", "lifted"],
    ),
    "action undone and restored": (_flipped, ["suspended", "lifted", "restored"]),
    "in shadow": (lambda d: by_rule(d, shadow=True, case=""), []),
}


def _softened(desk: Desk) -> None:
    by_rule(desk, case="", standing=Standing.WARNED)


HOLDS: dict[str, tuple[Do, str]] = {
    "a suspension that a warning had replaced": (
        lambda d: _undone(d, Outcome.WARN, reason="x", lasts=9.0, policy="use-2"),
        "suspended",
    ),
    "a suspension before a reinstatement": (lambda d: _undone(d, Outcome.REINSTATE, reason="x"), "suspended"),
    "a suspension beside a warning": (lambda d: (by_rule(d, case=""), _softened(d)), "suspended"),
    "a ban beside a suspension": (
        lambda d: (by_rule(d, case="", standing=Standing.BANNED), by_rule(d, case="")),
        "banned",
    ),
    "nothing but a warning": (lambda d: (_softened(d), by_rule(d, case="")), ""),
    "what was replaced": (
        lambda d: decisions.decide(d, EVA, a_case(d).id, Outcome.WARN, reason="x", lasts=9.0, policy="use-2"),
        "",
    ),
    "what only counts in shadow": (lambda d: (by_rule(d, shadow=True, case=""), _softened(d)), ""),
    "what was lifted": (lambda d: decisions.decide(d, EVA, a_case(d).id, Outcome.DISMISS), ""),
}


@pytest.mark.parametrize("name", HOLDS)
def test_what_holds_beside_is_told(desk: Desk, name: str) -> None:
    """Nobody is told that he is free while another decision restricts him."""
    do, expected = HOLDS[name]

    do(desk)

    text = sent(desk)[-1].text
    told = f"Another decision holds. This account is {expected}: its requests are not answered. It "
    assert (told in text) if expected else ("Another decision" not in text)


def _answered(desk: Desk, outcome: Outcome) -> Decision:
    made = by_rule(desk, case="")
    desk.ledger.append_now([appealed(made, "It was not me.", NOW)])
    work(desk)
    case = lookup.cases(desk, queue="appeals")[0]
    return decisions.decide(desk, BEN, case.id, outcome, reason="We looked again.")


def _acted(desk: Desk, outcome: Outcome) -> str:
    lasts = None if outcome in (Outcome.BAN, Outcome.REINSTATE) else 60.0
    rate = 4.0 if outcome is Outcome.LIMIT else None
    planned = bulk.plan(desk, LEA, [ANN], outcome, reason="x", policy="use-2", lasts=lasts, rate_per_minute=rate)
    return bulk.apply(desk, ADA, planned.bulk.id).id


def _taken_back(desk: Desk, outcome: Outcome) -> None:
    bulk.undo(desk, LEA, _acted(desk, outcome), reason="A slip.")


def _later(desk: Desk, seconds: float) -> None:
    desk.clock = Clock(NOW + seconds)


def _flipped_after_notice(desk: Desk, then: Do) -> None:
    made = by_rule(desk, case="")
    sent(desk)
    decisions.undo_action(desk, LEA, made.id, reason="x")
    sent(desk)
    decisions.restore_action(desk, LEA, made.id, reason="x")
    then(desk)


def _lifted_after_all(desk: Desk) -> None:
    _answered(desk, Outcome.UPHOLD)
    decisions.undo_action(desk, LEA, lookup.actions(desk, ANN)[0].id, reason="x")


PAST: dict[str, tuple[Do, int, str]] = {
    "a warning": (lambda d: _taken_back(d, Outcome.WARN), 0, "was warned. That holds no longer."),
    "a limit": (
        lambda d: _taken_back(d, Outcome.LIMIT),
        0,
        "was limited to 4 requests a minute. That holds no longer.",
    ),
    "a suspension": (lambda d: _taken_back(d, Outcome.SUSPEND), 0, "was suspended. That holds no longer."),
    "a ban": (lambda d: _taken_back(d, Outcome.BAN), 0, "was banned. That holds no longer."),
    "a reinstatement": (lambda d: _taken_back(d, Outcome.REINSTATE), 0, "was reinstated. That was taken back since."),
    "a suspension that ended": (
        lambda d: (by_rule(d, case=""), _later(d, 86_400)),
        0,
        "was suspended. That holds no longer.",
    ),
    "a suspension before a reinstatement": (
        lambda d: (by_rule(d, case=""), _acted(d, Outcome.REINSTATE)),
        0,
        "was suspended. That holds no longer.",
    ),
    "a lifting": (_flipped, 1, "was taken back. It holds again since."),
    "what held again until it ended": (
        lambda d: _flipped_after_notice(d, lambda d: _later(d, 86_400)),
        -1,
        "was to hold again. It does not hold now.",
    ),
    "an answer that let it stay": (
        _lifted_after_all,
        1,
        "let it stay when you appealed. It was taken back since.",
    ),
    "an answer that took it back": (
        lambda d: decisions.undo(d, BEN, _answered(d, Outcome.OVERTURN).id, reason="A slip."),
        1,
        "took it back when you appealed. That answer was undone since.",
    ),
}


@pytest.mark.parametrize("name", PAST)
def test_what_no_longer_holds_is_told_as_past(desk: Desk, name: str) -> None:
    """Nobody is told of a restriction, or of a right, that he no longer has at that moment: not after a bulk action
    that was taken back while its notices were on their way, nor after the clerk was away for a day."""
    do, place, expected = PAST[name]

    do(desk)

    notice = sent(desk)[place]
    assert expected in notice.text.split("\n\n")[0]
    assert "This account is" not in notice.text
    assert "It ends on" not in notice.text
    assert "What it restricted is lifted" not in notice.text


def test_what_was_taken_back_is_not_there_to_be_appealed(desk: Desk) -> None:
    """A notice offers an appeal that would be taken; one of what ended by itself still does."""
    _taken_back(desk, Outcome.SUSPEND)
    by_rule(desk, account="shop:bob", case="")
    _later(desk, 86_400)

    undone, _, ended = sent(desk)

    assert "You can appeal" not in undone.text
    assert "You can appeal" in ended.text


def test_a_warning_beside_a_ban_claims_no_freedom(desk: Desk) -> None:
    """`Nothing is restricted` is said where nothing is."""
    by_rule(desk, case="", standing=Standing.BANNED, expires=None)
    _softened(desk)

    assert "This account is warned.\n" in sent(desk)[1].text
    assert "Nothing is restricted" not in sent(desk)[1].text


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (Standing.LIMITED, "This account is limited to 10 requests a minute."),
        (Standing.SUSPENDED, "This account is suspended: its requests are not answered."),
        (Standing.BANNED, "This account is banned: its requests are not answered."),
    ],
)
def test_what_holds_again_is_named(desk: Desk, standing: Standing, expected: str) -> None:
    """Who reads that a decision holds again reads what it restricts."""
    made = by_rule(desk, case="", standing=standing)
    decisions.undo_action(desk, LEA, made.id, reason="x")
    decisions.restore_action(desk, LEA, made.id, reason="x")

    assert sent(desk)[-1].text.startswith(f"A decision on this account that was taken back holds again. {expected}")


def test_a_reinstatement_that_was_taken_back_is_told_as_such(desk: Desk) -> None:
    """It restricted nothing, so nothing of it is lifted."""
    _undone(desk, Outcome.REINSTATE, reason="x")

    text = sent(desk)[-1].text

    assert text.startswith("The reinstatement of this account was taken back. What was decided before it counts again.")


@pytest.mark.parametrize("name", SENT)
def test_each_decision_sends_one_notice(desk: Desk, name: str) -> None:
    """Whatever changes an account's standing is told once, as one decision; what changes nothing is not told."""
    do, expected = SENT[name]

    do(desk)

    assert [notice.code for notice in sent(desk)] == expected
    notices.send(desk)
    assert len(sent(desk)) == len(expected)
    assert len({notice.id for notice in sent(desk)}) == len(expected)


def test_what_a_reviewer_sees_before_is_what_the_account_reads(desk: Desk) -> None:
    """The preview of a notice is the notice."""
    case = a_case(desk)
    sent(desk)
    made = decisions.decide(desk, EVA, case.id, Outcome.SUSPEND, reason="Enough.", lasts=60.0, policy="use-2")
    body = desk.event(lookup.action(desk, made.action).seq).event.body

    preview = notices.statement(
        desk.office,
        "suspended",
        body.action,  # type: ignore[attr-defined]
        reason="Enough.",
        policy="use-2",
        facts=notices.facts(desk, case.evidence),
        automated=False,
    )

    assert sent(desk)[-1].text == preview.text
    assert Standing.SUSPENDED.name.lower() == preview.code


def test_a_bulk_actions_notice_names_nobody_else(desk: Desk) -> None:
    """Each account of a bulk action is told that it was one of several, and of no other."""
    planned = bulk.plan(desk, LEA, [ANN, "shop:bob"], Outcome.WARN, reason="One template.", lasts=60.0, policy="use-2")
    bulk.apply(desk, LEA, planned.bulk.id)

    ann, bob = sent(desk)

    assert "together with others" in ann.text
    assert "bob" not in ann.text
    assert ann.text == bob.text
