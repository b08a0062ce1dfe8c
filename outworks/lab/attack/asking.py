"""asking: the requests that an attack is measured on, and how what it did is written down."""

import time
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from outworks.lab.attempt import Attacked, Tried
from outworks.lab.behaviours import Behaviour, Behaviours, Split
from outworks.lab.subject import Subject
from outworks.lab.work import settings

T = TypeVar("T")
TOKENS = 24
"""The longest answer, unless a configuration says otherwise: whether a model declines shows in its first words."""


def requests(behaviours: Behaviours, split: Split, most: int = 0) -> tuple[Behaviour, ...]:
    """The harmful ones of a split; with `most`, that many, spread over the categories.

    Raises `DataError` where there are none: an attack on nothing would report a rate of nothing.
    """
    return spread(behaviours.some(split, harmful=True), most)


def spread(rows: Sequence[T], most: int) -> tuple[T, ...]:
    """At most so many, from all over the sequence; 0 takes all."""
    if not 0 < most < len(rows):
        return tuple(rows)
    return tuple(rows[n * len(rows) // most] for n in range(most))


def outcome(
    attack: str,
    subject: Subject,
    config: msgspec.Struct,
    tried: Sequence[Tried],
    *,
    began: float,
    figures: dict[str, float] | None = None,
    kept: dict[str, str] | None = None,
) -> Attacked:
    """What the attack did, with the configuration that repeats it; `began` is on the monotonic clock."""
    configuration = settings(config)
    return Attacked(
        attack=attack,
        checkpoint=subject.where,
        seed=configuration["seed"],
        configuration=configuration,
        tried=tuple(tried),
        seconds=time.monotonic() - began,
        figures=figures or {},
        kept=kept or {},
    )
