"""Correlations over few checkpoints."""

import numpy as np
import pytest
from scipy import stats

from outworks.lab.evaluate.correlation import correlation


def test_it_is_spearmans_with_ties():
    """The same number as scipy's, equals included."""
    first, second = [0.0, 0.1, 0.1, 0.4, 0.9, 1.0], [0.2, 0.1, 0.5, 0.5, 0.3, 1.0]

    found = correlation(first, second)

    assert found is not None
    assert found.value == pytest.approx(stats.spearmanr(first, second).statistic)
    assert found.interval is not None
    assert found.interval.low < found.value < found.interval.high


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Of uncorrelated pairs, about one interval in twenty misses nought."""
    random = np.random.default_rng(0)

    missed = 0
    for _ in range(200):
        found = correlation(random.normal(size=12).tolist(), random.normal(size=12).tolist())
        assert found is not None
        assert found.interval is not None
        missed += 0.0 not in found.interval
    assert 2 <= missed <= 20


@pytest.mark.parametrize(
    ("first", "second"), [([0.1, 0.2, 0.3], [1.0, 2.0, 3.0]), ([0.5] * 6, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), ([], [])]
)
def test_where_nothing_can_be_said_nothing_is(first: list[float], second: list[float]):
    """Three pairs, or a quantity that does not vary, give no correlation instead of a wrong one."""
    assert correlation(first, second) is None


def test_ranks_that_all_agree_have_no_fisher_interval():
    """The transformation has no value there, and none is made up."""
    found = correlation([1, 2, 3, 4, 5], [2, 3, 5, 7, 9])

    assert found is not None
    assert found.value == 1.0
    assert found.interval is None


def test_half_pairs_are_refused():
    """Two lists of different lengths are a mistake of the caller."""
    with pytest.raises(ValueError, match="needs pairs; it was given 2 and 3"):
        correlation([1, 2], [1, 2, 3])
