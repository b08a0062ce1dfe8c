"""Links, images and definitions in Markdown (CommonMark 0.31)."""

import re

import msgspec

from outworks.host import Address, address
from outworks.hyperlink.found import LONGEST, Form, Hyperlink, Open, Place, cut_short

_BRACKETS = re.compile(r"\\.|[\[\]]|\n[ \t]*\n", re.DOTALL)
# No other spaces: `https://good.test\u00a0@evil.test` is one destination (CommonMark ends it at ASCII's alone).
_PARENS = re.compile(r"\\[!-/:-@\[-`{-~]|[() \t\n\r]")
_ANGLED = re.compile(r"<((?:[^<>\n\\]++|\\.|\\\Z)*+)(>?)", re.DOTALL)
# A quotation goes on with `>` in the next line, which is no part of what is quoted.
_SPACE = re.compile(r"[^\S\r\n]*(?:[\r\n][\s>]*)?")
_LINE_SPACE = re.compile(r"[ \t]*(?:(?:\r\n?|\n)[ \t>]*)?")
_REST_OF_LINE = re.compile(r"[ \t]*")
_LABEL_AHEAD = re.compile(r"\ufeff?(?:[ \t>]|[*+-][ \t]|\d{1,9}[.)][ \t]|\[[ xX]\][ \t]|\[\^[^\s\[\]]+\]:)*\Z")
_LABEL = re.compile(r"(?:[^\[\]\\]++|\\.)*+", re.DOTALL)
_TITLE = 256
_LONGEST_LABEL = 1000
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
    if at - start >= LONGEST:
        return _Destination(at, Address("", "", ""))
    angled = _ANGLED.match(text, at, limit)
    if angled is not None and angled[2]:
        return _Destination(angled.end(), address(angled[1]))
    if angled is not None and place.open(angled.end(), start):
        return Open(start)
    if angled is not None and angled.end() - start >= LONGEST:
        return _Destination(limit, cut_short(angled[1], True))
    end, depth = limit, 0
    for match in _PARENS.finditer(text, at, limit):
        if match[0] == "(" and depth < _DEEPEST_PARENS:
            depth += 1
        elif match[0] == ")" and depth:
            depth -= 1
        elif match[0] in "()" or match[0].isspace():
            end = match.start()
            break
    if place.open(end, start):
        return Open(start)
    return _Destination(end, cut_short(text[at:end].lstrip("<"), end - start >= LONGEST))


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


def _escaped(text: str, at: int) -> bool:
    before = text[max(0, at - _LONGEST_LABEL) : at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _label_start(text: str, bracket: int) -> int:
    """Where the label that ends at `bracket` begins; -1 where none does. A label holds no bracket that is not escaped,
    so the search ends at the last one: it reads no character for two labels."""
    if _escaped(text, bracket):
        return -1
    begin = max(0, bracket - _LONGEST_LABEL)
    close = text.rfind("]", begin, bracket)
    while close >= 0 and _escaped(text, close):
        close = text.rfind("]", begin, close)
    begin = max(begin, close)
    label = text.rfind("[", begin, bracket)
    while label > 0 and text[label - 1] == "\\":
        label = text.rfind("[", begin, label)
    return label


def _definition(place: Place) -> Hyperlink | Open | None:
    """`[label]: destination "title"` at the beginning of a line, with nothing after it (CommonMark 0.31, 4.7)."""
    text, bracket = place.text, place.at
    label = _label_start(text, bracket)
    if label < 0 or not _LABEL.fullmatch(text, label + 1, bracket):
        return None
    window = max(0, label - LONGEST)
    line = max(window, text.rfind("\n", window, label) + 1, text.rfind("\r", window, label) + 1)
    if not _LABEL_AHEAD.match(text, line, label):
        return None
    found = _destination(place, bracket + 2, bracket, _LINE_SPACE)
    if isinstance(found, Open):
        return found
    if found.address is None or place.admits(found.address):
        return None
    after = place.match_end(_REST_OF_LINE, found.end, bracket)
    if place.open(after, bracket):
        return Open(bracket)
    if after - bracket < LONGEST and text[after : after + 1] not in ("", "\n", "\r", '"', "'", "("):
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
