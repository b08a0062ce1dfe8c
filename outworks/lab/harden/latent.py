"""latent: adversarial training against shifts of the residual stream (Sheshadri et al., Latent Adversarial Training
Improves Robustness to Persistent Harmful Behaviors in LLMs, arXiv 2407.15549)."""

import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from outworks.lab.backend import load
from outworks.lab.behaviours import Behaviours, Split
from outworks.lab.card import Card
from outworks.lab.checkpoint import Checkpoint, Prompt
from outworks.lab.harden.mixture import agreeable, own_answers, refusal
from outworks.lab.harden.residual import depths, shifted, watched
from outworks.lab.limits import AboveZero, AtLeastOne, Seed, Share, Weight
from outworks.lab.progress import Tell, silent
from outworks.lab.subject import Subject
from outworks.lab.training import IGNORED, Batch, Example, Plan, draw, encode, likelihood_loss, token_loss, train
from outworks.lab.work import Work


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How strong the adversary is, how long the training."""

    steps: AtLeastOne = 16
    """Steps of training."""
    harmful: AtLeastOne = 4
    """Harmful requests a step."""
    benign: AtLeastOne = 2
    """Innocent requests a step."""
    layers: Annotated[tuple[Share, ...], Meta(min_length=1)] = (0.25, 0.5, 0.75)
    """Layers whose output is shifted, as shares of the depth."""
    inner: AtLeastOne = 3
    """Steps of projected gradient descent that look for the shift (the paper: 16)."""
    radius: AboveZero = 0.5
    """The longest shift of one token at one layer (epsilon), as a share of the layer's median norm."""
    away: Weight = 0.1
    """Weight of -log(1 - p(agreeable)) beside that of the refusal. At 0.5 the embedded model lost fluency and alignment
    (docs/lab/harden.md)."""
    retain: Weight = 1.0
    """Weight of the innocent answers."""
    kept: AtLeastOne = 30
    """Innocent requests whose own answers are kept."""
    tokens: AtLeastOne = 24
    """The longest of these answers."""
    lr: AboveZero = 3e-4
    """Learning rate of AdamW."""
    seed: Seed = 0
    """Of the adapter, the order of examples and where each search begins."""


class Pairs(msgspec.Struct, frozen=True, kw_only=True):
    """Harmful requests, each answered in two ways."""

    both: Batch
    """(2n, tokens): n agreeable answers, then n refusals of the same requests."""
    rows: int
    """n."""
    asked: Any
    """(n, tokens), 1 where the request stands: there, and only there, the stream may be shifted."""

    def agreeable(self, logits: Any) -> Any:
        """Mean negative log-likelihood of the agreeable answers."""
        return token_loss(logits[: self.rows], self.both.labels[: self.rows])

    def declining(self, logits: Any) -> Any:
        """Mean negative log-likelihood of the refusals."""
        return token_loss(logits[self.rows :], self.both.labels[self.rows :])


def harden(subject: Subject, behaviours: Behaviours, config: Config, out: Path, tell: Tell = silent) -> Card:
    """Train the subject's adapter to decline under the worst shift of its own thoughts; the outcome stands in `out`.

    Raises ValueError where `out` holds other work, `NothingKept`, `MemoryShort`.
    """
    work = Work.of("harden latent", subject, behaviours, config)
    if (card := work.done(out)) is not None:
        return card
    requests = behaviours.some(Split.TRAIN, harmful=True)
    began, folder = time.monotonic(), work.begin(out)
    original = subject.frozen()
    kept = own_answers(original, behaviours, most=config.kept, tokens=config.tokens, seed=config.seed, tell=tell)
    layers = depths(original.model, config.layers)
    radii = {n: config.radius * norm for n, norm in norms(original, kept[:8], layers).items()}
    checkpoint = subject.trainable(config.seed)

    def loss(step: int, chance: random.Random) -> Any:
        asked = draw(requests, step, config.harmful, config.seed)
        agrees = [Example(Prompt.of(row.text), agreeable(behaviours, row, chance)) for row in asked]
        found = pairs(checkpoint, agrees, [refusal(behaviours, row, chance) for row in asked])
        shifts = worst_shifts(checkpoint.model, found, radii, config.inner)
        mine = encode(checkpoint, draw(kept, step, config.benign, config.seed))
        retained = likelihood_loss(checkpoint, mine)
        return objective(checkpoint.model, found, shifts, config.away) + config.retain * retained

    plan = Plan(steps=config.steps, batch=config.harmful + config.benign, lr=config.lr, seed=config.seed)
    trained = train(checkpoint, plan, loss, out=folder, tell=tell, doing="training against shifts")
    return work.finish(
        checkpoint, out, began, {**trained.figures, "kept": len(kept), **{f"radius_{n}": r for n, r in radii.items()}}
    )


def pairs(checkpoint: Checkpoint, agrees: Sequence[Example], declines: Sequence[Example]) -> Pairs:
    """The same requests, answered agreeably and declined, as one batch."""
    both, rows = encode(checkpoint, [*agrees, *declines]), len(agrees)
    answered = (both.labels[:rows] != IGNORED).cumsum(dim=1) > 0  # from the answer's first token on
    return Pairs(both=both, rows=rows, asked=(both.attention_mask[:rows].bool() & ~answered).float())


def norms(checkpoint: Checkpoint, rows: Sequence[Example], layers: Sequence[int]) -> dict[int, float]:
    """The median length of what leaves each layer: the first token's is a hundred times the others', and no measure."""
    batch = encode(checkpoint, rows)
    with load().no_grad(), watched(checkpoint.model, layers) as seen:
        checkpoint.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
    there = batch.attention_mask.bool()
    return {n: float(seen[n].norm(dim=-1)[there].median()) for n in layers}


def worst_shifts(model: Any, given: Pairs, radii: Mapping[int, float], inner: int) -> dict[int, Any]:
    """The inner problem: shifts delta_l (n, tokens, hidden) of the request's tokens, none longer than the layer's
    radius, under which agreeable answers are likeliest; by `inner` steps of projected gradient descent."""
    torch = load()
    weight = next(model.parameters())
    shape = (*given.asked.shape, model.config.hidden_size)
    asked = given.asked[..., None]
    all_three = (given.both.input_ids, given.both.attention_mask, given.both.labels)
    agrees = Batch(*(each[: given.rows] for each in all_three))
    deltas = {n: project(torch.randn(shape, device=weight.device) * asked, 0.1 * r) for n, r in radii.items()}
    for _ in range(inner):
        for delta in deltas.values():
            delta.requires_grad_(True)
        with shifted(model, deltas):
            logits = model(input_ids=agrees.input_ids, attention_mask=agrees.attention_mask).logits
        slopes = torch.autograd.grad(token_loss(logits, agrees.labels), list(deltas.values()))
        moved = {}
        for (n, delta), slope in zip(deltas.items(), slopes, strict=True):
            length = slope.norm(dim=-1, keepdim=True).clamp_min(1e-12)
            step = 2 * radii[n] / inner  # twice what would just reach the edge
            moved[n] = project((delta.detach() - step * slope / length) * asked, radii[n])
        deltas = moved
    return {n: delta.detach() for n, delta in deltas.items()}


def project(delta: Any, radius: float) -> Any:
    """Each token's shift (..., hidden), shortened to the radius where it is longer: the L2 ball."""
    length = delta.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    return delta * (radius / length).clamp_max(1.0)


def objective(model: Any, given: Pairs, shifts: Mapping[int, Any], away: float) -> Any:
    """The outer problem: -log p(refusal | x + delta) - away * log(1 - p(agreeable | x + delta)), token by token."""
    doubled = {n: delta.repeat(2, 1, 1) for n, delta in shifts.items()}
    with shifted(model, doubled):
        logits = model(input_ids=given.both.input_ids, attention_mask=given.both.attention_mask).logits
    unlikely = unlikelihood(logits[: given.rows], given.both.labels[: given.rows]) if away else 0.0
    return given.declining(logits) + away * unlikely


def unlikelihood(logits: Any, labels: Any) -> Any:
    """Mean of -log(1 - p) of the learned tokens; logits (rows, tokens, vocabulary)."""
    torch = load()
    wanted = labels[:, 1:].reshape(-1)
    here = wanted != IGNORED
    chances = logits[:, :-1].reshape(-1, logits.shape[-1])[here].float().softmax(dim=-1)
    picked = chances.gather(1, wanted[here][:, None]).squeeze(1)
    return -torch.log1p(-picked.clamp_max(1 - 1e-6)).mean()
