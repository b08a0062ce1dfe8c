"""chance: what the first stage knows, beside what the same training finds in shuffled labels."""

import random
from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np

from outworks.detectors.categories import Side
from outworks.detectors.detector import Detector
from outworks.detectors.training import build, linear
from outworks.detectors.training.figures import Spread

_SHUFFLES = 8


def _area(scores: Sequence[float], wanted: Sequence[float]) -> float:
    """Under the ROC curve: the chance that a positive one scores higher."""
    from scipy.stats import rankdata  # type: ignore[import-untyped]

    ranks, labels = rankdata(scores), np.array(wanted)
    yes, no = labels.sum(), (1 - labels).sum()
    return float((ranks[labels > 0.5].sum() - yes * (yes + 1) / 2) / max(1.0, yes * no))


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


def shuffled(training: build.Examples, held: build.Examples, plan: build.Plan) -> dict[str, Spread]:
    """First stages for requests, each trained on a sample whose labels went to the wrong texts."""
    lanes = build.LANES[Side.REQUEST]
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(_SHUFFLES):
        rng = random.Random(seed)
        short = msgspec.structs.replace(plan.first, rounds=12, seed=seed)
        some = linear.pieces(rng.sample(training.requests, min(3_000, len(training.requests))), 1)
        fitted = linear.fit(some, lanes, short, lambda line: None, shuffled=True)
        mine = rng.sample(held.requests, min(2_000, len(held.requests)))
        counted = linear.matrix([each.text.encode("utf-8", "replace")[:2_000] for each in mine])
        logits = counted @ (fitted.weights * fitted.scale) + fitted.bias
        for n, lane in enumerate(lanes):
            known = [k for k, each in enumerate(mine) if lane in each.targets]
            found[lane].append(_area(logits[known, n].tolist(), [mine[k].targets[lane] for k in known]))
    return {lane: Spread(float(np.mean(each)), min(each), max(each)) for lane, each in found.items()}
