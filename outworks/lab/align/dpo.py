"""dpo: direct preference optimisation (Rafailov et al., arXiv 2305.18290): preferences without a reward model."""

import time
from pathlib import Path
from typing import Any

import msgspec

from outworks.lab.align.lessons import Pair, own_answers, pairs, preference_rows, spread
from outworks.lab.align.trainers import Run, build, run
from outworks.lab.behaviours import Behaviours, Split
from outworks.lab.card import Card
from outworks.lab.checkpoint import Checkpoint
from outworks.lab.limits import AboveZero, AtLeastOne, NoneOrMore, Seed, Weight
from outworks.lab.progress import Tell, silent
from outworks.lab.subject import Subject
from outworks.lab.training import Plan
from outworks.lab.work import Work


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long, how hard, and how far from where it began."""

    beta: AboveZero = 0.1
    """How dear it is to leave the start checkpoint, which is the reference."""
    likelihood: Weight = 1.0
    """The weight of the preferred answers' own -log p beside the preference (Pang et al., arXiv 2404.19733). With 0 it
    is the paper's loss alone, which only orders two answers: both may become unlikely, and something else be said."""
    steps: AtLeastOne = 70
    batch: AtLeastOne = 4
    """Pairs a step; each is two answers, read by two models."""
    lr: AboveZero = 1e-4
    warmup: NoneOrMore = 5
    contrasts: NoneOrMore = 140
    """Innocent requests at the most, whose own answers are preferred to refusals."""
    tokens: AtLeastOne = 32
    """The longest of those answers."""
    save_every: AtLeastOne = 25
    """Steps between two saved states."""
    seed: Seed = 0


def align(subject: Subject, behaviours: Behaviours, config: Config, out: Path, tell: Tell = silent) -> Card:
    """The checkpoint, safer on average, in `out`. Figures: the first and last loss, and in how many pairs of the last
    steps the policy puts the preferred answer further up than the reference does."""
    work = Work.of("align dpo", subject, behaviours, config)
    if (card := work.done(out)) is not None:
        return card
    harmful = behaviours.some(Split.TRAIN, harmful=True)
    began, folder = time.monotonic(), work.begin(out)
    own = own_answers(
        subject,
        spread(behaviours.benign(Split.TRAIN), config.contrasts),
        config.tokens,
        tell=tell,
        kept=folder / "own.json",
    )
    found = pairs(behaviours, harmful, own, config.seed)
    checkpoint = subject.trainable(config.seed)
    plan = Plan(
        steps=config.steps,
        batch=config.batch,
        lr=config.lr,
        warmup=config.warmup,
        save_every=config.save_every,
        seed=config.seed,
    )
    done = prefer(checkpoint, found, plan, config.beta, config.likelihood, folder / "preference", tell=tell)
    return work.finish(checkpoint, out, began, {"pairs": float(len(found)), **preference_figures(done)})


def prefer(
    checkpoint: Checkpoint,
    found: list[Pair],
    plan: Plan,
    beta: float,
    likelihood: float,
    folder: Path,
    *,
    tell: Tell = silent,
    doing: str = "dpo",
) -> Run:
    """Lowers -log sigmoid(beta (log-ratio of the chosen - log-ratio of the rejected)), the ratios to the checkpoint as
    it is given, plus `likelihood` times the mean -log p of the chosen answers' tokens."""
    return run(trainer(checkpoint, found, plan, beta, likelihood, folder), plan, folder, tell=tell, doing=doing)


def trainer(checkpoint: Checkpoint, found: list[Pair], plan: Plan, beta: float, likelihood: float, folder: Path) -> Any:
    """TRL's. It copies the checkpoint's adapter and holds the copy still: that is the reference."""
    settings: dict[str, Any] = {"beta": beta, "loss_type": ["sigmoid"], "max_length": None}
    if likelihood:
        settings |= {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, likelihood]}
    return build("DPO", checkpoint, preference_rows(checkpoint, found), plan, folder, settings=settings)


def preference_figures(done: Run) -> dict[str, float]:
    """First and last loss, and the accuracy of the implicit reward over the last ten steps."""
    last = [row["rewards/accuracies"] for row in done.history[-10:]]
    return {
        "preference_loss_first": done.losses[0],
        "preference_loss_last": done.losses[-1],
        "preference_accuracy_last": sum(last) / len(last),
    }
