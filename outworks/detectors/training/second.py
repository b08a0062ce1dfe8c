"""second: the small network over MiniLM's vectors, trained for all categories at once."""

import io
import random
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from outworks.detectors.categories import Category as C
from outworks.detectors.categories import Side
from outworks.detectors.deep import HEADS, Encoder, outputs
from outworks.detectors.grams import Array
from outworks.detectors.linear import NARROW
from outworks.detectors.training.corpus import Example


class Plan(msgspec.Struct, frozen=True):
    """How the shipped network was made."""

    seed: int = 6
    texts: int = 7_000
    """Read by the encoder: the most of the time that training takes."""
    hidden: int = 32
    epochs: int = 30
    batch: int = 256
    rate: float = 2e-3
    decay: float = 2e-4
    dropped: float = 0.5


_SHARES = {
    "benign": 0.38,
    "jailbreak": 0.10,
    "injection": 0.10,
    "harm": 0.19,
    "toxic": 0.05,
    "content": 0.09,
    "output": 0.09,
}
"""Of the texts, by what a row teaches most."""


def kind(each: Example) -> str:
    """Which share an example is drawn in."""
    if each.side is not Side.REQUEST:
        return str(each.side)
    for category in (C.JAILBREAK, C.INJECTION, C.HARM):
        if each.targets.get(category) == 1.0:
            return str(category)
    return "benign" if each.targets.get(C.HARM) == 0.0 else "toxic"


def chosen(examples: Sequence[Example], plan: Plan) -> list[Example]:
    """A sample: in it the shares hold, and sets count by the root of their size. Which rows of a set are in it does
    not depend on the other sets."""
    by_kind: dict[str, dict[str, list[Example]]] = defaultdict(lambda: defaultdict(list))
    for each in sorted(examples, key=lambda each: zlib.crc32(f"{plan.seed}{each.text}".encode("utf-8", "replace"))):
        by_kind[kind(each)][f"{each.source} {each.targets.get(C.INJECTION)}"].append(each)
    found = []
    for name, share in _SHARES.items():
        sets = by_kind[name]
        roots = {source: len(mine) ** 0.5 * mine[0].weight for source, mine in sorted(sets.items())}
        whole = sum(roots.values())
        for source, root in roots.items():
            found += sets[source][: round(share * plan.texts * root / whole)]
    return found


def seen(each: Example, rng: random.Random) -> str:
    """What of an example is read: content in windows, as the first stage would point at them."""
    if each.side is not Side.CONTENT or len(each.text) < NARROW.least:
        return each.text
    if each.planted is None:
        begin = rng.randrange(len(each.text) - NARROW.width)
    else:
        begin = max(0, each.planted[0] - rng.randrange(NARROW.width // 2))
    return each.text[begin : begin + NARROW.width]


def vectors(encoder: Encoder, texts: Sequence[str], say: Callable[[str], None]) -> Array:
    """[texts, 384]. One by one, as in use: in int8 a vector depends a little on what it is read beside."""
    found = np.empty((len(texts), 384), np.float32)
    for n, text in enumerate(texts):
        found[n] = encoder.vectors(encoder.rows(text)[:1])[0]
        if n % 1_000 == 0:
            say(f"second stage: {n} of {len(texts)} texts read")
    return found


def train(examples: Sequence[Example], encoder: Encoder, plan: Plan, say: Callable[[str], None]) -> bytes:
    """The network's file."""
    mine = chosen(examples, plan)
    rng = random.Random(plan.seed)
    return fit(vectors(encoder, [seen(each, rng) for each in mine], say), mine, plan, say)


def fit(read: Array, examples: Sequence[Example], plan: Plan, say: Callable[[str], None]) -> bytes:
    """Adam (arXiv 1412.6980) on the logistic loss; targets that are left open cost nothing."""
    places = {head: n for n, head in enumerate(HEADS)}
    wanted, known = (np.zeros((len(examples), len(HEADS)), np.float32) for _ in range(2))
    for n, each in enumerate(examples):
        for category, target in each.targets.items():
            at = places.get((each.side, category), places.get((Side.REQUEST, category)))
            if at is not None:
                wanted[n, at], known[n, at] = target, max(each.weight, 0.3)
    rng = np.random.default_rng(plan.seed)
    layers = {
        "w1": rng.normal(0, (2 / 384) ** 0.5 * 4, (384, plan.hidden)), "b1": np.zeros(plan.hidden),
        "w2": rng.normal(0, 0.05, (plan.hidden, len(HEADS))), "b2": np.full(len(HEADS), -2.0),
    }  # fmt: skip
    layers = {name: layer.astype(np.float32) for name, layer in layers.items()}
    means = {name: np.zeros_like(layer) for name, layer in layers.items()}
    squares = {name: np.zeros_like(layer) for name, layer in layers.items()}
    steps, step = plan.epochs * -(-len(examples) // plan.batch), 0
    loss = 0.0
    for _ in range(plan.epochs):
        order = rng.permutation(len(examples))
        for begin in range(0, len(order), plan.batch):
            batch = order[begin : begin + plan.batch]
            x, y, m = read[batch], wanted[batch], known[batch]
            raw = x @ layers["w1"] + layers["b1"]
            kept = (rng.random(raw.shape) >= plan.dropped).astype(np.float32) / (1 - plan.dropped)
            hidden = np.maximum(raw, 0) * kept
            logits = hidden @ layers["w2"] + layers["b2"]
            slope = m * (1 / (1 + np.exp(-logits)) - y) / len(batch)
            loss = float((m * np.logaddexp(0, -(2 * y - 1) * logits)).sum() / len(batch))
            back = (slope @ layers["w2"].T) * kept * (raw > 0)
            slopes = {"w2": hidden.T @ slope, "b2": slope.sum(0), "w1": x.T @ back, "b1": back.sum(0)}
            step += 1
            rate = plan.rate * (1 - step / (steps + 1))
            for name, down in slopes.items():
                means[name] += 0.1 * (down - means[name])
                squares[name] += 0.001 * (down * down - squares[name])
                moved = means[name] / (1 - 0.9**step) / (np.sqrt(squares[name] / (1 - 0.999**step)) + 1e-8)
                layers[name] -= rate * (moved + (plan.decay * 50 * layers[name] if name.startswith("w") else 0))
    say(f"second stage: loss {loss:.3f} after {step} steps on {len(examples)} texts")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: layer.astype(np.float16) for name, layer in layers.items()})  # type: ignore[arg-type]
    return buffer.getvalue()


__all__ = ["Plan", "chosen", "fit", "outputs", "train", "vectors"]
