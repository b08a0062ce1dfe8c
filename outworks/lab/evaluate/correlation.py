"""correlation: whether one quantity goes with another over checkpoints, by ranks, and how sure that is."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from outworks.statistics import LEVEL, Interval
from outworks.statistics.interval import quantile

Floats = npt.NDArray[np.float64]
_DRAWS = 2000
_FEWEST = 4
"""Fisher's transformation needs more than three pairs."""


class Correlation(msgspec.Struct, frozen=True, kw_only=True):
    """Spearman's rank correlation."""

    value: float
    interval: Interval | None
    """By Fisher's transformation, with the variance of Bonett and Wright (2000) for ranks; it has no value where all
    ranks agree."""
    bootstrap: Interval
    """The same by resampling pairs; samples in which one quantity does not vary say nothing and are left out."""
    pairs: int


def correlation(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> Correlation | None:
    """Of two quantities, pair by pair. None where there are fewer than four pairs, or one of them does not vary."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if len(a) != len(b):
        raise ValueError(f"a correlation needs pairs; it was given {len(a)} and {len(b)} values")
    if len(a) < _FEWEST or not _varies(a) or not _varies(b):
        return None
    value = spearman(a, b)
    picked = np.random.default_rng(seed).integers(0, len(a), size=(_DRAWS, len(a)))
    these, those = a[picked], b[picked]  # (draws, pairs)
    telling = _varies(these) & _varies(those)
    drawn = _spearman(these[telling], those[telling])
    low, high = np.quantile(drawn, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Correlation(
        value=value, interval=_fisher(value, len(a)), bootstrap=Interval(float(low), float(high)), pairs=len(a)
    )


def spearman(a: Floats, b: Floats) -> float:
    """Pearson's correlation of the ranks; equals share the mean of theirs."""
    return float(_spearman(a[None], b[None])[0])


def _spearman(a: Floats, b: Floats) -> Floats:
    """(draws, pairs), (draws, pairs) -> (draws,)"""
    first, second = _ranks(a), _ranks(b)
    first, second = first - first.mean(axis=-1, keepdims=True), second - second.mean(axis=-1, keepdims=True)
    found: Floats = (first * second).sum(axis=-1) / np.sqrt((first**2).sum(axis=-1) * (second**2).sum(axis=-1))
    return np.clip(found, -1.0, 1.0)


def _ranks(values: Floats) -> Floats:
    """(draws, pairs) -> (draws, pairs)"""
    below = (values[..., None, :] < values[..., :, None]).sum(axis=-1)
    equal = (values[..., None, :] == values[..., :, None]).sum(axis=-1)
    found: Floats = below + (equal + 1) / 2
    return found


def _fisher(value: float, pairs: int) -> Interval | None:
    if abs(value) > 1 - 1e-12:
        return None
    half = quantile() * math.sqrt((1 + value**2 / 2) / (pairs - 3))
    middle = math.atanh(value)
    return Interval(math.tanh(middle - half), math.tanh(middle + half))


def _varies(values: Floats) -> npt.NDArray[np.bool_]:
    """(draws, pairs) -> (draws,)"""
    found: npt.NDArray[np.bool_] = (values != values[..., :1]).any(axis=-1)
    return found
