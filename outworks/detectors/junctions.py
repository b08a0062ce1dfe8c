"""junctions: where characters meet as they hardly ever do in prose or code, and many of them within a few words."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

NEAR = 64
"""Characters within which junctions are counted."""
LEAST = 3
"""Junctions within NEAR characters from which a place is looked at. Of the suffixes that a search found in four public
sets, none that scores has fewer; of ordinary English questions one in ten has as many."""
AROUND = 96
"""Characters on either side of such a place that are looked at with it: a suffix is longer than its densest part."""
_LOWER, _UPPER, _DIGIT, _SPACE, _TIE, _SOFT, _HARD, _FOREIGN = range(8)


def _classes() -> Array:
    classes = np.full(256, _HARD, np.uint8)
    classes[ord("a") : ord("z") + 1] = _LOWER
    classes[ord("A") : ord("Z") + 1] = _UPPER
    classes[ord("0") : ord("9") + 1] = _DIGIT
    classes[[ord(char) for char in " \t\n\r\f\v"]] = _SPACE
    classes[[ord(char) for char in "'-"]] = _TIE
    classes[[ord(char) for char in ".,!?;:"]] = _SOFT
    classes[128:] = _FOREIGN
    return classes


def _odd() -> Array:
    """[64]: whether a class and the next, as eight times the first plus the second, are a junction: `aB`, `a(`, `/a`,
    `."`, and letters of two scripts."""
    odd = np.zeros((8, 8), np.bool_)
    letters, marks = (_LOWER, _UPPER), (_TIE, _SOFT, _HARD)
    odd[_LOWER, _UPPER] = True
    for letter in letters:
        odd[letter, _HARD] = odd[_SOFT, letter] = odd[_HARD, letter] = True
        odd[letter, _FOREIGN] = odd[_FOREIGN, letter] = True
    for mark in marks:
        odd[mark, marks] = True
    return odd.reshape(64)


_CLASS = _classes()
CLASSES = _CLASS.tobytes()
"""[256]: of each character what it is to a junction; all beyond ASCII is one."""
ODD = _odd()


def _pairs() -> list[tuple[bytes, list[bytes]]]:
    """The junctions of ASCII as pairs of classes, behind the rarest of the classes that are in them."""
    left = [bytes(divmod(int(pair), 8)) for pair in np.flatnonzero(ODD) if _FOREIGN not in divmod(int(pair), 8)]
    found = []
    for rare in (_HARD, _TIE, _SOFT, _UPPER):
        found.append((bytes([rare]), [pair for pair in left if rare in pair]))
        left = [pair for pair in left if rare not in pair]
    return found


_PAIRS = _pairs()
_BEYOND_ASCII = re.compile(r"[a-z][A-Z]|[A-Za-z][^A-Za-z0-9\s'.,!?;:\-]|[^A-Za-z0-9\s'\-][A-Za-z]|[^A-Za-z0-9\s]{2}")
"""The same as a pattern, to which letters of other scripts are odd wherever they stand."""


def has_odd_junction(text: str) -> bool:
    """Whether anything in the text meets as words of a plain sentence never do. Strings that a search over tokens made
    are full of these. Most ordinary texts in ASCII have none, and need no closer look."""
    if not text.isascii():
        return _BEYOND_ASCII.search(text) is not None
    # Bytes are searched in a fifth of the time that a pattern takes.
    classes = text.encode().translate(CLASSES)
    for rare, pairs in _PAIRS:
        if rare in classes:
            for pair in pairs:
                if pair in classes:
                    return True
    return False


class Dense(NamedTuple):
    """A place with many junctions: characters `start` to `end` of one of several texts."""

    text: int
    start: int
    end: int


def dense(texts: Sequence[str]) -> list[Dense]:
    """The places with many junctions in texts, read together, with what is around them. By numpy; `strings` has a
    kernel for it."""
    joined = "\n".join(texts)
    if joined.isascii():
        classes = np.frombuffer(joined.encode().translate(CLASSES), np.uint8)
    else:
        points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
        classes = _CLASS.take(np.minimum(points, 255))
    if len(classes) < 2:
        return []
    pairs = classes[:-1] << 3
    pairs |= classes[1:]
    places = np.flatnonzero(ODD.take(pairs))
    if len(places) < LEAST:
        return []
    close = np.flatnonzero(places[LEAST - 1 :] - places[: 1 - LEAST] <= NEAR)
    if not len(close):
        return []
    sizes = np.array([len(text) for text in texts], np.int64)
    ends = np.cumsum(sizes + 1)
    low, high = places[close], places[close + (LEAST - 1)] + 2
    owner = ends.searchsorted(low, "right")
    within = np.flatnonzero(high < ends[owner])  # the others lie in two texts
    if not len(within):
        return []
    low, high, owner = low[within], high[within], owner[within]
    apart = np.flatnonzero((owner[1:] != owner[:-1]) | (low[1:] - high[:-1] > 2 * AROUND)) + 1
    first, last = np.concatenate(([0], apart)), np.concatenate((apart - 1, [len(low) - 1]))
    owner = owner[first]
    sizes = sizes[owner]
    before = ends[owner] - sizes - 1
    begins = np.maximum(low[first] - before - AROUND, 0)
    stops = np.minimum(high[last] - before + AROUND, sizes)
    return [Dense(*place) for place in zip(owner.tolist(), begins.tolist(), stops.tolist(), strict=True)]
