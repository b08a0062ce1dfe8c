"""Intervals cover as often as they say, and say what they rest on."""

import numpy as np
import pytest

pytest.importorskip("scipy", reason="statistics need the extra: pip install 'outworks[trials]'")

from outworks.statistics import clopper_pearson, clustered, of_resampled, rate, wilson


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
    found = of_resampled(value, np.array([value, value + 1e-16]), 10, low=0.0, high=1.0)

    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_where_clusters_differ_the_draws_decide() -> None:
    """Percentiles, as far off as ten clusters need: Student's t of 9 over the normal quantile, and 10 / 9."""
    found = of_resampled(0.3, np.linspace(0.2, 0.4, 2001), 10, low=0.0, high=1.0)
    wider = 2.26216 / 1.95996 * np.sqrt(10 / 9)

    assert (found.low, found.high) == pytest.approx((0.3 - 0.095 * wider, 0.3 + 0.095 * wider), abs=1e-5)
    ends = of_resampled(0.3, np.linspace(0.2, 0.4, 2001), 10, low=0.25, high=0.35)
    assert (ends.low, ends.high) == (0.25, 0.35)


@pytest.mark.parametrize("goals", [2, 3, 5, 8, 30])
def test_the_interval_of_few_rare_and_mixed_goals_covers(goals: int) -> None:
    """Also where most goals give nothing, and however few there are: in 90% of 400 runs, of rates of 5 and 50%."""
    random = np.random.default_rng(goals)
    for a, b in ((0.1, 1.9), (1.0, 1.0)):
        held = 0
        for run in range(400):
            ease = random.beta(a, b, goals)
            outcomes = {str(g): random.binomial(1, ease[g], 10).astype(float).tolist() for g in range(goals)}
            held += a / (a + b) in clustered(outcomes, seed=run).interval
        assert held >= 0.9 * 400


def test_one_more_harmful_answer_leaves_no_less_open() -> None:
    """The interval's end does not fall back where the first goals give something."""
    found = []
    for harmful in range(8):
        goals = {str(g): [float(g < harmful), *[0.0] * 9] for g in range(50)}
        found.append(clustered(goals).interval.high)

    assert found[:5] == sorted(found[:5])
    assert min(found[:5]) == found[0] > 0.07


@pytest.mark.parametrize(("count", "of"), [(1, 0), (-1, 5), (6, 5)])
def test_an_impossible_count_is_refused(count: int, of: int) -> None:
    """A rate counts 0 to n of n observations."""
    with pytest.raises(ValueError, match="a rate"):
        rate(count, of)


def test_nothing_has_no_mean() -> None:
    """No observation, no estimate."""
    with pytest.raises(ValueError, match="nothing to average"):
        clustered({"a": []})
