"""Queues: one case, one reviewer; leases end, nothing is lost, and what moves on is told why."""

import multiprocessing
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from outworks.enforcement.desk import decisions, lookup, queues
from outworks.enforcement.desk.cases import Case, Outcome, State
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.queues import Held
from outworks.enforcement.desk.roles import Forbidden, Reviewer, Role
from outworks.enforcement.settings import CaseSettings, Office
from outworks.event import CaseDecided, Viewed
from outworks.ledger import Ledger, verify
from tests.enforcement.desk_kit import AUD, BEN, EVA, LEA, Clock, a_case, by_hand, opened
from tests.enforcement.kit import ANN, received

REVIEWERS = 10
CASES = 60


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    with opened(tmp_path, Office(cases=CaseSettings(lease="10m")), clock=clock) as desk:
        yield desk


def prepared(folder: Path) -> None:
    """A ledger with many cases, each of an account of its own."""
    with opened(folder) as desk:
        accounts = [f"shop:user-{n}" for n in range(CASES)]
        desk.ledger.append_now([received(account=account) for account in accounts])
        for account in accounts:
            by_hand(desk, account)


def review(folder: Path, name: str) -> None:
    """Claim and decide until nothing waits."""
    with Ledger.open(folder / "ledger.db") as ledger:
        desk = Desk(ledger)
        person = Reviewer(name, Role.REVIEWER)
        while (case := queues.claim(desk, person)) is not None:
            decisions.decide(desk, person, case.id, Outcome.WARN, reason=f"By {name}.", lasts=3600.0)
        desk.close()


def check_each_decided_once(folder: Path) -> None:
    with Ledger.open(folder / "ledger.db") as ledger:
        decided = [each.event.body for each in ledger.events(kinds={"case_decided"})]
        cases = Counter(body.case for body in decided if isinstance(body, CaseDecided))
        assert len(cases) == CASES
        assert set(cases.values()) == {1}
        acted = Counter(each.event.account for each in ledger.events(kinds={"acted"}))
        assert len(acted) == CASES
        assert set(acted.values()) == {1}
    assert verify(folder / "ledger.db").ok


def test_ten_reviewers_in_one_process(tmp_path: Path) -> None:
    """Ten reviewers on one queue at once, in threads with a desk between them: each case is decided once."""
    prepared(tmp_path)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        desk = Desk(ledger)
        held: list[str] = []

        def work(name: str) -> None:
            person = Reviewer(name, Role.REVIEWER)
            while (case := queues.claim(desk, person)) is not None:
                held.append(case.id)
                decisions.decide(desk, person, case.id, Outcome.WARN, reason="x", lasts=3600.0)

        threads = [threading.Thread(target=work, args=(f"r{n}",)) for n in range(REVIEWERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(held) == sorted(set(held))
        desk.close()

    check_each_decided_once(tmp_path)


def test_ten_reviewers_in_ten_processes(tmp_path: Path) -> None:
    """The same in ten processes with a desk each: none is given twice, none is lost, and the ledger verifies."""
    prepared(tmp_path)
    # They begin as copies of one process that has imported what they need.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.enforcement.desk.test_queues"])
    workers = [context.Process(target=review, args=(tmp_path, f"r{n}")) for n in range(REVIEWERS)]

    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert [worker.exitcode for worker in workers] == [0] * REVIEWERS
    check_each_decided_once(tmp_path)


def test_the_next_case_is_of_the_highest_priority_and_has_waited_longest(desk: Desk, clock: Clock) -> None:
    """Priority comes before age, and age before nothing."""
    old, clock.now = by_hand(desk), clock.now + 10
    newer, clock.now = by_hand(desk), clock.now + 10
    urgent = by_hand(desk, priority=5)

    assert [queues.claim(desk, person).id for person in (EVA, BEN, LEA)] == [urgent.id, old.id, newer.id]  # type: ignore[union-attr]


def test_a_reviewer_gets_back_what_he_has(desk: Desk) -> None:
    """Who has a case is given that one again, and no second one."""
    by_hand(desk)
    by_hand(desk)

    first = queues.claim(desk, EVA)
    assert first is not None
    assert queues.claim(desk, EVA) == first


def test_a_queue_can_be_chosen(desk: Desk) -> None:
    """Only cases of the queues that are asked for are given out."""
    by_hand(desk, queue="a")
    wanted = by_hand(desk, queue="b")

    assert queues.claim(desk, EVA, queues=["b", "c"]).id == wanted.id  # type: ignore[union-attr]
    assert queues.claim(desk, BEN, queues=["c"]) is None


def test_a_lease_ends_and_the_case_goes_to_somebody_else(desk: Desk, clock: Clock) -> None:
    """Nobody's death keeps a case: when the lease ends the next one gets it, and the first can no longer decide."""
    case = by_hand(desk)
    queues.claim(desk, EVA)
    clock.now += 599
    assert queues.claim(desk, BEN) is None
    clock.now += 1

    assert queues.claim(desk, BEN).id == case.id  # type: ignore[union-attr]
    with pytest.raises(Held, match="ben has the case"):
        decisions.decide(desk, EVA, case.id, Outcome.DISMISS)


def test_looking_on_keeps_the_lease(desk: Desk, clock: Clock) -> None:
    """A lease begins anew as often as it is asked for."""
    case = by_hand(desk)
    queues.claim(desk, EVA)
    for _ in range(3):
        clock.now += 500
        queues.renew(desk, EVA, case.id)

    assert queues.claim(desk, BEN) is None


def test_a_skipped_case_goes_to_others(desk: Desk, clock: Clock) -> None:
    """Who skips a case does not get it again for an hour; others do at once."""
    case = by_hand(desk)
    queues.claim(desk, EVA)
    queues.skip(desk, EVA, case.id)

    assert queues.claim(desk, EVA) is None
    assert queues.claim(desk, BEN).id == case.id  # type: ignore[union-attr]
    queues.give_back(desk, BEN, case.id)
    clock.now += 3601
    assert queues.claim(desk, EVA).id == case.id  # type: ignore[union-attr]


def test_a_case_is_handed_over(desk: Desk, clock: Clock) -> None:
    """What is handed over comes before anything else to that person, and to nobody else for a day."""
    case = by_hand(desk)
    by_hand(desk, priority=50)
    queues.claim_this(desk, EVA, case.id)
    queues.hand_over(desk, EVA, case.id, to="ben", why="He speaks Dutch.")

    with pytest.raises(Held, match="ben has the case"):
        queues.claim_this(desk, LEA, case.id)
    assert queues.claim(desk, BEN).id == case.id  # type: ignore[union-attr]
    queues.give_back(desk, BEN, case.id)
    clock.now += 86_401
    assert queues.claim_this(desk, LEA, case.id).id == case.id
    assert [one.event.content for one in lookup.timeline(desk, case.id)][2] == "He speaks Dutch."


def test_an_escalated_case_goes_to_a_lead(desk: Desk) -> None:
    """Only who may take escalated cases gets it, decides it, or puts it back into a queue."""
    case = by_hand(desk)
    queues.claim(desk, EVA)
    queues.escalate(desk, EVA, case.id, why="Above my head.")

    assert queues.claim(desk, EVA) is None
    with pytest.raises(Forbidden):
        decisions.decide(desk, BEN, case.id, Outcome.DISMISS)
    assert lookup.queues(desk)[0].escalated == 1
    assert queues.claim(desk, LEA).id == case.id  # type: ignore[union-attr]
    queues.move(desk, LEA, case.id, queue="easy")

    assert queues.claim(desk, EVA).queue == "easy"  # type: ignore[union-attr]


def test_the_notes_of_a_case_are_content(desk: Desk) -> None:
    """Anybody who may takes notes, whoever has the case; they can be erased like what was said."""
    case = by_hand(desk)
    queues.claim(desk, EVA)
    queues.note(desk, BEN, case.id, "Seen this before.")

    assert lookup.timeline(desk, case.id)[-1].event.content == "Seen this before."
    desk.ledger.expire(desk.clock() + 1)
    assert lookup.timeline(desk, case.id)[-1].event.content is None


Do = Callable[[Desk, Case], Any]

WRONG: list[tuple[Do, type[Exception], str]] = [
    (lambda desk, case: queues.hand_over(desk, EVA, case.id, to="", why="x"), ValueError, "hand over to whom"),
    (lambda desk, case: queues.hand_over(desk, EVA, case.id, to="eva", why="x"), ValueError, "hand over to whom"),
    (lambda desk, case: queues.hand_over(desk, EVA, case.id, to="ben", why=" "), ValueError, "say why"),
    (lambda desk, case: queues.escalate(desk, EVA, case.id, why=""), ValueError, "say why"),
    (lambda desk, case: queues.move(desk, EVA, case.id, queue="x"), Forbidden, "'move_queue' is for: lead, admin"),
    (lambda desk, case: queues.move(desk, LEA, case.id, queue=""), ValueError, "a queue has a name"),
    (lambda desk, case: queues.note(desk, EVA, case.id, ""), ValueError, "empty"),
    (lambda desk, case: queues.note(desk, EVA, case.id, "x" * 20_001), ValueError, "at most 20000"),
    (lambda desk, case: queues.note(desk, EVA, case.id[:-1], "x"), LookupError, "did you mean 'case_"),
    (lambda desk, case: queues.note(desk, AUD, case.id, "x"), Forbidden, "aud is auditor"),
    (lambda desk, case: queues.claim(desk, AUD), Forbidden, "aud is auditor"),
    (lambda desk, case: queues.claim(desk, Reviewer(" ", Role.LEAD)), ValueError, "say who decides"),
    (lambda desk, case: queues.open_case(desk, EVA, "shop:nobody", why="x"), LookupError, "no request of the account"),
    (lambda desk, case: queues.open_case(desk, EVA, ANN, why=""), ValueError, "say why"),
]


@pytest.mark.parametrize(("do", "error", "says"), WRONG)
def test_what_does_not_fit_is_refused(desk: Desk, do: Do, error: type[Exception], says: str) -> None:
    """Whoever may not, or says what makes no sense, changes nothing."""
    case = by_hand(desk)
    head = desk.ledger.head()

    with pytest.raises(error, match=says):
        do(desk, case)

    assert desk.ledger.head() == head


def test_queues_at_a_glance(desk: Desk, clock: Clock) -> None:
    """Each queue says how much waits in it, for how long, and how much is under way."""
    began = clock.now
    by_hand(desk, queue="a")
    clock.now += 5
    by_hand(desk, queue="a")
    done = by_hand(desk, queue="b")
    banned = by_hand(desk, queue="c")
    decisions.decide(desk, EVA, done.id, Outcome.DISMISS)
    decisions.decide(desk, EVA, banned.id, Outcome.BAN, reason="x")
    queues.claim(desk, EVA, queues=["a"])

    a, c = lookup.queues(desk)

    assert (a.name, a.waiting, a.leased, a.oldest, c.name, c.pending) == ("a", 2, 1, began, "c", 1)
    assert {each.state for each in lookup.cases(desk, queue="b")} == {State.CLOSED}


def test_a_look_at_content_is_recorded_and_counted(desk: Desk, clock: Clock) -> None:
    """Who was shown what is in the ledger and in the trail, and adds up for the daily limit."""
    case = a_case(desk)
    queues.viewed(desk, EVA, [1, 2], account=ANN, case=case.id, category="violence")
    queues.viewed(desk, AUD, [1], category="violence")
    clock.now += 10
    queues.viewed(desk, EVA, [1], category="violence")

    assert lookup.looked_at(desk, "eva", clock.now - 20) == {"violence": 3}
    assert lookup.looked_at(desk, "eva", clock.now - 5) == {"violence": 1}
    entry = lookup.trail(desk, by="eva", kind="viewed")[-1]
    body = desk.event(entry.seq).event.body
    assert isinstance(body, Viewed)
    assert (body.events, body.case, entry.account) == ((1, 2), case.id, ANN)
    assert [one.by for one in lookup.trail(desk, kind="viewed", before=entry.seq + 2)] == ["aud", "eva"]
