"""tuning: the second stage's transformer, E5-small with its upper layers trained for all categories at once."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np

from outworks.detectors import deep
from outworks.detectors.categories import Side
from outworks.detectors.deep import HEADS
from outworks.detectors.grams import Array
from outworks.detectors.training import base

WEIGHT, BIAS = "heads.weight", "heads.bias"


class Plan(msgspec.Struct, frozen=True):
    """How the shipped weights were tuned."""

    seed: int = 6
    texts: int = 40_000
    """Chosen of all (see `second.chosen`)."""
    steps: int = 2_200
    """Batches that are learned from, over and over the texts where they are more: what training costs."""
    batch: int = 32
    frozen: int = 4
    """Layers, from below, that stay as they were; so do the tokens' vectors."""
    rate: float = 1e-4
    """Of the uppermost layer. Each layer below learns at `fall` of the one above it (arXiv 1801.06146)."""
    fall: float = 0.8
    head_rate: float = 2e-3
    decay: float = 0.01
    dropped: float = 0.1
    warm: int = 40
    """Steps in which the rate rises; then it stays, and what ships is a running mean of the weights (arXiv 1803.05407),
    so that training can be made longer without being planned anew."""
    mean: float = 0.99
    """Share of the running mean that is kept, every `MEAN_EVERY` steps."""
    topics: float = 0.3
    """What a moderation category's mistake counts, against one about what blocks."""
    half: bool = True
    """Multiply in bfloat16: a third faster where the processor can, as exact where the sums are kept in 32 bits."""


MEAN_EVERY = 5


class Row(msgspec.Struct, frozen=True):
    """One stretch of a text, as tokens, and what is known of it."""

    ids: tuple[int, ...]
    side: Side
    wanted: Array
    """[heads], 0 or 1."""
    known: Array
    """[heads], how much a mistake counts; 0 for what is left open."""


Epoch: TypeAlias = Callable[[int], Sequence[Row]]
"""The rows of an epoch, by its number."""


def tune(start: Mapping[str, Array], epoch: Epoch, plan: Plan, say: Callable[[str], None]) -> dict[str, Array]:
    """The tensors after training, with the heads': `WEIGHT` [heads, 384] and `BIAS` [heads].

    AdamW (arXiv 1711.05101) on the logistic loss. One thread, so that a seed gives the same weights wherever the
    arithmetic is the same. Raises `ModuleNotFoundError` naming the extra where torch is missing.
    """
    torch = torch_or_say()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        torch.manual_seed(plan.seed)
        net = {name: torch.from_numpy(tensor.copy()) for name, tensor in start.items()}
        net[WEIGHT] = torch.randn(len(HEADS), base.WIDTH) * 0.02
        net[BIAS] = torch.full((len(HEADS),), -2.0)
        done = Progress(0, 0.0, {})
        for done in steps(torch, net, epoch, plan):
            if done.step % 50 == 0 or done.step == plan.steps:
                say(f"second stage: step {done.step} of {plan.steps}, loss {done.loss:.3f}")
        return {name: tensor.numpy() for name, tensor in (net | done.mean).items()}
    finally:
        torch.set_num_threads(threads)


class Progress(msgspec.Struct, frozen=True):
    """How far tuning has come."""

    step: int
    loss: float
    """Running mean."""
    mean: dict[str, Any]
    """The running mean of what is trained, torch tensors."""


def steps(torch: Any, net: dict[str, Any], epoch: Epoch, plan: Plan) -> Iterator[Progress]:
    """Trains `net`, a step each time the next progress is asked for."""
    groups = []
    for n in range(plan.frozen, base.LAYERS):
        mine = [name for name in net if f"encoder.layer.{n}." in name]
        groups.append((mine, plan.rate * plan.fall ** (base.LAYERS - 1 - n)))
    groups.append(([WEIGHT, BIAS], plan.head_rate))
    trained = {name: net[name].requires_grad_() for names, _ in groups for name in names}
    optimizer = torch.optim.AdamW(
        [{"params": [net[name] for name in names], "lr": rate} for names, rate in groups],
        weight_decay=plan.decay,
        betas=(0.9, 0.98),
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / plan.warm))
    mean = {name: tensor.detach().clone() for name, tensor in trained.items()}
    running = 0.0
    for step, rows in enumerate(_batches(epoch, plan), 1):
        loss = _loss(torch, net, rows, plan)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(trained.values()), 1.0)
        optimizer.step()
        schedule.step()
        if step % MEAN_EVERY == 0:
            # While there are few, all count alike: the mean must not remember where training began.
            kept = min(plan.mean, 1 - MEAN_EVERY / step)
            for name, tensor in trained.items():
                mean[name].lerp_(tensor.detach(), 1 - kept)
        running += (float(loss.detach()) - running) * (0.02 if step > 1 else 1.0)
        yield Progress(step, running, mean)


def _loss(torch: Any, net: Mapping[str, Any], rows: Sequence[Row], plan: Plan) -> Any:
    given = deep.batch([row.ids for row in rows], [row.side for row in rows])
    wanted, known = (
        torch.from_numpy(np.stack(part)) for part in zip(*((r.wanted, r.known) for r in rows), strict=True)
    )
    with torch.autocast("cpu", torch.bfloat16, enabled=plan.half):
        found = logits(torch, net, torch.from_numpy(given.ids), torch.from_numpy(given.mask), plan.frozen, plan.dropped)
    each = torch.nn.functional.binary_cross_entropy_with_logits(found.float(), wanted, reduction="none")
    return (each * known).sum() / len(rows)


def logits(torch: Any, net: Mapping[str, Any], ids: Any, mask: Any, frozen: int = 0, dropped: float = 0.0) -> Any:
    """[rows, heads], of ids [rows, tokens] and mask [rows, tokens] (1 for a token, 0 for filling). The first `frozen`
    layers keep no gradient."""
    x = encoded(torch, net, ids, mask, frozen, dropped)
    mean = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return torch.nn.functional.linear(_dropped(torch, mean, dropped), net[WEIGHT], net[BIAS])


def encoded(torch: Any, net: Mapping[str, Any], ids: Any, mask: Any, frozen: int = 0, dropped: float = 0.0) -> Any:
    """[rows, tokens, base.WIDTH]: what the last layer says of each token."""
    fill = ((1 - mask) * -1e4)[:, None, None, :]
    with torch.no_grad():
        x = _embedded(torch, net, ids)
        for n in range(frozen):
            x = _layer(torch, net, n, x, fill, 0.0)
    for n in range(frozen, base.LAYERS):
        x = _layer(torch, net, n, x, fill, dropped)
    return x


def _embedded(torch: Any, net: Mapping[str, Any], ids: Any) -> Any:
    x = net["embeddings.word_embeddings.weight"][ids] + net["embeddings.position_embeddings.weight"][: ids.shape[1]]
    return _norm(torch, net, "embeddings.LayerNorm", x + net["embeddings.token_type_embeddings.weight"][0])


def _layer(torch: Any, net: Mapping[str, Any], n: int, x: Any, fill: Any, dropped: float) -> Any:
    ops, at = torch.nn.functional, f"encoder.layer.{n}"
    rows, tokens, _ = x.shape

    def dense(name: str, given: Any) -> Any:
        return ops.linear(given, net[f"{at}.{name}.weight"], net[f"{at}.{name}.bias"])

    query, key, value = (
        dense(f"attention.self.{name}", x).view(rows, tokens, base.HEADS, -1).transpose(1, 2)
        for name in ("query", "key", "value")
    )
    near = query @ key.transpose(2, 3) * (base.WIDTH / base.HEADS) ** -0.5 + fill
    seen = near.softmax(-1).to(value.dtype) @ value
    said = dense("attention.output.dense", seen.transpose(1, 2).reshape(rows, tokens, -1))
    x = _norm(torch, net, f"{at}.attention.output.LayerNorm", x + _dropped(torch, said, dropped))
    thought = dense("output.dense", ops.gelu(dense("intermediate.dense", x)))
    return _norm(torch, net, f"{at}.output.LayerNorm", x + _dropped(torch, thought, dropped))


def _dropped(torch: Any, x: Any, share: float) -> Any:
    """Dropout (arXiv 1207.0580) by a random byte a number: eight from one draw, where torch's own takes one each."""
    least = min(255, round(share * 256))
    if not least:
        return x
    draws = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    kept = draws.view(torch.uint8)[: x.numel()].view(x.shape) >= least
    return x * kept.to(x.dtype) * (256 / (256 - least))


def _norm(torch: Any, net: Mapping[str, Any], name: str, x: Any) -> Any:
    return torch.nn.functional.layer_norm(x, (base.WIDTH,), net[f"{name}.weight"], net[f"{name}.bias"], base.DEEPEST)


def _batches(epoch: Epoch, plan: Plan) -> Iterator[list[Row]]:
    """As many as there are steps; each epoch in an order by chance, but for rows of like length standing together."""
    rng, left, number = random.Random(plan.seed), plan.steps, 0
    while left:
        order = list(epoch(number))
        rng.shuffle(order)
        batches: list[list[Row]] = []
        for begin in range(0, len(order), 50 * plan.batch):
            alike = sorted(order[begin : begin + 50 * plan.batch], key=lambda row: len(row.ids))
            batches += [alike[at : at + plan.batch] for at in range(0, len(alike), plan.batch)]
        rng.shuffle(batches)
        yield from batches[:left]
        left, number = left - min(left, len(batches)), number + 1


def check_installed() -> None:
    """Raises as `tune` does."""
    torch_or_say()


def torch_or_say() -> Any:
    """The module. Raises `ModuleNotFoundError` naming the extra."""
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("tuning the second stage needs torch: install outworks[lab]", name="torch") from error
    return torch
