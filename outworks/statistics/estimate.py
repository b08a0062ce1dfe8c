"""Estimates: a rate or a mean with its interval, its denominator and the number of goals behind it."""

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from outworks.statistics.interval import LEVEL, Interval, check_counts, quantile, wilson

Floats = npt.NDArray[np.float64]
DRAWS = 2000
FEW = 5
"""Fewer clusters than this say nothing about how clusters differ: each then counts as one observation."""
ROUNDING = 1e-9
"""Values that differ by less agree."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A rate or a mean, with everything that a reader needs to doubt it."""

    value: float
    interval: Interval
    count: float
    """The numerator: successes, or the sum of what was averaged."""
    of: int
    """The denominator: observations."""
    clusters: int
    """Independent groups among them: goals, accounts..."""
    method: str
    """`Clopper-Pearson`, `Wilson` or `cluster bootstrap`."""


def clopper_pearson(count: int, of: int, level: float = LEVEL) -> Interval:
    """The exact interval of a proportion (Clopper and Pearson, 1934). It covers at least as often as it says."""
    check_counts(count, of)
    from scipy import stats  # type: ignore[import-untyped]

    rest = (1 - level) / 2
    low = 0.0 if count == 0 else float(stats.beta.ppf(rest, count, of - count + 1))
    high = 1.0 if count == of else float(stats.beta.ppf(1 - rest, count + 1, of - count))
    return Interval(low, high, level)


def of_few(value: float, n: int, level: float = LEVEL, *, low: float = 0.0, high: float = 1.0) -> Interval:
    """The exact interval of a mean of n observations from `low` to `high`: they vary at most as if each were one of
    the two."""
    count = round((value - low) / (high - low) * n, 9)
    least, most = (clopper_pearson(int(end(count)), n, level) for end in (np.floor, np.ceil))
    return Interval(low + (high - low) * least.low, low + (high - low) * most.high, level)


def rate(count: int, of: int, level: float = LEVEL) -> Estimate:
    """A proportion of independent observations: Wilson, and Clopper-Pearson at the edges, where Wilson is too sure.

    Raises ValueError where nothing was observed.
    """
    edge = min(count, of - count) < FEW
    interval = clopper_pearson(count, of, level) if edge else wilson(count, of, level)
    method = "Clopper-Pearson" if edge else "Wilson"
    return Estimate(value=count / of, interval=interval, count=count, of=of, clusters=of, method=method)


def clustered(values: Mapping[str, Sequence[float]], *, level: float = LEVEL, seed: int = 0) -> Estimate:
    """The mean over clusters of each cluster's own mean: a goal that was attacked more often counts no more for it.

    `values` holds the observations by cluster, each 0 to 1. The interval resamples whole clusters, see `spread`, and of
    0s and 1s it is never narrower than Clopper and Pearson's of as many independent ones; where all clusters agree, or
    there are few, it is the exact one for as many observations as there are clusters.
    """
    means = np.array([float(np.mean(each)) for each in values.values() if len(each)])
    observed = sum(len(each) for each in values.values())
    n = len(means)
    if not n:
        raise ValueError("there is nothing to average: no cluster has an observation")
    value = float(means.mean())
    total = float(sum(sum(each) for each in values.values()))
    binary = bool(np.isin(means, (0.0, 1.0)).all())
    if binary:
        exact = rate(int(means.sum()), n, level)
        return Estimate(value=value, interval=exact.interval, count=total, of=observed, clusters=n, method=exact.method)
    if n < FEW or not np.ptp(means) > ROUNDING:
        interval = of_few(value, n, level)
        return Estimate(value=value, interval=interval, count=total, of=observed, clusters=n, method="Clopper-Pearson")
    interval = spread(value, resample(means, seed), n, low=0.0, high=1.0, level=level)
    if all(one in (0.0, 1.0) for each in values.values() for one in each):
        alone = of_few(value, observed, level)
        interval = Interval(min(interval.low, alone.low), max(interval.high, alone.high), level)
    return Estimate(value=value, interval=interval, count=total, of=observed, clusters=n, method="cluster bootstrap")


def spread(value: float, drawn: Floats, clusters: int, *, low: float, high: float, level: float = LEVEL) -> Interval:
    """The interval of a mean over n clusters, each from `low` to `high`, of which `drawn` are means of as many clusters
    drawn again (percentile bootstrap): widened by `wider`, and no narrower than what so many clusters leave unseen.

    None of n clusters was of some other kind, so at most the share p of Clopper and Pearson's 0 of n is, and those may
    be anywhere from `low` to `high`. Where all are zero that leaves 0 to p: the rule of three, at this level and by
    clusters. Of fewer than five clusters, each counts as one observation.
    """
    if clusters < FEW:
        return of_few(value, clusters, level, low=low, high=high)
    ends = value + wider(clusters, level) * (np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2)) - value)
    unseen = clopper_pearson(0, clusters, level).high
    least, most = value - unseen * (value - low), value + unseen * (high - value)
    return Interval(max(low, min(least, float(ends[0]))), min(high, max(most, float(ends[1]))), level)


def wider(clusters: int, level: float = LEVEL) -> float:
    """How much wider an interval becomes that rests on so many clusters: their variance is known from themselves alone
    (Cameron, Gelbach and Miller, 2008), so Student's t has a degree of freedom less than there are (Cameron and Miller,
    2015)."""
    from scipy import stats

    student = float(stats.t.ppf((1 + level) / 2, clusters - 1))
    return math.sqrt(clusters / (clusters - 1)) * student / quantile(level)


def resample(means: Floats, seed: int) -> Floats:
    """The mean of as many clusters as there are, drawn with replacement, over and over. [n] -> [draws]"""
    random = np.random.default_rng(seed)
    chosen = random.integers(0, len(means), size=(DRAWS, len(means)))
    drawn: Floats = means[chosen].mean(axis=1)
    return drawn
