"""deep: refusals that come even after an agreeable beginning (Qi et al., Safety Alignment Should Be Made More Than Just
a Few Tokens Deep, arXiv 2406.05946)."""

import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from outworks.lab.behaviours import Behaviour, Behaviours, Split
from outworks.lab.card import Card
from outworks.lab.checkpoint import Checkpoint
from outworks.lab.harden.mixture import Earlier, agreeable, beginning, own_answers, refusal
from outworks.lab.limits import AboveZero, AtLeastOne, NoneOrMore, Seed, Share
from outworks.lab.progress import Tell, silent
from outworks.lab.subject import Subject
from outworks.lab.training import Example, Plan, draw, encode, token_loss, train
from outworks.lab.work import Work


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How deep, how long."""

    steps: AtLeastOne = 24
    """Steps of training."""
    harmful: AtLeastOne = 4
    """Harmful requests a step."""
    benign: AtLeastOne = 2
    """Innocent requests a step."""
    depth: AtLeastOne = 12
    """The longest agreeable beginning, in tokens (C in the paper, which has 100)."""
    shallow: Share = 0.35
    """The share of harmful examples without a beginning (0.5 in the paper)."""
    share: Share = 0.7
    """The weight of refusals in the loss (alpha in the paper, 0.2); the rest is on innocent answers."""
    kept: AtLeastOne = 30
    """Innocent requests whose own answers are kept."""
    earlier: NoneOrMore = 3
    """Of those requests, at most so many that the checkpoint declines are kept too, with what its model answered before
    its adapter: else hardening, which has only refusals to learn of them, makes it decline more of their like."""
    tokens: AtLeastOne = 32
    """The longest of these answers."""
    lr: AboveZero = 5e-4
    """Learning rate of AdamW."""
    seed: Seed = 0
    """Of the adapter, the order of examples, the beginnings."""


def harden(subject: Subject, behaviours: Behaviours, config: Config, out: Path, tell: Tell = silent) -> Card:
    """Train the subject's adapter to decline from any depth; the outcome stands in `out`.

    Raises ValueError where `out` holds other work, `NothingKept`, `MemoryShort`.
    """
    work = Work.of("harden deep", subject, behaviours, config)
    if (card := work.done(out)) is not None:
        return card
    requests = behaviours.some(Split.TRAIN, harmful=True)
    began, folder = time.monotonic(), work.begin(out)
    checkpoint = subject.trainable(config.seed)
    kept = own_answers(
        subject.frozen(),
        behaviours,
        most=config.kept,
        tokens=config.tokens,
        seed=config.seed,
        earlier=Earlier(checkpoint, config.earlier),
        tell=tell,
    )

    def loss(step: int, chance: random.Random) -> Any:
        asked = draw(requests, step, config.harmful, config.seed)
        deep = [recovery(checkpoint, behaviours, row, config, chance) for row in asked]
        return objective(checkpoint, deep, draw(kept, step, config.benign, config.seed), config.share)

    plan = Plan(steps=config.steps, batch=config.harmful + config.benign, lr=config.lr, seed=config.seed)
    trained = train(checkpoint, plan, loss, out=folder, tell=tell, doing="deepening")
    return work.finish(checkpoint, out, began, {**trained.figures, "kept": len(kept)})


def recovery(
    checkpoint: Checkpoint, behaviours: Behaviours, request: Behaviour, config: Config, chance: random.Random
) -> Example:
    """A harmful request whose answer has begun agreeably, by 0 to `depth` tokens, and then declines: (x, h_<=k, r)."""
    if chance.random() < config.shallow:
        return refusal(behaviours, request, chance)
    answer = agreeable(behaviours, request, chance)
    begun = beginning(checkpoint.tokenizer, answer, chance.randint(1, config.depth))
    return refusal(behaviours, request, chance, prefill=begun)


def objective(checkpoint: Checkpoint, deep: Sequence[Example], kept: Sequence[Example], share: float) -> Any:
    """share * E[-log p(r | x, h_<=k)] + (1 - share) * E[-log p(y' | x')], each a mean over its tokens (eq. 2)."""
    batch = encode(checkpoint, [*deep, *kept])
    logits = checkpoint.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    n = len(deep)
    declines, answers = token_loss(logits[:n], batch.labels[:n]), token_loss(logits[n:], batch.labels[n:])
    return share * declines + (1 - share) * answers
