"""words: what is spelled letter by letter or with digits for letters, and what it says."""

import re
from collections.abc import Iterator
from functools import partial

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
ELSEWHERE = frozenset(
    """che per sono con come della nel questo anche fare puoi scrivi posso quali qualcuno mio più perché
    delle degli gli hai cosa dove chi questa tutti sulla dimmi scrivere
    que los las una por para como del puede hacer sin esta cual escribe sobre cuando donde quiero puedo cómo qué está
    todas todos este ejemplo porque información
    les des est une pour dans qui sur pas avec vous comment sont mon peut faire quelles moi être
    und der die das nicht ist ich wie ein eine mit auf den kann von werden ohne dass wenn sie mir für über können
    alle alles sind dein deine deinem bitte warum wer hat haben vom schreibe diese dieser welche
    uma com mais dos fazer meu pode voce sem quando não são você também isso seu pelo pela suas
    het een van niet dat hoe zijn voor met wat mijn
    bir icin için nasıl nasil bana daha olarak olan değil gibi kadar çok sonra nedir misin misiniz lütfen bunu hangi
    yang dan untuk dengan cara saya anda bagaimana tidak dari ini bisa dalam adalah kata mereka seperti tentang semua
    mga hindi ako ikaw siya kung paano bakit mong iyong aking lahat isang nang upang maaari tungkol ito
    kwa jinsi gani ninawezaje kama katika aku iso piye sing karo
    những cách nào không của một người trong được tôi này thể làm""".split()  # noqa: SIM905
)
"""Words of other languages in Latin letters: Italian, Spanish, French, German, Portuguese, Dutch, Turkish, Indonesian,
Filipino, Swahili and Javanese, Vietnamese."""
_SMALL = frozenset("di es et la se na ci te le de da os as il lo ne si su tu al el en ya ng sa ka ta ve".split())  # noqa: SIM905
"""Words of the same languages, too short to know a language by."""
_LETTER = r"(?:[^\W_]|[@$!])"
_APART_BY = r"[ .,_*~|/\\+\n[\]-]"
_SPACED = re.compile(
    rf"(?<![^\W_]){_LETTER}"
    rf"(?:{_APART_BY}{{1,4}}(?:['’\"():;?]{_APART_BY}{{1,3}})?(?={_LETTER}(?![^\W_])){_LETTER}){{3,}}+"
)
PARTED = re.compile(r"(?<![^\W_])[^\W\d_](?:[-._*~|/\\+'’\"][^\W\d_](?![^\W_])){3}")
"""Letters of any script, parted by signs: where it is not met, no text but ASCII is spelled so."""
_APART = re.compile(r"(?<!\S)\S(?:[ \n]{1,4}\S(?!\S)){7,}+")
_GAP = re.compile(r" {2,}| ?\n ?")
_SEPARATORS = re.compile(r"(?:(?![@$!])[\W_])+")
_WIDER = re.compile(r"\0{2,}|\0*(?:(?![@$!\0])[\W_])+\0*")
_SIGN = re.compile(r"[,;:?'’\"()]|\.\s")
_NO_SIGN = re.compile(r"[^,;:?'’\"().\0]+|\.(?!\s)")
_BLANKS = re.compile(" {2,}")
_MARKS = 4
"""At most that stand beside such a stretch and belong to it."""
_SAMPLE = 2_000
"""Characters of such a stretch that show how it is spelled."""
_LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "!": "i", "|": "i",
         "9": "g", "6": "g", "+": "t"}  # fmt: skip
_LATIN = "A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ"
_LEETED = re.compile(rf"[{_LATIN}0-9@$|!+]+")
_INSIDE = re.compile(rf"[{_LATIN}][0134578@$|!+]{{1,4}}[{_LATIN}]")
_GOES_ON = re.compile(r"[-'’]\w")
_MARKS_OR_LETTERS = "!+|"
_MARK_INSIDE = re.compile(rf"[{_LATIN}]!+[{_LATIN}]")
_GOES_ON_BELOW = re.compile(rf",|\s(?:[a-zß-öø-ÿ]|[0134578@$|!+]+[{_LATIN}])")
_NUMBERED = frozenset({"1st"})
_AMOUNT = re.compile(r"\$?\d+\Z")
_TABLE = str.maketrans(_LEET)
_AS_L = str.maketrans({**_LEET, "1": "l", "|": "l", "!": "l"})
_JOINTS = frozenset("/_-=#:\\&(@")
LEET_WORDS = 2
"""Such words that make a text a disguised one: one alone may be a name or a version."""
_PARTED = 4_096
"""Letters up to which words that run together are parted."""


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
        if not usual.strip(" ,\n") and not stretch.isascii():
            continue  # a list of letters; and in other scripts blanks may stand between them as a matter of course
        # In a few passes over the whole, as a megabyte may be spelled so.
        # Where blanks part the words, a sign that stands twice is one of theirs.
        twice = usual if usual.strip() and " " in stretch else " "
        said = _WIDER.sub(partial(_between, twice), stretch.replace(usual, "\0")).replace("\0", "")
        before, after = _marks_beside(text, *found.span(), usual)
        step = len(usual) + 1
        said = _in_parts(said).join((before[::step], after[step - 1 :: step]))
        yield Edit(found.start() - len(before), found.end() + len(after), said)


def _between(twice: str, found: re.Match[str]) -> str:
    """What stands between two words, without what parts their letters: a blank, and the signs that belong to one."""
    gap = found[0].replace("\0\0", twice)
    if not _SIGN.search(gap):
        return twice if gap == twice else " "
    return _BLANKS.sub(" ", _NO_SIGN.sub(" ", gap).replace("\0", ""))


def _marks_beside(text: str, start: int, end: int, between: str) -> tuple[str, str]:
    """The quotes and stops right before a stretch and behind it that are spelled with it, each with what is between."""
    if not between.strip():
        return "", ""
    apart = re.escape(between)
    before = re.search(rf"(?:(?!{apart})[^\w\s]{apart}){{1,{_MARKS}}}\Z", text[max(0, start - 2 * _MARKS) : start])
    after = re.match(rf"(?:{apart}[^\w\s]){{1,{_MARKS}}}", text[end : end + 2 * _MARKS])
    return before[0] if before else "", after[0] if after else ""


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
    sure = [found for found in words if _is_surely(found[0]) and not _is_joined(found, text)]
    if len(sure) < LEET_WORDS:
        return
    if len(sure) * 6 <= text.count(" "):
        for found in sure:
            yield Edit(*found.span(), _as_letters(found[0]))
        return
    spells = _MARK_INSIDE.search(text) is not None
    for found in _LEETED.finditer(text):
        word = found[0]
        # A mark at the end of a word is one, unless the word goes on behind a hyphen or an apostrophe, or the sentence
        # goes on and marks are letters elsewhere in the text.
        ends = not _GOES_ON.match(text, found.end())
        if spells and _GOES_ON_BELOW.match(text, found.end()):
            ends = _is_known(_as_letters(word.rstrip(_MARKS_OR_LETTERS)))
        if word in ("5", "$") and text[found.start() - 1 : found.start()] in ("'", "’"):
            yield Edit(*found.span(), "s")
        elif _is_mixed(word) or _is_all_signs(word, ends):
            yield Edit(*found.span(), _as_letters(word, ends=ends))


def _is_surely(word: str) -> bool:
    """Whether a mixed word is one in disguise: a sign within it, or a word of some language once it is undone."""
    if _INSIDE.search(word):
        return True
    return len(word) > 2 and word not in _NUMBERED and _is_known(_as_letters(word))


def _is_all_signs(word: str, ends: bool) -> bool:
    """Whether this is a word that hardly has a letter left."""
    if word.isalpha():
        return False
    said = _as_letters(word, ends=ends)
    return _is_known(said) or (said in _SMALL and not _AMOUNT.match(word))


def _is_known(said: str) -> bool:
    return said.lower() in COMMON or (len(said) > 1 and said.lower() in ELSEWHERE)


def _is_mixed(word: str) -> bool:
    if word.isalpha() or word.isdigit():
        return False
    word = word.rstrip(_MARKS_OR_LETTERS)
    letters = sum(map(str.isalpha, word))
    return bool(letters) and letters < len(word) <= 5 * letters and len(word) <= 24


def _is_joined(found: re.Match[str], text: str) -> bool:
    """Addresses, paths, identifiers and what else is put together with signs is what it is."""
    start, end = found.span()
    before, after = text[start - 1 : start], text[end : end + 1]
    return before in _JOINTS or after in _JOINTS or (after == "." and text[end + 1 : end + 2].isalnum())


def _as_letters(word: str, *, ends: bool = True) -> str:
    tail = word[len(word.rstrip(_MARKS_OR_LETTERS)) :] if ends else ""
    core = word[: len(word) - len(tail)]
    plain = core.translate(_TABLE)
    other = core.translate(_AS_L)
    return (other if _is_known(other) and not _is_known(plain) else plain) + tail
