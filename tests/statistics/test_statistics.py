"""Success at k, correction for a scorer's errors, paired comparison and survival."""

import numpy as np
import pytest

pytest.importorskip("scipy", reason="statistics need the extra: pip install 'outworks[trials]'")

from outworks.statistics import Diagnostic, compare, corrected, success_at, survival
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


def test_what_never_fell_has_no_median() -> None:
    """All censored: the curve stays at 1."""
    curve = survival([5, 5], [False, False])

    assert curve.median is None
    assert curve.at(100) == 1.0
