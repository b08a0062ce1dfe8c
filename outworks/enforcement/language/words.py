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
    HALF_LIFE = "half-life"
    """The time, written like a window, in which evidence loses half its weight; after five of them it is not read."""
    SIGNAL = "signal"
    """A kind of weak evidence, in quotes."""


class Word(msgspec.Struct, frozen=True):
    """A word, the ways to write it, and what it counts."""

    name: str
    forms: tuple[tuple[Parameter, ...], ...]
    says: str
    fraction: bool = False
    """It comes to a number with a fraction: compare it with `3.0`, not with `3`."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A word as an expression uses it."""

    word: str
    window: float
    """Seconds; of a score the five half-lives that are read."""
    defense: str = ""
    category: str = ""
    score: float = SURE
    signal: str = ""
    half_life: float = 0.0
    """Seconds; 0 where nothing decays."""


_WINDOW = (Parameter.WINDOW,)
_BY_DEFENSE = (_WINDOW, (Parameter.DEFENSE, Parameter.WINDOW))
_BY_CATEGORY = (
    (Parameter.CATEGORY, Parameter.WINDOW),
    (Parameter.CATEGORY, Parameter.WINDOW, Parameter.SCORE),
)
_BY_SIGNAL = ((Parameter.HALF_LIFE,), (Parameter.SIGNAL, Parameter.HALF_LIFE))

HALF_LIVES = 5
"""How many half-lives back evidence is read: what is older weighs less than a thirtieth."""

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
        Word("insists", (_WINDOW,), "Different variants of a request that was stopped or refused before."),
        Word("probes", (_WINDOW,), "Different parameters of the model's interface that were tried and refused."),
        Word("bursts", (_WINDOW,), "Minutes with 30 requests or more."),
        Word("voices", (_WINDOW,), "Different voices in which words for one target were asked for, the most for any."),
        Word("score", _BY_SIGNAL, "Points of weak evidence, all of it or one signal's, that decay.", fraction=True),
        Word(
            "suspicion",
            ((Parameter.CATEGORY, Parameter.HALF_LIFE),),
            "Scores of the findings of the category, weak ones and shadow too, summed and decaying.",
            fraction=True,
        ),
        Word("linked", (_WINDOW,), "Linked accounts that were limited or stopped. Never enough alone."),
    )
}

ACTION_WORDS: Mapping[str, Standing] = {
    "warnings": Standing.WARNED,
    "limits": Standing.LIMITED,
    "suspensions": Standing.SUSPENDED,
}

OF_TEXTS = frozenset({"insists", "voices", "score"})
"""Words that compare what the account wrote."""

OF_PARAMETERS = frozenset({"probes", "score"})
"""Words that read which parameters were refused."""

OF_MINUTES = frozenset({"bursts", "score"})
"""Words that count requests by the minute."""

ON_REQUESTS = frozenset({"requests", "bursts", "voices"})
"""Words that a request alone can change, whether or not any defense noted it."""

INNOCENT = frozenset({"requests", "bursts", "warnings", "limits", "suspensions", "linked"})
"""Words that tell of no misuse by themselves: next to a link they are not enough to act on."""

LEVELS: Mapping[str, Standing] = {level.name.lower(): level for level in Standing}
"""What `standing` can be compared with, by name, from `good` to `banned`."""

VALUES: Mapping[str, str] = {
    "age": 'How long ago the account was first seen, a duration: `age < duration("24h")`.',
    "standing": "What the account may do now: `good < warned < limited < suspended < banned`.",
}
