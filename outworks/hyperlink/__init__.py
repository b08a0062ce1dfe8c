"""Hyperlinks: every place in a text from which a client may make a request, found while the text still grows.

Each form is recognised by a trigger (`](`, `<`, `://`...) and judged by the characters around it alone, so that what is
found does not depend on how the text arrived. Where a construct is not complete yet, the reading stops before it.
"""

import re
from collections.abc import Callable

import msgspec

from outworks.hyperlink import markdown, tag, url
from outworks.hyperlink.found import LONGEST, Admits, Form, Hyperlink, Open, Place, Reading

__all__ = ["LONGEST", "Admits", "Form", "Hyperlink", "Reading", "read"]

# One set of characters first: the search then passes over ordinary text at the speed of a table look-up.
_TRIGGER = re.compile(
    r"[:!\]</(.](?:(?<=:)(?=[/\\]{2}|(?<=[a-zA-Z]:)[^ \t\n\r])|(?<=!)(?=\[)|(?<=\])(?=[(:])|(?<=<)(?=[A-Za-z])"
    r"|(?<=/)(?<![:/\w\\]/)(?=/[\w\[%])|(?<=[uU][rR][lL]\()|(?<=[wW]{3}\.)(?=[^ \t\n\r]))"
)


_READERS: dict[str, Callable[[Place], Hyperlink | Open | None]] = {
    ":": url.read_scheme,
    "/": url.read_slashes,
    ".": url.read_www,
    "!": markdown.read_image,
    "]": markdown.read_bracket,
    "<": tag.read_tag,
    "(": tag.read_style,
}


def read(text: str, begin: int, done: bool, admits: Admits) -> Reading:
    """Find the links from `begin` on that are not admitted. Only what lies before `Reading.final` is decided."""
    links: list[Hyperlink] = []
    at = begin
    while (match := _TRIGGER.search(text, at)) is not None:
        place = match.start()
        found = _READERS[text[place]](Place(text, place, done, admits))
        if found is None:
            at = place + 1
            continue
        # One character more is needed: what replaces a link depends on what comes after it.
        if isinstance(found, Open) or (found.end >= len(text) and not done):
            return Reading(tuple(links), max(begin, found.start))
        links.append(found if found.start >= begin else msgspec.structs.replace(found, start=begin))
        at = found.end
    if done:
        return Reading(tuple(links), len(text))
    return Reading(tuple(links), url.unfinished(text, links[-1].end if links else begin))
