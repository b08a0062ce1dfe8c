"""limits: what a setting may be, as types: a wrong one is refused before anything begins (`settings.configured`)."""

from collections.abc import Iterable
from math import isfinite
from typing import Annotated, TypeAlias

from msgspec import Meta

AtLeastOne: TypeAlias = Annotated[int, Meta(ge=1)]
"""A count of which there must be some: steps, rows, tokens."""
NoneOrMore: TypeAlias = Annotated[int, Meta(ge=0)]
"""A count that may be nothing."""
AboveZero: TypeAlias = Annotated[float, Meta(gt=0)]
"""A learning rate, a temperature."""
Weight: TypeAlias = Annotated[float, Meta(ge=0)]
"""Of a term of a loss; 0 leaves it out."""
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
MOST_SEED = 1_000_000_000
Seed: TypeAlias = Annotated[int, Meta(ge=0, le=MOST_SEED)]
"""Every step draws from a seed of its own, a million and more times this one: torch takes none beyond 64 bits."""


def check_at_least(least: int, given: Iterable[tuple[str, int]]) -> None:
    """Raise ValueError that names the first number below `least`."""
    for name, value in given:
        if value < least:
            raise ValueError(f"`{name}` is {value}; expected at least {least}")


def check_above_zero(name: str, value: float) -> None:
    """Raise ValueError for what is no finite number above 0."""
    if not (isfinite(value) and value > 0):
        raise ValueError(f"`{name}` is {value:g}; expected a number above 0")
