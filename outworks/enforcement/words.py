"""The words of the rules language: what an expression may ask about an account, and over which window."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from outworks.action import Standing

SURE = 0.5
"""The score from which a finding counts, unless the expression says another: defenses record weaker ones too, so that
thresholds can be retuned later."""


class Parameter(StrEnum):
    """What a word takes, each written out in the expression."""

    WINDOW = "window"
    """How far back to look: a whole number and `s`, `m`, `h`, `d` or `w`, in quotes."""
    DEFENSE = "defense"
    """The name of a line of defense, in quotes."""
    CATEGORY = "category"
    """The category of a finding, in quotes."""
    SCORE = "score"
    """The least score of a finding, 0 to 1; 0.5 where none is given."""


class Word(msgspec.Struct, frozen=True):
    """A word, the ways to write it, and what it counts."""

    name: str
    forms: tuple[tuple[Parameter, ...], ...]
    says: str


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A word as an expression uses it."""

    word: str
    window: float
    """Seconds."""
    defense: str = ""
    category: str = ""
    score: float = SURE


_WINDOW = (Parameter.WINDOW,)
_BY_DEFENSE = (_WINDOW, (Parameter.DEFENSE, Parameter.WINDOW))
_BY_CATEGORY = (
    (Parameter.CATEGORY, Parameter.WINDOW),
    (Parameter.CATEGORY, Parameter.WINDOW, Parameter.SCORE),
)

WORDS: Mapping[str, Word] = {
    word.name: word
    for word in (
        Word("blocked", _BY_DEFENSE, "Exchanges that a live line of defense stopped."),
        Word(
            "flagged",
            _BY_DEFENSE,
            "Exchanges in which a live line of defense found something (score >= 0.5) or did something.",
        ),
        Word("found", _BY_CATEGORY, "Exchanges with a live finding of the category, with at least the score (0.5)."),
        Word("shadow", _BY_DEFENSE, "Exchanges that a defense in shadow flagged. Nothing else counts shadow verdicts."),
        Word("refusals", (_WINDOW,), "Exchanges that the model or its provider refused."),
        Word("conversations", (_WINDOW,), "Different conversations with a flagged or refused exchange."),
        Word("requests", (_WINDOW,), "Requests received, whatever came of them."),
        Word("warnings", (_WINDOW,), "Earlier warnings, unless undone."),
        Word("limits", (_WINDOW,), "Earlier rate limits, unless undone."),
        Word("suspensions", (_WINDOW,), "Earlier suspensions, unless undone."),
    )
}

ACTION_WORDS: Mapping[str, Standing] = {
    "warnings": Standing.WARNED,
    "limits": Standing.LIMITED,
    "suspensions": Standing.SUSPENDED,
}

LEVELS: Mapping[str, Standing] = {level.name.lower(): level for level in Standing}
"""What `standing` can be compared with, by name, from `good` to `banned`."""

VALUES: Mapping[str, str] = {
    "age": 'How long ago the account was first seen, a duration: `age < duration("24h")`.',
    "standing": "What the account may do now: `good < warned < limited < suspended < banned`.",
}
