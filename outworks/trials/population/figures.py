"""Figures: what a simulated population's weeks come to, as trust-and-safety teams are judged."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from outworks.action import Standing
from outworks.statistics import Interval, Survival, spread, survival
from outworks.trials.population.person import Life
from outworks.trials.population.simulation import Lived
from outworks.trials.population.world import Kind

_DRAWS = 500


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A number, its interval over accounts and seeds, and what it is of."""

    value: float
    interval: Interval
    count: int
    of: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration's weeks, all seeds together."""

    exchanges: int
    people: Mapping[str, int]
    harm_per_10000: Figure
    """Exchanges that served harm, of 10,000."""
    harm_before_stopped: Figure
    """Harm served to one adversary before the first suspension or ban, or in all where none came; the mean."""
    adversaries_stopped: Figure
    """The share of adversaries who met a suspension or ban."""
    innocent_exchanges_stopped: Figure
    """Innocent exchanges that were stopped, of 10,000."""
    innocents_stopped: Figure
    """Innocent people who met a suspension or ban, of 1,000."""
    actions: Mapping[str, Mapping[str, int]]
    """By rule: how many actions were taken in all, and how many of them on accounts nobody behind which meant harm."""
    appeals: Mapping[str, int]
    """Those decided within the weeks: `innocent` and `hostile`, each with how many were `overturned`."""
    tries_until_stopped: Survival | None
    """Hostile requests until the first suspension or ban; None without adversaries."""
    days_until_stopped: Survival | None


def figures(lived: Sequence[Lived]) -> Figures:
    """The figures of one configuration; one `Lived` a seed. Intervals resample accounts. Raises ValueError for none."""
    lives = [life for one in lived for life in one.lives]
    if not lives:
        raise ValueError("nobody lived: a population of zero people has no figures")
    hostile = [life for life in lives if life.kind is not Kind.EVERYDAY]
    innocent = [life for life in lives if life.kind is Kind.EVERYDAY]
    return Figures(
        exchanges=sum(len(life.exchanges) for life in lives),
        people=dict(Counter(life.kind.value for life in lives)),
        harm_per_10000=_figure(lives, _harm, lambda life: len(life.exchanges), 10_000),
        harm_before_stopped=_figure(
            hostile,
            lambda life: life.harm_before_stopped,
            lambda life: 1,
            1,
            most=max((life.tries for life in hostile), default=1),
        ),
        adversaries_stopped=_figure(hostile, lambda life: life.stopped_at is not None, lambda life: 1, 1),
        innocent_exchanges_stopped=_figure(
            innocent,
            lambda life: sum(bool(one.stopped_by) for one in life.exchanges),
            lambda life: len(life.exchanges),
            10_000,
        ),
        innocents_stopped=_figure(innocent, lambda life: life.stopped_at is not None, lambda life: 1, 1000),
        actions=_actions(lived),
        appeals=_appeals(lived),
        tries_until_stopped=_until(hostile, lambda life: float(life.tries_until_stopped)),
        days_until_stopped=_until(hostile, _days),
    )


def _harm(life: Life) -> int:
    return sum(one.harm for one in life.exchanges)


def _figure(
    lives: Sequence[Life],
    over: Callable[[Life], float],
    under: Callable[[Life], float],
    scale: float,
    *,
    most: float = 1.0,
) -> Figure:
    """A ratio of sums over people. Its interval resamples accounts (`spread`): one persistent person is not many, and
    those behind one account are stopped together. `most` is the largest ratio that one person can have."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for life in lives:
        sums[life.home][0] += over(life)
        sums[life.home][1] += under(life)
    a, b = np.array(list(sums.values())).reshape(-1, 2).T
    if not len(a) or not b.sum():
        return Figure(value=0.0, interval=Interval(0.0, scale), count=0, of=0)
    random = np.random.default_rng(0)
    weights = random.multinomial(len(a), np.full(len(a), 1 / len(a)), size=_DRAWS)
    drawn = (weights @ a) / np.maximum(weights @ b, 1e-9) * scale
    value = float(a.sum() / b.sum() * scale)
    return Figure(
        value=value,
        interval=spread(value, drawn, int((b > 0).sum()), low=0.0, high=scale * most),
        count=int(a.sum()),
        of=int(b.sum()),
    )


def _until(hostile: Sequence[Life], duration: Callable[[Life], float]) -> Survival | None:
    tried = [life for life in hostile if life.tries]
    if not tried:
        return None
    return survival([duration(life) for life in tried], [life.stopped_at is not None for life in tried])


def _days(life: Life) -> float:
    """From the first hostile try (their first exchange that is one) to the stop, or to their last exchange."""
    began = life.first_try if life.first_try is not None else 0.0
    end = life.stopped_at if life.stopped_at is not None else life.exchanges[-1].at
    return max(0.0, end - began) / 86400


def _actions(lived: Sequence[Lived]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for one in lived:
        for measure in one.measures:
            counted = found.setdefault(f"{measure.rule} ({Standing(measure.standing).name.lower()})", {})
            counted["all"] = counted.get("all", 0) + 1
            counted["innocent"] = counted.get("innocent", 0) + measure.innocent
    return found


def _appeals(lived: Sequence[Lived]) -> dict[str, int]:
    counted = dict.fromkeys(("innocent", "innocent overturned", "hostile", "hostile overturned"), 0)
    for one in lived:
        for appeal in one.appeals:
            who = "innocent" if appeal.innocent else "hostile"
            counted[who] += 1
            counted[f"{who} overturned"] += appeal.overturned
    return counted
