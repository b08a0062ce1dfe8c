"""words: what is written backwards, in rot13, letter by letter or with digits for letters, and what it says."""

import codecs
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick

from outworks.detectors.views.view import Edit

COMMON = frozenset(
    """a about above act after again all also always am an and any anything are as ask assistant at away back be because
    been before below best between bomb both build but by can cannot case code come complete content could create data
    day describe detail detailed details did do does done down each email end even every everything exactly explain
    fake false filter find first follow following for forget from get give go good great guide had harm has have he
    help her here hide him his home how however i if ignore illegal important in instruction instructions into is it its
    just keep kill know language last law let letter life like line list little long look made make making man many
    may me mean message method methods might mode model money more most much must my name need never new next no not
    now of off old on once one only open or order other our out output over own part password people person please
    point possible previous print program prompt provide put question questions read real reply request response
    restrictions reveal right rule rules said same say secret see send sentence set she should show so some someone
    something start step steps still stop story such sure system take tell text than that the their them then there
    these they thing things think this those through time to too true tutorial two under unless until up us use user
    using very via virus want was water way ways we weapon well were what when where which while who why will with
    within without word words work world would write written yes yet you your
    article campaign company design develop draft government group information large major media misleading plan public
    report series social strategy system systems""".split()  # noqa: SIM905
)
"""English words by which English is known."""
_ELSEWHERE = frozenset(
    """che per sono con come della nel questo anche fare puoi scrivi posso quali qualcuno mio più perché
    que los las una por para como del puede hacer sin esta cual escribe sobre cuando donde quiero puedo cómo qué está
    les des est une pour dans qui sur pas avec vous comment sont mon peut faire quelles moi être
    und der die das nicht ist ich wie ein eine mit auf den kann von werden ohne dass wenn sie mir für über können
    uma com mais dos fazer meu pode voce sem quando não são você também
    het een van niet dat hoe zijn voor met wat mijn
    bir icin için nasıl nasil bana daha olarak olan değil
    yang dan untuk dengan cara saya anda bagaimana tidak dari ini bisa dalam adalah
    kwa jinsi gani ninawezaje kama katika aku iso piye sing karo
    những cách nào không của một người trong được tôi này thể làm""".split()  # noqa: SIM905
)
"""Words of other languages in Latin letters: Italian, Spanish, French, German, Portuguese, Dutch, Turkish, Indonesian,
Swahili and Javanese, Vietnamese."""
_EITHER_WAY = frozenset("una van das del den der mir mit nel sem von".split())  # noqa: SIM905
"""Those of them that are words, shifted too."""
_DISTINCT = _ELSEWHERE - _EITHER_WAY
_KNOWN = COMMON | _ELSEWHERE


def _rotated(word: str) -> str:
    return codecs.encode(word, "rot13")


def _mirrored(word: str) -> str:
    return word[::-1]


_OFTEN = (
    "the their and you for with this that how what not from your all make ignore teach explain please write prompt "
    "instructions should would can will tell give about where when because than them they which people more most could "
    "after first any have"
)
_OFTEN_BACKWARDS = (
    "the you with this that what how your from make ignore explain please write prompt instructions should would will "
    "tell give about once use using against into for of to by and or have been"
)
_ROT13 = set(map(_rotated, {*COMMON, *_DISTINCT, *_OFTEN.split()}))
_BACKWARDS = set(map(_mirrored, {*COMMON, *_DISTINCT, *_OFTEN_BACKWARDS.split()}))
_SIGNS = (
    *(" vf ", " gb ", " bs ", " va "),
    *(_rotated(word) + " " for word in _OFTEN.split()),
    *(f" {_mirrored(word)} " for word in _OFTEN_BACKWARDS.split()),
    *(f" {shift(word)} " for word in sorted(_DISTINCT) for shift in (_rotated, _mirrored)),
)
"""Words that are met in nearly every such text, and in hardly any other."""
_SIGN = AhoCorasick(list(_SIGNS))
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

_SPACED = re.compile(
    r"(?<![^\W_])[A-Za-z0-9@$!](?:(?:[ .,_*~|/\\+\n-]|\[|\]){1,4}(?=[A-Za-z0-9@$!](?![^\W_]))[A-Za-z0-9@$!]){3,}+",
    re.ASCII,
)
_APART = re.compile(r"(?<!\S)\S(?:[ \n]{1,4}\S(?!\S)){7,}+")
_GAP = re.compile(r" {2,}| ?\n ?")
_SEPARATORS = re.compile(r"[^A-Za-z0-9@$!]+")
_WIDER = re.compile(r"\0{2,}|\0*[^A-Za-z0-9@$!\0]+\0*")
_SAMPLE = 2_000
"""Characters of such a stretch that show how it is spelled."""
_LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "!": "i", "|": "i",
         "9": "g", "6": "g", "+": "t"}  # fmt: skip
_LEETED = re.compile(r"[A-Za-z0-9@$|!+]+")
_INSIDE = re.compile(r"[A-Za-z][0134578@$|!+]{1,4}[A-Za-z]")
_GOES_ON = re.compile(r"[-'’]\w")
_TABLE = str.maketrans(_LEET)
_AS_L = str.maketrans({**_LEET, "1": "l", "|": "l", "!": "l"})
_JOINTS = frozenset("/_-=#:\\&(@")
LEET_WORDS = 2
"""Such words that make a text a disguised one: one alone may be a name or a version."""
_PARTED = 4_096
"""Letters up to which words that run together are parted."""


class Shifted(NamedTuple):
    """A stretch in which every word is written backwards or in rot13."""

    name: str
    edit: Edit


def signs(text: str) -> list[int]:
    """Where a text may hold a word backwards or in rot13: each sign's last letter."""
    return [end - 3 for _, _, end in _SIGN.find_matches_as_indexes(_in_words(text))]


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
                start, end = _with_signs(text, run) if mirrored else (run.start, run.end)
                said = text[start:end]
                said = said[::-1] if mirrored else codecs.encode(said, "rot13")
                yield Shifted(name, Edit(start, end, said, mirrored, run.doubtful))
                done = max(done, end)


def _with_signs(text: str, run: "_Run") -> tuple[int, int]:
    """The run and the signs that touch it: a sentence's full stop stands before it when it is turned round."""
    before, after = (
        _SIGNS_BEFORE.search(text, max(0, run.start - _FEW_SIGNS), run.start),
        _SIGNS_AFTER.match(text, run.end),
    )
    return before.start() if before else run.start, after.end() if after else run.end


class _Run(NamedTuple):
    start: int
    end: int
    doubtful: bool


def _best(words: Sequence[re.Match[str]], shifted_words: set[str]) -> _Run | None:
    """The run of words with the most that are known when undone over those that are known as they stand."""
    worth = [_worth(found[0].lower(), shifted_words) for found in words]
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
    if not any(worth[n] > 0 and len(words[n][0]) > 1 for n in range(first, last + 1)):
        return None  # letters alone stand for anything
    while first > 0 and worth[first - 1] >= 0:
        first -= 1
    while last + 1 < len(words) and worth[last + 1] >= 0:
        last += 1
    said = worth[first : last + 1]
    shifted = sum(one > 0 for one in said)
    doubtful = 6 * sum(one < 0 for one in said) >= shifted or 5 * shifted < len(said)
    return _Run(words[first].start(), words[last].end(), doubtful)


def _worth(word: str, shifted_words: set[str]) -> int:
    """What a word says of its run: some are words either way."""
    if word in _KNOWN:
        return 0 if word in shifted_words else -2
    if word in shifted_words:
        return 1
    return -1 if word in _ROT13 or word in _BACKWARDS else 0


def joined(text: str) -> Iterator[Edit]:
    """Words that are spelled letter by letter, put together."""
    yield from _apart(text)
    for found in _SPACED.finditer(text):
        stretch = found[0]
        some = _SEPARATORS.sub("", stretch[:_SAMPLE])
        if sum(map(str.isalpha, some)) * 3 < 2 * len(some):
            continue
        gaps = _SEPARATORS.findall(stretch[:_SAMPLE])
        usual = max(dict.fromkeys(gaps), key=gaps.count)  # of a set, another in each process
        # In a few passes over the whole, as a megabyte may be spelled so.
        said = _WIDER.sub(" ", stretch.replace(usual, "\0")).replace("\0", "")
        yield Edit(*found.span(), _in_parts(said))


def _apart(text: str) -> Iterator[Edit]:
    """Stretches in which everything stands alone between blanks, signs too, most of it letters."""
    for found in _APART.finditer(text):
        stretch = found[0]
        some = "".join(stretch[:_SAMPLE].split())
        if 2 * sum(map(str.isalpha, some)) < len(some):
            continue
        said = _GAP.sub("\0", stretch).replace(" ", "").replace("\0", " ")
        yield Edit(*found.span(), _in_parts(said))


def _in_parts(said: str) -> str:
    """What was spelled without a gap between its words, parted."""
    if " " in said or len(said) <= 12:
        return said
    head = said[:_PARTED]
    parts = [head[at : at + 1_024] for at in range(0, len(head), 1_024)]
    return " ".join(map(_parted, parts)) + said[_PARTED:]


def _parted(said: str) -> str:
    """Words that run together, parted where English words make most of it: least cost, a known word costing one and an
    unknown letter two."""
    text = said.lower()
    costs, froms = [0.0], [0]
    for end in range(1, len(text) + 1):
        best, origin = costs[end - 1] + 2.0, end - 1
        for start in range(max(0, end - 12), end):
            if costs[start] + 1.0 < best and text[start:end] in COMMON and (end - start > 1 or text[start] in "ai"):
                best, origin = costs[start] + 1.0, start
        costs.append(best)
        froms.append(origin)
    cuts = []
    at = len(text)
    while at:
        cuts.append((froms[at], at))
        at = froms[at]
    words: list[str] = []
    loose = False
    for start, end in reversed(cuts):
        known = text[start:end] in COMMON and (end - start > 1 or text[start] in "ai")
        if loose and not known:
            words[-1] += said[start:end]
        else:
            words.append(said[start:end])
        loose = not known
    # "aaaa" is not "a a a a", which would be put together again, level by level.
    return " ".join(words) if 2 * len(words) < len(said) else said


def unleeted(text: str) -> Iterator[Edit]:
    """Words with digits and signs for letters, where there are several; where they are much of the text, all that can
    be read as words."""
    words = [found for found in _LEETED.finditer(text) if _is_mixed(found[0])]
    sure = [found for found in words if _INSIDE.search(found[0]) is not None and not _is_joined(found, text)]
    if len(sure) < LEET_WORDS:
        return
    if len(sure) * 6 <= text.count(" "):
        for found in sure:
            yield Edit(*found.span(), _as_letters(found[0]))
        return
    for found in _LEETED.finditer(text):
        word = found[0]
        # A mark at the end of a word is a mark, unless the word goes on behind a hyphen or an apostrophe.
        ends = not _GOES_ON.match(text, found.end())
        if word in ("5", "$") and text[found.start() - 1 : found.start()] in ("'", "’"):
            yield Edit(*found.span(), "s")
        elif _is_mixed(word) or (not word.isalpha() and _as_letters(word).lower() in COMMON):
            yield Edit(*found.span(), _as_letters(word, ends=ends))


def _is_mixed(word: str) -> bool:
    if word.isalpha() or word.isdigit():
        return False
    word = word.rstrip("!+|")
    letters = sum(map(str.isalpha, word))
    return bool(letters) and letters < len(word) <= 5 * letters and len(word) <= 24


def _is_joined(found: re.Match[str], text: str) -> bool:
    """Addresses, paths, identifiers and what else is put together with signs is what it is."""
    start, end = found.span()
    before, after = text[start - 1 : start], text[end : end + 1]
    return before in _JOINTS or after in _JOINTS or (after == "." and text[end + 1 : end + 2].isalnum())


def _as_letters(word: str, *, ends: bool = True) -> str:
    tail = word[len(word.rstrip("!+|")) :] if ends else ""
    core = word[: len(word) - len(tail)]
    plain = core.translate(_TABLE)
    other = core.translate(_AS_L)
    return (other if other.lower() in COMMON and plain.lower() not in COMMON else plain) + tail
