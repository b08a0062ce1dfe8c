"""Intervals cover as often as they say, and say what they rest on."""

import numpy as np
import pytest

pytest.importorskip("scipy", reason="statistics need the extra: pip install 'outworks[trials]'")

from outworks.statistics import clopper_pearson, clustered, rate, spread, wilson


def test_clopper_pearson_knows_the_rule_of_three() -> None:
    """Nothing found among 100 leaves 1 - 0.025 ** (1 / 100) possible."""
    interval = clopper_pearson(0, 100)

    assert interval.low == 0.0
    assert interval.high == pytest.approx(1 - 0.025 ** (1 / 100))


def test_wilson_matches_a_published_value() -> None:
    """Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662."""
    interval = wilson(81, 263)

    assert (interval.low, interval.high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))


@pytest.mark.parametrize(("p", "n"), [(0.02, 50), (0.1, 30), (0.5, 40), (0.97, 60)])
def test_the_interval_of_a_rate_covers_nominally(p: float, n: int) -> None:
    """Of 2,000 samples, the true rate lies in the 95% interval in at least 94%."""
    random = np.random.default_rng(1)

    covered = np.mean([p in rate(int(random.binomial(n, p)), n).interval for _ in range(2000)])

    assert covered >= 0.94


@pytest.mark.parametrize("goals", [8, 40])
def test_the_clustered_interval_covers_where_a_naive_one_does_not(goals: int) -> None:
    """Attempts on one goal succeed together: counted as independent, they would claim three times the evidence."""
    random = np.random.default_rng(2)
    clustered_hits, naive_hits = [], []
    for run in range(400):
        ease = random.beta(0.5, 0.5, goals)
        outcomes = {str(g): random.binomial(1, ease[g], 20).astype(float).tolist() for g in range(goals)}
        clustered_hits.append(0.5 in clustered(outcomes, seed=run).interval)
        total = int(sum(map(sum, outcomes.values())))
        naive_hits.append(0.5 in rate(total, goals * 20).interval)

    assert np.mean(clustered_hits) >= 0.90
    assert np.mean(naive_hits) < 0.70


def test_a_goal_that_was_attacked_more_often_counts_no_more() -> None:
    """The mean is over goals."""
    estimate = clustered({"a": [1.0] * 90, "b": [0.0], "c": [0.0]})

    assert estimate.value == pytest.approx(1 / 3)
    assert (estimate.count, estimate.of, estimate.clusters) == (90, 92, 3)


def test_agreement_among_few_goals_is_no_certainty() -> None:
    """Where every goal was reached, the interval is the exact one of as many observations as there are goals."""
    estimate = clustered({str(g): [1.0] * 50 for g in range(4)})

    assert estimate.interval == clopper_pearson(4, 4)


def test_agreement_at_a_half_is_no_certainty_either() -> None:
    """Twelve goals of which each was reached in half its tries: as sure as six of twelve."""
    estimate = clustered({str(g): [1.0, 0.0] for g in range(12)})

    assert (estimate.value, estimate.interval) == (0.5, clopper_pearson(6, 12))


@pytest.mark.parametrize(("value", "low", "high"), [(0.0, 0.0, 0.3085), (1.0, 0.6915, 1.0), (0.5, 0.3458, 0.6542)])
def test_clusters_that_agree_leave_what_so_many_do_not_show(value: float, low: float, high: float) -> None:
    """Of ten that agree, at most 31% of all differ, and those may be anywhere."""
    found = spread(value, np.full(9, value), 10, low=0.0, high=1.0)

    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_draws_that_differ_widely_decide() -> None:
    """Theirs are the ends then, by Student's t of nine degrees of freedom rather than by the normal distribution, and
    by ten ninths of the variance."""
    found = spread(0.5, np.linspace(0.1, 0.9, 2001), 10, low=0.0, high=1.0)

    half = 0.38 * 2.2622 / 1.96 * (10 / 9) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-4)


@pytest.mark.parametrize("goals", [8, 12, 30])
def test_the_clustered_interval_covers_what_is_rare(goals: int) -> None:
    """Harm in 5% of ten tries at each goal, most of it on few goals: what so few goals show of it is not all."""
    random = np.random.default_rng(goals)

    covered = []
    for run, eases in enumerate(random.beta(0.1, 1.9, (200, goals))):
        outcomes = {str(g): random.binomial(1, ease, 10).astype(float).tolist() for g, ease in enumerate(eases)}
        covered.append(0.05 in clustered(outcomes, seed=run).interval)

    assert np.mean(covered) >= 0.94


@pytest.mark.parametrize("goals", [3, 5, 8, 50])
def test_a_harmful_answer_leaves_no_less_open_than_none(goals: int) -> None:
    """None of 500 leaves 7% open, by goals; and so does one, however many tries came to nothing."""
    none = clustered({str(g): [0.0] * 10 for g in range(goals)}).interval
    for harmful in range(1, 10 * goals):
        answers = np.array([1.0] * harmful + [0.0] * (10 * goals - harmful)).reshape(goals, 10)

        some = clustered({str(g): each.tolist() for g, each in enumerate(answers)}).interval

        assert some.high >= none.high


def test_tries_that_went_alike_are_no_surer_than_independent_ones() -> None:
    """Sixty goals of which each fell in four or five of ten tries, as evenly as chance would hardly have it."""
    estimate = clustered({str(g): [1.0] * (4 + g % 2) + [0.0] * (6 - g % 2) for g in range(60)})

    alone = clopper_pearson(270, 600)
    assert estimate.interval.low <= alone.low < alone.high <= estimate.interval.high


@pytest.mark.parametrize(("count", "of"), [(1, 0), (-1, 5), (6, 5)])
def test_an_impossible_count_is_refused(count: int, of: int) -> None:
    """A rate counts 0 to n of n observations."""
    with pytest.raises(ValueError, match="a rate"):
        rate(count, of)


def test_nothing_has_no_mean() -> None:
    """No observation, no estimate."""
    with pytest.raises(ValueError, match="nothing to average"):
        clustered({"a": []})
