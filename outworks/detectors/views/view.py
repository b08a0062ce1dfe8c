"""View: a text as it reads once a disguise is taken off, with the way back to what was written."""

from bisect import bisect_right
from collections.abc import Sequence

import msgspec


class Edit(msgspec.Struct, frozen=True, gc=False):
    """A stretch of a text, and what it says."""

    start: int
    end: int
    replacement: str
    mirrored: bool = False
    """It was written backwards."""
    doubtful: bool = False
    """It may say something as it stands, too."""


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
            first, last = view._edit(low, last=False), view._edit(high, last=True)
            low, high = view._back(low, last=False), view._back(high, last=True)
            if low > high and first is last is not None:
                low, high = high, low
            else:
                # What goes over the edge of something written backwards lies in all of it.
                low = first.start if first is not None and first.mirrored else low
                high = last.end if last is not None and last.mirrored else high
            view = view.base
        return Stretch(min(low, high), max(low, high))

    def _edit(self, at: int, *, last: bool) -> Edit | None:
        """The edit in whose replacement a character of `text` stands; with `last`, the one before it."""
        index = bisect_right(self.places, at - 1 if last else at) - 1
        if index < 0:
            return None
        into = at - self.places[index]
        length = len(self.edits[index].replacement)
        return self.edits[index] if into < length or (last and 0 < into == length) else None

    def _back(self, at: int, *, last: bool) -> int:
        """The place in `base.text` of a character of `text`; with `last`, the end of the one before it."""
        index = bisect_right(self.places, at - 1 if last else at) - 1
        if index < 0:
            return at
        edit, place = self.edits[index], self.places[index]
        length = len(edit.replacement)
        into = at - place
        if edit.mirrored and into < length + last:
            return edit.end - into
        if into >= length:
            return edit.end + into - length
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
    if not edits:
        return []
    taken = bytearray(max(edit.end for edit in edits))
    kept: list[Edit] = []
    for edit in edits:
        if taken.find(1, edit.start, edit.end) < 0:
            taken[edit.start : edit.end] = b"\1" * (edit.end - edit.start)
            kept.append(edit)
    return sorted(kept, key=lambda edit: edit.start)
