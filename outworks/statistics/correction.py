"""Correction: a rate as a scorer with known errors saw it, turned into the rate that was there."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from outworks.statistics.estimate import DRAWS, FEW, Floats, clopper_pearson, of_few, wider
from outworks.statistics.interval import LEVEL, Interval, quantile


class Diagnostic(msgspec.Struct, frozen=True, kw_only=True):
    """How a scorer did against human labels."""

    true_positives: int
    positives: int
    """Labelled as what the scorer looks for."""
    true_negatives: int
    negatives: int

    @property
    def sensitivity(self) -> float:
        return self.true_positives / self.positives

    @property
    def specificity(self) -> float:
        return self.true_negatives / self.negatives


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """The rate behind a scorer's count."""

    value: float
    interval: Interval
    seen: float
    """The rate as counted."""
    of: int
    """The denominator: tries."""
    clusters: int
    """Independent groups among them: goals."""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one cluster's tries."""

    tries: int
    read: int
    """Those that left a scorer something to read. The rest are known to be nothing, and no scorer errs about them."""
    found: int
    """Those of them in which it found what it looks for."""


def corrected(count: int, of: int, scorer: Diagnostic, *, level: float = LEVEL) -> Corrected:
    """The estimator of Rogan and Gladen (1978), with the interval of Lang and Reiczigel (2014), which allows for the
    scorer's errors being known from a sample only. A count that these errors cannot explain, below what they alone
    would give or above what they leave, says that the card does not hold here: only what is surely so is subtracted.

    Raises ValueError for a scorer that is no better than chance: its count says nothing.
    """
    if of <= 0 or not 0 <= count <= of:
        raise ValueError(f"a rate counts 0 to n of n > 0 observations, not {count} of {of}")
    gain = _gain(scorer)
    z = quantile(level)
    n = of + z * z
    seen = (count + z * z / 2) / n
    sensitivity = (scorer.true_positives + 1) / (scorer.positives + 2)
    specificity = (scorer.true_negatives + 1) / (scorer.negatives + 2)
    slope = sensitivity + specificity - 1
    middle = (seen + specificity - 1) / slope if slope > 0 else 0.5
    shift = (
        2
        * z
        * z
        * (
            middle * sensitivity * (1 - sensitivity) / (scorer.positives + 2)
            - (1 - middle) * specificity * (1 - specificity) / (scorer.negatives + 2)
        )
    )
    variance = (
        seen * (1 - seen) / n
        + middle**2 * sensitivity * (1 - sensitivity) / (scorer.positives + 2)
        + (1 - middle) ** 2 * specificity * (1 - specificity) / (scorer.negatives + 2)
    )
    half = z * math.sqrt(variance) / slope if slope > 0 else 1.0
    value = min(1.0, max(0.0, (count / of + scorer.specificity - 1) / gain))
    low, high = middle + shift - half, middle + shift + half
    if high <= 0.0 or low >= 1.0:
        interval = _surely(clopper_pearson(count, of, level), scorer)
    else:
        # An estimate cut off at 0 or 1 is no surer than one that came to just that.
        low = min(low, 1.0 - half) if value == 1.0 else min(low, value)
        high = max(high, half) if value == 0.0 else max(high, value)
        interval = Interval(max(0.0, low), min(1.0, high), level)
    return Corrected(value=value, interval=interval, seen=count / of, of=of, clusters=of)


def corrected_by_cluster(
    tallies: Sequence[Tally], scorer: Diagnostic, *, level: float = LEVEL, seed: int = 0
) -> Corrected:
    """The share of all tries, where only those that were read are corrected, and tries of one cluster go together.

    The interval resamples whole clusters and the scorer's card, and corrects within each draw (percentile bootstrap,
    widened for few clusters as Cameron, Gelbach and Miller, 2008, and by Student's t); so it carries the share that was
    read, too. It is never narrower than that of as many independent tries. Of fewer than five clusters, and of a count
    that the scorer's errors cannot explain, each cluster counts as one observation, and only what is surely so is
    subtracted. Raises ValueError as `corrected` does, and without tries.
    """
    counts = np.array([(each.found, each.read, each.tries) for each in tallies if each.tries], dtype=float)
    if not len(counts) or not (np.diff(counts, axis=1, prepend=0.0) >= 0).all():
        raise ValueError("a tally counts found <= read <= tries, and one has to have a try")
    gain, n = _gain(scorer), len(counts)
    found, read, tries = counts.sum(axis=0)
    share = float(read / tries)
    point = float((found - (1 - scorer.specificity) * read) / gain / tries)
    low, high = _resampled(counts, point, scorer, level, seed) if n >= FEW else (0.0, 0.0)
    if n < FEW or high <= 0.0 or low >= share:
        interval = _surely(of_few(float(found / tries), n, level), scorer)
    else:
        alone = corrected(int(found), int(read), scorer, level=level).interval
        low, high = low - max(0.0, point - share), high - min(0.0, point)
        interval = Interval(max(0.0, min(low, share * alone.low)), min(1.0, max(high, share * alone.high)), level)
    value = min(share, max(0.0, point))
    return Corrected(value=value, interval=interval, seen=float(found / tries), of=int(tries), clusters=n)


class _Ends(NamedTuple):
    low: float
    high: float


def _resampled(counts: Floats, point: float, scorer: Diagnostic, level: float, seed: int) -> _Ends:
    """The ends of the bootstrap, not cut off at 0 and 1."""
    n = len(counts)
    random = np.random.default_rng(seed)
    found, read, tries = counts[random.integers(0, n, size=(DRAWS, n))].sum(axis=1).T
    sensitivity = random.binomial(scorer.positives, scorer.sensitivity, DRAWS) / scorer.positives
    specificity = random.binomial(scorer.negatives, scorer.specificity, DRAWS) / scorer.negatives
    drawn = (found - (1 - specificity) * read) / np.maximum(sensitivity + specificity - 1, 1e-3) / tries
    ends = point + wider(n, level) * (np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2)) - point)
    return _Ends(float(ends[0]), float(ends[1]))


def _gain(scorer: Diagnostic) -> float:
    if scorer.positives <= 0 or scorer.negatives <= 0:
        raise ValueError("a scorer's card needs labels of both kinds; one has none")
    gain = scorer.sensitivity + scorer.specificity - 1
    if gain <= 0:
        raise ValueError(
            f"the scorer finds {scorer.sensitivity:.0%} of what it looks for and wrongly {1 - scorer.specificity:.0%} "
            "of the rest: no better than chance, so its count says nothing"
        )
    return gain


def _surely(seen: Interval, scorer: Diagnostic) -> Interval:
    """The true rates p that rates as counted leave possible, should one of the scorer's errors not be as on its card:
    p * sensitivity <= seen <= p + (1 - p) * (1 - specificity)."""
    low = (seen.low - 1 + scorer.specificity) / scorer.specificity
    return Interval(max(0.0, low), min(1.0, seen.high / scorer.sensitivity), seen.level)
