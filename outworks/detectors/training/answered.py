"""answered: what the detectors say of answers that people have judged, and of the requests that drew them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from outworks.detectors.categories import Category as C
from outworks.detectors.categories import Side
from outworks.detectors.looking import Looking, Stage
from outworks.detectors.training import calibrate
from outworks.detectors.training.figures import RATES, Rate, Scored, is_flagged


class _Tried(NamedTuple):
    """What is asked of which answers."""

    category: C
    stage: Stage
    answers: list[calibrate.Judged]
    but: str = ""
    """Which are left out, as it is told."""


_FEWEST = 15
"""Answers that a figure is given of."""


def unseen(judged: Sequence[calibrate.Judged]) -> list[calibrate.Judged]:
    """Those that training did not see: requests are divided, and models decline many of them in the same words."""
    seen = {each.example.text.strip() for each in judged if each.third is calibrate.Third.LENT}
    return [each for each in judged if each.third is not calibrate.Third.LENT and each.example.text.strip() not in seen]


def scored(data: Path, looking: Looking, *, second: bool) -> list[Scored]:
    """F1 against human labels, on the third of the answers that neither trained nor tuned."""
    judged = unseen(calibrate.judged_outputs(data / "dev"))
    # What people called a refusal because it answers another question looks like any answer.
    about = [each for each in judged if not each.evades]
    found = []
    stages: tuple[Stage, ...] = ("unsure", "always") if second else ("never",)
    tried = [_Tried(C.HARM, stage, judged) for stage in stages]
    tried.append(_Tried(C.REFUSAL, stages[0], judged))
    tried.append(_Tried(C.REFUSAL, stages[0], about, ", but for answers to other questions"))
    for category, stage, answers, but in tried:
        for name in ("jailjudge_mini", "pyrit_scorer_evals", "both"):
            part = [
                (each.example, each.third is calibrate.Third.TUNED)
                for each in answers
                if category in each.example.targets and name in (each.example.source, "both")
            ]
            tuned = np.array([tunes for _, tunes in part], np.bool_)
            if (~tuned).sum() < _FEWEST:
                continue
            looks = [looking.look_twice(each.text, Side.OUTPUT, stage) for each, _ in part]
            scores = np.array([look.by_category[category] for look in looks])
            wanted = np.array([each.targets[category] for each, _ in part])
            tries = np.unique(scores[tuned])
            limit = tries[np.argmax([_f1(scores[tuned] >= each, wanted[tuned]) for each in tries])]
            mine, labels = scores[~tuned] >= limit, wanted[~tuned]
            rng = np.random.default_rng(1)
            draws = [rng.integers(0, len(labels), len(labels)) for _ in range(1_000)]
            low, high = np.quantile([_f1(mine[draw], labels[draw]) for draw in draws], (0.025, 0.975))
            asked = ", second stage asked about all" if stage == "always" else ""
            said = f"{name}: {category}{but}{asked}"
            found.append(Scored(said, _f1(mine, labels), float(low), float(high), len(labels)))
    return found


def _f1(said: np.ndarray, wanted: np.ndarray) -> float:
    hits = float((said & (wanted > 0.5)).sum())
    return 2 * hits / max(1.0, float(said.sum() + wanted.sum()))


def worked(data: Path, looking: Looking, *, second: bool) -> dict[str, tuple[Rate, ...]]:
    """Of the requests whose answers people found harmful, the share that is flagged at RATES: by the request, by the
    answer, by either. Of the third that neither trained nor tuned."""
    judged = [
        each
        for each in unseen(calibrate.judged_outputs(data / "dev"))
        if each.third is calibrate.Third.REPORTED and C.HARM in each.example.targets
    ]
    found: dict[str, tuple[Rate, ...]] = {}
    for name in sorted({each.example.source for each in judged}):
        for harmful, said in ((True, "harmful"), (False, "harmless")):
            mine = [
                each
                for each in judged
                if each.example.source == name and (each.example.targets[C.HARM] == 1.0) is harmful
            ]
            asked = _flagged([each.request for each in mine], Side.REQUEST, looking, second=second)
            given = _flagged([each.example.text for each in mine], Side.OUTPUT, looking, second=second)
            for by, flags in (("request", asked), ("answer", given), ("either", asked | given)):
                found[f"{name}, {said}: {by}"] = tuple(Rate(int(each.sum()), len(mine)) for each in flags.T)
    return found


def _flagged(texts: list[str], side: Side, looking: Looking, *, second: bool) -> np.ndarray:
    """[texts, rates]"""
    limits = [looking.detector.limits(side, rate) for rate in RATES]
    looks = [looking.look_twice(text, side, "unsure" if second else "never") for text in texts]
    return np.array([[is_flagged(look, each) for each in limits] for look in looks], np.bool_).reshape(-1, len(limits))
