"""Links, images and definitions in Markdown (CommonMark 0.31)."""

import re

import msgspec

from outworks.host import Address, address
from outworks.hyperlink.found import LONGEST, Form, Hyperlink, Open, Place

_BRACKETS = re.compile(r"\\.|[\[\]]|\n[ \t]*\n", re.DOTALL)
_PARENS = re.compile(r"\\[!-/:-@\[-`{-~]|[()\s]")
_ANGLED = re.compile(r"<((?:[^<>\n\\]++|\\.|\\\Z)*+)(>?)", re.DOTALL)
_SPACE = re.compile(r"\s*")
_LINE_SPACE = re.compile(r"[ \t]*\n?[ \t]*")
_REST_OF_LINE = re.compile(r"[ \t]*")
_LABEL_AHEAD = re.compile(r"(?:[ \t>]|[*+-][ \t]|\d{1,9}[.)][ \t])*\Z")
_LABEL = re.compile(r"(?:[^\[\]\\]++|\\.)*+", re.DOTALL)
_TITLE = 256
# Renderers give up on deep nesting too (cmark: 32); without a limit, a text of nothing but `![` costs its square.
_DEEPEST_PARENS = 8
_DEEPEST_BRACKETS = 4


class _Destination(msgspec.Struct, frozen=True):
    end: int
    address: Address | None


def _destination(place: Place, at: int, start: int, space: re.Pattern[str]) -> _Destination | Open:
    """The destination at `at` of a construct from `start` (CommonMark 0.31, 6.3)."""
    text = place.text
    at = place.match_end(space, at, start)
    limit = min(len(text), max(at, start + LONGEST))
    if place.open(at, start):
        return Open(start)
    angled = _ANGLED.match(text, at, limit)
    if angled is not None and angled[2]:
        return _Destination(angled.end(), address(angled[1]))
    if angled is not None and place.open(angled.end(), start):
        return Open(start)
    end, depth = limit, 0
    for match in _PARENS.finditer(text, at, limit):
        if match[0] == "(" and depth < _DEEPEST_PARENS:
            depth += 1
        elif match[0] == ")" and depth:
            depth -= 1
        elif match[0] in "()" or match[0].isspace():
            end = match.start()
            break
    return Open(start) if place.open(end, start) else _Destination(end, address(text[at:end].lstrip("<")))


def _inline(place: Place, bracket: int, start: int, form: Form) -> Hyperlink | Open | None:
    """`](destination "title")` from `bracket` on, of a construct from `start`."""
    text = place.text
    found = _destination(place, bracket + 2, bracket, _SPACE)
    if isinstance(found, Open):
        return Open(start)
    if found.address is None or place.admits(found.address):
        return None
    close = text.find(")", found.end, found.end + _TITLE)
    if close < 0 and not place.done and len(text) < found.end + _TITLE:
        return Open(start)
    return Hyperlink(form, start, close + 1 if close >= 0 else found.end, found.address)


def _definition(place: Place) -> Hyperlink | Open | None:
    """`[label]: destination "title"` at the beginning of a line, with nothing after it (CommonMark 0.31, 4.7)."""
    text, bracket = place.text, place.at
    label = text.rfind("[", max(0, bracket - 1000), bracket)
    while label > 0 and text[label - 1] == "\\":
        label = text.rfind("[", max(0, bracket - 1000), label)
    line = text.rfind("\n", max(0, label - 100), max(label, 0)) + 1
    if label < 0 or not (_LABEL_AHEAD.match(text, line, label) and _LABEL.fullmatch(text, label + 1, bracket)):
        return None
    found = _destination(place, bracket + 2, bracket, _LINE_SPACE)
    if isinstance(found, Open):
        return found
    if found.address is None or place.admits(found.address):
        return None
    after = place.match_end(_REST_OF_LINE, found.end, bracket)
    if place.open(after, bracket):
        return Open(bracket)
    if text[after : after + 1] not in ("", "\n", "\r", '"', "'", "("):
        return None
    return Hyperlink(Form.DEFINITION, bracket, found.end, found.address)


def read_bracket(place: Place) -> Hyperlink | Open | None:
    if place.text[place.at + 1] == ":":
        return _definition(place)
    return _inline(place, place.at, place.at, Form.INLINE)


def read_image(place: Place) -> Hyperlink | Open | None:
    """`![alt](...)` as a whole. Where the brackets do not fit, the `](` inside is met by itself."""
    text, start = place.text, place.at
    depth = 0
    for match in _BRACKETS.finditer(text, start + 1, start + LONGEST):
        if match[0] == "[":
            depth += 1
            if depth > _DEEPEST_BRACKETS:
                return None
        elif match[0] == "]":
            depth -= 1
        elif match[0][0] == "\n":
            return None
        if depth == 0:
            close = match.start()
            break
    else:
        return Open(start) if place.open(len(text), start) else None
    if place.open(close + 1, start):
        return Open(start)
    return _inline(place, close, start, Form.IMAGE) if text[close + 1 : close + 2] == "(" else None
