"""detector: every small model behind one call: a text, and whose words it is, to scores."""

import math
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

import msgspec
import numpy as np

from outworks.detectors import meaning, surprise
from outworks.detectors.calibration import CALIBRATION, Calibration, Weights
from outworks.detectors.categories import MODERATION, Category, Side
from outworks.detectors.deep import Deep
from outworks.detectors.files import SUMS
from outworks.detectors.grams import Array
from outworks.detectors.linear import highest
from outworks.detectors.strings import strings

DATA: Traversable = resources.files("outworks.detectors") / "data"
_SPANS = 16
"""Places in a text's scores, at most."""
_LOOKED = 4
"""Windows of one text that the second stage reads, at most."""


class Located(msgspec.Struct, frozen=True, gc=False):
    """Where in a text something was found."""

    category: Category
    start: int
    end: int
    score: float


class Scores(msgspec.Struct, frozen=True, gc=False):
    """What a text was found to be."""

    by_category: dict[str, float]
    """0 to 1. The numbers mean what `Detector.limits` says of them, no more."""
    spans: tuple[Located, ...] = ()
    """The surest first: characters of the text as given."""
    unsure: bool = False
    """The second stage should look."""
    logits: tuple[float, ...] = ()
    """The first stage's numbers, after what is held against them; for the second."""


class Detector:
    """All detectors. Loading reads files; judging does not."""

    def __init__(
        self,
        weights: Weights,
        tables: surprise.Tables,
        deep: Deep | None = None,
        words: meaning.Meaning | None = None,
    ) -> None:
        self._tables = tables
        self._words = words
        self._deep = deep
        self._first = weights.first
        self._topics = weights.topics
        self._calibration: Calibration = weights.calibration
        gates = weights.calibration.gates if deep else {}
        self._columns = {
            side: _Columns.of(lanes, gates.get(side), weights.calibration.wider.get(side, {}))
            for side, lanes in weights.calibration.lanes.items()
        }

    @classmethod
    def load(cls, folder: Traversable = DATA, *, second: bool = False) -> "Detector":
        """The detectors that ship with the package; with `second`, the transformer too.

        Raises `FileNotFoundError` or `ValueError` that names the file where weights are missing or not those that the
        calibration was made with or without, and `ModuleNotFoundError` where `second` lacks the extra
        `outworks[classifier]`.
        """
        # The session needs most memory while it loads: what it frees serves the others.
        deep = Deep.load(folder) if second else None
        weights, words = Weights.load(folder), meaning.Meaning.load(folder)
        if weights.calibration.words != (words is not None):
            fixed, there = ("with", "does not list it") if words is None else ("without", "lists it")
            raise ValueError(
                f"{folder}: the thresholds of {CALIBRATION} were fixed {fixed} {meaning.WORDS}, and {SUMS} {there}: "
                "take all files from one training"
            )
        return cls(weights, surprise.load(folder), deep, words)

    @property
    def second(self) -> bool:
        """Whether the transformer is there."""
        return self._deep is not None

    def score(self, text: str, side: Side, *, topics: bool = False) -> Scores:
        """The first stage. `topics` adds the moderation categories."""
        return self.score_all([text], side, topics=topics)[0]

    def score_all(self, texts: Sequence[str], side: Side, *, topics: bool = False) -> list[Scores]:
        """The same for many texts, read together: far faster than one by one."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        columns = self._columns[side]
        seen = highest(self._first[side], encoded)
        # What words mean has no place to point at: places are the grams' alone.
        grams = self._opposed(seen.logits, side)
        best = grams
        if self._words is not None and side is Side.REQUEST:
            best = self._lifted(self._words, grams, encoded)
        names, scores = columns.names, [_logistics(best) * columns.scale]
        spans: dict[int, list[Located]] = {}
        if side is not Side.OUTPUT:
            spans = self._strings(texts)
            names = [*names, str(Category.ADVERSARIAL_STRING)]
            scores.append(_surest(spans, len(texts)))
        if topics and side is not Side.CONTENT:
            names = [*names, *map(str, MODERATION)]
            scores.append(_logistics(highest(self._topics, encoded).logits))
        rows = np.concatenate(scores, axis=1).tolist()
        for n, lane in np.argwhere(grams > 0).tolist():
            if lane in columns.shown:
                start, end = int(seen.starts[n, lane]), int(seen.ends[n, lane])
                place = _characters(texts[n], encoded[n], start, end)
                spans.setdefault(n, []).append(Located(columns.lanes[lane], *place, rows[n][lane]))
        for places in spans.values():
            places.sort(key=_score, reverse=True)
        unsure = self._unsure(encoded, side, best)
        return [
            Scores(dict(zip(names, row, strict=True)), tuple(spans.get(n, ())[:_SPANS]), n in unsure, tuple(logits))
            for n, (row, logits) in enumerate(zip(rows, best.tolist(), strict=True))
        ]

    def look_again(self, text: str, side: Side, scores: Scores) -> Scores:
        """The second stage: tens of milliseconds. Returns `scores` as they are where it has nothing to add."""
        mixes = self._calibration.mixes.get(side)
        if self._deep is None or not scores.unsure:
            return scores
        if not mixes:
            return msgspec.structs.replace(scores, unsure=False)
        places = [(each.start, each.end) for each in scores.spans if each.category in _SHOWN]
        lanes = self._calibration.lanes[side]
        suspected = self._suspected(text.encode("utf-8", "surrogatepass"), side, scores.logits)
        # An order stands anywhere in a document; one that nothing speaks against is not worth so long a look.
        whole = side is Side.CONTENT and bool(suspected)
        heads = self._deep.read(text, side, places[:_LOOKED], whole=whole)
        by_category = dict(scores.by_category)
        for lane, z in zip(lanes, scores.logits, strict=True):
            mix = mixes.get(lane)
            if mix and ((side, lane) not in _CONFIRMED or lane in suspected):
                by_category[lane] = _BELOW + (1 - _BELOW) * _logistic(
                    mix.first * z + mix.second * heads[lane] + mix.bias
                )
        if MODERATION[0] in by_category:
            for category in MODERATION:
                deeper = _logistic(heads[category])
                by_category[category] = (by_category[category] + deeper) / 2
        return msgspec.structs.replace(scores, by_category=by_category, unsure=False)

    def _unsure(self, texts: Sequence[bytes], side: Side, logits: Array) -> set[int]:
        """Which texts the second stage should look at."""
        widest = self._columns[side].widest
        if widest is None:
            return set()
        near = np.logical_or.reduce(logits >= widest, axis=1).nonzero()[0].tolist()
        return {n for n in near if self._suspected(texts[n], side, logits[n].tolist())}

    def _suspected(self, text: bytes, side: Side, logits: Sequence[float]) -> set[Category]:
        """The categories whose gate the first stage's logits reach."""
        scored = dict(zip(self._calibration.lanes[side], logits, strict=True))
        suspected = _reached(scored, self._calibration.gates.get(side, {}))
        more = _reached(scored, self._calibration.wider.get(side, {})) - suspected
        return suspected | more if more and self._words is not None and self._words.knows(text) else suspected

    def judge(self, text: str, side: Side, *, topics: bool = False) -> Scores:
        """Both stages."""
        return self.look_again(text, side, self.score(text, side, topics=topics))

    def limits(self, side: Side, false_positive_rate: float, *, always: bool = False) -> Mapping[str, float]:
        """From which score on each blocking category counts, such that all of them together flag this share of the
        benign pool. `always`: where the second stage is asked about every text, not only where the first is unsure.
        Raises `ValueError` for a rate that the pool cannot tell."""
        return self._calibration.limits(side, false_positive_rate, second=self.second, always=always)

    def limit(self, category: Category, side: Side, false_positive_rate: float, *, always: bool = False) -> float:
        """The same for one category alone."""
        return self._calibration.limit(category, side, false_positive_rate, second=self.second, always=always)

    def _opposed(self, logits: Array, side: Side) -> Array:
        """The logits, each held against those that speak against it: what harms declines nothing."""
        opposed = self._calibration.opposed.get(side)
        if not opposed:
            return logits
        held, lanes = logits.copy(), self._calibration.lanes[side]
        for lane, (by, weight, floor) in opposed.items():
            held[:, lanes.index(lane)] -= weight * np.maximum(logits[:, lanes.index(by)] - floor, 0.0)
        return held

    def _lifted(self, words: meaning.Meaning, logits: Array, texts: Sequence[bytes]) -> Array:
        """The logits, those of harm raised by what the words of requests mean."""
        lane = self._columns[Side.REQUEST].lanes.index(Category.HARM)
        open_ones = (logits[:, lane] >= meaning.FLOOR).nonzero()[0].tolist()
        if not open_ones:
            return logits
        lifted = logits.copy()
        for n in open_ones:
            lifted[n, lane] += words.added(texts[n])
        return lifted

    def _strings(self, texts: Sequence[str]) -> dict[int, list[Located]]:
        """By text, where there are any."""
        found: dict[int, list[Located]] = {}
        for text, start, end, score in strings(self._tables, texts):
            found.setdefault(text, []).append(Located(Category.ADVERSARIAL_STRING, start, end, score))
        return found


_BELOW = 0.1
"""Where a second stage is loaded, what it would have judged and has not looked at scores below this."""
_CONFIRMED = frozenset({(Side.REQUEST, Category.INJECTION)})
"""What the second stage only confirms where the first suspects it: alone it takes minified code for orders."""
_SHOWN = frozenset({Category.JAILBREAK, Category.INJECTION, Category.HARM})


class _Columns(NamedTuple):
    """A side's categories, as columns of arrays."""

    lanes: tuple[Category, ...]
    names: list[str]
    shown: list[int]
    """Columns of the categories that are pointed at."""
    widest: Array | None
    """Logits from which the second stage may look; None where there is none."""
    scale: Array
    """What the first stage's score of a category counts."""

    @classmethod
    def of(
        cls, lanes: tuple[Category, ...], gates: Mapping[Category, float] | None, wider: Mapping[Category, float]
    ) -> "_Columns":
        known = {**gates, **wider} if gates else {}
        return cls(
            lanes,
            [str(lane) for lane in lanes],
            [at for at, lane in enumerate(lanes) if lane in _SHOWN],
            np.array([known.get(lane, math.inf) for lane in lanes]) if gates else None,
            np.array([_BELOW if lane in known else 1.0 for lane in lanes]),
        )


def _reached(logits: Mapping[Category, float], gates: Mapping[Category, float]) -> set[Category]:
    return {lane for lane, z in logits.items() if z >= gates.get(lane, math.inf)}


def _logistic(z: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, z))))


def _logistics(z: Array) -> Array:
    scores = np.exp(np.minimum(-z, 60.0))
    scores += 1
    return np.divide(1.0, scores, out=scores)


def _surest(strings: Mapping[int, Sequence[Located]], texts: int) -> Array:
    """[texts, 1]: the score of each text's surest string, 0 without any."""
    scores = np.zeros((texts, 1))
    for text, found in strings.items():
        scores[text] = max(each.score for each in found)
    return scores


def _score(found: Located) -> float:
    return found.score


def _characters(text: str, encoded: bytes, start: int, end: int) -> tuple[int, int]:
    """Bytes to characters."""
    if len(text) == len(encoded):
        return start, end
    before = len(encoded[:start].decode("utf-8", "ignore"))
    return before, before + len(encoded[start:end].decode("utf-8", "ignore"))


def flagged(scores: Scores, limits: Mapping[str, float]) -> Iterable[str]:
    """The categories whose limit a text reaches."""
    return [name for name, limit in limits.items() if scores.by_category.get(name, 0.0) >= limit]
