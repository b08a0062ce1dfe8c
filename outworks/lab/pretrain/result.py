"""result: what text that was left out of pre-training changed, seed by seed, with intervals over the seeds."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from outworks.statistics import LEVEL, Interval


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """One model."""

    toxic: bool
    """Whether it saw the toxic part."""
    seed: int
    figures: dict[str, float]
    seconds: float


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A figure over seeds."""

    mean: float
    interval: Interval | None
    """Student's, over the seeds; None for a single one, of which nothing follows about the next."""
    each: tuple[float, ...]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A figure in both arms; the two models of a seed have the same initial weights, sizes and budgets."""

    figure: str
    with_toxic: Spread
    without: Spread
    difference: Spread
    """Without less with, seed by seed."""


class Pretrained(msgspec.Struct, frozen=True, kw_only=True):
    """The experiment."""

    configuration: dict[str, Any]
    data: str
    arms: tuple[Arm, ...]
    compared: tuple[Compared, ...]
    seconds: float


def compare(arms: Sequence[Arm]) -> tuple[Compared, ...]:
    """Every figure that both arms have, in the order in which they were taken."""
    saw = {arm.seed: arm.figures for arm in arms if arm.toxic}
    unseen = {arm.seed: arm.figures for arm in arms if not arm.toxic}
    seeds = sorted(saw.keys() & unseen.keys())
    names = list(saw[seeds[0]]) if seeds else []
    return tuple(
        Compared(
            figure=name,
            with_toxic=spread([saw[seed][name] for seed in seeds]),
            without=spread([unseen[seed][name] for seed in seeds]),
            difference=spread([unseen[seed][name] - saw[seed][name] for seed in seeds]),
        )
        for name in names
    )


def spread(values: Sequence[float], level: float = LEVEL) -> Spread:
    """The mean with Student's interval."""
    n = len(values)
    mean = sum(values) / n
    if n < 2:
        return Spread(mean=mean, interval=None, each=tuple(values))
    from scipy import stats  # type: ignore[import-untyped]

    deviation = math.sqrt(sum((each - mean) ** 2 for each in values) / (n - 1))
    reach = float(stats.t.ppf((1 + level) / 2, n - 1)) * deviation / math.sqrt(n)
    return Spread(mean=mean, interval=Interval(mean - reach, mean + reach, level), each=tuple(values))
