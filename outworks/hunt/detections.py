"""The hunt with a detector: what it would have found in what was asked, read and answered."""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

from typing_extensions import override

from outworks.defenses.classifier import told
from outworks.defenses.scored import passages
from outworks.detectors import BLOCKING, CATEGORIES, MODERATION, Category, Detector, Side
from outworks.hunt.found import Found, Hunter
from outworks.hunt.said import request_of
from outworks.label import Source
from outworks.ledger.reader import Content
from outworks.message import ToolCall
from outworks.nearest import did_you_mean


class Detections(Hunter):
    """One category of the detector, or all that block, at a rate of false positives."""

    def __init__(self, category: str, *, false_positive_rate: float) -> None:
        """`all` is every category that blocks. Raises ValueError for a category that there is not."""
        names = sorted({str(each) for side in CATEGORIES.values() for each in side} | {"all"})
        if category not in names:
            hint = did_you_mean(category, names, f"known are {', '.join(names)}")
            raise ValueError(f"no detector is called {category!r}{hint}")
        self._category = category
        self._rate = false_positive_rate
        self._limits  # noqa: B018  # a rate finer than can be told is refused now, not in another process

    @override
    def __reduce__(self) -> tuple[object, ...]:
        return _made, (self._category, self._rate)

    @cached_property
    def _detector(self) -> Detector:
        return Detector.load()

    @cached_property
    def _limits(self) -> Mapping[Side, Mapping[str, float]]:
        if self._category == "all":
            return {side: self._detector.limits(side, self._rate) for side in BLOCKING}
        return {
            side: {self._category: self._detector.limit(Category(self._category), side, self._rate)}
            for side, categories in CATEGORIES.items()
            if self._category in categories
        }

    @override
    def look(self, contents: Sequence[Content]) -> list[Found]:
        found = []
        topics = self._category in MODERATION
        for side, limits in self._limits.items():
            those = [(content, text) for content in contents for text in _texts(content, side) if text.strip()]
            scored = self._detector.score_all([text for _, text in those], side, topics=topics) if those else []
            best: dict[tuple[int, str], tuple[float, Content]] = {}
            for (content, _), scores in zip(those, scored, strict=True):
                for category, limit in limits.items():
                    score = scores.by_category.get(category, 0.0)
                    if score >= limit and score > best.get((content.seq, category), (0.0,))[0]:
                        best[content.seq, category] = (score, content)
            found += [
                Found(
                    account=content.account,
                    seq=content.seq,
                    exchange=content.exchange,
                    at=content.at,
                    what=category,
                    score=round(score, 3),
                    side="output" if side is Side.OUTPUT else "request",
                )
                for (_, category), (score, content) in best.items()
            ]
        return found


@lru_cache(maxsize=1)
def _made(category: str, rate: float) -> Detections:
    return Detections(category, false_positive_rate=rate)


def _texts(content: Content, side: Side) -> list[str]:
    """The texts of that side. Of a request what the account said last, however many messages that is: the earlier ones
    came with earlier requests."""
    if (content.kind == "received") == (side is Side.OUTPUT):
        return []
    if side is Side.OUTPUT:
        said = content.text.decode("utf-8", "replace")
        return [told(ToolCall("", "", said)) if content.kind == "called" else said]
    request = request_of(content.text)
    if side is Side.CONTENT:
        return [passage.text for passage in passages(request, Source.TOOL)]
    asked = list(passages(request, Source.USER))
    before = request.messages[: asked[-1].pieces[0].message] if asked else ()
    answered = max((n for n, message in enumerate(before) if Source.ASSISTANT in message.label.sources), default=-1)
    return [passage.text for passage in asked if passage.pieces[0].message > answered]
