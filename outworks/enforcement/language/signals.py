"""Weak evidence: the signals that add up to an account's score, and what each weighs."""

import math
from collections.abc import Mapping

import msgspec

DAY = 86_400.0


class Weak(msgspec.Struct, frozen=True):
    """A kind of evidence that says little alone."""

    name: str
    weight: float
    """Points for one piece of it when it is new."""
    half_life: float
    """Seconds in which it loses half its weight, where nobody says another: on an account's page."""
    says: str


SIGNALS: Mapping[str, Weak] = {
    weak.name: weak
    for weak in (
        Weak("stopped", 1.0, 7 * DAY, "A live line of defense stopped the exchange."),
        Weak("flagged", 0.5, 7 * DAY, "A live line of defense found something, times the finding's score."),
        Weak("suspected", 0.25, 7 * DAY, "A finding below 0.5, or one in shadow, times its score."),
        Weak("refused", 0.5, 7 * DAY, "The model or its provider refused."),
        Weak("resembles", 0.5, 14 * DAY, "A near-duplicate of a known bad text, times how near it is."),
        Weak("insists", 0.5, 3 * DAY, "A variant of a request that was stopped or refused before."),
        Weak("probes", 0.25, 3 * DAY, "A parameter of the model's interface that was tried and refused."),
        Weak("bursts", 0.25, DAY, "A minute with 30 requests or more."),
        Weak("voices", 0.5, 14 * DAY, "A further voice in which words against one target were asked for."),
    )
}
"""Of the first five an exchange counts for the one that weighs most in it; the others are counted beside them."""

BURST = 30
"""Requests in a minute that are a burst: more than a person writes."""


def decayed(weight: float, age: float, half_life: float) -> float:
    """What is left of a weight after `age` seconds."""
    return weight * math.exp2(-max(0.0, age) / half_life)
