"""Normalise: the one form under which texts that look alike are the same text."""

import re
import string
from typing import NamedTuple
from unicodedata import category, combining, normalize

import msgspec
import numpy as np
from numpy.typing import NDArray


class Normalised(msgspec.Struct, frozen=True):
    """A text in its normal form, with the way back."""

    original: str
    data: bytes
    """The normal form in UTF-8. Every character is folded alone, whatever stands beside it, so the normal form of two
    texts put together is the two normal forms put together: a stream can be normalised piece by piece."""

    @property
    def text(self) -> str:
        """The normal form as a string."""
        return self.data.decode("utf-8", "surrogatepass")

    def offsets(self) -> NDArray[np.int64]:
        """For each byte of `data` the index in `original` of the character that it came from. Computed on each call:
        it is wanted only where something was found."""
        if self.original.isascii():
            return np.flatnonzero(_KEPT[np.frombuffer(self.original.encode(), np.uint8)])
        codes = np.frombuffer(self.original.encode("utf-32-le", "surrogatepass"), np.uint32)
        distinct, which = np.unique(codes, return_inverse=True)
        lengths = [len(chr(code).translate(_FOLDS).encode("utf-8", "surrogatepass")) for code in distinct.tolist()]
        return np.repeat(np.arange(len(codes)), np.array(lengths, np.int64)[which])


def normalise(text: str) -> Normalised:
    """The text without what readers do not see: case, spacing, marks, compatibility forms (Unicode NFKC), characters of
    no width (tags, variation selectors, soft hyphens, bidirectional controls) and look-alikes of Latin letters.

    Idempotent, and linear in the text. Digits are left as they are: reading 0 as o and 1 as l joins more texts that
    differ than it finds that were disguised. A mark that is part of a letter in its script (the dakuten, vowel signs)
    stays.
    """
    if text.isascii():
        return Normalised(text, text.encode().translate(_LOWER, _DROPPED))
    return Normalised(text, text.translate(_FOLDS).encode("utf-8", "surrogatepass"))


def fold_ascii(data: bytes) -> bytes:
    """The ASCII characters of a text in UTF-8 in their normal form; all other bytes stay as they are."""
    return data.translate(_LOWER, _DROPPED)


class Smuggled(NamedTuple):
    """A run of characters that nobody sees, and what it says to a model that reads them."""

    start: int
    end: int
    said: str


def smuggled_runs(text: str) -> list[Smuggled]:
    """What a text says in characters that nobody sees, in order of place: tag characters mirror ASCII, and variation
    selectors can spell bytes. Others of no width may stand between them. None for nearly every text: a flag or an emoji
    has a selector or a few tags of its own, words have more."""
    if text.isascii():
        return []
    found = [Smuggled(*run.span(), run[0].translate(_MIRRORED)) for run in _TAGGED.finditer(text)]
    if sum(len(run.said) for run in found) < _WORD:
        found = []
    for run in _SELECTED.finditer(text):
        spelt = bytes(map(_selected, filter(_IS_SELECTOR, run[0])))
        found.append(Smuggled(*run.span(), spelt.decode("utf-8", "replace")))
    return sorted(found)


def smuggled(text: str) -> str:
    """The same, run after run. Long ones are parted by newlines; parts of words, by nothing."""
    said = ""
    last = 0
    for run in smuggled_runs(text):
        said += ("\n" if min(last, len(run.said)) >= _WORD else "") + run.said
        last = len(run.said)
    return said


def mirrored(text: str) -> str:
    """A text with what is smuggled in it in its place, as a model may read it. Empty where there is nothing."""
    said, at = [], 0
    for run in smuggled_runs(text):
        said += [text[at : run.start], run.said]
        at = run.end
    return "".join((*said, text[at:])) if said else ""


# Unicode's confusables (UTS #39), those that stand for one Latin letter in the scripts and styles that generators of
# disguised text use, after case folding. Case must not matter here, so where the two cases of a letter look like
# different Latin letters the lower case decides (ν is v, though Ν looks like N), and a letter whose capital alone is a
# look-alike is folded in both cases (н, because of Н).
_LOOK_ALIKES = {
    "a": "ɑαаᴀɐꭺᎪꓮᗅ🅐🅰⍺",
    "b": "ƅβвьᴃʙᏏᏴꓐᗷꞵ🅑🅱",
    "c": "ᴄсϲⲥꓚᏟ🅒🅲ↄ",
    "d": "đðɖɗᴅԁᎠᏧꓓᗞᗪᑯ🅓🅳",
    "e": "εєеҽᴇǝəꬲᎬꓰ℮🅔🅴",
    "f": "ƒꜰϝքꓝᖴꞙꬵẝ🅕🅵",
    "g": "ɡɢԍցƍᏀᏳꓖᶃ🅖🅶",
    "h": "ħнһʜհⲏᎻᏂꓧᕼ🅗🅷",
    "i": "ıɩɪιіӏᎥꓲⲓꙇ⍳🅘🅸",
    "j": "ϳјȷᴊᎫꓙᒍ🅙🅹",
    "k": "κкᴋⲕᏦꓗᛕ🅚🅺",
    "l": "łƖǀʟⳑᏞꓡᒪ🅛🅻",
    "m": "мᴍϻⲙᎷꓟᗰ🅜🅼",
    "n": "ηɴոռⲛꓠŋ🅝🅽",
    "o": "øοоσօᴏᴑⲟꓳტ🅞🅾",
    "p": "ρрᴘⲣᏢꓑᑭ⍴🅟🅿",
    "q": "ԛգզǫ🅠🆀",
    "r": "гʀᴦᎡᏒꓣᖇⲅꭇꭈ🅡🆁",
    "s": "ѕꜱƽᏕᏚꓢՏ🅢🆂",
    "t": "ŧτтᴛⲧᎢꓔ🅣🆃",
    "u": "υսᴜʋꓴᑌꞟꭎꭒ🅤🆄",
    "v": "νѵᴠᏙᏤꓦᐯ🅥🆅",
    "w": "ѡԝաɯᴡᎳᏔꓪ🅦🆆",
    "x": "χхⲭꓫ᙭ᕁᕽꭓ×🅧🆇",
    "y": "γуүʏყᎩᎽꓬⲩỿꭚ🅨🆈",
    "z": "ζᴢᏃꓜ🅩🆉",
    "'": "‘’‚‛ʼʹʻˈ′‵`´",
    '"': "“”„‟«»″",
    "-": "‐‑‒–—―−⁃﹘",
    "/": "⁄∕",
}
_LATIN = {seen.casefold(): plain for plain, alike in _LOOK_ALIKES.items() for seen in alike}
_LATIN |= {chr(0x1F1E6 + i): letter for i, letter in enumerate(string.ascii_lowercase)}

# Nothing to see, though Unicode counts them as letters, symbols or marks.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_OVERLAY, _ABOVE_AND_BELOW = 1, 200
"""Canonical combining classes of the marks that can be heaped on any letter."""
_WORD = 4
"""Characters from which on what is smuggled is looked at."""
_NO_WIDTH = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0001"
    "\U000e007f"
)
_TAG, _SELECTOR = "\U000e0020-\U000e007e", "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_TAGGED = re.compile(f"[{_TAG}](?:[{_NO_WIDTH}{_SELECTOR}]*[{_TAG}])*")
_SELECTED = re.compile(f"[{_SELECTOR}](?:[{_NO_WIDTH}]*[{_SELECTOR}]){{{_WORD - 1},}}")
_IS_SELECTOR = re.compile(f"[{_SELECTOR}]").match


class _Mirrored(dict[int, str | None]):
    """Tags as what they mirror, all else left out."""

    def __missing__(self, code: int) -> str | None:
        return chr(code - 0xE0000) if 0xE0020 <= code <= 0xE007E else None


_MIRRORED = _Mirrored()


def _selected(char: str) -> int:
    code = ord(char)
    return code - 0xFE00 if code <= 0xFE0F else code - 0xE0100 + 16


def _unseen(char: str) -> bool:
    if char.isspace() or char in _BLANK:
        return True
    kind = category(char)
    if kind in ("Cc", "Cf", "Me"):
        return True
    if kind != "Mn":
        return False
    return combining(char) == _OVERLAY or combining(char) >= _ABOVE_AND_BELOW or _IS_SELECTOR(char) is not None


def _fold(char: str) -> str:
    """The normal form of one character: folded until nothing changes."""
    folded = "".join(_LATIN.get(c, c) for c in normalize("NFKD", char).casefold() if not _unseen(c))
    return folded if folded == char else "".join(map(_fold, folded))


class _Folds(dict[int, str]):
    """Every character's normal form, worked out when it is first met. Characters that nobody assigned are not kept, so
    that a flood of them cannot fill the memory."""

    def __missing__(self, code: int) -> str:
        folded = _fold(chr(code))
        if category(chr(code)) not in ("Cn", "Co", "Cs"):
            self[code] = folded
        return folded


_FOLDS = _Folds()
_DROPPED = bytes(code for code in range(128) if not chr(code).translate(_FOLDS))
_LOWER = bytes(ord(chr(code).translate(_FOLDS) or "\0") if code < 128 else code for code in range(256))
_KEPT = np.array([code not in _DROPPED for code in range(256)])
