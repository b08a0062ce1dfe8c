"""shifting: what is written backwards or in rot13, and what it says."""

import codecs
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick, BytesAhoCorasick, Implementation

from outworks.detectors.views.view import Edit
from outworks.detectors.views.words import COMMON, ELSEWHERE

_EITHER_WAY = frozenset("una van das del den der mir mit nel sem von".split())  # noqa: SIM905
"""Those of them that are words, shifted too."""
_DISTINCT = ELSEWHERE - _EITHER_WAY
_CYRILLIC = frozenset(
    """что это для если чтобы когда где его она они меня тебя твой все есть может можете какой какие каковы напиши
    напишите скажи расскажи только при этого мой вам нас был быть очень""".split()  # noqa: SIM905
)
"""Russian words; rot13 leaves them as they are."""
_AS_THEY_STAND = frozenset(
    """va dna agm dias ella sal sol sed sel sap sod tad tem nom nie eis eid nee nad noc moc naht rep rus har ung unir
    orak arap atak siam""".split()  # noqa: SIM905
)
"""Words and short forms of some language that are common ones, shifted: DNA, and how it goes in French."""
_KNOWN = COMMON | ELSEWHERE | _CYRILLIC | _AS_THEY_STAND


def _rotated(word: str) -> str:
    return codecs.encode(word, "rot13")


def _mirrored(word: str) -> str:
    return word[::-1]


_OFTEN = (
    "the their and you for with this that how what not from your all make ignore teach explain please write prompt "
    "instructions should would can will tell give about where when because than them they which people more most could "
    "after first any have who"
)
_OFTEN_BACKWARDS = (
    "the you with this that what how your from make ignore explain please write prompt instructions should would will "
    "tell give about once use using against into for of to by and or have been who can"
)
_WORDS_TOO = frozenset("keep look part stop step time even made same send also over open".split())  # noqa: SIM905
"""Those of COMMON that are words, shifted, in some language."""
_LONG = sorted(word for word in COMMON if len(word) > 3 and word not in _WORDS_TOO)
_ROT13 = set(map(_rotated, {*COMMON, *_DISTINCT, *_OFTEN.split()}))
_BACKWARDS = set(map(_mirrored, {*COMMON, *_DISTINCT, *_CYRILLIC, *_OFTEN_BACKWARDS.split()}))
SIGNS = (
    *(" vf ", " gb ", " bs ", " va "),
    *(_rotated(word) + " " for word in _OFTEN.split()),
    *(f" {_mirrored(word)} " for word in _OFTEN_BACKWARDS.split()),
    *(f" {shift(word)} " for word in (*_LONG, *sorted(_DISTINCT)) for shift in (_rotated, _mirrored)),
    *(f" {_mirrored(word)} " for word in sorted(_CYRILLIC)),
)
"""Words that are met in nearly every such text, and in hardly any other."""
_SIGN = AhoCorasick(list(SIGNS), implementation=Implementation.DFA)
_ASCII_SIGN = BytesAhoCorasick([sign.encode() for sign in SIGNS if sign.isascii()], implementation=Implementation.DFA)
"""The same for texts in ASCII, whose characters need not be counted."""
_WORD = re.compile(r"(?<![\w@$|])(?<!\w!)[^\W\d_]+(?![@$|]?\w|!\w)")
"""A word of letters alone: a part of `r34d` says nothing."""
_REACH = 1_000
"""Characters around such a word in which the text is looked at word by word."""
_LONG_WORD = 64
_FEW_SIGNS = 4
_SIGNS_BEFORE = re.compile(rf"[^\w\s]{{1,{_FEW_SIGNS}}}\Z")
_SIGNS_AFTER = re.compile(rf"[^\w\s]{{1,{_FEW_SIGNS}}}")
_FEW = 6
"""Words among which one is enough."""
_SAID = -2
"""What a word counts that is one as it stands."""


class Shifted(NamedTuple):
    """A stretch in which every word is written backwards or in rot13."""

    name: str
    edit: Edit


def signs(text: str) -> list[int]:
    """Where a text may hold a word backwards or in rot13: each sign's last letter."""
    said = _in_words(text)
    met = _ASCII_SIGN.find_matches_as_indexes(said.encode()) if said.isascii() else _SIGN.find_matches_as_indexes(said)
    return [end - 3 for _, _, end in met]


def _in_words(text: str) -> str:
    """The text in lower case, with a blank before and after each word, the first and last of a line too. A place in it
    is one more than in the text."""
    # No other letter becomes two in lower case.
    lowered = text.replace("\u0130", "i").lower()
    return f" {lowered} ".replace("\n", " ")


def shifted(text: str) -> Iterator[Shifted]:
    """Stretches whose words are known ones once turned round or rotated."""
    last = done = -1
    for _, start, end in _SIGN.find_matches_as_indexes(_in_words(text)):
        if start < last:
            continue
        low, last = max(0, done, start - _REACH), min(len(text), end + _REACH)
        low = max(low, text.rfind("\n\n", low, start) + 1)
        last = max(last, text.find(" ", last, last + _LONG_WORD))
        words = list(_WORD.finditer(text, low, last))
        for name, shifted_words in (("rot13", _ROT13), ("backwards", _BACKWARDS)):
            run = _best(words, shifted_words)
            if run is not None:
                mirrored = name == "backwards"
                start, end = _with_signs(text, run, max(done, 0)) if mirrored else (run.start, run.end)
                said = text[start:end]
                said = said[::-1] if mirrored else codecs.encode(said, "rot13")
                yield Shifted(name, Edit(start, end, said, mirrored, run.doubtful))
                done = max(done, end)


class _Run(NamedTuple):
    start: int
    end: int
    doubtful: bool


def _with_signs(text: str, run: _Run, least: int) -> tuple[int, int]:
    """The run and the signs that touch it, from `least` on: a sentence's full stop stands before it when it is turned
    round."""
    before = _SIGNS_BEFORE.search(text, max(least, run.start - _FEW_SIGNS), run.start)
    after = _SIGNS_AFTER.match(text, run.end)
    return before.start() if before else run.start, after.end() if after else run.end


def _best(words: Sequence[re.Match[str]], shifted_words: set[str]) -> _Run | None:
    """The run of words with the most that are known when undone over those that are known as they stand."""
    worth = [_worth(found[0].lower(), shifted_words) for found in words]
    if len(worth) > _FEW and min(worth) > _SAID:
        # No other word is one as it stands: then these are none either.
        either = _AS_THEY_STAND & shifted_words
        worth = [one or int(found[0].lower() in either) for one, found in zip(worth, words, strict=True)]
    best = total = begin = 0
    run = (0, 0)
    for n, one in enumerate(worth):
        total += one
        if total <= 0:
            total, begin = 0, n + 1
        if total > best:
            best, run = total, (begin, n)
    if best < 2 and not (best == 1 and len(words) <= _FEW):
        return None
    first, last = run
    telling = sum(worth[n] > 0 and len(words[n][0]) > 2 for n in range(first, last + 1))
    if not any(worth[n] > 0 and len(words[n][0]) > 1 for n in range(first, last + 1)):
        return None  # letters alone stand for anything
    while first > 0 and worth[first - 1] >= 0:
        first -= 1
    while last + 1 < len(words) and worth[last + 1] >= 0:
        last += 1
    said = worth[first : last + 1]
    shifted = sum(one > 0 for one in said)
    doubtful = telling < 2 or 6 * sum(one < 0 for one in said) >= shifted or 5 * shifted < len(said)
    return _Run(words[first].start(), words[last].end(), doubtful)


def _worth(word: str, shifted_words: set[str]) -> int:
    """What a word says of its run: some are words either way."""
    if word in _KNOWN:
        return 0 if word in shifted_words else _SAID
    if word in shifted_words:
        return 1
    return -1 if word in _ROT13 or word in _BACKWARDS else 0
