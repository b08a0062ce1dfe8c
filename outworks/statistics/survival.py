"""Survival: how many attempts, or how long, until a target was breached or an account was stopped."""

import warnings
from collections.abc import Sequence

import msgspec

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


def survival(durations: Sequence[float], ended: Sequence[bool], *, level: float = LEVEL) -> Survival:
    """The curve of what is still unbroken. `ended` is False where the budget ran out first (censored), and the duration
    is then how long it held at least. Raises ValueError where nothing was tried, or the two differ in length.
    """
    if not durations or len(durations) != len(ended):
        raise ValueError(
            f"survival needs one outcome for each duration, and at least one; it was given {len(durations)} durations "
            f"and {len(ended)} outcomes"
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
    median = float(fitted.median_survival_time_)
    return Survival(
        steps=steps, median=None if median == float("inf") else median, events=sum(map(bool, ended)), of=len(ended)
    )


def _number(value: float, otherwise: float) -> float:
    return float(value) if value == value else otherwise
