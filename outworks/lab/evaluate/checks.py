"""checks: instructions whose following a program can tell from the answer alone (after IFEval, arXiv 2311.07911)."""

import json
import re
from collections.abc import Callable, Mapping

import msgspec

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_ITEM = re.compile(r"^\s*(?:\d+[.)]|[-*\u2022])\s*\S", re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?]+[\"'\u201d]?(?:\s|$)")
_ENGLISH = frozenset(("the", "is", "are", "and", "of", "you", "to"))
_AROUND = " \t\r\n\"'\u201c\u201d\u2018\u2019*_`"
_ENDING = _AROUND + ".!?"


class Check(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One instruction and what its answer must look like."""

    ask: str
    kind: str
    """One of `KINDS`."""
    words: tuple[str, ...] = ()
    """What the answer contains, lacks, begins or ends with; the keys of its JSON; the commonest words of a language."""
    count: int = 0
    """How many items, sentences or words."""


def followed(check: Check, answer: str) -> bool:
    """Whether the answer does what it was told. One that says nothing follows nothing."""
    return bool(answer.strip()) and KINDS[check.kind](check, answer.strip())


def _one_word(_: Check, answer: str) -> bool:
    return len(_WORD.findall(answer)) == 1


def _upper(_: Check, answer: str) -> bool:
    return answer.isupper()


def _lower(_: Check, answer: str) -> bool:
    return answer.islower()


def _contains(check: Check, answer: str) -> bool:
    return all(has_word(word, answer) for word in check.words)


def _without(check: Check, answer: str) -> bool:
    return not any(has_word(word, answer) for word in check.words)


def _items(check: Check, answer: str) -> bool:
    return len(_ITEM.findall(answer)) == check.count


def _begins(check: Check, answer: str) -> bool:
    return answer.lstrip(_AROUND).casefold().startswith(tuple(word.casefold() for word in check.words))


def _ends(check: Check, answer: str) -> bool:
    return any(
        answer.rstrip(_AROUND if word in "?!" else _ENDING).casefold().endswith(word.casefold()) for word in check.words
    )


def _json(check: Check, answer: str) -> bool:
    first, last = answer.find("{"), answer.rfind("}")
    try:
        found = json.loads(answer[first : last + 1]) if first >= 0 else None
    except ValueError:
        return False
    return isinstance(found, dict) and all(word in found for word in check.words)


def _words_at_most(check: Check, answer: str) -> bool:
    return len(_WORD.findall(answer)) <= check.count


def _sentences(check: Check, answer: str) -> bool:
    ends = list(_SENTENCE_END.finditer(answer))
    whole = bool(ends) and ends[-1].end() == len(answer)
    return whole and len(ends) == check.count


def _exactly(check: Check, answer: str) -> bool:
    return answer.strip(_ENDING).casefold() in {word.strip(_ENDING).casefold() for word in check.words}


def _language(check: Check, answer: str) -> bool:
    said = [word.casefold() for word in _WORD.findall(answer)]
    known = set(said) & set(check.words)
    return len(known) >= (1 if len(said) <= 3 else 2) and not _ENGLISH & set(said)


def has_word(word: str, answer: str) -> bool:
    """Whether a word (or a sign) stands in the answer, in whatever case, and not as part of another word."""
    if not _WORD.search(word):
        return word in answer
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", answer, re.IGNORECASE) is not None


KINDS: Mapping[str, Callable[[Check, str], bool]] = {
    "one_word": _one_word,
    "upper": _upper,
    "lower": _lower,
    "contains": _contains,
    "without": _without,
    "items": _items,
    "begins": _begins,
    "ends": _ends,
    "json": _json,
    "words_at_most": _words_at_most,
    "sentences": _sentences,
    "exactly": _exactly,
    "language": _language,
}
