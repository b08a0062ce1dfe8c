"""training: the loop that attacks and hardening share.

Every step depends on the seed and its number alone, so a run that was stopped goes on to the same result.
"""

import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar

import msgspec

from outworks.lab.backend import enough_memory, load
from outworks.lab.checkpoint import Checkpoint, Prompt
from outworks.lab.limits import check_above_zero, check_at_least
from outworks.lab.progress import Tell, silent

IGNORED = -100
"""The label of a token that is not learned."""
_STATE = "training.pt"

T = TypeVar("T")


class Example(msgspec.Struct, frozen=True):
    """What is asked, and the answer to be learned. The prompt's prefill is context, and is not learned."""

    prompt: Prompt
    answer: str


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long and how hard."""

    steps: int = 70
    batch: int = 4
    lr: float = 3e-4
    warmup: int = 5
    """Steps over which the learning rate rises; then it stays."""
    clip: float = 1.0
    """The longest gradient."""
    save_every: int = 25
    """Steps between two saved states."""
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least(0, (("steps", self.steps), ("warmup", self.warmup)))
        check_at_least(1, (("batch", self.batch), ("save_every", self.save_every)))
        check_above_zero("lr", self.lr)


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    losses: tuple[float, ...]
    """One a step, from the first (after resuming: from the first of all)."""
    seconds: float
    resumed_at: int = 0

    @property
    def figures(self) -> dict[str, float]:
        """For a card. The last loss is a mean of five steps: that of one depends on what it happened to draw."""
        last = self.losses[-5:]
        return {
            "steps": float(len(self.losses)),
            **({"first_loss": self.losses[0], "last_loss": sum(last) / len(last)} if last else {}),
        }


def train(
    checkpoint: Checkpoint,
    plan: Plan,
    loss: Callable[[int, random.Random], Any],
    *,
    out: Path | None = None,
    tell: Tell = silent,
    doing: str = "training",
) -> Trained:
    """Lowers `loss(step, chance)`, a scalar tensor, over what is trainable of the model, by AdamW.

    `chance` is seeded anew for each step. With `out`, the state is kept there while it goes on and taken up again; it
    is removed at the end. Raises `MemoryShort`, and ArithmeticError where the loss is no number.
    """
    torch = load()
    began = time.monotonic()
    weights = [each for each in checkpoint.model.parameters() if each.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=plan.lr, weight_decay=0.0)
    state = out / _STATE if out is not None else None
    losses = _resume(state, plan, weights, optimiser)
    first = len(losses)
    checkpoint.model.train()
    for step in range(first, plan.steps):
        tell(doing, step, plan.steps, losses[-1] if losses else None)
        torch.manual_seed(plan.seed * 1_000_003 + step)
        for group in optimiser.param_groups:
            group["lr"] = plan.lr * min(1.0, (step + 1) / max(1, plan.warmup))
        with enough_memory("`batch`"):
            here = loss(step, random.Random(f"{plan.seed}/{step}"))
            if not torch.isfinite(here):
                raise ArithmeticError(f"{doing}: the loss is {float(here.detach())} at step {step}; lower `lr`")
            here.backward()
        torch.nn.utils.clip_grad_norm_(weights, plan.clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(float(here.detach()))
        if state is not None and (step + 1) % plan.save_every == 0 and step + 1 < plan.steps:
            _keep(state, plan, weights, optimiser, losses)
    tell(doing, plan.steps, plan.steps, losses[-1] if losses else None)
    if state is not None:
        state.unlink(missing_ok=True)
    checkpoint.model.eval()
    return Trained(losses=tuple(losses), seconds=time.monotonic() - began, resumed_at=first)


def draw(rows: Sequence[T], step: int, batch: int, seed: int) -> list[T]:
    """The rows of one step: each round goes through all of them once, in an order of its own."""
    order = [n for turn in _rounds(len(rows), step, batch) for n in _order(len(rows), turn, seed)]
    at = step * batch - (step * batch // len(rows)) * len(rows)
    return [rows[n] for n in order[at : at + batch]]


def _rounds(rows: int, step: int, batch: int) -> range:
    return range(step * batch // rows, (step * batch + batch - 1) // rows + 1)


def _order(rows: int, turn: int, seed: int) -> list[int]:
    order = list(range(rows))
    random.Random(f"{seed}/{turn}").shuffle(order)
    return order


class Batch(msgspec.Struct, frozen=True):
    """Tokens, padded on the right."""

    input_ids: Any
    """(rows, tokens)"""
    attention_mask: Any
    """(rows, tokens), 1 where there is a token."""
    labels: Any
    """(rows, tokens), the token itself where it is learned, else -100."""


def encode(checkpoint: Checkpoint, examples: Sequence[Example], *, longest: int = 256) -> Batch:
    """Examples as tensors on the model's device; the answers and their end are what is learned. Longer ones are cut at
    `longest` tokens."""
    torch, tokenizer = load(), checkpoint.tokenizer
    rows: list[list[int]] = []
    masks: list[list[int]] = []
    for each in examples:
        asked = tokenizer(checkpoint.text(each.prompt), add_special_tokens=False)["input_ids"]
        answer = tokenizer(each.answer, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        rows.append((asked + answer)[:longest])
        masks.append(([IGNORED] * len(asked) + answer)[:longest])
    width = max(len(row) for row in rows)
    pad = tokenizer.pad_token_id
    where = checkpoint.device
    return Batch(
        torch.tensor([row + [pad] * (width - len(row)) for row in rows], device=where),
        torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=where),
        torch.tensor([mask + [IGNORED] * (width - len(mask)) for mask in masks], device=where),
    )


def likelihood_loss(checkpoint: Checkpoint, batch: Batch) -> Any:
    """Mean negative log-likelihood of the learned tokens, in nats: supervised fine-tuning's objective."""
    logits = checkpoint.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    return token_loss(logits, batch.labels)


def token_loss(logits: Any, labels: Any) -> Any:
    """The same, from logits (rows, tokens, vocabulary): the token at t is predicted from those before it."""
    functional = load("torch.nn.functional")
    wanted = labels[:, 1:].reshape(-1)
    here = wanted != IGNORED  # only these rows go through the softmax: the vocabulary is most of the memory
    return functional.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1])[here].float(), wanted[here])


def _keep(state: Path, plan: Plan, weights: Sequence[Any], optimiser: Any, losses: list[float]) -> None:
    torch = load()
    state.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        "plan": msgspec.to_builtins(plan),
        "losses": losses,
        "weights": [each.detach().cpu() for each in weights],
        "optimiser": optimiser.state_dict(),
    }
    fresh = state.with_suffix(".new")
    torch.save(kept, fresh)
    os.replace(fresh, state)


def _resume(state: Path | None, plan: Plan, weights: Sequence[Any], optimiser: Any) -> list[float]:
    """The losses so far. A state of another plan is not taken up: the result would be neither's. A damaged one says
    nothing; the same steps come again."""
    if state is None or not state.is_file():
        return []
    torch = load()
    try:
        kept = torch.load(state, weights_only=True)
    except (EOFError, RuntimeError, UnpicklingError):
        return []
    if kept["plan"] != msgspec.to_builtins(plan):
        return []
    with torch.no_grad():
        for each, was in zip(weights, kept["weights"], strict=True):
            each.copy_(was)
    optimiser.load_state_dict(kept["optimiser"])
    return list(kept["losses"])
