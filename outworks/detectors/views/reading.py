"""reading: every view of a text: as it stands, as its reader sees it, and as it reads decoded, level by level."""

from itertools import islice

import msgspec

from outworks.detectors.views import encodings, shifting, words
from outworks.detectors.views.glance import is_plain, may_be_encoded
from outworks.detectors.views.plain import hidden, plain
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


class _Undone(msgspec.Struct, frozen=True):
    view: View | None
    complete: bool = True
    alone: View | None = None
    """What was decoded without what is around it, where that is much: a question in code is asked in few words, and
    must not be outvoted by those that ask to decode it."""


def _undone(view: View) -> _Undone:
    """The view with one level of encoding undone; no view where there is none."""
    text = view.text
    if not may_be_encoded(text):
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
