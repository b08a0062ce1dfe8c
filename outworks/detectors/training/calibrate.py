"""calibrate: thresholds from benign texts, and how the two stages' numbers are added up."""

import random
import zlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from outworks.detectors.calibration import Curve
from outworks.detectors.categories import Category as C
from outworks.detectors.categories import Side
from outworks.detectors.grams import Array
from outworks.detectors.training import corpus, sources
from outworks.detectors.training.corpus import Example
from outworks.detectors.training.declining import is_about

RATES = (0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.003, 0.002, 0.001)
POOL = (
    "cyberseceval_frr",
    "ifeval",
    "mt_vicuna_bench",
    "jbb_behaviors",
    "wildchat_ru",
    "openai_guardrails_demo",
    "injecguard_valid",
)
"""Dev sets of benign requests that thresholds are fixed on."""
LENT = {
    "wildchat_ru": 540,
    "mgsm": 1250,
    "cyberseceval_frr": 375,
    "ifeval": 270,
    "jbb_behaviors": 49,
    "mt_vicuna_bench": 80,
}
"""Dev sets of which one half, by group, is lent to training: no training set has benign requests like them (other
languages; security work; odd formats). The other half calibrates and is reported."""
_HELD = ("parapet_l1_holdout", "prompts_chat", "gpteacher_roleplay", "self_instruct_user", "truthfulqa")
TRAFFIC = (
    "wildchat_ru",
    "ifeval",
    "mt_vicuna_bench",
    "openai_guardrails_demo",
    "parapet_l1_holdout",
    "self_instruct_user",
    "gpteacher_roleplay",
)
"""Sets that stand for ordinary traffic, when it is counted what reaches the second stage."""


def is_lent(name: str, row: sources.Raw) -> bool:
    """Whether a dev row is in the half that training may see."""
    return zlib.crc32(f"half{sources.group(name, row)}".encode("utf-8", "replace")) % 2 == 0


def lent(dev: Path) -> list[Example]:
    """The halves of dev sets that training sees."""
    found = []
    for name, most in LENT.items():
        rows = [r for r in corpus.kept(dev, name, "copies_train") if r["label"] == "benign" and is_lent(name, r)]
        for row in random.Random(0).sample(rows, min(most, len(rows))):
            clean = dict(sources.CLEAN)
            found.append(Example(row["text"], Side.REQUEST, clean, 1.0, name, sources.group(name, row)))
    return found


class Third(StrEnum):
    """What an answer of a dev set is used for: by its request, so that no request is on two sides."""

    LENT = "lent"
    """Training."""
    TUNED = "tuned"
    """Choosing a threshold."""
    REPORTED = "reported"


class Judged(NamedTuple):
    """An answer with human labels."""

    example: Example
    third: Third
    request: str
    """What it answers."""

    @property
    def evades(self) -> bool:
        """Whether people called it a refusal that does not say so, and that shares no word with its request: it answers
        another question, which the answer alone does not show."""
        called = self.example.targets.get(C.REFUSAL) == 1.0
        told = corpus.refusal(self.example.text, harmful=False).get(C.REFUSAL) == 1.0
        return called and not told and not is_about(self.request, self.example.text)


def judged_outputs(dev: Path) -> list[Judged]:
    """The answers of the dev sets."""
    found = []
    for name in ("jailjudge_mini", "pyrit_scorer_evals"):
        for row in corpus.rows(dev, name):
            label, answer = row.get("response_label"), row.get("response")
            targets: dict[C, float] = {}
            if label in ("harmful", "unharmful"):
                targets[C.HARM] = float(label == "harmful")
            if label in ("refusal", "compliance"):
                targets[C.REFUSAL] = float(label == "refusal")
            if answer and targets:
                at = zlib.crc32(f"third{row['text']}".encode("utf-8", "replace")) % 3
                example = Example(answer, Side.OUTPUT, targets, 1.5, name, f"{name}:{row['text']}")
                found.append(Judged(example, list(Third)[at], row["text"]))
    return found


def lent_documents(dev: Path) -> list[Example]:
    """Word problems in ten languages, as documents without instructions: the training sets' documents are English."""
    return [
        msgspec.structs.replace(each, side=Side.CONTENT, targets={C.INJECTION: 0.0})
        for each in lent(dev)
        if each.source == "mgsm"
    ]


def lent_outputs(dev: Path) -> list[Example]:
    """Those that training sees. Where people said only whether one harms, its opening tells whether it declines."""
    found = []
    for judged in judged_outputs(dev):
        each = judged.example
        if judged.third is Third.LENT and not judged.evades:
            opening = corpus.refusal(each.text, each.targets[C.HARM] == 1.0) if C.HARM in each.targets else {}
            found.append(msgspec.structs.replace(each, targets=opening | each.targets))
    return found


def pool(dev: Path, held: Sequence[Example]) -> dict[str, list[str]]:
    """Benign requests by set: the dev sets, less what was lent, and what was held out of training."""
    found: dict[str, list[str]] = {}
    for name in POOL:
        for row in corpus.kept(dev, name, "copies_train"):
            if row["label"] == "benign" and not (name in LENT and is_lent(name, row)):
                found.setdefault(name, []).append(row["text"])
    for each in held:
        benign = each.targets.get(C.HARM) == 0.0 and each.targets.get(C.JAILBREAK) == 0.0
        if benign and each.source in _HELD:
            found.setdefault(each.source, []).append(each.text)
    return found


def joint(scores: Mapping[C, Array], weight: Mapping[C, float]) -> Curve:
    """Thresholds such that all categories together flag a share of the texts; each gets its `weight` of the budget."""
    names = list(scores)
    stacked = np.stack([scores[name] for name in names])
    share = np.array([weight[name] for name in names])
    rows: dict[C, list[float]] = {name: [] for name in names}
    for rate in RATES:
        low, high = rate * 0.05, min(0.9, rate * 4)
        for _ in range(30):
            mid = (low + high) / 2
            limits = np.array([_upper(each, mid * part) for each, part in zip(stacked, share, strict=True)])
            low, high = (low, mid) if (stacked >= limits[:, None]).any(0).mean() > rate else (mid, high)
        limits = np.array([_upper(each, low * part) for each, part in zip(stacked, share, strict=True)])
        for name, limit in zip(names, limits, strict=True):
            rows[name].append(float(limit))
    return Curve(RATES, {name: tuple(found) for name, found in rows.items()}, stacked.shape[1])


def alone(scores: Mapping[C, Array]) -> Curve:
    """Thresholds of each category by itself."""
    count = len(next(iter(scores.values())))
    return Curve(RATES, {name: tuple(_upper(found, rate) for rate in RATES) for name, found in scores.items()}, count)


def _upper(scores: Array, rate: float) -> float:
    """A threshold that at most this share of the scores reaches, hardly above the next one: by as much as scores differ
    between processors, if there is room. Equal scores count together, and a threshold is never 0: what has no evidence
    is not flagged."""
    ordered = np.sort(scores)[::-1]
    at = int(rate * len(ordered))
    if at >= len(ordered):
        return _LEAST
    score, higher = ordered[at], ordered[ordered > ordered[at]]
    above = higher[-1] if len(higher) else 1.0
    clear = min((above - score) / 2, _APART * (1 - score))
    return float(max(score + clear, np.nextafter(score, 2.0), _LEAST))


_APART = 1e-5
"""Logits of the first stage differ by less between kernels and numpy, and from one processor to the next."""
_LEAST = 1e-6
