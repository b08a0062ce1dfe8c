"""calibration: the weights' files, and what their scores are worth on benign texts."""

import io
import math
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from typing import NamedTuple

import msgspec
import numpy as np

from outworks.detectors.categories import BLOCKING, Category, Side
from outworks.detectors.files import content, sums
from outworks.detectors.linear import NARROW, WIDE, Table, packed

FIRST, CALIBRATION = "first.npz", "calibration.json"


class Mix(NamedTuple):
    """How the two stages' logits are added up."""

    first: float
    second: float
    bias: float


class Opposed(NamedTuple):
    """What speaks against a category: the first stage's logit of another, as far as it is above a floor."""

    by: Category
    weight: float
    """What is taken away for each unit above the floor; not below 0."""
    floor: float
    """A logit."""


class Curve(msgspec.Struct, frozen=True):
    """Scores from which given shares of the benign pool are flagged."""

    rates: tuple[float, ...]
    """Falling."""
    scores: Mapping[str, tuple[float, ...]]
    """For each category, one for each rate."""
    texts: int
    """In the pool."""

    def at(self, rate: float) -> dict[str, float]:
        """Read off, between two rates along the logarithm. Raises `ValueError` outside them."""
        if not self.rates[-1] <= rate <= self.rates[0]:
            raise ValueError(
                f"false_positive_rate {rate:g} cannot be told from the {self.texts} benign texts that the detectors "
                f"were calibrated on: expected {self.rates[-1]:g} to {self.rates[0]:g}"
            )
        logs = [math.log(each) for each in reversed(self.rates)]
        return {
            name: float(np.interp(math.log(rate), logs, list(reversed(scores)))) for name, scores in self.scores.items()
        }


class Calibration(msgspec.Struct, frozen=True):
    """What training found out about the weights."""

    lanes: Mapping[Side, tuple[Category, ...]]
    """The first stage's columns."""
    gates: Mapping[Side, Mapping[Category, float]]
    """Logits from which the second stage looks."""
    mixes: Mapping[Side, Mapping[Category, Mix]]
    joint: Mapping[str, Curve]
    """All blocking categories together: by `SIDE` alone, with `+` where the second stage looks at what the first is
    unsure of, with `*` where it looks at everything."""
    alone: Mapping[str, Curve]
    """Each category alone."""
    opposed: Mapping[Side, Mapping[Category, Opposed]] = {}
    """What is held against the first stage's logits. Never against those that block: they could be talked down."""
    words: bool = False
    """Whether what words mean was added to the first stage's logits."""
    wider: Mapping[Side, Mapping[Category, float]] = {}
    """Gates that stand in place of `gates` where most words of a text are known: of other languages the second stage
    knows less, and is asked less. Whoever pads a text with what is no word gets back to `gates`."""

    @classmethod
    def load(cls, folder: Traversable) -> "Calibration":
        """Raises `FileNotFoundError` or `ValueError`, naming the file."""
        stored = content(folder, CALIBRATION, sums(folder))
        calibration = msgspec.json.decode(stored, type=cls)
        for side, opposed in calibration.opposed.items():
            lanes = calibration.lanes.get(side, ())
            for lane, (by, weight, _) in opposed.items():
                if lane not in lanes or by not in lanes or weight < 0 or lane in BLOCKING[side]:
                    raise ValueError(f"{CALIBRATION}: in a {side}, {lane} cannot be held against {by} by {weight:g}")
        for side, mixes in calibration.mixes.items():
            for lane in mixes.keys() - calibration.gates.get(side, {}).keys():
                raise ValueError(f"{CALIBRATION}: {side}, {lane}: a mix and no gate")
        if calibration.wider and not calibration.words:
            raise ValueError(f"{CALIBRATION}: a wider gate is for texts whose words are known, and no words are used")
        for side, wider in calibration.wider.items():
            for lane, logit in wider.items():
                gate = calibration.gates.get(side, {}).get(lane)
                if gate is None or not logit <= gate:
                    raise ValueError(
                        f"{CALIBRATION}: {side}, {lane}: the wider gate {logit:g} is above the other, {gate}"
                    )
        return calibration

    def limits(self, side: Side, rate: float, *, second: bool, always: bool = False) -> dict[str, float]:
        """See `Detector.limits`."""
        return self._curve(self.joint, side, second, always).at(rate)

    def limit(self, category: Category, side: Side, rate: float, *, second: bool, always: bool = False) -> float:
        """See `Detector.limit`."""
        found = self._curve(self.alone, side, second, always).at(rate)
        if category not in found:
            raise ValueError(
                f"{category!s} is not looked for in a {side!s}: expected one of {', '.join(sorted(found))}"
            )
        return found[category]

    @staticmethod
    def _curve(curves: Mapping[str, Curve], side: Side, second: bool, always: bool) -> Curve:
        mark = ("*" if always else "+") if second else ""
        return curves.get(f"{side}{mark}", curves[side])


class Weights(NamedTuple):
    """Everything but the transformer."""

    first: Mapping[Side, Table]
    topics: Table
    calibration: Calibration

    @classmethod
    def load(cls, folder: Traversable) -> "Weights":
        """Raises `FileNotFoundError` or `ValueError`, naming the file."""
        known = sums(folder)
        calibration = Calibration.load(folder)
        with np.load(io.BytesIO(content(folder, FIRST, known)), allow_pickle=False) as arrays:
            tables = {part: _table(arrays, part) for part in (*Side, "topics")}
        return cls({side: tables[side] for side in Side}, tables["topics"], calibration)


def _table(stored: Mapping[str, np.ndarray], part: str) -> Table:
    scales = (NARROW,) if part == Side.CONTENT else (WIDE, NARROW)
    return Table(packed(stored[f"{part}_weights"]), stored[f"{part}_scale"], stored[f"{part}_bias"], scales)
