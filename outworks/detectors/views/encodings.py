"""encodings: stretches of a text that are base64, hex, binary, escapes, URL or HTML encoded, and what they say."""

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from outworks.detectors.views.view import Edit, in_order

MOST = 1 << 16
"""Stretches that are decoded in one text at one level. More is said to be too much, never passed over in silence."""
TRIES = 1 << 18
"""Stretches that are tried."""
SHORT, PIECE = 16, 8
"""Characters of base64 that are tried on their own; beside others that were read, fewer are enough."""
_WITHIN = 20
"""Characters of text in a row, among bytes that are none, that are no chance: in a megabyte of noise 0.1 are met."""

_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{8,}+"
    r"(?:(?<=[A-Za-z0-9+/_-]{40})[ \t]{0,8}\r?\n[ \t>]{0,8}[A-Za-z0-9+/_-]++)*+={0,2}",
    re.ASCII,
)
"""Whatever it begins with it also matches, so that no text makes it begin again and again."""
_HEX = re.compile(r"(?:0x|\\x)?[0-9a-fA-F]{2}(?:[ :,-]{0,2}(?:0x|\\x)?[0-9a-fA-F]{2}){5,}+", re.ASCII)
_HEX_MARK = re.compile(r"0x|\\x|[ :,-]")
BINARY = re.compile(r"(?<![0-9])[01]{8}(?:[ ,]?[01]{8}){3,}+(?![0-9])", re.ASCII)
_GAP = 24
"""Characters between two escapes that are read as one stretch."""
URL = re.compile(rf"%[0-9A-Fa-f]{{2}}(?:[^%\n]{{0,{_GAP}}}+%[0-9A-Fa-f]{{2}}){{0,512}}+")
HTML = re.compile(
    rf"&(?:#\d{{1,7}}|#[xX][0-9A-Fa-f]{{1,6}}|[A-Za-z]{{2,12}});"
    rf"(?:[^&\n]{{0,{_GAP}}}+&(?:#\d{{1,7}}|#[xX][0-9A-Fa-f]{{1,6}}|[A-Za-z]{{2,12}});){{0,512}}+"
)
_ESCAPE = r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|U[0-9A-Fa-f]{8})"
_ESCAPES = re.compile(rf"{_ESCAPE}(?:[^\\\n]{{0,{_GAP}}}+{_ESCAPE}){{0,512}}+")
_ONE_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|U([0-9A-Fa-f]{8}))")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_BASE64_MARK = re.compile(r"[\s>=]+")
_TEXT = re.compile(
    rb"(?:[\t\n\r -~]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}){%d,}+" % _WITHIN
)


def decoded(text: str) -> "Iterator[Named]":
    """Every stretch that says something else; may overlap, the surest first."""
    for name, pattern, read, sign in _METHODS:
        if sign in text:
            for found in pattern.finditer(text):
                said = read(found[0])
                if said is not None and said != found[0]:
                    yield Named(name, Edit(*found.span(), said))
                elif said is None and pattern is _HEX:
                    for edit in _within_hex(found[0], found.start()):
                        yield Named(name, edit)
    yield from _base64(text)


class Named:
    """An edit, and which encoding it undoes; with no edit, a try that led to nothing."""

    __slots__ = ("edit", "name")

    def __init__(self, name: str, edit: Edit | None) -> None:
        self.name = name
        self.edit = edit


def _base64(text: str) -> Iterator[Named]:
    short: list[Edit] = []
    met = False
    for found in _BASE64.finditer(text):
        start, end = found.span()
        if end - start < SHORT:
            said = _from_base64(found[0], PIECE) if len(short) < MOST else None
            if said is not None:
                short.append(Edit(start, end, said))
            continue
        said = _from_base64(found[0], SHORT)
        if said is None and "\n" in found[0]:
            # The next line of the text was no part of it.
            end = start + found[0].rindex("\n")
            said = _from_base64(text[start:end], SHORT)
        # Something may stand before or after it that is no part of it, in letters that could be: `see-`, a path.
        edits = _within_base64(found[0], start) if said is None else [Edit(start, end, said)]
        met = met or bool(edits)
        for edit in edits:
            yield Named("base64", edit)
        if not edits:
            yield Named("base64", None)
    if met or len(short) >= 3:
        for edit in short:
            yield Named("base64", edit)


def _within_base64(stretch: str, start: int) -> list[Edit]:
    """The readable parts of what cannot be read as a whole, wherever in it base64 begins and ends. `start` is where in
    its text the stretch begins."""
    places = _without(_BASE64_MARK, stretch)
    packed = "".join([stretch[at] for at in places]) if len(places) < len(stretch) else stretch
    if _is_ordinary(packed):
        return []
    edits: list[Edit] = []
    for skip in range(4):
        size = len(packed) - skip
        whole = packed[skip : len(packed) - 1 if size % 4 == 1 else len(packed)].encode().translate(_STANDARD)
        raw = base64.b64decode(whole + b"=" * (-len(whole) % 4))
        for low, high, said in _readable_parts(raw):
            first, last = places[skip + low * 4 // 3], places[min(len(places), skip - (-high * 4 // 3)) - 1]
            filled = len(stretch.rstrip("=")) == last + 1
            edits.append(Edit(start + first, start + (len(stretch) if filled else last + 1), said))
    return in_order(edits)


def _within_hex(stretch: str, start: int) -> list[Edit]:
    """The same for hexadecimal: a word before it may end in letters that could be digits ("decoded 48 65")."""
    places = _without(_HEX_MARK, stretch)
    packed = "".join([stretch[at] for at in places])
    edits: list[Edit] = []
    for skip in range(2):
        size = (len(packed) - skip) // 2 * 2
        for low, high, said in _readable_parts(bytes.fromhex(packed[skip : skip + size])):
            first, last = skip + 2 * low, skip + 2 * high
            # Columns of numbers of two digits are numbers.
            if not packed[first:last].isdigit():
                edits.append(Edit(start + places[first], start + places[last - 1] + 1, said))
    return in_order(edits)


def _without(marks: re.Pattern[str], stretch: str) -> Sequence[int]:
    """The places of a stretch that no mark takes."""
    places: list[int] = []
    at = 0
    for mark in marks.finditer(stretch):
        places += range(at, mark.start())
        at = mark.end()
    places += range(at, len(stretch))
    return places


class _Part(NamedTuple):
    start: int
    end: int
    said: str


def _readable_parts(raw: bytes) -> Iterator[_Part]:
    for found in _TEXT.finditer(raw):
        said = _readable(found[0])
        if said is not None:
            yield _Part(*found.span(), said)


def _is_ordinary(packed: str) -> bool:
    """Words are no base64: what is ordinary has both cases within, or digits."""
    return packed.isdigit() or packed[1:].islower() or (packed.isupper() and packed.isalpha())


def _from_base64(stretch: str, least: int) -> str | None:
    packed = "".join(stretch.split()).replace(">", "").rstrip("=")
    if len(packed) < least or len(packed) % 4 == 1 or _is_ordinary(packed):
        return None
    raw = packed.encode().translate(_STANDARD)
    try:
        return _readable(base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True))
    except (binascii.Error, ValueError):
        return None


def _readable(raw: bytes) -> str | None:
    """The bytes as text, if they are one."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        if error.start < len(raw) - 3:
            return None
        text = raw[: error.start].decode()
    if len(text) < 4:
        return None
    some = text[:512]
    # In many scripts the vowels are marks, not letters; and what is not seen may be a disguise of its own.
    seen = sum(char.isprintable() or char in "\n\t\r" or char > "\x9f" for char in some)
    letters = sum(char.isalnum() or char == " " or char > "\x9f" for char in some)
    return text if seen >= 0.95 * len(some) and letters >= 0.6 * len(some) else None


def _from_hex(stretch: str) -> str | None:
    packed = _HEX_MARK.sub("", stretch)
    if packed.isdigit() and len(packed) < 32:
        return None
    try:
        return _readable(bytes.fromhex(packed))
    except ValueError:
        return None


def _from_binary(stretch: str) -> str | None:
    bits = stretch.replace(" ", "").replace(",", "")
    return _readable(int(bits, 2).to_bytes(len(bits) // 8, "big"))


def _from_url(stretch: str) -> str | None:
    return unquote(stretch.replace("+", " "))


def _from_escapes(stretch: str) -> str | None:
    return _ONE_ESCAPE.sub(_character, stretch)


def _character(found: re.Match[str]) -> str:
    code = int(next(filter(None, found.groups())), 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


_METHODS: tuple[tuple[str, re.Pattern[str], Callable[[str], str | None], str], ...] = (
    ("escapes", _ESCAPES, _from_escapes, "\\"),
    ("url", URL, _from_url, "%"),
    ("html", HTML, html.unescape, "&"),
    ("binary", BINARY, _from_binary, "011"),
    ("hex", _HEX, _from_hex, ""),
)
