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


# Every character that squeezing leaves something of, and a few others: a mark that folds to a letter is among them.
_COUNTS = re.compile("[^\\W_]|\u0345|" + _STYLED.pattern)
_BLOCK = 1024


class Unread(msgspec.Struct, frozen=True):
    """The unread end of a text, squeezed, with what comes before it."""

    squeezed: str
    places: tuple[int, ...]
    """Where the first of its characters stand in the text."""
    start: int
    """Where the rest of them begins."""

    def place(self, text: str, count: int) -> int:
        """The place of the character after `count` squeezed ones."""
        known = len(self.places)
        return self.places[count] if count < known else forward(text, self.start, count - known)

    def last(self, text: str, count: int) -> "Unread":
        """The last `count` squeezed characters, or all where there are fewer, with all their places."""
        wanted = min(count, len(self.squeezed))
        places = backward(text, self.start, min(wanted, len(self.squeezed) - len(self.places)))
        if len(places) < wanted:
            places = (*self.places, *places)[-wanted:]
        return Unread(self.squeezed[len(self.squeezed) - wanted :], places, len(text))

    def grown(self, text: str) -> "Unread":
        """This end of a text, after it has grown to `text`."""
        return Unread(self.squeezed + squeeze(text[self.start :]), self.places, self.start)


def unread(text: str, released: int, need: int) -> Unread:
    """What has not been released, with at least `need` squeezed characters before it where there are so many."""
    back = need + need // 2
    while True:
        start = max(0, released - back)
        before = squeeze(text[start:released])
        if len(before) >= need or start == 0:
            return Unread(before + squeeze(text[released:]), (), start)
        back *= 2


def forward(text: str, start: int, count: int) -> int:
    """The place of the character after `count` squeezed ones from `start`."""
    while start < len(text) and (size := len(squeeze(text[start : start + _BLOCK]))) <= count:
        count -= size
        start += _BLOCK
    for at in range(start, len(text)):
        count -= len(squeeze(text[at]))
        if count < 0:
            return at
    return len(text)


def backward(text: str, start: int, count: int) -> tuple[int, ...]:
    """The places of the last `count` squeezed characters from `start` on."""
    if count <= 0:
        return ()
    begin = len(text)
    while begin > start and len(squeeze(text[begin:])) < count:
        begin = max(start, len(text) - max(2 * (len(text) - begin), count))
    places: list[int] = []
    for match in _COUNTS.finditer(text, begin):
        places += [match.start()] * len(squeeze(match[0]))
    return tuple(places[-count:])
