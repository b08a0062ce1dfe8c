"""Attribution is exact, adds up, and gives nothing to a line that does nothing."""

import itertools
import math
import random

import pytest

pytest.importorskip("scipy", reason="statistics need the extra: pip install 'outworks[trials]'")

from outworks.statistics import clopper_pearson
from outworks.trials.attribution import ALIGNMENT, Played, World, attribute

LINES = ("a", "b", "nothing")


def plays(seed: int = 0, goals: int = 30, attempts: int = 4) -> list[Played]:
    """Attempts that a stops half of, b a third, alignment some, and `nothing` none."""
    chance = random.Random(seed)

    def world(harmful: bool) -> World:
        return World(
            harmful=harmful, stopped_by=frozenset(n for n, p in (("a", 0.5), ("b", 0.33)) if chance.random() < p)
        )

    return [
        Played(goal=str(goal), aligned=world(chance.random() < 0.4), unaligned=world(True))
        for goal in range(goals)
        for _ in range(attempts)
    ]


def harm(played: list[Played], standing: frozenset[str], worst: bool) -> float:
    """The slow reference: play every attempt against the lines that stand."""
    by_goal: dict[str, list[bool]] = {}
    for one in played:
        world = one.aligned if ALIGNMENT in standing else one.unaligned
        by_goal.setdefault(one.goal, []).append(world.harmful and not world.stopped_by & standing)
    union = max if worst else (lambda each: sum(each) / len(each))
    return sum(union(each) for each in by_goal.values()) / len(by_goal)


@pytest.mark.parametrize("worst", [True, False])
def test_shapley_values_are_the_mean_over_every_order(worst: bool) -> None:
    """The exact values equal those of playing all 4! orders, one line at a time."""
    played = plays()
    players = (*LINES, ALIGNMENT)
    reference = dict.fromkeys(players, 0.0)
    for order in itertools.permutations(players):
        for i, line in enumerate(order):
            before, after = frozenset(order[:i]), frozenset(order[: i + 1])
            reference[line] += (harm(played, before, worst) - harm(played, after, worst)) / math.factorial(len(players))

    found = attribute(played, LINES, worst=worst)

    assert {one.line: one.shapley for one in found.lines} == pytest.approx(reference)
    assert sum(one.shapley for one in found.lines) == pytest.approx(found.bare - found.whole)
    assert found.whole == pytest.approx(harm(played, frozenset(players), worst))


def test_a_line_that_does_nothing_is_worth_nothing() -> None:
    """Its Shapley value, alone, and last are zero; the interval starts there and ends at what 30 goals leave unseen."""
    nothing = next(one for one in attribute(plays(), LINES).lines if one.line == "nothing")

    assert (nothing.shapley, nothing.alone, nothing.last) == pytest.approx((0, 0, 0))
    unseen = clopper_pearson(0, 30).high
    assert (nothing.shapley_interval.low, nothing.shapley_interval.high) == pytest.approx((0, unseen))
    assert nothing.with_alignment_interval is not None
    assert nothing.with_alignment_interval.high == pytest.approx(unseen)


def test_lines_that_stop_the_same_attempts_stand_in_for_each_other() -> None:
    """Left out alone neither is missed; together they stop everything, and share the worth."""
    stopped = World(harmful=True, stopped_by=frozenset({"a", "b"}))
    found = attribute([Played(goal="g", aligned=stopped, unaligned=stopped)], ("a", "b"), alignment=False)

    assert [(one.shapley, one.alone, one.last) for one in found.lines] == [(0.5, 1.0, 0.0)] * 2


def test_goals_that_agree_are_no_certainty() -> None:
    """A line that kept all of six goals is worth 1, and as surely as six of six."""
    kept = World(harmful=True, stopped_by=frozenset({"a"}))
    played = [Played(goal=str(g), aligned=kept, unaligned=kept) for g in range(6)]

    interval = attribute(played, ("a",), alignment=False).lines[0].shapley_interval

    assert (interval.low, interval.high) == pytest.approx((clopper_pearson(6, 6).low, 1))


def test_lines_that_stop_together_share_the_worth_and_are_worth_nothing_alone() -> None:
    """Standing and what earned it: both are needed, so each has half, nothing alone, and all if left out."""
    kept = World(harmful=True, together=frozenset({frozenset({"standing", "a"})}))
    found = attribute([Played(goal="g", aligned=kept, unaligned=kept)], ("standing", "a", "b"), alignment=False)

    assert {one.line: (one.shapley, one.alone, one.last) for one in found.lines} == {
        "standing": (0.5, 0.0, 1.0),
        "a": (0.5, 0.0, 1.0),
        "b": (0.0, 0.0, 0.0),
    }
    assert (found.bare, found.whole) == (1.0, 0.0)


@pytest.mark.parametrize(("worst", "last"), [(True, 1.0), (False, 0.5)])
def test_alone_and_left_out_are_what_the_replays_showed(worst: bool, last: float) -> None:
    """Without a, nothing else came to stop the first try: the replay counts, not what the verdicts would make of it."""
    shown = {"product": False, "only:a": False, "only:b": True, "without:a": True, "without:b": False}
    first = World(harmful=True, stopped_by=frozenset("a"), together=frozenset({frozenset("b")}), replayed=shown)
    second = World(harmful=False, replayed=dict.fromkeys(shown, False))
    played = [Played(goal="g", aligned=each, unaligned=each) for each in (first, second)]

    a, b = attribute(played, ("a", "b"), alignment=False, worst=worst).lines

    assert (a.alone, a.last) == (last, last)
    assert (b.alone, b.last) == (0.0, 0.0)


def test_alignment_that_refuses_what_the_others_miss_strengthens_them() -> None:
    """Where both are needed the interaction is above zero; where either would do, below."""
    missed = Played(goal="g", aligned=World(harmful=True, stopped_by=frozenset({"a"})), unaligned=World(harmful=True))
    caught = Played(goal="g", aligned=World(harmful=False), unaligned=World(harmful=True, stopped_by=frozenset({"a"})))

    together = attribute([missed], ("a",)).lines[0]
    overlap = attribute([caught], ("a",)).lines[0]

    assert together.with_alignment == pytest.approx(1.0)
    assert overlap.with_alignment == pytest.approx(-1.0)


def test_worst_case_is_a_union_and_mean_case_is_not() -> None:
    """One success among four attempts is the whole goal in the worst case, a quarter of it in the mean."""
    safe, open_ = World(harmful=False), World(harmful=True)
    played = [Played(goal="g", aligned=world, unaligned=world) for world in (safe, safe, safe, open_)]

    assert attribute(played, (), worst=True).whole == 1.0
    assert attribute(played, (), worst=False).whole == 0.25


def test_the_interval_of_a_worth_covers_the_worth() -> None:
    """Drawn from one population of goals, 95% intervals of the Shapley value hold its true value in 90% at least."""
    truth = next(o for o in attribute(plays(99, goals=6000), LINES).lines if o.line == "a").shapley

    hits = [
        truth
        in next(o for o in attribute(plays(seed, goals=40), LINES, seed=seed).lines if o.line == "a").shapley_interval
        for seed in range(100)
    ]

    assert sum(hits) >= 90


@pytest.mark.parametrize("goals", [2, 3, 4, 5, 8])
def test_the_worth_is_covered_on_few_goals(goals: int) -> None:
    """A line that stops half of all tries, of easy goals more than of hard ones: 95% intervals hold 0.5 in 93%."""
    chance = random.Random(goals)
    hits = []
    for seed in range(150):
        played = []
        for goal in range(goals):
            ease = chance.random()
            for _ in range(5):
                world = World(harmful=True, stopped_by=frozenset({"a"} if chance.random() < ease else ()))
                played.append(Played(goal=str(goal), aligned=world, unaligned=world))
        worth = attribute(played, ("a",), alignment=False, worst=False, seed=seed).lines[0]
        hits.append(0.5 in worth.shapley_interval)

    assert sum(hits) >= 0.93 * len(hits)


@pytest.mark.parametrize(
    ("lines", "message"),
    [(("a", "a"), "named twice: a"), (("b",), "stopped by a, not among"), (tuple(map(str, range(20))), "out of reach")],
)
def test_lines_that_do_not_fit_are_refused(lines: tuple[str, ...], message: str) -> None:
    """The error says which, and what there is."""
    world = World(harmful=True, stopped_by=frozenset({"a"}))
    with pytest.raises(ValueError, match=message):
        attribute([Played(goal="g", aligned=world, unaligned=world)], lines)


def test_no_attempt_is_no_attribution() -> None:
    """Zero attempts are an error, never a worth of zero."""
    with pytest.raises(ValueError, match="no attempt"):
        attribute([], ("a",))
