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
    """The exact interval of a mean of n observations from `low` to `high`: they vary at most like as many that are one
    or the other, of the same mean."""
    count = round((value - low) / (high - low) * n, 9)
    below, above = (clopper_pearson(int(end(count)), n, level) for end in (np.floor, np.ceil))
    return Interval(low + below.low * (high - low), low + above.high * (high - low), level)


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

    `values` holds the observations by cluster, each 0 to 1. The interval resamples whole clusters (percentile
    bootstrap, widened as `of_resampled` does), and is never narrower than that of as many independent observations;
    where all clusters agree, or there are few, it is the exact one for as many observations as there are clusters.
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
    found = of_resampled(value, resample(means, seed), n, like_most=like_most(means), low=0.0, high=1.0, level=level)
    independent = of_few(value, observed, level)
    interval = Interval(min(found.low, independent.low), max(found.high, independent.high), level)
    return Estimate(value=value, interval=interval, count=total, of=observed, clusters=n, method="cluster bootstrap")


def of_resampled(
    value: float,
    drawn: Floats,
    clusters: int,
    *,
    low: float,
    high: float,
    like_most: int = 0,
    level: float = LEVEL,
) -> Interval:
    """The interval of a figure from `low` to `high`, `drawn` anew with resampled clusters. [draws]

    Percentiles, widened as few clusters need it: by n / (n - 1) in the variance and by Student's t (Cameron, Gelbach
    and Miller, 2008; Cameron and Miller, 2015). Of fewer than five, each counts as one observation (`of_few`).

    Where all gave the same but fewer than five (`like_most` did), draws know little of others: none of n clusters was
    such a one, so at most the share p of Clopper and Pearson's 0 of n is, each of them anywhere from `low` to `high`.
    A zero becomes 0 to p: the rule of three, at this level and by clusters.
    """
    if clusters < FEW:
        return of_few(min(high, max(low, value)), clusters, level, low=low, high=high)
    ends = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    alike = ends[1] - ends[0] <= ROUNDING
    wider = math.sqrt(clusters / (clusters - 1)) * _students(clusters - 1, level) / quantile(level)
    least, most = map(float, np.clip(value + wider * (ends - value), low, high))
    if alike or clusters - like_most < FEW:
        unseen = clopper_pearson(0, clusters, level).high
        least, most = least - unseen * (least - low), most + unseen * (high - most)
    return Interval(least, most, level)


def like_most(means: Floats) -> int:
    """How many gave the most common value."""
    return int(np.unique(np.round(means / ROUNDING), return_counts=True)[1].max())


def _students(freedom: int, level: float) -> float:
    from scipy import stats

    return float(stats.t.ppf((1 + level) / 2, freedom))


def resample(means: Floats, seed: int) -> Floats:
    """The mean of as many clusters as there are, drawn with replacement, over and over. [n] -> [draws]"""
    random = np.random.default_rng(seed)
    chosen = random.integers(0, len(means), size=(DRAWS, len(means)))
    drawn: Floats = means[chosen].mean(axis=1)
    return drawn
