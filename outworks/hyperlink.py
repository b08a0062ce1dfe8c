"""Hyperlinks: every place in a text from which a client may make a request, found while the text still grows.

Each form is recognised by a trigger (`](`, `<`, `://`...) and judged by the characters around it alone, so that what is
found does not depend on how the text arrived. Where a construct is not complete yet, the reading stops before it.
"""

import html
import re
from collections.abc import Callable
from enum import StrEnum

import msgspec

from outworks.host import SLASHED, Address, address, canonical

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


class _Open(msgspec.Struct, frozen=True):
    """The construct that begins at `start` needs more text."""

    start: int


class _Place(msgspec.Struct, frozen=True):
    """Where a trigger was met."""

    text: str
    at: int
    done: bool
    admits: Admits

    def open(self, end: int, start: int) -> bool:
        """Whether a construct from `start` that has been read to `end` may still grow."""
        return not self.done and end >= len(self.text) and end - start < LONGEST


_SLASHLESS = "javascript|vbscript|data|mailto|xmpp|tel|sms|vscode|magnet|blob|view-source|ms-[a-z]{2,9}"
_FLAGS = re.IGNORECASE | re.ASCII
_KNOWN = re.compile(rf"(?<![a-z0-9+.-])(?:{'|'.join(sorted(SLASHED))}|file|smb|{_SLASHLESS})\Z", _FLAGS)
# What follows a scheme without slashes where it is more than a word before a colon.
_FOLLOWS = re.compile(
    r"data:[\w.+-]+/[\w.+-]+[;,]|(?:mailto|xmpp):[^@\s]+@|(?:tel|sms):\+?\d|(?!data|mailto|xmpp|tel|sms)[\w-]+:[\w/(?%]",
    _FLAGS,
)
# Connection strings of services, and links already made harmless: no client opens them.
_INERT = re.compile(
    r"(?<![a-z0-9+.-])(?:hxxps?|postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|rediss?|amqps?|sqlite|s3|gs|jdbc|tcp|udp"
    r"|unix|grpc|kafka|hdfs|docker|oci|bolt|neo4j|nats|mqtts?|memcached|zookeeper|inproc|ipc)\Z",
    _FLAGS,
)
# One set of characters first: the search then passes over ordinary text at the speed of a table look-up.
_TRIGGER = re.compile(
    r"[:!\]</(.](?:(?<=:)(?=[/\\]{2}|(?<=[a-zA-Z]:)\S)|(?<=!)(?=\[)|(?<=\])(?=[(:])|(?<=<)(?=[A-Za-z])"
    r"|(?<=/)(?<![:/\w\\]/)(?=/[\w\[%])|(?<=[uU][rR][lL]\()|(?<=[wW]{3}\.)(?=\w))"
)


def _beginnings() -> frozenset[str]:
    names = {*SLASHED, "file", "smb", "www.", *_SLASHLESS.replace("ms-[a-z]{2,9}", "ms-").split("|")}
    return frozenset(name[:n] for name in names for n in range(1, len(name) + 1))


# What a text may end with that can become a trigger, or the word in front of one.
_BEGINNINGS = _beginnings()
_LAST_WORD = re.compile(r"[A-Za-z0-9+.-]*\Z")
_LAST_SIGNS = re.compile(r"(?:!|\]|<|[A-Za-z0-9+.-]*(?<=[A-Za-z0-9]):[/\\]?|(?<![:/\w\\])//?)\Z")
_LONGEST_BEGINNING = 16


def _tail(text: str, begin: int) -> int:
    """Where the end of the text may be the beginning of something."""
    begin = max(begin, len(text) - _LONGEST_BEGINNING)
    last = text[-1:]
    if last.isalnum() or last in "+.-":
        match = _LAST_WORD.search(text, begin)
        word = match[0].lower() if match else ""
        return len(text) - len(word) if word in _BEGINNINGS or word.startswith("ms-") else len(text)
    match = _LAST_SIGNS.search(text, begin) if last in "!]<:/\\" else None
    return match.start() if match else len(text)


def read(text: str, begin: int, done: bool, admits: Admits) -> Reading:
    """Find the links from `begin` on that are not admitted. Only what lies before `Reading.final` is decided."""
    links: list[Hyperlink] = []
    at = begin
    while (match := _TRIGGER.search(text, at)) is not None:
        place = match.start()
        found = _READERS[text[place]](_Place(text, place, done, admits))
        if found is None:
            at = place + 1
            continue
        # One character more is needed: what replaces a link depends on what comes after it.
        if isinstance(found, _Open) or (found.end >= len(text) and not done):
            return Reading(tuple(links), max(begin, found.start))
        links.append(found if found.start >= begin else msgspec.structs.replace(found, start=begin))
        at = found.end
    if done:
        return Reading(tuple(links), len(text))
    return Reading(tuple(links), _tail(text, links[-1].end if links else begin))


# --- URLs that stand by themselves

_TOKEN = re.compile(r"(?:\[[0-9A-Fa-f:.%]*\])?[^\s<>\"'`\[\](){}|\\^]*")
_EXTENT = re.compile(r"(?:\[[^\s\]]*\]?)?[^\s<>/?#\\\[\]^|]*")
_HEAD = re.compile(r"(\[[^\]]*\]|(?:[\w.%-]|[^\x00-\x7f])*)(?::\d*)?")
_SPOILT = re.compile(r"\\[^\s/?#<>@]*")
_WORD = re.compile(r"[^\W_]")
_AROUND = ".,;:!?*_~&-、，。；：！？）」』】》”’…"
_DOMAIN = re.compile(
    r"(?:[\w%-]+\.)+(?!(?:js|py|md|rs|sh|rb|ts|go|cs|pl|cc|vb|kt)\b)"
    r"(?:xn--[\w-]+|[a-z]{2}|com|net|org|info|biz|xyz|top|dev|app|site|online|shop|club|live|link|click)(?::\d+)?[^\w(]*\Z"
    r"|\d+(?:\.\d+){3}(?::\d+)?[^\w(]*\Z|\[[0-9a-f:.]+\]",
    re.IGNORECASE,
)


def _scheme(place: _Place) -> Hyperlink | _Open | None:
    text, colon = place.text, place.at
    known = _KNOWN.search(text, max(0, colon - _LONGEST_BEGINNING), colon)
    after = colon + 1
    while after < len(text) and text[after] in "/\\":
        after += 1
    if after - colon > 2:
        if known is not None:
            return _url(place, known.start(), after, known[0].lower())
        # `://` alone makes any word a scheme; a letter and backslashes are a drive.
        word = text.startswith("//", colon + 1) and text[max(0, colon - 2) : colon].isalnum()
        if not word or _INERT.search(text, max(0, colon - _LONGEST_BEGINNING), colon):
            return None
        return _url(place, colon, after, "?")
    if known is None or known[0].lower() in SLASHED:
        return None
    start = known.start()
    end = _end(_TOKEN, place, colon + 1, start)
    if place.open(end, start):
        return _Open(start)
    if not _FOLLOWS.match(text, start, end):
        return None
    end = colon + 1 + len(text[colon + 1 : end].rstrip(_AROUND))
    return _unless_admitted(place, Form.URL, start, end, address(text[start:end]))


def _end(pattern: re.Pattern[str], place: _Place, at: int, start: int) -> int:
    match = pattern.match(place.text, at, max(at, start + LONGEST))
    return match.end() if match else at


def _url(place: _Place, start: int, at: int, scheme: str) -> Hyperlink | _Open | None:
    """A URL from `start`, whose authority begins at `at`.

    Clients end a URL at different characters. The host counts as read only where all of them would read the same one:
    nothing but punctuation may follow it up to the next slash or space.
    """
    text = place.text
    end, extent_end = _end(_TOKEN, place, at, start), _end(_EXTENT, place, at, start)
    spoilt_end = _end(_SPOILT, place, extent_end, start)
    if place.open(max(end, spoilt_end), start):
        return _Open(start)
    extent = text[at:extent_end]
    if not _WORD.search(extent):
        return None
    spoilt = spoilt_end > extent_end and text[spoilt_end : spoilt_end + 1] == "@"
    host = "" if spoilt or scheme not in SLASHED else _host(extent)
    if end - start < LONGEST:
        end = at + len(text[at:end].rstrip(_AROUND))
    return _unless_admitted(place, Form.URL, start, end, Address(scheme, host, text[start:end]))


def _host(extent: str) -> str:
    head = _HEAD.match(extent)
    if head is None or "@" in extent or _WORD.search(extent, head.end()):
        return ""
    return canonical(head[1].rstrip(_AROUND))


def _without_scheme(place: _Place) -> Hyperlink | _Open | None:
    """`//host`, where the host looks like one: in code, two slashes begin a comment."""
    at = place.at + 2
    end = _end(_EXTENT, place, at, place.at)
    if place.open(end, place.at):
        return _Open(place.at)
    return _url(place, place.at, at, "https") if _DOMAIN.match(place.text, at, end) else None


def _www(place: _Place) -> Hyperlink | _Open | None:
    start = place.at - 3
    if start > 0 and (place.text[start - 1].isalnum() or place.text[start - 1] in "_.@/-"):
        return None
    return _url(place, start, start, "https")


def _unless_admitted(place: _Place, form: Form, start: int, end: int, found: Address | None) -> Hyperlink | None:
    return None if found is None or place.admits(found) else Hyperlink(form, start, end, found)


# --- Markdown

_BRACKETS = re.compile(r"\\.|[\[\]]|\n[ \t]*\n", re.DOTALL)
_PARENS = re.compile(r"\\[!-/:-@\[-`{-~]|[()\s]")
_ANGLED = re.compile(r"<((?:[^<>\n\\]++|\\.|\\\Z)*+)(>?)", re.DOTALL)
_SPACE = re.compile(r"\s*")
_LINE_SPACE = re.compile(r"[ \t]*\n?[ \t]*")
_REST_OF_LINE = re.compile(r"[ \t]*")
_LABEL_AHEAD = re.compile(r"(?:[ \t>]|[*+-][ \t]|\d{1,9}[.)][ \t])*\Z")
_TITLE = 256
# Renderers give up on deep nesting too (cmark: 32); without a limit, a text of nothing but `![` costs its square.
_DEEPEST_PARENS = 8
_DEEPEST_BRACKETS = 4


class _Destination(msgspec.Struct, frozen=True):
    end: int
    address: Address | None


def _destination(place: _Place, at: int, start: int, space: re.Pattern[str]) -> _Destination | _Open:
    """The destination at `at` of a construct from `start` (CommonMark 0.31, 6.3)."""
    text = place.text
    at = _end(space, place, at, start)
    limit = min(len(text), max(at, start + LONGEST))
    if place.open(at, start):
        return _Open(start)
    angled = _ANGLED.match(text, at, limit)
    if angled is not None and angled[2]:
        return _Destination(angled.end(), address(angled[1]))
    if angled is not None and place.open(angled.end(), start):
        return _Open(start)
    end, depth = limit, 0
    for match in _PARENS.finditer(text, at, limit):
        if match[0] == "(" and depth < _DEEPEST_PARENS:
            depth += 1
        elif match[0] == ")" and depth:
            depth -= 1
        elif match[0] in "()" or match[0].isspace():
            end = match.start()
            break
    return _Open(start) if place.open(end, start) else _Destination(end, address(text[at:end].lstrip("<")))


def _inline(place: _Place, bracket: int, start: int, form: Form) -> Hyperlink | _Open | None:
    """`](destination "title")` from `bracket` on, of a construct from `start`."""
    text = place.text
    found = _destination(place, bracket + 2, bracket, _SPACE)
    if isinstance(found, _Open):
        return _Open(start)
    if found.address is None or place.admits(found.address):
        return None
    close = text.find(")", found.end, found.end + _TITLE)
    if close < 0 and not place.done and len(text) < found.end + _TITLE:
        return _Open(start)
    return Hyperlink(form, start, close + 1 if close >= 0 else found.end, found.address)


def _definition(place: _Place) -> Hyperlink | _Open | None:
    """`[label]: destination "title"` at the beginning of a line, with nothing after it (CommonMark 0.31, 4.7)."""
    text, bracket = place.text, place.at
    label = text.rfind("[", max(0, bracket - 1000), bracket)
    while label > 0 and text[label - 1] == "\\":
        label = text.rfind("[", max(0, bracket - 1000), label)
    line = text.rfind("\n", max(0, label - 100), max(label, 0)) + 1
    if label < 0 or not _LABEL_AHEAD.match(text, line, label):
        return None
    found = _destination(place, bracket + 2, bracket, _LINE_SPACE)
    if isinstance(found, _Open):
        return found
    if found.address is None or place.admits(found.address):
        return None
    after = _end(_REST_OF_LINE, place, found.end, bracket)
    if place.open(after, bracket):
        return _Open(bracket)
    if text[after : after + 1] not in ("", "\n", "\r", '"', "'", "("):
        return None
    return Hyperlink(Form.DEFINITION, bracket, found.end, found.address)


def _bracket(place: _Place) -> Hyperlink | _Open | None:
    if place.text[place.at + 1] == ":":
        return _definition(place)
    return _inline(place, place.at, place.at, Form.INLINE)


def _image(place: _Place) -> Hyperlink | _Open | None:
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
        return _Open(start) if place.open(len(text), start) else None
    if place.open(close + 1, start):
        return _Open(start)
    return _inline(place, close, start, Form.IMAGE) if text[close + 1 : close + 2] == "(" else None


# --- HTML and CSS

_TAG_NAME = re.compile(r"<([A-Za-z][^\s/><\"'=]*)")
_TAG_WHOLE = re.compile(r"(?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+>")
_ATTRIBUTE = re.compile(r"[\s/\"':]([A-Za-z]++)\s*+=\s*+")
_LEADING = frozenset(
    (
        *(
            "src",
            "href",
            "srcset",
            "imagesrcset",
            "poster",
            "data",
            "action",
            "formaction",
            "background",
            "cite",
            "icon",
        ),
        *(
            "longdesc",
            "manifest",
            "ping",
            "style",
            "content",
            "srcdoc",
            "codebase",
            "code",
            "archive",
            "classid",
            "dynsrc",
        ),
        *("lowsrc", "profile", "attributionsrc"),
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


def _tag(place: _Place) -> Hyperlink | _Open | None:
    """A tag with an attribute that leads elsewhere. A tag that is admitted is read on from inside."""
    text, start = place.text, place.at
    name = _TAG_NAME.match(text, start, start + 64)
    if name is None or (name.end() < len(text) and text[name.end()] not in " \t\r\n\f/>"):
        return None
    may_end = text.find(">", name.end(), start + LONGEST) >= 0
    whole = _TAG_WHOLE.match(text, name.end(), start + LONGEST) if may_end else None
    if whole is None:
        if place.open(len(text), start):
            return _Open(start)
        return _unfinished_tag(place, name.end())
    return _judge_tag(place, name[1], whole.end())


def _unfinished_tag(place: _Place, name_end: int) -> Hyperlink | None:
    """A tag without an end that quotes agree on: a browser may end it at the first `>`, or not have met one yet."""
    text, start = place.text, place.at
    close = text.find(">", start, start + LONGEST)
    if close >= 0:
        return _judge_tag(place, text[start + 1 : name_end], close + 1)
    if len(text) - start >= LONGEST and "=" in text[name_end : start + LONGEST]:
        return Hyperlink(Form.TAG, start, start + LONGEST, Address("?", "", ""))
    return None


def _judge_tag(place: _Place, name: str, end: int) -> Hyperlink | None:
    tag = place.text[place.at : end]
    form = Form.IMAGE if name.lower() in _LOADS else Form.TAG
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


def _css_url(place: _Place) -> Hyperlink | _Open | None:
    whole = _CSS_WHOLE.match(place.text, place.at, place.at + LONGEST)
    if whole is None:
        return _Open(place.at) if place.open(_end(_CSS_PART, place, place.at, place.at), place.at) else None
    return _unless_admitted(place, Form.STYLE, place.at, whole.end(), address(_css(whole[2])))


_READERS: dict[str, Callable[[_Place], Hyperlink | _Open | None]] = {
    ":": _scheme,
    "/": _without_scheme,
    ".": _www,
    "!": _image,
    "]": _bracket,
    "<": _tag,
    "(": _css_url,
}
