"""Survival: how many attempts, or how long, until a target was breached or an account was stopped."""

import warnings
from collections.abc import Hashable, Sequence

import msgspec
import numpy as np

from outworks.statistics.estimate import DRAWS, ROUNDING, Floats, spread
from outworks.statistics.interval import LEVEL, Interval


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """The curve from one time on."""

    time: float
    surviving: float
    interval: Interval
    at_risk: int


class Survival(msgspec.Struct, frozen=True, kw_only=True):
    """A Kaplan-Meier curve (1958)."""

    steps: tuple[Step, ...]
    median: float | None
    """None where more than half survived all that was tried."""
    events: int
    of: int

    def at(self, time: float) -> float:
        """The share that survives beyond a time."""
        return next((step.surviving for step in reversed(self.steps) if step.time <= time), 1.0)


def survival(
    durations: Sequence[float],
    ended: Sequence[bool],
    *,
    clusters: Sequence[Hashable] | None = None,
    level: float = LEVEL,
    seed: int = 0,
) -> Survival:
    """The curve of what is still unbroken. `ended` is False where the budget ran out first (censored), and the duration
    is then how long it held at least. Raises ValueError where nothing was tried, or lengths differ.

    Attacks on one goal, say, go together: `clusters` names each one's, and the band then resamples whole clusters, as
    `clustered` does. It is never narrower than that of independent ones.
    """
    named = durations if clusters is None else clusters
    if not durations or not len(durations) == len(ended) == len(named):
        raise ValueError(
            f"survival needs one outcome for each duration, and at least one; it was given {len(durations)} durations, "
            f"{len(ended)} outcomes and {'no' if clusters is None else len(clusters)} clusters"
        )
    from lifelines import KaplanMeierFitter  # type: ignore[import-untyped]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = KaplanMeierFitter(alpha=1 - level).fit(list(durations), event_observed=list(ended))
    table = fitted.event_table
    bands = fitted.confidence_interval_survival_function_
    steps = tuple(
        Step(
            time=float(time),
            surviving=float(fitted.survival_function_.loc[time].iloc[0]),
            interval=Interval(_number(bands.loc[time].iloc[0], 0.0), _number(bands.loc[time].iloc[1], 1.0), level),
            at_risk=int(table.loc[time, "at_risk"]),
        )
        for time in fitted.survival_function_.index
    )
    if clusters is not None:
        steps = _widened(steps, durations, ended, clusters, level, seed)
    # A product of fractions that comes to a half may be above it by a rounding.
    median = next((step.time for step in steps if step.surviving <= 0.5 + ROUNDING), None)
    return Survival(steps=steps, median=median, events=sum(map(bool, ended)), of=len(ended))


def _widened(
    steps: Sequence[Step],
    durations: Sequence[float],
    ended: Sequence[bool],
    clusters: Sequence[Hashable],
    level: float,
    seed: int,
) -> tuple[Step, ...]:
    """The steps, each with a band that holds where what is in one cluster goes together."""
    names = {name: n for n, name in enumerate(dict.fromkeys(clusters))}
    drawn = _drawn(steps, durations, ended, [names[name] for name in clusters], seed)
    widened = []
    for n, step in enumerate(steps):
        if step.time <= 0:
            widened.append(step)  # before the first attempt all hold
            continue
        band = spread(step.surviving, drawn[:, n], len(names), low=0.0, high=1.0, level=level)
        interval = Interval(min(band.low, step.interval.low), max(band.high, step.interval.high), level)
        widened.append(msgspec.structs.replace(step, interval=interval))
    return tuple(widened)


def _drawn(
    steps: Sequence[Step], durations: Sequence[float], ended: Sequence[bool], clusters: Sequence[int], seed: int
) -> Floats:
    """The curve of as many clusters as there are, drawn with replacement, over and over. -> [draws, steps]"""
    n = max(clusters) + 1
    times = np.array([step.time for step in steps])
    events, at_risk = np.zeros((n, len(times))), np.zeros((n, len(times)))
    for duration, broke, cluster in zip(durations, ended, clusters, strict=True):
        at_risk[cluster] += times <= duration
        events[cluster] += (times == duration) * bool(broke)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=DRAWS)
    left = counts @ at_risk
    return np.cumprod(1 - counts @ events / np.maximum(left, 1), axis=1).astype(np.float64)


def _number(value: float, otherwise: float) -> float:
    return float(value) if value == value else otherwise
