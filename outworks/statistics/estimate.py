"""Estimates: a rate or a mean with its interval, its denominator and the number of goals behind it."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from outworks.statistics.interval import LEVEL, Interval, check_counts, wilson

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


def of_few(value: float, n: int, level: float = LEVEL) -> Interval:
    """The exact interval of a mean of n observations from 0 to 1: they vary at most like 0s and 1s of the same mean."""
    count = round(value * n, 9)
    low, high = (clopper_pearson(int(end(count)), n, level) for end in (np.floor, np.ceil))
    return Interval(low.low, high.high, level)


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
    bootstrap, with the small-sample widening of Cameron, Gelbach and Miller, 2008); where all clusters agree, or there
    are few, it is the exact one for as many observations as there are clusters.
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
    drawn = resample(means, seed)
    wider = float(np.sqrt(n / (n - 1)))
    low_, high_ = np.quantile(value + wider * (drawn - value), ((1 - level) / 2, (1 + level) / 2))
    interval = Interval(max(0.0, float(low_)), min(1.0, float(high_)), level)
    return Estimate(value=value, interval=interval, count=total, of=observed, clusters=n, method="cluster bootstrap")


def spread(
    drawn_low: float, drawn_high: float, clusters: int, *, low: float, high: float, level: float = LEVEL
) -> Interval:
    """The interval from `drawn_low` to `drawn_high`, the quantiles of resampled clusters; where these agree, because
    every cluster gave the same, a bound that holds all the same.

    None of n clusters differed, so at most the share p of Clopper and Pearson's 0 of n does; each of those may be
    anywhere from `low` to `high`. A zero becomes 0 to p: the rule of three, at this level and by clusters.
    """
    if drawn_high - drawn_low > ROUNDING:
        return Interval(drawn_low, drawn_high, level)
    unseen = clopper_pearson(0, clusters, level).high
    return Interval(drawn_low - unseen * (drawn_low - low), drawn_high + unseen * (high - drawn_high), level)


def resample(means: Floats, seed: int) -> Floats:
    """The mean of as many clusters as there are, drawn with replacement, over and over. [n] -> [draws]"""
    random = np.random.default_rng(seed)
    chosen = random.integers(0, len(means), size=(DRAWS, len(means)))
    drawn: Floats = means[chosen].mean(axis=1)
    return drawn
