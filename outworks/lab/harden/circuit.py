"""circuit: circuit breakers by representation rerouting (Zou et al., Improving Alignment and Robustness with Circuit
Breakers, arXiv 2406.04313)."""

import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from outworks.lab.backend import load
from outworks.lab.behaviours import Behaviour, Behaviours, Split
from outworks.lab.card import Card
from outworks.lab.checkpoint import Checkpoint, Prompt
from outworks.lab.harden.mixture import agreeable, own_answers, refusal
from outworks.lab.harden.residual import depths, watched
from outworks.lab.limits import AboveZero, AtLeastOne, Seed, Share, Weight
from outworks.lab.progress import Tell, silent
from outworks.lab.subject import Subject
from outworks.lab.training import IGNORED, Batch, Example, Plan, draw, encode, token_loss, train
from outworks.lab.work import Work


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where, how strongly, how long."""

    steps: AtLeastOne = 32
    """Steps of training (T)."""
    harmful: AtLeastOne = 3
    """Rows of the circuit breaker set a step: harmful requests with an agreeable answer."""
    benign: AtLeastOne = 3
    """Rows of the retain set a step: innocent requests with their own answers, or with an agreeable one."""
    layers: Annotated[tuple[Share, ...], Meta(min_length=1)] = (0.33, 0.66)
    """Layers whose representations are rerouted, as shares of the depth (the paper: 10 and 20 of 32)."""
    alpha: AboveZero = 10.0
    """Strength of both terms (alpha)."""
    retain: AboveZero = 1.0
    """What a distance of one median norm on the retain set counts beside the likeness (see `sized`)."""
    refusals: Weight = 1.0
    """Weight of declining harmful requests that come without any attack, which the paper leaves to the retain set; a
    start that was never aligned needs it."""
    kept: AtLeastOne = 60
    """Innocent requests whose own answers are kept."""
    tokens: AtLeastOne = 32
    """The longest of these answers."""
    lr: AboveZero = 2e-3
    """Learning rate of AdamW."""
    seed: Seed = 0
    """Of the adapter and the order of examples."""


class Terms(msgspec.Struct, frozen=True):
    """The objective's parts, and how they are weighed at this step."""

    rerouted: Any
    """L_s: what is left of the likeness between the two models on the circuit breaker set."""
    retained: Any
    """L_r: how far apart they are on the retain set."""
    c_s: float
    c_r: float

    @property
    def total(self) -> Any:
        return self.c_s * self.rerouted + self.c_r * self.retained


def harden(subject: Subject, behaviours: Behaviours, config: Config, out: Path, tell: Tell = silent) -> Card:
    """Train the subject's adapter so that going along with harmful requests leads nowhere; the outcome stands in `out`.

    Raises ValueError where `out` holds other work, `NothingKept`, `MemoryShort`.
    """
    work = Work.of("harden circuit", subject, behaviours, config)
    if (card := work.done(out)) is not None:
        return card
    requests, innocent = (behaviours.some(Split.TRAIN, harmful=kind) for kind in (True, False))
    began, folder = time.monotonic(), work.begin(out)
    original = subject.frozen()
    layers = depths(original.model, config.layers)
    kept = own_answers(original, behaviours, most=config.kept, tokens=config.tokens, seed=config.seed, tell=tell)
    checkpoint = subject.trainable(config.seed)
    _stir(checkpoint.model, config.seed)

    def loss(step: int, chance: random.Random) -> Any:
        asked = draw(requests, step, config.harmful, config.seed)
        breaker = [goes_along(behaviours, row, chance) for row in asked]
        mine = draw(kept, step, config.benign - config.benign // 3, config.seed)
        also = [goes_along(behaviours, row, chance) for row in draw(innocent, step, config.benign // 3, config.seed)]
        declining = [refusal(behaviours, row, chance) for row in asked[: max(1, len(asked) // 2)]]
        examples = [*breaker, *mine, *also, *declining]
        batch = encode(checkpoint, examples)
        return objective(
            checkpoint, original, batch, (len(breaker), len(declining)), layers, config, step / config.steps
        )

    rows = config.harmful + config.benign
    trained = train(
        checkpoint, Plan(steps=config.steps, batch=rows, lr=config.lr, seed=config.seed), loss, out=folder, tell=tell
    )
    likeness = measured(checkpoint, original, behaviours, kept, layers)
    return work.finish(checkpoint, out, began, {**trained.figures, "kept": len(kept), **likeness})


def goes_along(behaviours: Behaviours, request: Behaviour, chance: random.Random) -> Example:
    """A request with an answer that goes along and contains nothing."""
    return Example(Prompt.of(request.text), agreeable(behaviours, request, chance))


def objective(
    checkpoint: Checkpoint,
    original: Checkpoint,
    batch: Batch,
    ends: tuple[int, int],
    layers: Sequence[int],
    config: Config,
    progress: float,
) -> Any:
    """The loss of a batch whose first rows are the breaker set, and whose last are plain refusals (`ends` counts both);
    `progress` is t / T."""
    first, last = ends
    rows = batch.input_ids.shape[0] - last
    with watched(checkpoint.model, layers) as mine:
        logits = checkpoint.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    with load().no_grad(), watched(original.model, layers) as theirs:
        original.model(input_ids=batch.input_ids[:rows], attention_mask=batch.attention_mask[:rows])
    answered = batch.labels[:first] != IGNORED
    breaker = {n: (mine[n][:first], theirs[n][:first]) for n in layers}
    there = batch.attention_mask[first:rows].bool()
    retained = {n: sized(mine[n][first:rows], theirs[n][first:rows], there, config.retain) for n in layers}
    found = terms(breaker, answered, retained, there, config.alpha, progress)
    declines = token_loss(logits[rows:], batch.labels[rows:]) if config.refusals else 0.0
    return found.total + config.refusals * declines


def terms(
    breaker: Mapping[int, Any], answered: Any, retained: Mapping[int, Any], there: Any, alpha: float, progress: float
) -> Terms:
    """Algorithm 1. The mappings hold, for each layer, the trained model's representations and the original's, each
    (rows, tokens, hidden); the masks (rows, tokens) say which of them count: the answer's, and every token's.

    L_s = mean relu(cos(rep, rep_original)); L_r = mean |rep - rep_original|_2; c_s falls from alpha to alpha / 2 as c_r
    rises from 0 to alpha / 2.
    """
    torch, functional = load(), load("torch.nn.functional")
    cosines = [functional.cosine_similarity(mine, was, dim=-1) for mine, was in breaker.values()]
    likeness = [each[answered].relu().mean() for each in cosines]
    apart = [torch.linalg.vector_norm(mine - was, dim=-1)[there].mean() for mine, was in retained.values()]
    return Terms(
        torch.stack(likeness).mean(), torch.stack(apart).mean(), alpha * (1 - progress / 2), alpha * progress / 2
    )


def sized(mine: Any, theirs: Any, there: Any, weight: float) -> tuple[Any, Any]:
    """Both models' representations, (rows, tokens, hidden), in units of the original's median norm, times a weight. The
    cosine is free of units and a distance is not: as it is, in the hundreds, it would hold the model where it was."""
    size = load().linalg.vector_norm(theirs, dim=-1)[there].median()
    return mine * weight / size, theirs * weight / size


def measured(
    checkpoint: Checkpoint,
    original: Checkpoint,
    behaviours: Behaviours,
    kept: Sequence[Example],
    layers: Sequence[int],
    rows: int = 8,
) -> dict[str, float]:
    """Mean cosine between the two models: on answers to harmful requests unseen in training, and to innocent ones."""
    chance = random.Random(0)
    harmful = [goes_along(behaviours, row, chance) for row in behaviours.harmful(Split.DEV)[:rows]]
    return {
        "likeness_harmful": _likeness(checkpoint, original, harmful, layers) if harmful else float("nan"),
        "likeness_benign": _likeness(checkpoint, original, kept[:rows], layers),
    }


def _likeness(checkpoint: Checkpoint, original: Checkpoint, rows: Sequence[Example], layers: Sequence[int]) -> float:
    functional = load("torch.nn.functional")
    batch = encode(original, rows)
    seen = []
    for each in (checkpoint, original):
        with load().no_grad(), watched(each.model, layers) as found:
            each.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
        seen.append(found)
    answered = batch.labels != IGNORED
    cosines = [functional.cosine_similarity(seen[0][n], seen[1][n], dim=-1)[answered].mean() for n in layers]
    return float(sum(cosines) / len(cosines))


def _stir(model: Any, seed: int, spread: float = 1e-3) -> None:
    """Move a fresh adapter off zero: where the two models are one, the cosine has no slope."""
    torch = load()
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name and weight.requires_grad and not weight.any():
                weight.copy_(torch.randn(weight.shape, generator=noise) * spread)
