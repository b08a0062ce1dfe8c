"""Interval: where a true value lies, and Wilson's for a proportion, which needs nothing but arithmetic."""

import math
from statistics import NormalDist

import msgspec

LEVEL = 0.95
"""The confidence of every interval, unless one says otherwise."""


class Interval(msgspec.Struct, frozen=True):
    """Where the true value lies, with the confidence `level`."""

    low: float
    high: float
    level: float = LEVEL

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def quantile(level: float = LEVEL) -> float:
    """How many standard deviations a two-sided interval of this confidence reaches: 1.96 for 95%."""
    return NormalDist().inv_cdf((1 + level) / 2)


def wilson(count: int, of: int, level: float = LEVEL) -> Interval:
    """The score interval of a proportion (Wilson, 1927): it holds at shares of 0 and 1, too.

    Raises ValueError where nothing was observed.
    """
    check_counts(count, of)
    z = quantile(level)
    middle = (count + z * z / 2) / (of + z * z)
    half = z / (of + z * z) * math.sqrt(count * (of - count) / of + z * z / 4)
    # At the edges both ends are exact; only rounding says otherwise.
    low = max(0.0, middle - half) if count else 0.0
    return Interval(low, min(1.0, middle + half) if count < of else 1.0, level)


def check_counts(count: int, of: int) -> None:
    """Raise ValueError for a count that is none of so many."""
    if of <= 0:
        raise ValueError(f"a rate needs at least one observation; it was given {of}")
    if not 0 <= count <= of:
        raise ValueError(f"a rate counts 0 to {of} of {of} observations, not {count}")
