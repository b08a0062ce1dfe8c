"""contrasts: attacks written here, beside innocent requests that look like them."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from outworks.detectors.categories import Category as C
from outworks.detectors.categories import Side
from outworks.detectors.training import corpus, sources
from outworks.detectors.training.contrasts import deeds, orders
from outworks.detectors.training.contrasts.said import Said
from outworks.detectors.training.contrasts.shapes import shaped
from outworks.detectors.training.corpus import Example

SOURCE = "contrasts"


class _Kind(NamedTuple):
    said: Callable[[bool, random.Random], Said]
    share: float
    """Of how many are asked for."""


_KINDS: Mapping[C, _Kind] = {C.HARM: _Kind(deeds.said, 1.0), C.INJECTION: _Kind(orders.said, 1.2)}

_SHAPED = 0.4
"""Share of all requests, attacks and innocent ones, that come in a shape."""


def made(number: int, seed: int) -> list[Example]:
    """About so many attacks by deed, so many innocent requests that look like them, and a share of it of the other
    kind. What is said twice is kept once."""
    rng = random.Random(seed)
    found: dict[str, Example] = {}
    for category, kind in _KINDS.items():
        for n in range(round(2 * number * kind.share)):
            hostile = n % 2 == 1
            text, topic = kind.said(hostile, rng)
            targets: sources.Targets = dict(sources.CLEAN)
            if hostile:
                # What overrides the instructions may well harm, or not: that is left open.
                targets = {category: 1.0} if category is not C.HARM else targets | {category: 1.0}
            group = f"{SOURCE}:{category}:{topic}"
            found.setdefault(text, Example(text, Side.REQUEST, targets, 1.0, SOURCE, group))
    return list(found.values())


def unseen(examples: Sequence[Example], judged: Iterable[str]) -> list[Example]:
    """The examples that are not, nor nearly, among the texts that training is judged by: whoever writes short questions
    meets some of them by chance."""
    texts = list(judged)
    known = {tuple(corpus.words(text)) for text in texts}
    close = corpus.near(examples, texts)
    return [each for n, each in enumerate(examples) if n not in close and tuple(corpus.words(each.text)) not in known]


def in_shapes(examples: Sequence[Example], seed: int) -> list[Example]:
    """The examples, a share of the attacks and of the innocent ones alike in the shapes that people give to orders:
    else the shape itself would tell. After `unseen`, from which a shape could hide what is judged. Whether a shape is
    a jailbreak's is left open."""
    rng = random.Random(seed)
    found = []
    for each in examples:
        if rng.random() < _SHAPED:
            targets = {category: value for category, value in each.targets.items() if category is not C.JAILBREAK}
            each = msgspec.structs.replace(each, text=shaped(each.text, rng), targets=targets)
        found.append(each)
    return found


__all__ = ["SOURCE", "in_shapes", "made", "unseen"]
