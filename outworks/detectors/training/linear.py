"""linear: the first stage's weights, by logistic regression on hashed grams."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from outworks.detectors.categories import Category
from outworks.detectors.grams import BUCKETS, RUN, Array, read
from outworks.detectors.linear import NARROW, WIDE, quantised
from outworks.detectors.training.corpus import Example


class Plan(msgspec.Struct, frozen=True):
    """How the shipped weights were made."""

    seed: int = 6
    penalty: float = 0.03
    """Of a squared weight."""
    rounds: int = 60
    """Of L-BFGS."""
    rarity: float = 0.5
    """Power of the inverse document frequency that a gram's weight is multiplied by: rare grams learn faster."""
    most: float = 4.0
    """How much more a positive example may count, to balance the rare categories."""


class Fitted(msgspec.Struct, frozen=True):
    """Weights, quantised, and how well they fit."""

    weights: Array
    scale: Array
    bias: Array
    loss: float


class Piece(msgspec.Struct, frozen=True):
    """A window of an example, as the detector will see it."""

    data: bytes
    targets: dict[Category, float]
    weight: float


def pieces(examples: Sequence[Example], seed: int) -> list[Piece]:
    """Short examples whole; long ones in wide windows, windows of a positive one counting less: they may hold nothing.
    Of content, narrow windows: those that a planted instruction lies in are positive, those it touches are left out."""
    rng = random.Random(seed)
    found = []
    for each in examples:
        data = each.text.encode("utf-8", "surrogatepass")
        if each.planted or each.side == "content":
            found += _content(each, data, rng)
            continue
        if len(data) < WIDE.least:
            found.append(Piece(data, each.targets, each.weight))
            if len(data) >= NARROW.least and not any(each.targets.values()):
                begin = rng.randrange(len(data) - NARROW.width)
                found.append(Piece(data[begin : begin + NARROW.width], each.targets, each.weight * 0.5))
            continue
        begins = range(0, len(data) - WIDE.width // 2, WIDE.width // 2)
        for begin in rng.sample(begins, min(8, len(begins))):
            weight = each.weight / min(8, len(begins)) ** 0.5
            found.append(Piece(data[begin : begin + WIDE.width], each.targets, weight))
        if not any(each.targets.values()):
            begin = rng.randrange(len(data) - NARROW.width)
            found.append(Piece(data[begin : begin + NARROW.width], each.targets, each.weight * 0.5))
    return found


def _content(each: Example, data: bytes, rng: random.Random) -> list[Piece]:
    if len(data) < NARROW.least:
        return [Piece(data, each.targets, each.weight)]
    begins = list(range(0, max(1, len(data) - NARROW.width // 2), NARROW.width // 2))
    if each.planted is None:
        return [
            Piece(data[begin : begin + NARROW.width], each.targets, each.weight)
            for begin in rng.sample(begins, min(10, len(begins)))
        ]
    start, end = (len(each.text[:place].encode("utf-8", "surrogatepass")) for place in each.planted)
    found = []
    for begin in begins:
        shared = min(end, begin + NARROW.width) - max(start, begin)
        if shared >= min(0.6 * (end - start), 0.5 * NARROW.width):
            found.append(Piece(data[begin : begin + NARROW.width], each.targets, each.weight))
        elif shared <= 0 and rng.random() < 0.3:
            found.append(Piece(data[begin : begin + NARROW.width], dict.fromkeys(each.targets, 0.0), each.weight))
    return found


def matrix(data: Sequence[bytes]) -> Any:
    """[texts, BUCKETS], sparse: the counts of grams, words' divided by the root of their number, as are characters'."""
    from scipy import sparse  # type: ignore[import-untyped]

    places, values, ends = [], [], [0]
    for text in data:
        grams = read(text)
        words, size = len(grams.starts), len(text)
        rows = [grams.words[n, : max(0, words - back)] for n, back in enumerate((0, 1, 2, 2))]
        letters = grams.chars[: max(0, size - RUN + 1)]
        mine = sum(map(len, rows))
        places += [*rows, letters]
        values += [
            np.full(mine, max(words, 1) ** -0.5, np.float32),
            np.full(len(letters), max(size, 1) ** -0.5, np.float32),
        ]
        ends.append(ends[-1] + mine + len(letters))
    return sparse.csr_matrix(
        (np.concatenate(values), np.concatenate(places).astype(np.int32), np.array(ends)), (len(data), BUCKETS)
    )


def fit(
    pieces: Sequence[Piece],
    lanes: Sequence[Category],
    plan: Plan,
    say: Callable[[str], None],
    *,
    shuffled: bool = False,
) -> Fitted:
    """All lanes at once. A target that a piece leaves open costs nothing. `shuffled` gives each piece another's:
    what is then learned must be worth nothing."""
    from scipy import sparse
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    counted = matrix([each.data for each in pieces])
    wanted = np.array([[each.targets.get(lane, 0.0) for lane in lanes] for each in pieces], np.float32)
    known = np.array([[each.weight * (lane in each.targets) for lane in lanes] for each in pieces], np.float32)
    if shuffled:
        order = np.random.default_rng(plan.seed).permutation(len(pieces))
        wanted, known = wanted[order], known[order]
    for lane in range(len(lanes)):
        yes, no = (known[:, lane] * wanted[:, lane]).sum(), (known[:, lane] * (1 - wanted[:, lane])).sum()
        known[:, lane] *= np.where(wanted[:, lane] > 0.5, min(plan.most, float(no / max(yes, 1.0)) ** 0.5), 1.0)
    seen = np.bincount(counted.indices, minlength=BUCKETS)
    common = np.log((len(pieces) + 1) / (seen + 1)) / np.log(len(pieces) + 1)
    rarity = np.maximum(common, 0.05) ** plan.rarity * 2
    rarity[seen < 2] = 0
    scaled = (counted @ sparse.diags(rarity.astype(np.float32))).tocsr().astype(np.float32)
    turned = scaled.T.tocsr()
    shape = BUCKETS, len(lanes)
    size = BUCKETS * len(lanes)

    def cost(point: Array) -> tuple[float, Array]:
        weights = point[:size].reshape(shape).astype(np.float32)
        logits = scaled @ weights + point[size:]
        loss = (known * np.logaddexp(0, -(2 * wanted - 1) * logits)).sum() + 0.5 * plan.penalty * (
            point[:size] ** 2
        ).sum()
        slope = (known * (1 / (1 + np.exp(-logits)) - wanted)).astype(np.float32)
        down = (turned @ slope + plan.penalty * weights).ravel()
        return float(loss), np.concatenate([down, slope.sum(0)]).astype(np.float64)

    found = minimize(
        cost, np.zeros(size + len(lanes)), jac=True, method="L-BFGS-B", options={"maxiter": plan.rounds, "maxcor": 8}
    )
    weights = found.x[:size].reshape(shape) * rarity[:, None]
    whole, scale = quantised(weights)
    say(f"{', '.join(lanes)}: {len(pieces)} pieces, {scaled.nnz} grams, loss {found.fun:.0f} after {found.nit} rounds")
    return Fitted(whole, scale, found.x[size:], float(found.fun))
