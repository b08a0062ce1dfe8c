"""glance: the first look at a text, which most need no second of: may anything in it be other than it looks?"""

import re
import string
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from outworks import kernels
from outworks.detectors.views import encodings, shifting, words
from outworks.detectors.views.automata import bits, word_table
from outworks.detectors.views.plain import CONTROL, CONTROLS

# Classes of characters, as one byte each: what an encoding looks like is then found as a few bytes in a row.
_ALNUM = bytes(97 if chr(code).isascii() and chr(code).isalnum() else 32 for code in range(256))
_LETTER, _FIGURE, _GAP, _MARK, _UNSEEN = b"a1 #\0"


def _kind(code: int) -> int:
    char = chr(code)
    if char.isalpha():
        return _LETTER
    if char in "0123456789@$":
        return _FIGURE
    if char in " .-_*~|/,:+\\\n":
        return _GAP
    return _UNSEEN if code in CONTROLS else _MARK


_KINDS = bytes(map(_kind, range(128))) + bytes(128)
_RUN = b"a" * encodings.SHORT
_SIGNS = (b"a1a", b" a a a a", b"1a 1")
"""A digit in a word; letters by themselves; hexadecimal pairs."""
_MANY = 16_384
"""Characters from which they are looked for all at once."""
_ESCAPES = ("\\x", "\\u", "\\U")

_SURE, _ASK = 1, 2
"""What the kernel says of a text that may be encoded, and of one where only the patterns can tell."""
_OF_KIND = {kind: bytes(code for code in range(128) if _KINDS[code] == kind) for kind in _KINDS}
_FIGURES, _LETTERS, _HEX = b"0123456789", string.ascii_letters.encode(), string.hexdigits.encode()
_BITS = bits(
    sure=(
        *([_OF_KIND[kind] for kind in sign] for sign in _SIGNS),
        [_FIGURES + _LETTERS] * len(_RUN),
        (b"\\", b"xuU"),
        (b"%", _HEX, _HEX),
        (CONTROLS,),
    ),
    maybe=((b"&", b"#" + _LETTERS), [b"01"] * 8),
)
_BLANK, _OTHER = 26, 27
_CLASSES = bytes(
    _LETTERS.index(code) % 26 if code in _LETTERS else _BLANK if code in b" \n" else _OTHER for code in range(256)
)
"""A letter, whether small or capital; a blank; all else."""
_WORDS = word_table([sign.encode() for sign in shifting.SIGNS if sign.isascii()], _CLASSES)


def _glanced(texts: Sequence[str]) -> bytearray:
    """Of texts in ASCII, what the kernel says of each."""
    found = bytearray(len(texts))
    kernels.compiled.glance(tuple([text.encode() for text in texts]), *_BITS, _CLASSES, _WORDS, found)  # type: ignore[union-attr]
    return found


def is_plain(text: str) -> bool:
    """Whether nothing in a text can be anything but what it looks like. False means: look closer."""
    return text.isascii() and not may_be_encoded(text)


def may_be_encoded(text: str) -> bool:
    """Whether anything in a text may be encoded, or in what of it is ASCII."""
    if kernels.compiled is not None and text.isascii():
        sign = _glanced([text])[0]
        if sign != _ASK:
            return sign == _SURE
    return _is_found(text)


def suspects(texts: Sequence[str]) -> list[int]:
    """Which of many texts are not plain."""
    if kernels.compiled is None:
        return suspects_by_search(texts)
    plain = [text if text.isascii() else "" for text in texts]
    signs = _glanced(plain)
    return [
        n
        for n, sign in enumerate(signs)
        if sign == _SURE or (sign == _ASK and _is_found(texts[n])) or not texts[n].isascii()
    ]


def suspects_by_search(texts: Sequence[str]) -> list[int]:
    """The same without a compiler. They are looked at together: one look at a megabyte costs less than thousands at a
    line each."""
    ascii = [n for n, text in enumerate(texts) if text.isascii()]
    joined = "\n\n".join([texts[n] for n in ascii])
    ends = list(accumulate(len(texts[n]) + 2 for n in ascii))
    hits: set[int] = set()
    for find in _finders(joined):
        at = find(0)
        while at >= 0:
            hit = min(bisect_right(ends, at), len(ends) - 1)
            hits.add(hit)
            at = find(ends[hit])
    found = {ascii[hit] for hit in hits}
    return [n for n, text in enumerate(texts) if n in found or not text.isascii()]


def _is_found(text: str) -> bool:
    return any(find(0) >= 0 for find in _finders(text))


def _finders(text: str) -> Iterator[Callable[[int], int]]:
    """Each finds the next place, from one on, where in an ASCII text (or in what of another is ASCII) something may be
    encoded; -1 where there is none. In the order in which most is found for the least."""
    data = text.encode("ascii", "replace")
    kinds = b" " + data.translate(_KINDS) + b" "
    if len(kinds) < _MANY:
        for sign in _SIGNS:
            yield partial(kinds.find, sign)
    else:
        yield partial(_next, _signs(kinds))
    yield partial(data.translate(_ALNUM).find, _RUN)
    for escape in _ESCAPES if "\\" in text else ():
        yield partial(text.find, escape)
    for pattern, mark in ((encodings.URL, "%"), (encodings.HTML, "&"), (encodings.BINARY, "011")):
        if mark in text:
            yield partial(_search, pattern, text)
    if not text.isascii():
        yield partial(_search, words.PARTED, text)
    if _UNSEEN in kinds:
        yield partial(_search, CONTROL, text)
    places = shifting.signs(text)
    if places:
        yield partial(_next, places)


def _signs(kinds: bytes) -> NDArray[np.int64]:
    """Where any of `_SIGNS` begins, in order. numpy reads a long text in a tenth of the time that a search takes."""
    each = np.frombuffer(kinds, np.uint8)
    is_of = {kind: each == kind for kind in b"a1 "}
    found = np.zeros(len(each), np.bool_)
    for sign in _SIGNS:
        count = max(0, len(each) - len(sign) + 1)
        here = is_of[sign[0]][:count].copy()
        for at, kind in enumerate(sign[1:], 1):
            here &= is_of[kind][at : at + count]
        found[:count] |= here
    return np.flatnonzero(found)


def _search(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.search(text, at)
    return -1 if found is None else found.start()


def _next(places: Sequence[int] | NDArray[np.int64], at: int) -> int:
    n = bisect_left(places, at)
    return int(places[n]) if n < len(places) else -1
