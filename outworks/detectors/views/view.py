"""View: a text as it reads once a disguise is taken off, with the way back to what was written."""

from bisect import bisect_right
from collections.abc import Sequence

import msgspec


class Edit(msgspec.Struct, frozen=True):
    """A stretch of a text, and what it says."""

    start: int
    end: int
    replacement: str
    mirrored: bool = False
    """It was written backwards."""


class Stretch(msgspec.Struct, frozen=True):
    """A place in a text: characters `start` to `end`."""

    start: int
    end: int


class View(msgspec.Struct, frozen=True):
    """A reading of a text."""

    text: str
    how: tuple[str, ...] = ()
    """What was undone to get here, the outermost first: `("base64", "rot13")`. Empty for the text as it stands."""
    base: "View | None" = None
    """The view that this one was made from; None for the text as it was given."""
    edits: tuple[Edit, ...] = ()
    """What was replaced in `base.text`, in order, without overlap."""
    places: tuple[int, ...] = ()
    """Where in `text` each replacement begins."""

    def span(self, start: int, end: int) -> Stretch:
        """Where characters `start` to `end` come from in the text as it was given. Exact where characters stand for
        themselves; within what was decoded, in proportion."""
        view, low, high = self, start, max(start, end)
        while view.base is not None:
            ends = view._back(low, last=False), view._back(high, last=True)
            low, high = min(ends), max(ends)
            view = view.base
        return Stretch(low, high)

    def _back(self, at: int, *, last: bool) -> int:
        """The place in `base.text` of a character of `text`; with `last`, the end of the one before it."""
        index = bisect_right(self.places, at - 1 if last else at) - 1
        if index < 0:
            return at
        edit, place = self.edits[index], self.places[index]
        length = len(edit.replacement)
        into = at - place
        if into >= length:
            return edit.end + into - length
        if edit.mirrored:
            return edit.end - into
        wide = edit.end - edit.start
        if wide == length:
            return edit.start + into
        if last:
            return min(edit.end, edit.start + -(-into * wide // length))
        return edit.start + into * wide // length


def spliced(base: View, edits: Sequence[Edit], how: tuple[str, ...]) -> View:
    """The base with the edits made; they must be in order and not overlap."""
    pieces: list[str] = []
    places: list[int] = []
    at = size = 0
    for edit in edits:
        pieces.append(base.text[at : edit.start])
        size += edit.start - at
        places.append(size)
        pieces.append(edit.replacement)
        size += len(edit.replacement)
        at = edit.end
    pieces.append(base.text[at:])
    return View("".join(pieces), base.how + how, base, tuple(edits), tuple(places))


def in_order(edits: Sequence[Edit]) -> list[Edit]:
    """The edits by place; of two that overlap, the one given first."""
    kept: list[Edit] = []
    for edit in sorted(enumerate(edits), key=lambda one: (one[1].start, one[0])):
        if not kept or edit[1].start >= kept[-1].end:
            kept.append(edit[1])
    return kept
