"""moderator: texts judged by the detectors, in OpenAI's moderation categories."""

import asyncio
from typing import Annotated, Literal

import msgspec

from outworks.detectors import BLOCKING, MODERATION, Side
from outworks.detectors.looking import Look, Looking, Stage

_LARGE = 16_384
"""Characters from which texts are judged in a thread, so that other exchanges go on meanwhile."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/moderations`, compatible with OpenAI's."""

    mode: Literal["on", "off"] = "on"
    """`off` answers 404, and loads no weights."""
    false_positive_rate: Annotated[float, msgspec.Meta(gt=0, le=0.1)] = 0.01
    """The share of ordinary texts that may be flagged in any one category. What is flagged is only said: nothing is
    stopped here."""
    second_stage: Stage = "never"
    """When a small transformer looks too: `never`, where the first stage is `unsure`, or `always`. It needs the extra
    `outworks[classifier]`."""


class Moderator:
    """Detectors, with a threshold for each category."""

    def __init__(self, looking: Looking, settings: Settings) -> None:
        """Raises ValueError for a rate finer than the calibration can tell."""
        detector, rate = looking.detector, settings.false_positive_rate
        self._looking = looking
        self._stage: Stage = settings.second_stage
        always = settings.second_stage == "always"
        self._limits = {c: detector.limit(c, Side.REQUEST, rate, always=always) for c in MODERATION}
        limits = detector.limits(Side.REQUEST, rate, always=always)
        self._attacks = {str(category): limits[category] for category in BLOCKING[Side.REQUEST]}

    async def moderate(self, texts: list[str]) -> list["Result"]:
        """One result a text."""
        if sum(map(len, texts)) < _LARGE and self._stage == "never":
            looks = self._looking.look_all(texts, Side.REQUEST, topics=True)
        else:
            looks = await asyncio.to_thread(self._looks, texts)
        return [self._result(look) for look in looks]

    def _looks(self, texts: list[str]) -> list[Look]:
        looks = self._looking.look_all(texts, Side.REQUEST, topics=True)
        if self._stage == "never":
            return looks
        return [
            self._looking.look_twice(text, Side.REQUEST, self._stage, topics=True)
            if look.unsure or self._stage == "always"
            else look
            for text, look in zip(texts, looks, strict=True)
        ]

    def _result(self, look: Look) -> "Result":
        scores = {str(category): look.by_category.get(category, 0.0) for category in MODERATION}
        # A threshold of a category that nothing was trained for is out of reach.
        flags = {str(category): scores[category] >= limit for category, limit in self._limits.items()}
        attacks = {str(category): look.by_category.get(category, 0.0) for category in self._attacks}
        return Result(
            flagged=any(flags.values()),
            categories=flags,
            category_scores=scores,
            category_applied_input_types={category: ["text"] for category in flags},
            outworks=Attacks(
                flagged=any(attacks[category] >= limit for category, limit in self._attacks.items())
                or not look.complete,
                scores=attacks,
                unread=not look.complete,
            ),
        )


class Attacks(msgspec.Struct, frozen=True):
    """What OpenAI's categories have no name for: attacks on the model, beside harm to people."""

    flagged: bool
    scores: dict[str, float]
    """By category: `jailbreak`, `injection`, `adversarial_string`, `harm`."""
    unread: bool = False
    """More was encoded than is decoded."""


class Result(msgspec.Struct, frozen=True):
    """What was seen in one input, in the fields of OpenAI's."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]
    outworks: Attacks
