"""figures: what an evaluation finds, with its intervals."""

from collections.abc import Mapping, Sequence

import msgspec

from outworks.detectors.looking import Look
from outworks.statistics import Interval, wilson

RATES = (0.01, 0.001)
"""False-positive rates at which everything is told."""


class Rate(msgspec.Struct, frozen=True):
    """A share of texts, with its 95% interval (Wilson)."""

    hits: int
    texts: int

    @property
    def share(self) -> float:
        """0 to 1; 0 for none."""
        return self.hits / self.texts if self.texts else 0.0

    @property
    def interval(self) -> Interval:
        """Of 95%; anything may be true of no texts."""
        return wilson(self.hits, self.texts) if self.texts else Interval(0.0, 1.0)


class SetFigure(msgspec.Struct, frozen=True):
    """One set of texts."""

    name: str
    what: str
    side: str
    hostile: bool
    dev: bool
    """False: rows of a training set whose groups were held out."""
    first: tuple[Rate, ...]
    """Flagged by the first stage at RATES."""
    both: tuple[Rate, ...]
    """Flagged by both stages, where there are two."""
    second: Rate
    """What reached the second stage."""
    always: tuple[Rate, ...] = ()
    """Flagged where the second stage is asked about every text."""


class Scored(msgspec.Struct, frozen=True):
    """A yes-or-no judgement against human labels, at the threshold of best F1 on other texts."""

    name: str
    f1: float
    low: float
    high: float
    texts: int


class Spread(msgspec.Struct, frozen=True):
    """Over several runs."""

    mean: float
    low: float
    high: float


class Chance(msgspec.Struct, frozen=True):
    """What shuffled labels teach: areas under the ROC curve, where 0.5 is chance."""

    all: Spread
    """On all held-out texts: whatever the labels, a long text sums more weights, and attacks are of other lengths."""
    alike: Spread
    """Among texts of like length."""
    shortness: float
    """Of shortness alone: the shorter, the surer."""


class Attack(msgspec.Struct, frozen=True):
    """An adversary who searches."""

    name: str
    visible: bool
    tries: int
    evaded: int
    budget: int
    median: int
    """Queries until evasion; of those that evade."""


class Figures(msgspec.Struct, frozen=True):
    """Everything measured."""

    trained_on: Mapping[str, int]
    near: int
    shuffled: Mapping[str, Chance]
    """First stages trained on shuffled labels, by category."""
    auc: Mapping[str, float]
    """AUC of the one that ships, on the same texts."""
    sets: Sequence[SetFigure]
    spans: Rate
    """Machine-found suffixes whose span is hit."""
    disguised: Mapping[str, Mapping[str, tuple[Rate, Rate]]]
    """Set to disguise to flagged as it stands, and disguised (first stage, 1%)."""
    ordinary: Mapping[str, tuple[Rate, ...]]
    """Kind of benign look-alike to flagged, at RATES (both stages)."""
    languages: Mapping[str, Rate]
    bias: Mapping[str, Rate]
    outputs: Sequence[Scored]
    worked: Mapping[str, tuple[Rate, ...]]
    """Requests by what people said of their answers, and what of the two is looked at, to flagged, at RATES."""
    attacks: Sequence[Attack]
    speed: Mapping[str, float]


def is_flagged(look: Look, limits: Mapping[str, float]) -> bool:
    """Whether any category reaches its limit."""
    return any(look.by_category.get(name, 0.0) >= limit for name, limit in limits.items())
