"""meaning: words' vectors from the second stage's base, and what is learned above them about requests for harm."""

import io
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from outworks.detectors.categories import Category as C
from outworks.detectors.deep import Reader
from outworks.detectors.grams import Array
from outworks.detectors.meaning import WIDTH, Meaning, words
from outworks.detectors.training import base, tuning
from outworks.detectors.training.base import Base
from outworks.detectors.training.coarse import coarse
from outworks.detectors.training.corpus import Example

_FIRST, _LAST, _BEFORE = 101, 102, "query: "
"""How E5 was taught to read a question."""
_TOGETHER = 512
"""Words that are read at once."""


class Plan(msgspec.Struct, frozen=True):
    """How the shipped words were made."""

    seed: int = 6
    seen: int = 3
    """Requests that a word stands in at least, unless it is a token by itself."""
    common: float = 1e-3
    """Share of requests from which on a word counts less."""
    inner: int = 128
    """Numbers in the layer above."""
    rounds: int = 8
    batch: int = 512
    rate: float = 2e-3
    slower: float = 0.85
    """What the rate is multiplied by after each round."""
    decay: float = 0.05
    dropped: float = 0.3


def build(requests: Sequence[Example], start: Base, plan: Plan, say: Callable[[str], None]) -> bytes:
    """The file of `Meaning`. Torch runs on one thread, so that a seed gives the same numbers wherever the arithmetic is
    the same. Raises as `tuning.tune` does, and `ValueError` where no request says whether it harms."""
    torch = tuning.torch_or_say()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        torch.manual_seed(plan.seed)
        counts = Counter(word for each in requests for word in set(words(_bytes(each.text))))
        reader = Reader(start.tokenizer)
        read = _read(torch, _chosen(counts, reader, plan), start, reader)
        stored = _stored(read.words, _narrowed(torch, read.vectors), counts, len(requests), plan)
        say(f"{len(read.words)} words have vectors")
        return _file(stored | _learned(torch, requests, Meaning.of(_file(stored | _nothing())), plan, say))
    finally:
        torch.set_num_threads(threads)


def _chosen(counts: Counter[bytes], reader: Reader, plan: Plan) -> list[bytes]:
    """Words of ASCII letters, two at least: those that training saw often enough, and those that are one token."""
    tokens = map(_bytes, reader.vocabulary())
    known = {word for word, count in counts.items() if count >= plan.seen} | {
        token for token in tokens if words(token) == [token]
    }
    return sorted(word for word in known if len(word) > 1 and word.isascii())


class _Read(NamedTuple):
    words: list[bytes]
    vectors: Array
    """[words, base.WIDTH]"""


def _read(torch: Any, chosen: Sequence[bytes], start: Base, reader: Reader) -> _Read:
    """Each word alone: the mean over its own tokens. A word that has none is left out."""
    net = {name: torch.from_numpy(tensor.copy()) for name, tensor in start.tensors.items()}
    before = [_FIRST, *reader.rows(_BEFORE)[0]]
    tokens = {word: reader.rows(word.decode())[0] for word in chosen}
    known = [word for word in chosen if tokens[word]]
    found = np.zeros((len(known), base.WIDTH), np.float32)
    order = sorted(range(len(known)), key=lambda n: len(tokens[known[n]]))
    for begin in range(0, len(order), _TOGETHER):
        mine = order[begin : begin + _TOGETHER]
        rows = [tokens[known[n]] for n in mine]
        width = max(map(len, rows)) + len(before) + 1
        ids, mask, own = np.zeros((len(mine), width), np.int64), *np.zeros((2, len(mine), width), np.float32)
        for at, row in enumerate(rows):
            end = len(before) + len(row)
            ids[at, : end + 1], mask[at, : end + 1] = [*before, *row, _LAST], 1
            own[at, len(before) : end] = 1
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            x = tuning.encoded(torch, net, torch.from_numpy(ids), torch.from_numpy(mask)).float().numpy()
        found[mine] = (x * own[..., None]).sum(1) / own.sum(1, keepdims=True)
    return _Read(known, found)


def _narrowed(torch: Any, wide: Array) -> Array:
    """[words, WIDTH]: the directions in which words differ most, each so that its largest part is positive."""
    centred = torch.from_numpy(wide - wide.mean(0)).double()
    directions = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -WIDTH:].flip(1)
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    narrow = (centred @ (directions * largest.sign())).numpy()
    found: Array = (narrow / narrow.std()).astype(np.float32)
    return found


def _stored(
    known: Sequence[bytes], vectors: Array, counts: Counter[bytes], requests: int, plan: Plan
) -> dict[str, Array]:
    shares = np.array([max(1, counts[word]) / requests for word in known])
    kept = coarse(vectors)
    return {
        "words": np.frombuffer(b"\n".join(known), np.uint8),
        "pairs": kept.pairs,
        "scale": kept.scale.astype(np.float16),
        "weights": np.sqrt(plan.common / (plan.common + shares)).astype(np.float16),
    }


def _nothing() -> dict[str, Array]:
    """A layer that has learned nothing."""
    return {
        "inner": np.zeros((1, 2 * WIDTH), np.float16),
        "inner_bias": np.zeros(1, np.float16),
        "outer": np.zeros(1, np.float16),
        "outer_bias": np.zeros((), np.float32),
    }


def _learned(
    torch: Any, requests: Sequence[Example], known: Meaning, plan: Plan, say: Callable[[str], None]
) -> dict[str, Array]:
    read, judged = [], []
    for each in requests:
        rows = known.found(_bytes(each.text)) if C.HARM in each.targets else np.empty(0, np.intp)
        if len(rows):
            read.append(known.features(rows))
            judged.append(each)
    if not judged:
        raise ValueError("words' meaning: no request says whether it harms; expected some that do and some that do not")
    given = torch.from_numpy(np.stack(read))
    wanted = torch.tensor([each.targets[C.HARM] for each in judged])
    counted = torch.tensor([each.weight for each in judged])
    net = torch.nn.Sequential(
        torch.nn.Linear(2 * WIDTH, plan.inner),
        torch.nn.ReLU(),
        torch.nn.Dropout(plan.dropped),
        torch.nn.Linear(plan.inner, 1),
    )
    optimizer = torch.optim.AdamW(net.parameters(), plan.rate, weight_decay=plan.decay)
    rng = random.Random(plan.seed)
    order = list(range(len(judged)))
    for number in range(plan.rounds):
        rng.shuffle(order)
        lost = 0.0
        for begin in range(0, len(order), plan.batch):
            mine = order[begin : begin + plan.batch]
            mistakes = torch.nn.functional.binary_cross_entropy_with_logits(
                net(given[mine])[:, 0], wanted[mine], reduction="none"
            )
            loss = (mistakes * counted[mine]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            lost += float(loss.detach()) * len(mine)
        for group in optimizer.param_groups:
            group["lr"] *= plan.slower
        say(f"words' meaning: round {number + 1} of {plan.rounds}, loss {lost / len(order):.3f}")
    inner, outer = net[0], net[3]
    return {
        "inner": inner.weight.detach().numpy().astype(np.float16),
        "inner_bias": inner.bias.detach().numpy().astype(np.float16),
        "outer": outer.weight.detach().numpy()[0].astype(np.float16),
        "outer_bias": outer.bias.detach().numpy()[0],
    }


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _file(arrays: dict[str, Array]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
