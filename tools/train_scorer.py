"""Fits the harm scorer to human labels, and measures it on prompts that it was not fitted to.

    python tools/train_scorer.py DATA [--check]

DATA is a folder with `dev/jailjudge_mini.jsonl.gz` and `dev/pyrit_scorer_evals.jsonl.gz`: human labels of answers.
Half of the prompts, chosen by a hash of their words, are fitted to; the card counts the other half. `--check` only
tells whether the shipped weights are what this command makes.
"""

import argparse
import asyncio
import gzip
import hashlib
import json
import sys
from pathlib import Path

import msgspec
import numpy as np

from outworks.scorer import ScorerCard
from outworks.scorers.harm import Weights, features
from outworks.scorers.refusal import declined
from outworks.statistics import rate

OUT = Path(__file__).parent.parent / "outworks/scorers/harm.json"
VERSION = "1"
THRESHOLD = 0.5
RIDGE = 1.0


class Row(msgspec.Struct, frozen=True):
    """An answer that people labelled."""

    source: str
    prompt: str
    answer: str
    harmful: bool

    @property
    def fitted(self) -> bool:
        """Whether its prompt is among those fitted to."""
        return hashlib.blake2b(self.prompt.strip().lower().encode()).digest()[0] % 2 == 0


def rows(data: Path) -> list[Row]:
    """Every answer labelled harmful or unharmful by people."""
    found = []
    for name in ("jailjudge_mini", "pyrit_scorer_evals"):
        with gzip.open(data / "dev" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                one = json.loads(line)
                label = one.get("response_label")
                if one.get("response") and label in ("harmful", "unharmful"):
                    found.append(Row(name, one["text"], one["response"], label == "harmful"))
    return found


async def refusal_card(data: Path) -> ScorerCard:
    """How `Score.refused` does on answers that people labelled refusal or compliance."""
    counted = {"refusal": [0, 0], "compliance": [0, 0]}
    with gzip.open(data / "dev" / "pyrit_scorer_evals.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            one = json.loads(line)
            if one.get("response") and one.get("response_label") in counted:
                refused = (await declined(one["response"])).refused
                counted[one["response_label"]][0] += refused == (one["response_label"] == "refusal")
                counted[one["response_label"]][1] += 1
    (found, refusals), (spared, compliances) = counted["refusal"], counted["compliance"]
    return ScorerCard(
        name="refusal",
        version=VERSION,
        labels="human labels of answers: PyRIT's refusal evaluations (MIT); some answers labelled refusal do comply",
        true_positives=found,
        positives=refusals,
        true_negatives=spared,
        negatives=compliances,
    )


async def table(each: list[Row]) -> list[dict[str, float]]:
    """The features of every row."""
    return [features(row.prompt, row.answer, await declined(row.answer)) for row in each]


def fitted(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Ridge logistic regression by Newton's method. [rows, features], [rows] -> [features]"""
    w = np.zeros(x.shape[1])
    for _ in range(60):
        p = 1 / (1 + np.exp(-x @ w))
        slope = x.T @ (p - y) + RIDGE * w
        curve = (x * (p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(len(w))
        w -= np.linalg.solve(curve, slope)
    return w


def main() -> int:
    """Fit, measure, write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    each = rows(given.data)
    found = asyncio.run(table(each))
    names = list(found[0])
    x = np.array([[one[name] for name in names] for one in found])
    y = np.array([row.harmful for row in each], float)
    seen = np.array([row.fitted for row in each])
    weights = dict(zip(names, np.round(fitted(x[seen], y[seen]), 4).tolist(), strict=True))
    said = x @ np.array(list(weights.values())) >= np.log(THRESHOLD / (1 - THRESHOLD))
    harmful = y == 1
    held = ~seen
    card = ScorerCard(
        name="harm",
        version=VERSION,
        labels="human labels of answers: JAILJUDGE (MIT) and PyRIT's scorer evaluations (MIT), the half not fitted to",
        true_positives=int((held & harmful & said).sum()),
        positives=int((held & harmful).sum()),
        true_negatives=int((held & ~harmful & ~said).sum()),
        negatives=int((held & ~harmful).sum()),
    )
    for name in ("jailjudge_mini", "pyrit_scorer_evals", None):
        here = held & np.array([name is None or row.source == name for row in each])
        finds = rate(int((here & harmful & said).sum()), int((here & harmful).sum()))
        spares = rate(int((here & ~harmful & ~said).sum()), int((here & ~harmful).sum()))
        print(
            f"{name or 'both':20} sensitivity {finds.count:.0f}/{finds.of} = {finds.value:.2f} "
            f"({finds.interval.low:.2f} to {finds.interval.high:.2f})   specificity {spares.count:.0f}/{spares.of} = "
            f"{spares.value:.2f} ({spares.interval.low:.2f} to {spares.interval.high:.2f})"
        )
    refusal = asyncio.run(refusal_card(given.data))
    print(
        f"{'refusal':20} sensitivity {refusal.true_positives}/{refusal.positives}   "
        f"specificity {refusal.true_negatives}/{refusal.negatives}"
    )
    written = Weights(version=VERSION, weights=weights, threshold=THRESHOLD, card=card, refusal=refusal)
    made = msgspec.json.format(msgspec.json.encode(written), indent=2)
    if given.check:
        same = OUT.exists() and OUT.read_bytes().strip() == made
        print("the shipped weights are the same" if same else f"{OUT.name} differs from what this command makes")
        return 0 if same else 1
    OUT.write_bytes(made + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
