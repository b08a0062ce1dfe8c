"""Comparison: whether two targets differ on the same goals."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from outworks.statistics.estimate import Floats, resample, spread
from outworks.statistics.interval import LEVEL, Interval


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The difference between two targets, goal by goal."""

    difference: float
    """The second's mean less the first's."""
    interval: Interval
    """Resampled by goal; see `spread`."""
    p: float
    """Two-sided: exact McNemar where each goal is reached or not, else the exact or sampled sign-flip test."""
    goals: int
    """Those that both were tried on; others are left out."""
    test: str


def compare(
    first: Mapping[str, Sequence[float]], second: Mapping[str, Sequence[float]], *, level: float = LEVEL, seed: int = 0
) -> Comparison:
    """Compare by goal. Each mapping holds the outcomes by goal, each 0 to 1.

    Raises ValueError where the two share no goal.
    """
    shared = sorted(goal for goal in first if goal in second and len(first[goal]) and len(second[goal]))
    if not shared:
        raise ValueError("the two targets share no goal, so nothing can be compared in pairs")
    a = np.array([float(np.mean(first[goal])) for goal in shared])
    b = np.array([float(np.mean(second[goal])) for goal in shared])
    differences = b - a
    value = float(differences.mean())
    binary = bool(np.isin(differences, (-1.0, 0.0, 1.0)).all())
    p, test = (_mcnemar(differences), "McNemar, exact") if binary else (_sign_flip(differences, seed), "sign flip")
    interval = spread(value, resample(differences, seed), len(shared), low=-1.0, high=1.0, level=level)
    return Comparison(difference=value, interval=interval, p=p, goals=len(shared), test=test)


def _mcnemar(differences: Floats) -> float:
    from scipy import stats  # type: ignore[import-untyped]

    up, down = int((differences > 0).sum()), int((differences < 0).sum())
    return float(stats.binomtest(up, up + down, 0.5).pvalue) if up + down else 1.0


def _sign_flip(differences: Floats, seed: int) -> float:
    """How often chance signs make a mean at least as far from zero (Fisher, 1935)."""
    seen = abs(differences.mean()) - 1e-12
    n = len(differences)
    if n <= 12:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float((abs((signs * differences).mean(axis=1)) >= seen).mean())
    random = np.random.default_rng(seed)
    signs = random.choice((-1.0, 1.0), size=(9999, n))
    return float(((abs((signs * differences).mean(axis=1)) >= seen).sum() + 1) / 10000)
