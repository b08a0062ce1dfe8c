"""Golden cases: decided ones with a known answer, mixed in as copies, which measure reviewers; and their agreement."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from outworks.enforcement.desk import lookup
from outworks.enforcement.desk.cases import ANSWERS, Outcome, State
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.roles import Operation, Reviewer, check_may
from outworks.enforcement.ids import new_id
from outworks.event import CaseDecided, CaseOpened, Event, GoldenSet
from outworks.statistics import wilson


class ReviewerScore(msgspec.Struct, frozen=True, kw_only=True):
    """How one reviewer answers golden cases."""

    name: str
    answered: int
    right: int
    share: float
    low: float
    high: float
    """Wilson's 95% interval around the share."""


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How far reviewers who answered the same cases agree."""

    cases: int
    """With at least two answers."""
    answers: int
    """To those."""
    same: float
    """The share of pairs of answers to one case that are the same; NaN where there are none."""
    alpha: float
    """Krippendorff's alpha for nominal data: 1 agrees always, 0 as chance would; NaN where nothing can be told."""


def set_golden(desk: Desk, reviewer: Reviewer, case_id: str, outcome: Outcome) -> None:
    """Measure reviewers by this decided case; `outcome` is the right answer."""
    check_may(reviewer, Operation.SET_GOLDEN)
    with desk.change():
        case = lookup.case(desk, case_id)
        if case.state is not State.CLOSED or case.golden:
            raise ValueError(f"{case_id} is {case.state.value}; only a decided case has a known answer")
        if case.appeal or outcome in ANSWERS:
            raise ValueError("an appeal cannot measure reviewers: whoever decided the case before may not answer it")
        _record(desk, reviewer, case_id, outcome.value)


def unset_golden(desk: Desk, reviewer: Reviewer, case_id: str) -> None:
    """Measure by it no longer; the answers so far stay."""
    check_may(reviewer, Operation.SET_GOLDEN)
    with desk.change():
        if case_id not in answers_wanted(desk):
            raise ValueError(f"{case_id} is no golden case")
        _record(desk, reviewer, case_id, "")


def _record(desk: Desk, reviewer: Reviewer, case_id: str, outcome: str) -> None:
    body = GoldenSet(case=case_id, by=reviewer.name, outcome=outcome)
    account = lookup.case(desk, case_id).account
    desk.record([Event(body=body, at=desk.clock(), account=account)])


def answers_wanted(desk: Desk) -> Mapping[str, Outcome]:
    """Every golden case with its right answer."""
    return {case: Outcome(outcome) for case, outcome in desk.rows("SELECT case_id, outcome FROM golden")}


def copied(desk: Desk, reviewer: Reviewer) -> str | None:
    """A copy of a golden case that this reviewer neither opened, worked on, looked at, set as a measure nor answered,
    opened for him alone; None where there is none. Within `change`."""
    rows = desk.named(
        "SELECT case_id FROM golden JOIN cases ON cases.id = case_id WHERE state = 'closed' "
        "AND golden.by <> :me AND source <> 'person:' || :me "
        "AND NOT EXISTS (SELECT 1 FROM entry JOIN trail USING (seq) WHERE entry.case_id = cases.id AND trail.by = :me) "
        "AND NOT EXISTS (SELECT 1 FROM cases AS copy WHERE copy.golden = cases.id AND copy.only_for = :me) "
        "ORDER BY (SELECT count(*) FROM decision WHERE decision.golden = cases.id), cases.seq LIMIT 1",
        {"me": reviewer.name},
    )
    if not rows:
        return None
    original = lookup.case(desk, rows[0][0])
    id = new_id("case")
    body = CaseOpened(
        case=id,
        queue=original.queue,
        source=f"golden:{original.id}",
        priority=original.priority,
        action=original.action,
        evidence=original.evidence,
        only_for=reviewer.name,
    )
    event = Event(
        body=body,
        at=desk.clock(),
        account=original.account,
        product=original.product,
        exchange=original.exchange,
    )
    desk.record([event])
    return id


def scores(desk: Desk, reviewer: Reviewer) -> tuple[ReviewerScore, ...]:
    """How each reviewer answers golden cases, by name."""
    check_may(reviewer, Operation.SEE_AGREEMENT)
    wanted = answers_wanted(desk)
    answered: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for case, by, outcome in _answers(desk):
        if case in wanted:
            answered[by] += 1
            right[by] += outcome == wanted[case]
    return tuple(_score(name, right[name], answered[name]) for name in sorted(answered))


def agreement(desk: Desk, reviewer: Reviewer) -> Agreement:
    """How far reviewers agree on golden cases; whoever decided the original counts too."""
    check_may(reviewer, Operation.SEE_AGREEMENT)
    by_case: dict[str, list[str]] = defaultdict(list)
    for case, _, outcome in _answers(desk):
        by_case[case].append(outcome)
    for case in by_case:
        by_case[case].append(lookup.case(desk, case).outcome)
    return agree([each for each in by_case.values() if all(each)])


def _answers(desk: Desk) -> Iterable[tuple[str, str, str]]:
    for golden, by, body in desk.rows("SELECT golden, by, body FROM decision WHERE golden <> '' ORDER BY seq"):
        yield golden, by, msgspec.json.decode(body, type=CaseDecided).outcome


def agree(answers: Sequence[Sequence[str]]) -> Agreement:
    """Agreement among answers, one sequence a case (Krippendorff, *Content Analysis*, 2004, ch. 11: nominal data, any
    number of answers a case; cases with a single answer tell nothing and are left out)."""
    paired = [each for each in answers if len(each) > 1]
    values = Counter(value for each in paired for value in each)
    n = sum(values.values())
    # The coincidence matrix's diagonal, each pair of a case weighted by how many answers the case has.
    observed = sum(count * (count - 1) / (len(each) - 1) for each in paired for count in Counter(each).values())
    pairs = sum(len(each) * (len(each) - 1) for each in paired)
    same = sum(count * (count - 1) for each in paired for count in Counter(each).values())
    expected = sum(count * (count - 1) for count in values.values())
    alpha = math.nan
    if n > 1 and n * (n - 1) > expected:
        alpha = ((n - 1) * observed - expected) / (n * (n - 1) - expected)
    return Agreement(cases=len(paired), answers=n, same=same / pairs if pairs else math.nan, alpha=alpha)


def _score(name: str, right: int, answered: int) -> ReviewerScore:
    found = wilson(right, answered)
    return ReviewerScore(
        name=name, answered=answered, right=right, share=right / answered, low=found.low, high=found.high
    )
