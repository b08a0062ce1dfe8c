"""A detector that finds what it is told to find, so that tests are of what is around it."""

from collections.abc import Mapping, Sequence

from outworks.detectors import CATEGORIES, Category, Side
from outworks.detectors.detector import Located, Scores

SURE, WEAK = 0.95, 0.6
"""Scores over the threshold, and over what is noted."""
WORDS: Mapping[str, tuple[Category, float]] = {
    "jailbreak-canary": (Category.JAILBREAK, SURE),
    "weak-canary": (Category.JAILBREAK, WEAK),
    "harm-canary": (Category.HARM, SURE),
    "override-canary": (Category.INJECTION, SURE),
    "suffix-canary": (Category.ADVERSARIAL_STRING, SURE),
    "violent-canary": (Category.VIOLENCE, SURE),
    "refusal-canary": (Category.REFUSAL, SURE),
}


class Scripted:
    """Finds the words of `WORDS`. What holds `unsure-canary` it is unsure of; the second look finds it harmful."""

    def __init__(self) -> None:
        self.read: list[str] = []
        """Every text that was scored."""
        self.again: list[str] = []

    def score(self, text: str, side: Side, *, topics: bool = False) -> Scores:
        self.read.append(text)
        scores = {str(category): 0.0 for category in CATEGORIES[side]}
        spans: list[Located] = []
        for word, (category, score) in WORDS.items():
            at = text.find(word)
            if at >= 0 and category in scores:
                scores[category] = max(score, scores[category])
                spans.append(Located(category, at, at + len(word), score))
        return Scores(scores, tuple(spans), "unsure-canary" in text)

    def score_all(self, texts: Sequence[str], side: Side, *, topics: bool = False) -> list[Scores]:
        return [self.score(text, side, topics=topics) for text in texts]

    def look_again(self, text: str, side: Side, scores: Scores) -> Scores:
        self.again.append(text)
        found = SURE if "unsure-canary" in text else 0.0
        return Scores({**scores.by_category, "harm": max(found, scores.by_category.get("harm", 0.0))}, scores.spans)

    def limits(self, side: Side, false_positive_rate: float, *, always: bool = False) -> dict[str, float]:
        if false_positive_rate < 0.0003:
            raise ValueError("the pool cannot tell")
        return {str(category): 0.9 if false_positive_rate <= 0.001 else 0.5 for category in CATEGORIES[side]}

    def limit(self, category: Category, side: Side, false_positive_rate: float, *, always: bool = False) -> float:
        return self.limits(side, false_positive_rate)[category]
