"""reading: every view of a text: as it stands, as its reader sees it, and as it reads decoded, level by level."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate, islice

import msgspec
import numpy as np
from numpy.typing import NDArray

from outworks.detectors.views import encodings, shifting, words
from outworks.detectors.views.plain import CONTROL, CONTROLS, hidden, plain
from outworks.detectors.views.view import Edit, View, in_order, spliced

DEPTH = 5
"""Levels of encoding that are undone. Nobody encodes an ordinary text six times."""
WHOLE = 4_096
"""Characters up to which a decoded view shows the whole text; of a longer one, what was decoded and what is near."""
NEAR = 240
ALONE = 16
"""Characters of what was decoded, and of what is around it, from which the former is read by itself too."""


class Reading(msgspec.Struct, frozen=True):
    """A text and its views."""

    views: tuple[View, ...]
    """The text as its reader sees it, then with each level of disguise less, and what was decoded by itself. One that
    says nothing but what the next says in better words is left out."""
    complete: bool = True
    """False where more was encoded than is decoded: deeper, or in more places."""


def read(text: str) -> Reading:
    """Every view of a text. Linear in the text; an ordinary one is its only view, after a few microseconds."""
    if is_plain(text):
        return Reading((View(text),))
    seen = [plain(View(text))]
    secret = hidden(text)
    views = [] if secret is None else [secret]
    complete = True
    for _ in range(DEPTH + 1):
        undone = _undone(seen[-1])
        complete = complete and undone.complete
        if undone.view is None or not _is_said_again(undone.view):
            views.append(seen[-1])
        if undone.view is None:
            return Reading(tuple(views), complete)
        if undone.alone is not None:
            views.append(plain(undone.alone))
        seen.append(plain(undone.view))
    return Reading((*views, seen[-2]), complete=False)


def _is_said_again(view: View) -> bool:
    """Whether a decoded view holds all that its base says, most of it in better words. Then nobody need look at the
    base: to a detector that was trained on language, a page of ones and zeros is as odd as an attack."""
    if view.base is None or len(view.base.text) > WHOLE or any(edit.doubtful for edit in view.edits):
        return False
    return 2 * sum(edit.end - edit.start for edit in view.edits) >= len(view.base.text)


def is_plain(text: str) -> bool:
    """Whether nothing in a text can be anything but what it looks like. False means: look closer."""
    return text.isascii() and not _encoded(text)


def suspects(texts: Sequence[str]) -> list[int]:
    """Which of many texts are not plain. They are looked at together: one look at a megabyte costs less than thousands
    at a line each."""
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


class _Undone(msgspec.Struct, frozen=True):
    view: View | None
    complete: bool = True
    alone: View | None = None
    """What was decoded without what is around it, where that is much: a question in code is asked in few words, and
    must not be outvoted by those that ask to decode it."""


def _undone(view: View) -> _Undone:
    """The view with one level of encoding undone; no view where there is none."""
    text = view.text
    if not _encoded(text):
        return _Undone(None)
    named: list[tuple[str, Edit]] = []
    tries = 0
    for found in encodings.decoded(text):
        tries += 1
        if found.edit is not None:
            named.append((found.name, found.edit))
        if len(named) >= encodings.MOST or tries >= encodings.TRIES:
            break
    complete = len(named) < encodings.MOST and tries < encodings.TRIES
    named += [(shifted.name, shifted.edit) for shifted in shifting.shifted(text)]
    for name, edits in (("spaced", words.joined(text)), ("leet", words.unleeted(text))):
        named += [(name, edit) for edit in islice(edits, encodings.MOST)]
        complete = complete and next(edits, None) is None
    kept = in_order([edit for _, edit in named])
    if not kept:
        return _Undone(None, complete)
    places = {(edit.start, edit.end) for edit in kept}
    how = tuple(dict.fromkeys(name for name, edit in named if (edit.start, edit.end) in places))
    return _Undone(spliced(view, _near(text, kept), how), complete, _alone(view, kept, how))


def _alone(view: View, edits: list[Edit], how: tuple[str, ...]) -> View | None:
    said = [edit for edit in edits if len(edit.replacement) >= ALONE]
    around = len(view.text) - sum(edit.end - edit.start for edit in said)
    if not said or around < ALONE:
        return None
    kept: list[Edit] = []
    at = 0
    for edit in said:
        if edit.start > at:
            kept.append(Edit(at, edit.start, "\n" if at else ""))
        kept.append(edit)
        at = edit.end
    if at < len(view.text):
        kept.append(Edit(at, len(view.text), ""))
    return spliced(view, kept, how)


def _near(text: str, edits: list[Edit]) -> list[Edit]:
    """The edits, and where the text is long, cuts between what is near them."""
    if len(text) <= WHOLE:
        return edits
    kept: list[Edit] = []
    at = 0
    for edit in edits:
        if edit.start - at > 2 * NEAR:
            low = at + NEAR if at else 0
            kept.append(Edit(low, edit.start - NEAR, "\n"))
        kept.append(edit)
        at = edit.end
    if len(text) - at > NEAR:
        kept.append(Edit(at + NEAR, len(text), "\n"))
    return kept


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


def _encoded(text: str) -> bool:
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
