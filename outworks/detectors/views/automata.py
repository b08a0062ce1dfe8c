"""automata: patterns and words as tables, for the kernel that looks for all of them in one pass."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Pattern: TypeAlias = Sequence[Collection[int]]
"""A place after another, the bytes that may stand there."""

LINE = 32
"""Classes of bytes that a table of words has room for."""
MET = 1 << 15
"""In such a table: a word ends here."""


class Bits(NamedTuple):
    """Patterns as bits of one number, a place each (Baeza-Yates and Gonnet 1992, doi:10.1145/135239.135243)."""

    masks: Array
    """[256], uint64: the places where a byte may stand."""
    ends: Array
    """[3], uint64: the first places; the last of the patterns that say 1, and of those that say 2."""


def bits(sure: Iterable[Pattern], maybe: Iterable[Pattern]) -> Bits:
    """Raises `ValueError` for patterns of more than 64 places in all."""
    masks, firsts, lasts = [0] * 256, 0, [0, 0]
    at = 0
    for which, patterns in enumerate((sure, maybe)):
        for pattern in patterns:
            firsts |= 1 << at
            for place in pattern:
                for byte in place:
                    masks[byte] |= 1 << at
                at += 1
            lasts[which] |= 1 << at - 1
    if at > 64:
        raise ValueError(f"patterns of {at} places: expected 64 at most")
    return Bits(np.array(masks, np.uint64), np.array([firsts, *lasts], np.uint64))


def word_table(known: Iterable[bytes], classes: bytes) -> Array:
    """[states, LINE], uint16: from a state, by the class of the next byte, to the next state, with `MET` where one of
    the words ends (Aho and Corasick 1975, doi:10.1145/360825.360855). Their number is a power of two. `classes` [256],
    below LINE. Raises `ValueError` for more states than MET."""
    tries: list[dict[int, int]] = [{}]
    ends: set[int] = set()
    levels: list[list[tuple[int, int, int]]] = []
    for word in known:
        state = 0
        for depth, byte in enumerate(word):
            if depth == len(levels):
                levels.append([])
            after = tries[state].get(classes[byte])
            if after is None:
                after = tries[state][classes[byte]] = len(tries)
                tries.append({})
                levels[depth].append((state, classes[byte], after))
            state = after
        ends.add(state)
    if len(tries) > MET:
        raise ValueError(f"words of {len(tries)} states: expected {MET} at most")
    follow = np.zeros((1 << (len(tries) - 1).bit_length(), LINE), np.uint16)
    met = np.zeros(len(follow), np.bool_)
    met[list(ends)] = True
    for level in levels:
        before, by, after = np.array(level, np.int64).T
        # What would have followed without this word: the longest end of what was read that begins another.
        otherwise = np.where(before == 0, 0, follow[before, by])
        follow[before, by] = after
        follow[after] = follow[otherwise]
        met[after] |= met[otherwise]
    follow |= np.where(met[follow], MET, 0).astype(np.uint16)
    return follow
