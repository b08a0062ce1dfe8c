"""Correction: a rate as a scorer with known errors saw it, turned into the rate that was there."""

import math

import msgspec

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


def corrected(count: int, of: int, scorer: Diagnostic, *, level: float = LEVEL) -> Corrected:
    """The estimator of Rogan and Gladen (1978), with the interval of Lang and Reiczigel (2014), which allows for the
    scorer's errors being known from a sample only.

    Raises ValueError for a scorer that is no better than chance: its count says nothing.
    """
    if of <= 0 or not 0 <= count <= of:
        raise ValueError(f"a rate counts 0 to n of n > 0 observations, not {count} of {of}")
    if scorer.positives <= 0 or scorer.negatives <= 0:
        raise ValueError("a scorer's card needs labels of both kinds; one has none")
    gain = scorer.sensitivity + scorer.specificity - 1
    if gain <= 0:
        raise ValueError(
            f"the scorer finds {scorer.sensitivity:.0%} of what it looks for and wrongly {1 - scorer.specificity:.0%} "
            "of the rest: no better than chance, so its count says nothing"
        )
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
    low, high = max(0.0, middle + shift - half), min(1.0, middle + shift + half)
    return Corrected(value=value, interval=Interval(min(low, value), max(high, value), level), seen=count / of, of=of)
