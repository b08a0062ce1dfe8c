"""probe: how well a model's representations tell toxic from innocent text, by a linear classifier on top of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outworks.lab.backend import load
from outworks.lab.checkpoint import Checkpoint

Floats = NDArray[np.float64]
_PENALTY = 1e-2
"""Of the squared weights, beside the mean loss over rows."""


def features(checkpoint: Checkpoint, texts: Sequence[str], batch: int = 64) -> Floats:
    """For each text, the mean over its tokens of every layer's output, one after another: (texts, layers * hidden)."""
    torch, tokenizer = load(), checkpoint.tokenizer
    rows: list[Any] = []
    checkpoint.model.eval()
    longest = checkpoint.model.config.max_position_embeddings
    for at in range(0, len(texts), batch):
        read = tokenizer(
            list(texts[at : at + batch]),
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=longest,
            add_special_tokens=False,
        )
        ids, there = read["input_ids"].to(checkpoint.device), read["attention_mask"].to(checkpoint.device)
        with torch.no_grad():
            states = checkpoint.model(input_ids=ids, attention_mask=there, output_hidden_states=True).hidden_states[1:]
        weight = there[..., None] / there.sum(dim=1)[:, None, None].clamp_min(1)  # (rows, tokens, 1)
        rows.append(torch.cat([(each * weight).sum(dim=1) for each in states], dim=1).double().cpu())
    found: Floats = torch.cat(rows).numpy()
    return found


def fit(rows: Floats, labels: NDArray[np.bool_]) -> "Probe":
    """Logistic regression with a squared penalty, on standardised features; classes weigh the same."""
    from scipy import optimize  # type: ignore[import-untyped]

    centre, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-8
    given = (rows - centre) / spread
    signs = np.where(labels, 1.0, -1.0)
    balance = np.where(labels, 0.5 / max(1, labels.sum()), 0.5 / max(1, (~labels).sum()))

    def loss(weights: Floats) -> tuple[float, Floats]:
        margins = signs * (given @ weights[:-1] + weights[-1])
        pull = -balance * signs / (1 + np.exp(np.clip(margins, -500, 500)))
        value = float((balance * np.logaddexp(0, -margins)).sum() + _PENALTY * (weights[:-1] ** 2).sum())
        return value, np.append(given.T @ pull + 2 * _PENALTY * weights[:-1], pull.sum())

    found = optimize.minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return Probe(found[:-1] / spread, float(found[-1] - (found[:-1] * centre / spread).sum()))


class Probe:
    """A linear classifier."""

    def __init__(self, weights: Floats, offset: float) -> None:
        self.weights = weights
        self.offset = offset

    def scores(self, rows: Floats) -> Floats:
        """The higher, the more toxic."""
        found: Floats = rows @ self.weights + self.offset
        return found


def auc(scores: Floats, labels: NDArray[np.bool_]) -> float:
    """The chance that a toxic row scores above an innocent one, ties counted half (Mann and Whitney, 1947).

    Raises ValueError where there are none of either.
    """
    high, low = scores[labels], scores[~labels]
    if not len(high) or not len(low):
        raise ValueError(
            f"an AUC needs rows of both kinds; it was given {len(high)} toxic and {len(low)} innocent ones"
        )
    ordered = np.sort(low)
    below, upto = np.searchsorted(ordered, high, "left"), np.searchsorted(ordered, high, "right")
    return float((below + upto).mean() / 2 / len(low))
