"""second: what the second stage learns from: a sample of all examples, as the tokens that it will see in use."""

import random
import zlib
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from outworks.detectors.categories import MODERATION, Side
from outworks.detectors.categories import Category as C
from outworks.detectors.deep import HEADS, Reader
from outworks.detectors.linear import NARROW
from outworks.detectors.training.corpus import Example
from outworks.detectors.training.frames import Frames
from outworks.detectors.training.tuning import Plan, Row

_SHARES = {
    "benign": 0.33,
    "jailbreak": 0.09,
    "injection": 0.08,
    "harm": 0.20,
    "toxic": 0.04,
    "content": 0.15,
    "output": 0.11,
}
"""Of the texts, by what a row teaches most."""
_EASY = frozenset(
    {"banking77", "clinc150", "sms_spam", "gsm8k_test", "mgsm", "taskmaster4", "persona_chat", "davidson_tweets"}
)
"""Ordinary texts that the first stage passes by itself: they count less."""
_LESS, _MORE = 0.4, 1.5
_LONG = 900
"""Characters from which on a text may be longer than what is read at once."""
_INSIDE = 0.35
"""Share of long texts of which a stretch inside is read instead of the ends."""


def kind(each: Example) -> str:
    """Which share an example is drawn in."""
    if each.side is not Side.REQUEST:
        return str(each.side)
    for category in (C.JAILBREAK, C.INJECTION, C.HARM):
        if each.targets.get(category) == 1.0:
            return str(category)
    return "benign" if each.targets.get(C.HARM) == 0.0 else "toxic"


def chosen(examples: Sequence[Example], plan: Plan) -> list[Example]:
    """A sample: in it the shares hold, and sets count by the root of their size. Which rows of a set are in it does
    not depend on the other sets."""
    by_kind: dict[str, dict[str, list[Example]]] = defaultdict(lambda: defaultdict(list))
    for each in sorted(examples, key=lambda each: zlib.crc32(f"{plan.seed}{each.text}".encode("utf-8", "replace"))):
        by_kind[kind(each)][f"{each.source} {each.targets.get(C.INJECTION)}"].append(each)
    found = []
    for name, share in _SHARES.items():
        sets = by_kind[name]
        room = share * plan.texts
        # A set that has less than its share leaves the rest to the others.
        roots = {
            source: len(mine) ** 0.5 * sum(map(_counts, mine)) / len(mine) for source, mine in sorted(sets.items())
        }
        for source in sorted(sets, key=lambda source: len(sets[source]) / roots[source]):
            number = min(len(sets[source]), round(room * roots[source] / sum(roots.values())))
            found += sets[source][:number]
            room -= number
            del roots[source]
    return found


def _counts(each: Example) -> float:
    if kind(each) != "benign":
        return each.weight
    return each.weight * (_LESS if each.source in _EASY else _MORE)


def rows(examples: Sequence[Example], reader: Reader, plan: Plan, epoch: int) -> list[Row]:
    """What of each example is read in this epoch."""
    rng = random.Random(f"{plan.seed} {epoch}")
    frames = Frames(examples)
    found = []
    for example in examples:
        each = frames.put(example, rng)
        text, trust = seen(each, rng)
        side = each.side
        if side is Side.REQUEST and kind(each) == "toxic" and rng.random() < 0.5:
            # What is hateful or violent is so in an answer too, and no set has answers labelled so.
            side = Side.OUTPUT
        wanted, known = (np.zeros(len(HEADS), np.float32) for _ in range(2))
        for n, (of, category) in enumerate(HEADS):
            target = each.targets.get(category)
            if target is None or not (of is side or (category in MODERATION and side is not Side.CONTENT)):
                continue
            if of is not each.side and category not in MODERATION:
                continue
            wanted[n] = target
            known[n] = max(each.weight, 0.3) * trust * (plan.topics if category in MODERATION else 1.0)
        found.append(Row(tuple(reader.rows(text)[0]), side, wanted, known))
    return found


class Seen(NamedTuple):
    """What of an example is read."""

    text: str
    trust: float
    """How far the example's label still holds for it, 0 to 1."""


def seen(each: Example, rng: random.Random) -> Seen:
    """Content in windows, as the first stage would point at them; of other long texts the ends, or a stretch inside,
    which may hold nothing of what the whole is."""
    if each.side is Side.CONTENT and len(each.text) >= NARROW.least:
        if each.planted is None:
            begin = rng.randrange(max(1, len(each.text) - NARROW.width))
        else:
            begin = max(0, each.planted[0] - rng.randrange(NARROW.width // 2))
        return Seen(each.text[begin : begin + NARROW.width], 1.0)
    if each.side is not Side.CONTENT and len(each.text) >= _LONG and rng.random() < _INSIDE:
        begin = rng.randrange(len(each.text) - _LONG // 2)
        return Seen(each.text[begin : begin + _LONG], 0.5 if any(each.targets.values()) else 1.0)
    return Seen(each.text, 1.0)
