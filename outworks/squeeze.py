"""Squeezed text: the letters and digits alone, so that no spacing, case or markup hides a secret."""

import re
import unicodedata

import msgspec

_LOWER = bytes(range(128)).lower() + bytes(128)
_DROPPED = bytes(code for code in range(128) if not chr(code).isalnum())
_OTHER = re.compile(r"[\W_]+")
# Fullwidth, circled and mathematical letters, and the tag characters that spell ASCII invisibly.
_STYLED = re.compile("[\uff10-\uff5a\u2460-\u24ff\U0001d400-\U0001d7ff\U000e0020-\U000e007e]")


def squeeze(text: str) -> str:
    """The letters and digits alone, in one case. Each character stands for itself: squeezing pieces of a text and
    joining them is the same as squeezing the whole."""
    if text.isascii():
        return text.encode().translate(_LOWER, _DROPPED).decode()
    return _OTHER.sub("", _STYLED.sub(_unstyled, text).casefold())


def _unstyled(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(code - 0xE0000) if code >= 0xE0000 else unicodedata.normalize("NFKC", match[0])


class Unread(msgspec.Struct, frozen=True):
    """The unread end of a text, squeezed, with what comes before it."""

    start: int
    """The place in the text where it begins."""
    squeezed: str


def unread(text: str, released: int, need: int) -> Unread:
    """What has not been released, with at least `need` squeezed characters before it where there are so many."""
    back = need + need // 2
    while True:
        start = max(0, released - back)
        before = squeeze(text[start:released])
        if len(before) >= need or start == 0:
            return Unread(start, before + squeeze(text[released:]))
        back *= 2


def forward(text: str, start: int, count: int) -> int:
    """The place of the character after `count` squeezed ones from `start`."""
    for at in range(start, len(text)):
        count -= len(squeeze(text[at]))
        if count < 0:
            return at
    return len(text)


def backward(text: str, count: int) -> int:
    """The place of the character where the last `count` squeezed ones begin."""
    at = len(text)
    while count > 0:
        at -= 1
        count -= len(squeeze(text[at]))
    return at
