"""HTML tags, and `url()` in style sheets."""

import html
import re

from outworks.host import Address, address
from outworks.hyperlink.found import LONGEST, Form, Hyperlink, Open, Place

_TAG_NAME = re.compile(r"<([A-Za-z][^\s/><\"'=]*)")
_TAG_WHOLE = re.compile(r"(?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+>")
_TAG_QUOTED = re.compile(r"(?:[\r\n][ \t>]*+|[^<>\"'\r\n]++|\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z))*+")
_QUOTATION = re.compile(r"[\r\n][ \t]*+>[ \t>]*+")
_QUOTED = re.compile(r"(?:\A|[\r\n])[ \t\d.)*+-]*+>[ \t>]*+\S")
_BLANK = re.compile(r"(?:\r\n?+|\n)[ \t>]*+(?=[\r\n])")
_ATTRIBUTE = re.compile(r"[\s/\"':]([A-Za-z]++)\s*+=\s*+")
_LEADING = frozenset(
    (
        *("src", "href", "srcset", "imagesrcset", "poster", "data", "action", "formaction", "background", "cite"),
        *("icon", "longdesc", "manifest", "ping", "style", "content", "srcdoc", "codebase", "code", "archive"),
        *("classid", "dynsrc", "lowsrc", "profile", "attributionsrc"),
    )
)
_VALUE = re.compile(r"\"([^\"]*)\"?|'([^']*)'?|([^\s>]*)")
_LOADS = frozenset({"img", "image", "picture", "source", "video", "audio", "track", "svg", "use", "input"})
_CSS_ESCAPE = re.compile(r"\\([0-9A-Fa-f]{1,6})\s?")
_CSS_URL = re.compile(r"url\(\s*[\"']?([^)\"']*)|[\"']([^\"']*)[\"']", re.IGNORECASE)
_REFRESH = re.compile(r"url\s*=\s*[\"']?\s*(\S*)", re.IGNORECASE)
_PIECES = re.compile(r"[\s,;'\"()<>=]+")
_CSS_WHOLE = re.compile(r"\(\s*([\"']?)([^\s\"'()]*)\1\s*\)")
_CSS_PART = re.compile(r"\(\s*[\"']?[^\s\"'()]*[\"']?\s*")

_UNREAD = Address("?", "", "")


def read_tag(place: Place) -> Hyperlink | Open | None:
    """A tag with an attribute that leads elsewhere. A tag that is admitted is read on from inside."""
    text, start = place.text, place.at
    name = _TAG_NAME.match(text, start, start + LONGEST)
    if name is None or (name.end() < min(len(text), start + LONGEST) and text[name.end()] not in " \t\r\n\f/>"):
        return None
    may_end = text.find(">", name.end(), start + LONGEST) >= 0
    whole = _TAG_WHOLE.match(text, name.end(), start + LONGEST) if may_end else None
    if whole is None:
        if place.open(len(text), start):
            return Open(start)
        return _unfinished_tag(place, name.end())
    judged = _judge_tag(place, name[1], text[start : whole.end()])
    if judged is not None:
        return judged
    quoted = _read_quoted_tag(place, name, whole.end())
    return quoted if quoted is not None and _is_quoted(text, start) else None


def _read_quoted_tag(place: Place, name: re.Match[str], end: int) -> Hyperlink | Open | None:
    """A tag over lines of a quotation: the `>` that each begins with is none of its characters."""
    text, start = place.text, place.at
    if not _QUOTATION.search(text, start, end):
        return None
    quoted = place.match_end(_TAG_QUOTED, name.end(), start)
    if place.open(quoted, start):
        return Open(start)
    if quoted - start >= LONGEST:
        return Hyperlink(Form.TAG, start, name.end(), _UNREAD)
    return _judge_tag(place, name[1], text[start : quoted + 1]) if text[quoted : quoted + 1] == ">" else None


def _is_quoted(text: str, start: int) -> bool:
    """Whether a tag begins in a quotation: on one of its lines, or on one that goes on with its paragraph. In code,
    lines begin with `>` as well."""
    least = max(0, start - LONGEST)
    line = max(text.rfind("\n", least, start), text.rfind("\r", least, start)) + 1
    if line == 0 < least or ">" in text[line:start]:
        return True
    before = _BLANK.split(text[least:line])
    return _QUOTED.search(before[-1]) is not None or len(before) == 1 < least


def _unfinished_tag(place: Place, name_end: int) -> Hyperlink | None:
    """A tag without an end that quotes agree on: a browser may end it at the first `>`, or not have met one yet."""
    text, start = place.text, place.at
    close = text.find(">", start, start + LONGEST)
    judged = _judge_tag(place, text[start + 1 : name_end], text[start : close + 1]) if close >= 0 else None
    if judged is not None or len(text) - start < LONGEST:
        return judged
    # What leads elsewhere may come after all this. Without its beginning it is no tag.
    whole = close < 0 and "=" in text[name_end : start + LONGEST]
    return Hyperlink(Form.TAG, start, start + LONGEST if whole else name_end, _UNREAD)


def _judge_tag(place: Place, name: str, written: str) -> Hyperlink | None:
    form = Form.IMAGE if name.lower() in _LOADS else Form.TAG
    end = place.at + len(written)
    tag = _QUOTATION.sub("\n ", written)
    for attribute in _ATTRIBUTE.finditer(tag) if "=" in tag else ():
        if attribute[1].lower() not in _LEADING:
            continue
        value = _VALUE.match(tag, attribute.end())
        raw = next((group for group in value.groups() if group), "") if value else ""
        for destination in _destinations(attribute[1].lower(), html.unescape(raw)):
            found = address(destination)
            if found is not None and not place.admits(found):
                return Hyperlink(form, place.at, end, found)
    return None


def _destinations(attribute: str, value: str) -> list[str]:
    """The URLs that an attribute may hold. Lists are split more than one way: parsers do not agree on commas."""
    if attribute == "style":
        return [one or other for one, other in _CSS_URL.findall(_css(value))]
    if attribute == "content":
        return _REFRESH.findall(value)
    if attribute in ("srcset", "imagesrcset", "ping", "archive", "attributionsrc"):
        return [*value.split(), *(piece for word in value.split() for piece in word.split(","))]
    if attribute == "srcdoc":
        return _PIECES.split(html.unescape(value))
    return [value]


def _css(value: str) -> str:
    return _CSS_ESCAPE.sub(lambda m: chr(min(int(m[1], 16), 0x10FFFF)), value) if "\\" in value else value


def read_style(place: Place) -> Hyperlink | Open | None:
    whole = _CSS_WHOLE.match(place.text, place.at, place.at + LONGEST)
    if whole is None:
        return Open(place.at) if place.open(place.match_end(_CSS_PART, place.at, place.at), place.at) else None
    return place.judged(Form.STYLE, place.at, whole.end(), address(_css(whole[2])))
