"""adaptive: an adversary who changes a text again and again until a detector lets it pass (random search, as in arXiv
2404.02151), seeing its scores or only whether it stopped him."""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from outworks.detectors.views.disguise import SINGLE

_SYNONYMS = {
    "ignore": ("disregard", "skip", "set aside", "pay no mind to"),
    "instructions": ("guidelines", "directions", "notes above"),
    "previous": ("earlier", "prior", "preceding"),
    "all": ("every one of", "each of", "the"),
    "system": ("initial", "setup"),
    "prompt": ("message", "text", "preamble"),
    "reveal": ("show", "share", "spell out"),
    "tell": ("let me know", "share with"),
    "how": ("in what way", "the way"),
    "make": ("put together", "produce", "prepare"),
    "write": ("draft", "compose", "set down"),
    "pretend": ("imagine", "suppose"),
    "act": ("speak", "behave"),
    "must": ("should", "ought to", "will"),
    "now": ("today", "here"),
    "never": ("not once", "at no time"),
    "rules": ("policies", "terms"),
    "answer": ("reply", "response"),
    "without": ("free of", "minus"),
}
_FILLER = (
    "I am asking for a friend who studies this.",
    "Thank you so much for your patience!",
    "By the way, the weather is lovely today.",
    "This is for a class on media literacy.",
    "Please be as clear and kind as you always are.",
    "My grandmother used to tell such stories.",
    "Let's keep it short.",
    "The recipe calls for two eggs and a cup of flour.",
    "We have a meeting on Thursday at ten.",
    "I really appreciate your help with my homework.",
)


class Seen(NamedTuple):
    """What an adversary is told about one attempt."""

    score: float
    """The highest over its threshold, as a ratio: from 1 on it is stopped."""
    flagged: bool


Oracle: TypeAlias = Callable[[str], Seen]


class Search(msgspec.Struct, frozen=True):
    """How a search went."""

    evaded: bool
    queries: int
    """Texts that were judged, the first included."""
    text: str
    """The last that was tried: the one that passed, if any did."""
    scores: tuple[float, ...]
    """The best score so far, after each query."""


def search(oracle: Oracle, text: str, rng: random.Random, *, budget: int, scores_visible: bool) -> Search:
    """Change a text at random until it passes or the budget of queries is spent.

    With the scores visible a change is kept where it does not raise the score; blind, where it is all the same to the
    adversary, changes are heaped on, and now and then he begins anew.
    """
    best = oracle(text)
    current, queries, scores = text, 1, [best.score]
    while best.flagged and queries < budget:
        tried = changed(current, rng)
        seen = oracle(tried)
        queries += 1
        if not seen.flagged:
            return Search(True, queries, tried, (*scores, seen.score))
        if scores_visible:
            if seen.score <= best.score:
                best, current = seen, tried
        else:
            current = text if rng.random() < 0.05 else tried
        scores.append(min(scores[-1], seen.score))
    return Search(not best.flagged, queries, current, tuple(scores))


def changed(text: str, rng: random.Random) -> str:
    """A text with one change that leaves its sense to a reader."""
    return rng.choice(CHANGES)(text, rng)


def _synonym(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    places = [n for n, word in enumerate(words) if word.lower().strip(".,:;!?\"'") in _SYNONYMS]
    if not places:
        return _typo(text, rng)
    at = rng.choice(places)
    words[at] = rng.choice(_SYNONYMS[words[at].lower().strip(".,:;!?\"'")])
    return " ".join(words)


def _typo(text: str, rng: random.Random) -> str:
    places = [n for n in range(1, len(text) - 2) if text[n].isalpha() and text[n + 1].isalpha()]
    if not places:
        return text + "."
    at = rng.choice(places)
    form = rng.randrange(3)
    if form == 0:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at + 1 :] if form == 1 else text[: at + 1] + text[at] + text[at + 1 :]


def _filled(text: str, rng: random.Random) -> str:
    said = rng.choice(_FILLER)
    return rng.choice((f"{said} {text}", f"{text} {said}", f"{said}\n\n{text}\n\n{rng.choice(_FILLER)}"))


def _split(text: str, rng: random.Random) -> str:
    """A word cut in two by a space, a hyphen or a line."""
    places = [n for n in range(1, len(text) - 1) if text[n - 1].isalpha() and text[n].isalpha()]
    if not places:
        return text + " "
    at = rng.choice(places)
    return text[:at] + rng.choice((" ", "-", "\n", ".")) + text[at:]


def _cased(text: str, rng: random.Random) -> str:
    return rng.choice((text.lower(), text.upper(), text.title(), text.swapcase()))


def _dressed(text: str, rng: random.Random) -> str:
    """A few words in one of the disguises."""
    words = text.split(" ")
    at = rng.randrange(len(words))
    end = min(len(words), at + rng.randint(1, 8))
    words[at:end] = [SINGLE[rng.choice(list(SINGLE))](" ".join(words[at:end]), rng)]
    return " ".join(words)


def _reordered(text: str, rng: random.Random) -> str:
    pieces = text.split(". ")
    if len(pieces) < 2:
        return _filled(text, rng)
    a, b = rng.sample(range(len(pieces)), 2)
    pieces[a], pieces[b] = pieces[b], pieces[a]
    return ". ".join(pieces)


CHANGES: Sequence[Callable[[str, random.Random], str]] = (
    _synonym, _synonym, _typo, _typo, _filled, _filled, _split, _cased, _dressed, _reordered,
)  # fmt: skip
"""The changes, the likelier ones more than once."""
