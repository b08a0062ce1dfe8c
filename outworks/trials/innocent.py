"""Innocent: a budget of false positives, set before any attack, and what the lines stop of innocent people."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from outworks import label
from outworks.adversary import Goal
from outworks.defense import Settings
from outworks.message import Message, Request, Role, Text
from outworks.trials.lineup import Lineup, Stand
from outworks.trials.people import answering
from outworks.trials.target import Product

_BUDGET = "false_positive_rate"


class Innocent(msgspec.Struct, frozen=True, kw_only=True):
    """What became of innocent requests, hard ones included, before any attack."""

    asked: int
    stopped: int
    by: dict[str, int] = {}
    """How many each line stopped, where it was the first."""
    altered: int = 0
    rate: float | None = None
    """The budget that every line with a threshold was given; None where the policy's own stand."""
    budgeted: tuple[str, ...] = ()
    """The settings that it became, as `LINE.SETTING`."""


def budgeted(settings: Mapping[str, Settings], rate: float) -> Mapping[str, Settings]:
    """The same lines, with this budget of false positives in place of each one's own. The detectors' thresholds follow
    from it by calibration on benign texts, hard ones included; none of them is of the trial's own goals."""
    return {
        name: msgspec.structs.replace(each, **dict.fromkeys(_rates(each), rate), **_without_threshold(each))
        for name, each in settings.items()
    }


def rates(settings: Mapping[str, Settings]) -> tuple[str, ...]:
    """Every setting that is a budget of false positives."""
    return tuple(f"{name}.{field}" for name, each in settings.items() for field in _rates(each))


async def measured(stand: Stand, goals: Iterable[Goal], *, rate: float | None = None) -> Innocent:
    """Ask everything innocent that these goals know of, each from an account of its own, in front of a model that
    answers it: what is stopped, the lines have stopped."""
    goals = tuple(goals)
    lineup = Lineup(stand)
    product = Product("innocent", answering(goals), lineup, lineup.lines)
    asked = [(goal, text) for goal in goals for text in ((goal.prompt,) if goal.benign else goal.natural)]
    by: Counter[str] = Counter()
    altered = 0
    for n, (goal, text) in enumerate(asked):
        reply = await product.ask(_request(goal, text, n), 0.0)
        product.leave([f"innocent:{n}"])
        by.update([reply.stopped_by] if reply.stopped_by else [])
        altered += reply.altered
    return Innocent(
        asked=len(asked),
        stopped=sum(by.values()),
        by=dict(by),
        altered=altered,
        rate=rate,
        budgeted=rates(stand.settings) if rate is not None else (),
    )


def _request(goal: Goal, text: str, number: int) -> Request:
    system = (Message(Role.SYSTEM, (Text(goal.system),), label.SYSTEM),) if goal.system else ()
    return Request(
        id=f"innocent#{number}",
        model="innocent",
        messages=(*system, Message(Role.USER, (Text(text),), label.USER)),
        account=f"innocent:{number}",
        product="trial",
        conversation=f"innocent/{number}",
    )


def _rates(settings: Settings) -> tuple[str, ...]:
    return tuple(field for field in settings.__struct_fields__ if field.endswith(_BUDGET))


def _without_threshold(settings: Settings) -> dict[str, None]:
    """A threshold of its own would stand in the budget's place."""
    return {"threshold": None} if _rates(settings) and "threshold" in settings.__struct_fields__ else {}
