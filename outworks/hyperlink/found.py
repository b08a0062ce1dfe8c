"""What a reading of hyperlinks finds, and the place that a reader is given."""

import re
from collections.abc import Callable
from enum import StrEnum

import msgspec

from outworks.host import Address, address

LONGEST = 2048
"""Characters a construct may take; a longer one is cut out up to there, and the rest is read as text."""

Admits = Callable[[Address], bool]


class Form(StrEnum):
    """How a link is written."""

    IMAGE = "image"
    """`![alt](url)`, whole, or an HTML tag that loads a picture or sound by itself."""
    INLINE = "inline"
    """`[text](url)`, from the `]` on: the text stays."""
    DEFINITION = "definition"
    """`[label]: url`, from the `]` on: the label stays."""
    TAG = "tag"
    """Any other HTML tag."""
    STYLE = "style"
    """`(url)` after `url`, as style sheets have it."""
    URL = "url"
    """The URL itself, wherever it stands."""


class Hyperlink(msgspec.Struct, frozen=True):
    """A link that is not admitted, and the characters to take out.

    They begin no later than what gave the link away: whoever reads on from any place before them finds it again.
    """

    form: Form
    start: int
    end: int
    address: Address


class Reading(msgspec.Struct, frozen=True):
    """What was found, and how far the text is final."""

    links: tuple[Hyperlink, ...]
    final: int
    """Where a construct begins that is not complete; the length of the text where there is none."""


class Open(msgspec.Struct, frozen=True):
    """The construct that begins at `start` needs more text."""

    start: int


class Place(msgspec.Struct, frozen=True):
    """Where a trigger was met."""

    text: str
    at: int
    done: bool
    admits: Admits

    def open(self, end: int, start: int) -> bool:
        """Whether a construct from `start` that has been read to `end` may still grow."""
        return not self.done and end >= len(self.text) and end - start < LONGEST

    def match_end(self, pattern: re.Pattern[str], at: int, start: int) -> int:
        """Where the pattern stops matching from `at` on, within a construct from `start`."""
        match = pattern.match(self.text, at, max(at, start + LONGEST))
        return match.end() if match else at

    def judged(self, form: Form, start: int, end: int, found: Address | None) -> Hyperlink | None:
        """The link, unless it leads nowhere else or is admitted."""
        return None if found is None or self.admits(found) else Hyperlink(form, start, end, found)


def cut_short(written: str, short: bool) -> Address | None:
    """Where a destination leads of which `short` says that only the beginning was read: a host that had not ended by
    then may have been a user name."""
    return address(f"{written}@" if short else written)
