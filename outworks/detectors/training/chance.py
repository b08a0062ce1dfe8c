"""chance: what the first stage knows, beside what the same training finds in shuffled labels."""

import random
from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np

from outworks.detectors.categories import Side
from outworks.detectors.detector import Detector
from outworks.detectors.training import build, linear
from outworks.detectors.training.figures import Chance, Spread

_SHUFFLES = 8
_BINS = 20
"""Shares of the texts, from the shortest to the longest, within which lengths count as alike."""
_READ = 2_000
"""Bytes of a text that are read here."""


def _area(scores: Sequence[float], wanted: Sequence[float]) -> float:
    """Under the ROC curve: the chance that a positive one scores higher."""
    from scipy.stats import rankdata  # type: ignore[import-untyped]

    ranks, labels = rankdata(scores), np.array(wanted)
    yes, no = labels.sum(), (1 - labels).sum()
    return float((ranks[labels > 0.5].sum() - yes * (yes + 1) / 2) / max(1.0, yes * no))


def area_alike(scores: Sequence[float], wanted: Sequence[float], sizes: Sequence[int]) -> float:
    """The same among texts of like length: each positive beside the rest of its bin. 0.5 where none can be compared."""
    bins = np.argsort(np.argsort(sizes, kind="stable")) * _BINS // max(1, len(sizes))
    area = pairs = 0.0
    for each in range(_BINS):
        mine: list[int] = np.flatnonzero(bins == each).tolist()
        labels = [wanted[k] for k in mine]
        yes = sum(label > 0.5 for label in labels)
        both = yes * (len(labels) - yes)
        area += both * _area([scores[k] for k in mine], labels) if both else 0.0
        pairs += both
    return area / pairs if pairs else 0.5


def areas(detector: object, held: build.Examples) -> dict[str, float]:
    """Under the ROC curve, for each side and category, on held-out texts: 0.5 is chance."""
    if not isinstance(detector, Detector):
        return {}
    found = {}
    for side, mine in ((Side.REQUEST, held.requests), (Side.CONTENT, held.content), (Side.OUTPUT, held.outputs)):
        logits = np.array([each.logits for each in detector.score_all([each.text for each in mine], side)])
        for n, lane in enumerate(build.LANES[side]):
            known = [k for k, each in enumerate(mine) if lane in each.targets]
            found[f"{side} {lane}"] = _area(logits[known, n].tolist(), [mine[k].targets[lane] for k in known])
    return found


def shuffled(training: build.Examples, held: build.Examples, plan: build.Plan) -> dict[str, Chance]:
    """First stages for requests, each trained on a sample whose labels went to the wrong texts.

    Such a model has learned how rare a category is, from every gram alike: so the longer a text, the lower its logit,
    and a category of long texts comes out below chance. Among texts of like length it does not.
    """
    lanes = build.LANES[Side.REQUEST]
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for seed in range(_SHUFFLES):
        rng = random.Random(seed)
        short = msgspec.structs.replace(plan.first, rounds=12, seed=seed)
        some = linear.pieces(rng.sample(training.requests, min(3_000, len(training.requests))), 1)
        fitted = linear.fit(some, lanes, short, lambda line: None, shuffled=True)
        mine = rng.sample(held.requests, min(2_000, len(held.requests)))
        data = [each.text.encode("utf-8", "replace")[:_READ] for each in mine]
        counted = linear.matrix(data)
        logits = counted @ (fitted.weights * fitted.scale) + fitted.bias
        for n, lane in enumerate(lanes):
            known = [k for k, each in enumerate(mine) if lane in each.targets]
            scores, wanted = logits[known, n].tolist(), [mine[k].targets[lane] for k in known]
            sizes = [len(data[k]) for k in known]
            by_size = _area([-size for size in sizes], wanted)
            found[lane].append((_area(scores, wanted), area_alike(scores, wanted, sizes), by_size))
    made = {}
    for name, columns in found.items():
        over_all, alike, shortness = (_spread(column) for column in zip(*columns, strict=True))
        made[str(name)] = Chance(over_all, alike, shortness.mean)
    return made


def _spread(values: Sequence[float]) -> Spread:
    return Spread(float(np.mean(values)), min(values), max(values))
