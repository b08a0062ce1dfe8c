"""looking: a text judged in every view of it, what was judged before remembered."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Literal, Protocol, TypeAlias

import msgspec

from outworks.detectors.categories import Category, Side
from outworks.detectors.detector import Located, Scores
from outworks.detectors.views import View, read, suspects

Stage: TypeAlias = Literal["never", "unsure", "always"]
"""When the second stage, a small transformer, looks too: never, where the first is unsure, or always."""

REMEMBERED = 1 << 22
"""Characters of texts whose scores are kept: a conversation comes again with every turn, and only what is new costs."""
_WORTH_TELLING = 0.1
"""Score from which it is told how a category was seen."""
_TOGETHER = 256
"""Texts of a conversation that are judged at once."""
_LARGE = 16_384
"""Characters from which texts are judged in a thread, so that other exchanges go on meanwhile."""
_OVERHEAD = 256
"""Characters that a remembered text counts for at least."""


class Detects(Protocol):
    """What a detector offers; `outworks.detectors.detector.Detector` does."""

    def score(self, text: str, side: Side) -> Scores: ...

    def score_all(self, texts: Sequence[str], side: Side, *, topics: bool = False) -> list[Scores]: ...

    def look_again(self, text: str, side: Side, scores: Scores) -> Scores: ...

    def limits(self, side: Side, false_positive_rate: float, *, always: bool = False) -> Mapping[str, float]: ...

    def limit(self, category: Category, side: Side, false_positive_rate: float, *, always: bool = False) -> float: ...


class Look(msgspec.Struct, frozen=True, gc=False):
    """What was seen in a text."""

    by_category: dict[str, float]
    """The highest score in any view, 0 to 1."""
    spans: tuple[Located, ...] = ()
    """Where, in characters of the text as it was given."""
    disguises: dict[str, str] = {}
    """For categories that score highest in a view that is not the text as it stands: what was undone to see it."""
    unsure: bool = False
    """The first stage cannot tell, and the second has not looked."""
    complete: bool = True
    """False where more was encoded than is decoded."""


class Looking:
    """A detector behind the views. One is shared by all lines of defense, so that none judges what another has."""

    def __init__(self, detector: Detects) -> None:
        self.detector = detector
        self._known: OrderedDict[tuple[str, Side, Stage], Look] = OrderedDict()
        self._size = 0

    def look(self, text: str, side: Side) -> Look:
        """The first stage: microseconds for a message, in proportion for more."""
        known = self._recall(text, side, "never")
        if known is not None:
            return known
        reading = read(text)
        scores = [self.detector.score(view.text, side) for view in reading.views]
        return self._keep(text, side, "never", _merged(reading.views, scores, reading.complete))

    async def look_each(self, texts: Sequence[str], side: Side, stage: Stage) -> list[Look]:
        """As `look_closer`, for the texts of a conversation. What is new of them is judged together, as thousands of
        short turns one by one would take long; between batches other exchanges get their turn."""
        fresh = [text for text in dict.fromkeys(texts) if self._recall(text, side, "never") is None]
        looks: dict[str, Look] = {}
        for begin in range(0, len(fresh), _TOGETHER):
            if begin:
                await asyncio.sleep(0)
            batch = fresh[begin : begin + _TOGETHER]
            large = sum(map(len, batch)) >= _LARGE
            seen = await asyncio.to_thread(self.look_all, batch, side) if large else self.look_all(batch, side)
            for text, look in zip(batch, seen, strict=True):
                looks[text] = self._keep(text, side, "never", look)
        # What was judged just now may be forgotten by now, if it was much.
        return [await self._closer(text, side, stage, looks.get(text)) for text in texts]

    async def look_closer(self, text: str, side: Side, stage: Stage) -> Look:
        """As `look`; then the second stage, in a thread, where `stage` asks for it."""
        return await self._closer(text, side, stage, None)

    async def _closer(self, text: str, side: Side, stage: Stage, first: Look | None) -> Look:
        known = self._recall(text, side, stage)
        if known is not None:
            return known
        first = first or self.look(text, side)
        if stage == "never" or (stage == "unsure" and not first.unsure):
            return first
        return self._keep(text, side, stage, await asyncio.to_thread(self.look_twice, text, side, stage))

    def look_twice(self, text: str, side: Side, stage: Stage, *, topics: bool = False) -> Look:
        """Both stages at once; tens of milliseconds where the second looks. `topics` adds the moderation categories."""
        reading = read(text)
        scores = self.detector.score_all([view.text for view in reading.views], side, topics=topics)
        for n, (view, one) in enumerate(zip(reading.views, scores, strict=True)):
            if stage == "always" or (stage == "unsure" and one.unsure):
                asked = msgspec.structs.replace(one, unsure=True)
                scores[n] = self.detector.look_again(view.text, side, asked)
        return _merged(reading.views, scores, reading.complete)

    def look_all(self, texts: Sequence[str], side: Side, *, topics: bool = False) -> list[Look]:
        """The first stage for many texts, joined into few calls. Nothing is remembered of them."""
        views: list[View] = []
        readings: dict[int, range] = {}
        incomplete: set[int] = set()
        for n in suspects(texts):
            reading = read(texts[n])
            readings[n] = range(len(views), len(views) + len(reading.views))
            views += reading.views
            if not reading.complete:
                incomplete.add(n)
        plain = [text for n, text in enumerate(texts) if n not in readings]
        scores = self.detector.score_all([*plain, *(view.text for view in views)], side, topics=topics)
        alone: Iterator[Scores] = iter(scores)
        looks: list[Look] = []
        for n in range(len(texts)):
            of = readings.get(n)
            if of is None:
                one = next(alone)
                looks.append(Look(one.by_category, one.spans, {}, one.unsure))
            else:
                seen = scores[len(plain) + of.start : len(plain) + of.stop]
                looks.append(_merged(views[of.start : of.stop], seen, n not in incomplete))
        return looks

    def _recall(self, text: str, side: Side, stage: Stage) -> Look | None:
        known = self._known.get((text, side, stage))
        if known is not None:
            self._known.move_to_end((text, side, stage))
        return known

    def _keep(self, text: str, side: Side, stage: Stage, look: Look) -> Look:
        key = (text, side, stage)
        if key not in self._known:
            self._known[key] = look
            self._size += len(text) + _OVERHEAD
            while self._size > REMEMBERED and len(self._known) > 1:
                self._size -= len(self._known.popitem(last=False)[0][0]) + _OVERHEAD
        return look


def _merged(views: Sequence[View], scores: Sequence[Scores], complete: bool) -> Look:
    if len(views) == 1 and views[0].base is None:
        only = scores[0]
        return Look(only.by_category, only.spans, {}, only.unsure, complete)
    best: dict[str, float] = {}
    disguises: dict[str, str] = {}
    spans: list[Located] = []
    for view, one in zip(views, scores, strict=True):
        for category, score in one.by_category.items():
            if score > best.get(category, -1.0):
                best[category] = score
                if view.how and score >= _WORTH_TELLING:
                    disguises[category] = " ".join(view.how)
                else:
                    disguises.pop(category, None)
        for found in one.spans:
            place = view.span(found.start, found.end)
            spans.append(Located(found.category, place.start, place.end, found.score))
    spans.sort(key=lambda found: -found.score)
    return Look(best, tuple(dict.fromkeys(spans)), disguises, any(one.unsure for one in scores), complete)


@cache
def shipped(*, second: bool = False) -> Looking:
    """The detectors that ship with the package, read once a process: their weights never change while it runs.

    Raises `FileNotFoundError` or `ValueError` naming the file where one is missing or not what it was, and
    `ModuleNotFoundError` naming the extra that the second stage needs.
    """
    from outworks.detectors.detector import Detector

    return Looking(Detector.load(second=second))
