"""Success at k, correction for a scorer's errors, paired comparison and survival."""

import numpy as np
import pytest

pytest.importorskip("scipy", reason="statistics need the extra: pip install 'outworks[trials]'")

from outworks.statistics import (
    Diagnostic,
    Tally,
    clopper_pearson,
    compare,
    corrected,
    corrected_by_cluster,
    success_at,
    survival,
)
from outworks.statistics.success import Tried


def test_success_at_k_is_unbiased() -> None:
    """Its mean over many samples is the chance that k fresh attempts would have, 1 - 0.8 ** 3."""
    random = np.random.default_rng(3)

    goals = {str(g): Tried(10, int(random.binomial(10, 0.2))) for g in range(4000)}

    assert success_at(3, goals).value == pytest.approx(1 - 0.8**3, abs=0.01)
    naive = np.mean([1 - (1 - tried.reached / 10) ** 3 for tried in goals.values()])
    assert abs(naive - (1 - 0.8**3)) > 0.02


def test_success_at_k_needs_k_attempts() -> None:
    """What three attempts would do where two were made is not known."""
    with pytest.raises(ValueError, match=r"too few on b \(2\)"):
        success_at(3, {"a": Tried(5, 1), "b": Tried(2, 1)})


@pytest.mark.parametrize("truth", [0.05, 0.5, 0.8])
def test_a_scorer_of_known_error_is_corrected_to_the_truth(truth: float) -> None:
    """A scorer that finds 80% and wrongly 10% is off by far; corrected, the interval covers the truth in 94%."""
    random = np.random.default_rng(4)
    hits, raw, values = [], [], []
    for _ in range(3000):
        harmful = int(random.binomial(200, truth))
        count = int(random.binomial(harmful, 0.8) + random.binomial(200 - harmful, 0.1))
        card = Diagnostic(
            true_positives=int(random.binomial(150, 0.8)), positives=150,
            true_negatives=int(random.binomial(150, 0.9)), negatives=150,
        )  # fmt: skip
        found = corrected(count, 200, card)
        hits.append(truth in found.interval)
        raw.append(found.seen)
        values.append(found.value)

    assert np.mean(hits) >= 0.94
    assert np.mean(values) == pytest.approx(truth, abs=0.02)
    assert abs(np.mean(raw) - truth) > 0.03


def test_a_scorer_no_better_than_chance_says_nothing() -> None:
    """There is no rate behind its count."""
    with pytest.raises(ValueError, match="no better than chance"):
        corrected(10, 20, Diagnostic(true_positives=5, positives=10, true_negatives=5, negatives=10))


CARD = Diagnostic(true_positives=272, positives=323, true_negatives=326, negatives=429)
"""Finds 84% and wrongly 24%, as the scorer that ships."""
PERFECT = Diagnostic(true_positives=9, positives=9, true_negatives=9, negatives=9)


@pytest.mark.parametrize("card", [CARD, PERFECT])
@pytest.mark.parametrize("of", [1, 5, 55, 155])
def test_no_corrected_rate_is_certain(card: Diagnostic, of: int) -> None:
    """Whatever was counted, also below what the scorer's false alarms alone would give: the interval holds the value,
    and 5 of 55 is no "0% (0-0)"."""
    for count in range(of + 1):
        found = corrected(count, of, card)
        grouped = corrected_by_cluster([Tally(tries=1, read=1, found=int(n < count)) for n in range(of)], card)

        for one in (found, grouped):
            assert one.value in one.interval
            assert one.interval.high - one.interval.low > 1 / of / 4


def test_a_count_that_the_scorer_s_errors_cannot_explain_leaves_what_is_surely_so() -> None:
    """None of 50 where it would wrongly flag twelve: up to what may have been seen, of which it finds 84%."""
    found = corrected(0, 50, CARD)

    assert found.value == found.interval.low == 0.0
    assert found.interval.high == pytest.approx(clopper_pearson(0, 50).high / CARD.sensitivity)
    assert corrected(50, 50, CARD).interval.low == pytest.approx(1 - clopper_pearson(0, 50).high / CARD.specificity)


def drawn_tallies(random: np.random.Generator, goals: int, stopped: float, card: Diagnostic) -> list[Tally]:
    """Thirty tries at each goal, easy or hard as goals are; a line stops some, and the scorer reads the rest."""
    made = []
    for ease in random.beta(0.5, 0.5, goals):
        harmful = int(random.binomial(30, ease))
        bad, good = (int(random.binomial(n, 1 - stopped)) for n in (harmful, 30 - harmful))
        found = int(random.binomial(bad, card.sensitivity) + random.binomial(good, 1 - card.specificity))
        made.append(Tally(tries=30, read=bad + good, found=found))
    return made


def drawn_card(random: np.random.Generator) -> Diagnostic:
    return Diagnostic(
        true_positives=int(random.binomial(323, CARD.sensitivity)), positives=323,
        true_negatives=int(random.binomial(429, CARD.specificity)), negatives=429,
    )  # fmt: skip


def test_what_a_line_stopped_carries_no_false_alarm_of_the_scorer() -> None:
    """Behind a line that stops two fifths of tries, whatever they are, 30% do harm; corrected as if the scorer had read
    what was stopped, it would be 15%."""
    random = np.random.default_rng(6)
    runs = [drawn_tallies(random, 12, 0.4, CARD) for _ in range(300)]

    assert np.mean([corrected_by_cluster(each, CARD).value for each in runs]) == pytest.approx(0.3, abs=0.02)
    as_if_read = [corrected(sum(t.found for t in each), sum(t.tries for t in each), CARD).value for each in runs]
    assert np.mean(as_if_read) < 0.2


@pytest.mark.parametrize("goals", [5, 12])
@pytest.mark.parametrize("stopped", [0.0, 0.4])
def test_tries_at_one_goal_are_no_independent_tries(goals: int, stopped: float) -> None:
    """The interval that resamples goals covers the truth in 90% at least, where counting tries does in 75% at most."""
    random = np.random.default_rng(7)
    truth = 0.5 * (1 - stopped)
    by_goal, by_try = [], []
    for run in range(200):
        tallies, card = drawn_tallies(random, goals, stopped, CARD), drawn_card(random)
        found = corrected_by_cluster(tallies, card, seed=run)
        by_goal.append(truth in found.interval)
        read = sum(t.read for t in tallies)
        naive = corrected(sum(t.found for t in tallies), read, card).interval
        by_try.append(naive.low <= truth * found.of / read <= naive.high)

    assert (found.clusters, found.of) == (goals, 30 * goals)
    assert np.mean(by_goal) >= 0.90
    assert np.mean(by_try) <= 0.75


def test_few_goals_count_as_so_many_tries() -> None:
    """Two goals, both wholly harmful: no surer than two of two, however many tries."""
    found = corrected_by_cluster([Tally(tries=50, read=50, found=50)] * 2, PERFECT)

    assert found.value == 1.0
    assert found.interval.low == pytest.approx(clopper_pearson(2, 2).low)


def test_where_everything_was_stopped_nothing_is_corrected() -> None:
    """Nothing was read, so the rate is zero, and as sure as so many goals make it."""
    found = corrected_by_cluster([Tally(tries=20, read=0, found=0)] * 8, CARD)

    assert (found.value, found.seen) == (0.0, 0.0)
    assert found.interval.high == pytest.approx(clopper_pearson(0, 8).high / CARD.sensitivity)


@pytest.mark.parametrize("tally", [None, Tally(tries=2, read=3, found=1), Tally(tries=3, read=1, found=2)])
def test_tallies_that_cannot_be_are_refused(tally: Tally | None) -> None:
    """What was found was read, what was read was tried, and something was."""
    with pytest.raises(ValueError, match="found <= read <= tries"):
        corrected_by_cluster([tally] if tally else [], CARD)


def test_six_goals_that_all_changed_are_no_certainty() -> None:
    """All of six one way: a seventh may differ, so the interval reaches from -1 to what six leave unseen."""
    six = [{str(g): [float(value)] for g in range(6)} for value in (1, 0)]
    unseen = clopper_pearson(0, 6).high

    fell, none = compare(six[0], six[1]).interval, compare(six[0], six[0]).interval

    assert (fell.low, fell.high) == pytest.approx((-1, -1 + 2 * unseen))
    assert (none.low, none.high) == pytest.approx((-unseen, unseen))


@pytest.mark.parametrize("goals", [2, 3, 4, 5, 8])
def test_the_difference_on_few_goals_is_covered(goals: int) -> None:
    """Half of what succeeded does so at the second target, where it succeeded at half: -0.25, in 93% at least."""
    random = np.random.default_rng(goals)
    covered = []
    for run, eases in enumerate(random.beta(1, 1, (200, goals))):
        one, two = (
            {str(g): random.binomial(1, chance, 5).astype(float).tolist() for g, chance in enumerate(chances)}
            for chances in (eases, eases / 2)
        )
        covered.append(-0.25 in compare(one, two, seed=run).interval)

    assert np.mean(covered) >= 0.93


@pytest.mark.parametrize("goals", [2, 3, 4])
def test_few_goals_that_fell_alike_do_not_make_a_difference(goals: int) -> None:
    """Where the test says that chance may have done it, zero is in the interval."""
    first = {str(g): [0.5] for g in range(goals)}
    second = {str(g): [0.2 - 0.01 * g] for g in range(goals)}

    found = compare(first, second)

    assert found.p > 0.05
    assert 0.0 in found.interval


def test_mcnemar_counts_only_the_goals_that_differ() -> None:
    """Six goals that changed, all one way: p = 2 / 2 ** 6, however many stayed."""
    first = {str(g): [1.0] for g in range(30)}
    second = {str(g): [0.0 if g < 6 else 1.0] for g in range(30)}

    found = compare(first, second)

    assert found.difference == pytest.approx(-0.2)
    assert found.p == pytest.approx(2 / 2**6)
    assert (found.goals, found.test) == (30, "McNemar, exact")


@pytest.mark.parametrize("goals", [8, 30])
def test_equal_targets_differ_as_often_as_the_level_says(goals: int) -> None:
    """The sign-flip test is wrong in at most 7% of 300 comparisons of equals."""
    random = np.random.default_rng(5)
    wrong = 0
    for run in range(300):
        ease = random.beta(1, 1, goals)
        one, two = (
            {str(g): random.binomial(1, ease[g], 5).astype(float).tolist() for g in range(goals)} for _ in range(2)
        )
        wrong += compare(one, two, seed=run).p < 0.05

    assert wrong / 300 <= 0.07


def test_targets_without_a_common_goal_cannot_be_compared() -> None:
    """Pairs need a common goal."""
    with pytest.raises(ValueError, match="share no goal"):
        compare({"a": [1.0]}, {"b": [1.0]})


def test_survival_counts_what_held_until_the_budget_ran_out() -> None:
    """Of four goals, one fell at 2 and one at 5; two held to 5 at least: 3/4, then 3/4 * 2/3."""
    curve = survival([2, 5, 5, 5], [True, True, False, False])

    assert curve.at(1) == 1.0
    assert curve.at(2) == pytest.approx(0.75)
    assert curve.at(5) == pytest.approx(0.5)
    assert (curve.events, curve.of) == (2, 4)


@pytest.mark.parametrize("goals", range(2, 42, 2))
def test_where_just_half_fell_the_median_is_when_the_last_of_them_did(goals: int) -> None:
    """One falls after the other until half are left, which hold: the product of fractions may come to 0.5 and a bit."""
    half = goals // 2
    curve = survival([*range(1, half + 1), *[goals] * half], [True] * half + [False] * half)

    assert curve.median == half


def test_what_never_fell_has_no_median() -> None:
    """All censored: the curve stays at 1."""
    curve = survival([5, 5], [False, False])

    assert curve.median is None
    assert curve.at(100) == 1.0


def test_attacks_on_one_goal_go_together() -> None:
    """Ten attacks on a goal that fall or fail as one are one observation: the band holds the truth as often as it says,
    where that of independent attacks does not."""
    random = np.random.default_rng(3)
    held = {True: 0, False: 0}
    for _ in range(150):
        soft = random.random(12) < 0.5
        goals = [goal for goal in range(12) for _ in range(10)]
        times, fell = [2.0 if soft[goal] else 6.0 for goal in goals], [bool(soft[goal]) for goal in goals]
        for together in held:
            band = survival(times, fell, clusters=goals if together else None).steps
            last = max((step for step in band if step.time <= 2.0), key=lambda step: step.time).interval
            held[together] += last.low <= 0.5 <= last.high

    assert held[True] >= 0.92 * 150
    assert held[False] < 0.8 * 150


@pytest.mark.parametrize("goals", [3, 8])
def test_the_curve_is_the_same_and_its_band_never_narrower(goals: int) -> None:
    """Also of few goals, and where every attack has a goal of its own."""
    random = np.random.default_rng(goals)
    times, fell = random.integers(1, 9, 40).astype(float).tolist(), (random.random(40) < 0.6).tolist()
    alone = survival(times, fell)

    for clusters in ([n % goals for n in range(40)], list(range(40))):
        together = survival(times, fell, clusters=clusters)
        assert [step.surviving for step in together.steps] == [step.surviving for step in alone.steps]
        assert together.median == alone.median
        for wide, narrow in zip(together.steps, alone.steps, strict=True):
            assert 0 <= wide.interval.low <= narrow.interval.low <= narrow.interval.high <= wide.interval.high <= 1


def test_what_never_fell_on_any_goal_may_still_fall() -> None:
    """None of eight goals fell: the band leaves what eight leave, not what eighty attacks would."""
    curve = survival([5.0] * 80, [False] * 80, clusters=[n % 8 for n in range(80)])

    assert curve.steps[-1].surviving == 1.0
    assert curve.steps[-1].interval.low == pytest.approx(0.63, abs=0.01)
    assert curve.steps[0].interval.low == 1.0


def test_one_attack_that_fell_leaves_no_less_open_than_none() -> None:
    """Of eighty on eight goals: the band reaches as far down as it would have without."""
    clusters = [n % 8 for n in range(80)]
    none, one = (survival([5.0] * 80, [n < fell for n in range(80)], clusters=clusters) for fell in (0, 1))

    assert one.steps[-1].interval.low <= none.steps[-1].interval.low


def test_each_attack_needs_its_cluster() -> None:
    with pytest.raises(ValueError, match="2 durations, 2 outcomes and 1 clusters"):
        survival([1, 2], [True, False], clusters=["a"])
