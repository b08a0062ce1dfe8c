"""scanning: many texts judged by the detectors, outside any gateway."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from time import perf_counter_ns
from typing import Literal, get_args

import msgspec

from outworks.detectors import BLOCKING, Side
from outworks.detectors.looking import Look, Looking, Stage, shipped
from outworks.nearest import did_you_mean

TOGETHER = 2_048
"""Texts that are judged together, at most."""
AT_ONCE = 1 << 20
"""Characters that are judged together: a few megabytes of arrays, whatever the size of a file."""
SIDES = {"user": Side.REQUEST, "tool": Side.CONTENT, "assistant": Side.OUTPUT}
"""Whose words a text is, by its role."""


class Item(msgspec.Struct, frozen=True, gc=False):
    """A text to judge."""

    text: str
    role: str = "user"
    """`user`, `tool` (anything that a third party wrote: tool results, documents, pages) or `assistant`."""
    id: str | int | None = None
    """Comes back with the result."""


class Found(msgspec.Struct, frozen=True, gc=False):
    """Where something was found: characters `start` to `end` of the text."""

    category: str
    start: int
    end: int
    score: float


class Scanned(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What was seen in a text."""

    id: str | int | None
    verdict: Literal["allow", "block"]
    """`block` where a category is over its threshold, or where more is encoded than is decoded."""
    scores: dict[str, float]
    """By category, 0 to 1."""
    us: dict[str, float]
    """Microseconds by stage: `first` (views included; the share of a batch that falls to this text) and `second`."""
    over: tuple[str, ...] = ()
    """The categories over their thresholds, the surest first."""
    spans: tuple[Found, ...] = ()
    disguises: dict[str, str] = {}
    """By category, what had to be undone to see it, such as `base64`."""
    unread: bool = False
    """More was encoded than is decoded."""


class Scanner:
    """Detectors, with thresholds for a budget of false positives."""

    def __init__(
        self,
        looking: Looking,
        *,
        false_positive_rate: float = 0.001,
        second_stage: Stage = "never",
        topics: bool = True,
    ) -> None:
        """`topics` adds the moderation categories. Raises ValueError for a rate finer than the calibration can tell, or
        an unknown stage."""
        stages = get_args(Stage)
        if second_stage not in stages:
            hint = did_you_mean(second_stage, stages, f"known: {', '.join(stages)}")
            raise ValueError(f"second_stage: {second_stage!r} is not known{hint}")
        self._topics = topics
        self._looking = looking
        self._stage = second_stage
        self._limits = {
            side: tuple(
                (str(c), limit)
                for c, limit in looking.detector.limits(
                    side, false_positive_rate, always=second_stage == "always"
                ).items()
                if c in blocking
            )
            for side, blocking in BLOCKING.items()
        }

    def scan(self, items: Iterable[Item]) -> Iterator[Scanned]:
        """One result a text, in order; texts are taken as they are needed. Raises ValueError for an unknown role."""
        items = iter(items)
        while batch := _batch(items):
            yield from self.scan_together(batch)

    def scan_together(self, items: Sequence[Item]) -> list[Scanned]:
        """The results of texts that are judged at once."""
        by_side: dict[Side, list[int]] = {}
        for n, item in enumerate(items):
            by_side.setdefault(side_of(item.role), []).append(n)
        results: list[Scanned | None] = [None] * len(items)
        for side, places in by_side.items():
            texts = [items[n].text for n in places]
            began = perf_counter_ns()
            looks = self._looking.look_all(texts, side, topics=self._topics)
            each = (perf_counter_ns() - began) / 1000 / max(1, sum(map(len, texts)) + len(texts))
            for n, look in zip(places, looks, strict=True):
                us = {"first": round(each * (len(items[n].text) + 1), 1)}
                results[n] = self._result(items[n], look, side, us)
        return [result for result in results if result is not None]

    def _result(self, item: Item, look: Look, side: Side, us: dict[str, float]) -> Scanned:
        if self._stage == "always" or (self._stage == "unsure" and look.unsure):
            began = perf_counter_ns()
            look = self._looking.look_twice(item.text, side, self._stage, topics=self._topics)
            us["second"] = round((perf_counter_ns() - began) / 1000, 1)
        scores = look.by_category
        over = [category for category, limit in self._limits[side] if scores.get(category, 0.0) >= limit]
        if len(over) > 1:
            limits = dict(self._limits[side])
            over.sort(key=lambda category: limits[category] - scores[category])
        spans = look.spans
        return Scanned(
            id=item.id,
            verdict="allow" if look.complete and not over else "block",
            scores=scores,
            us=us,
            over=tuple(over),
            spans=tuple([Found(at.category, at.start, at.end, at.score) for at in spans]) if spans else (),
            disguises=look.disguises,
            unread=not look.complete,
        )


def scan(
    texts: Iterable[str | Item],
    *,
    role: str = "user",
    false_positive_rate: float = 0.001,
    second_stage: Stage = "never",
    topics: bool = True,
) -> Iterator[Scanned]:
    """Judge texts; one result each, in their order, as they are asked for.

    `role` is whose words they are: `user`, `tool` or `assistant`; an `Item` has its own. `false_positive_rate` is the
    share of ordinary texts that may be over a threshold. `second_stage` says when a small transformer looks too; it
    needs `outworks[classifier]`. Without `topics` the moderation categories are left out, which takes half the time.
    Raises ValueError for an unknown role or stage or a rate finer than the calibration can tell, and TypeError for what
    is no text.
    """
    side_of(role)
    looking = shipped(second=second_stage != "never")
    scanner = Scanner(looking, false_positive_rate=false_positive_rate, second_stage=second_stage, topics=topics)
    if isinstance(texts, str):
        raise TypeError("scan takes several texts; it was given one string: put it into a list")
    return scanner.scan(_item(text, role) for text in texts)


def _item(text: object, role: str) -> Item:
    if isinstance(text, Item):
        return text
    if isinstance(text, str):
        return Item(text, role)
    raise TypeError(f"scan takes strings and Items; it was given {type(text).__name__}")


def side_of(role: str) -> Side:
    """Whose words a role speaks. Raises ValueError for one that is not known."""
    side = SIDES.get(role)
    if side is None:
        hint = did_you_mean(role, SIDES, f"known: {', '.join(SIDES)}")
        raise ValueError(f"role: {role[:80]!r} is not known{hint}")
    return side


def _batch(items: Iterator[Item]) -> list[Item]:
    batch: list[Item] = []
    size = 0
    for item in islice(items, TOGETHER):
        batch.append(item)
        size += len(item.text)
        if size >= AT_ONCE:
            break
    return batch
