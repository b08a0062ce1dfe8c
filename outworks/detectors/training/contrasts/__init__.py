"""contrasts: requests in pairs, written here: an attack, and the same words in an innocent request.

Public sets of attacks come with few innocent texts that look like them. What a word means (to crack an egg, to crack a
stranger's password), and whether something is asked about or asked for: that is what a detector must tell apart, and
what its threshold is spent on where it cannot.
"""

import random
from collections.abc import Callable, Mapping

from outworks.detectors.categories import Category as C
from outworks.detectors.categories import Side
from outworks.detectors.training import sources
from outworks.detectors.training.contrasts import deeds, orders
from outworks.detectors.training.corpus import Example

SOURCE = "contrasts"
_KINDS: Mapping[C, tuple[Callable[[bool, random.Random], tuple[str, str]], float]] = {
    C.HARM: (deeds.said, 1.0),
    C.INJECTION: (orders.said, 0.6),
}
"""What says the requests for and against a category, and its share of them."""


def made(number: int, seed: int) -> list[Example]:
    """About so many attacks by deed, so many innocent requests that look like them, and a share of it of the other
    kinds. What is said twice is kept once."""
    rng = random.Random(seed)
    found: dict[str, Example] = {}
    for category, (said, share) in _KINDS.items():
        for n in range(round(2 * number * share)):
            hostile = n % 2 == 1
            text, topic = said(hostile, rng)
            targets: sources.Targets = dict(sources.CLEAN)
            if hostile:
                # What overrides the instructions may well harm, or not: that is left open.
                targets = {category: 1.0} if category is not C.HARM else targets | {category: 1.0}
            group = f"{SOURCE}:{category}:{topic}"
            found.setdefault(text, Example(text, Side.REQUEST, targets, 1.0, SOURCE, group))
    return list(found.values())


__all__ = ["SOURCE", "made"]
