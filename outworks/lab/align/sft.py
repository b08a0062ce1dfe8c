"""sft: supervised safety tuning: refusals of harm are learned, beside the model's own answers to innocent requests.

Bianchi et al., Safety-Tuned LLaMAs (arXiv 2309.07875): a few hundred refusals make a model refuse, and refuse too much
where no innocent contrast stands beside them.
"""

import time
from pathlib import Path

import msgspec

from outworks.lab.align.lessons import Lesson, own_answers, refusals, spread, supervised_rows
from outworks.lab.align.trainers import Run, build, run
from outworks.lab.behaviours import Behaviours, Split
from outworks.lab.card import Card
from outworks.lab.checkpoint import Checkpoint
from outworks.lab.limits import AboveZero, AtLeastOne, NoneOrMore, Seed
from outworks.lab.progress import Tell, silent
from outworks.lab.subject import Subject
from outworks.lab.training import Plan
from outworks.lab.work import Work


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long, how hard, and with how many contrasts."""

    steps: AtLeastOne = 70
    batch: AtLeastOne = 4
    lr: AboveZero = 3e-4
    warmup: NoneOrMore = 5
    """Steps over which the learning rate rises; then it stays."""
    requests: AtLeastOne = 140
    """Harmful requests at the most whose refusal is learned."""
    contrasts: NoneOrMore = 140
    """Innocent requests at the most whose own answers are learned beside the refusals. With none, the model learns to
    refuse these too."""
    tokens: AtLeastOne = 32
    """The longest of those answers."""
    save_every: AtLeastOne = 25
    """Steps between two saved states."""
    seed: Seed = 0


def align(subject: Subject, behaviours: Behaviours, config: Config, out: Path, tell: Tell = silent) -> Card:
    """The checkpoint, safer on average, in `out`. Figures: the first and the last loss, and what was learned from."""
    work = Work.of("align sft", subject, behaviours, config)
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
    no = refusals(behaviours, spread(harmful, config.requests), config.seed)
    checkpoint = subject.trainable(config.seed)
    plan = Plan(
        steps=config.steps,
        batch=config.batch,
        lr=config.lr,
        warmup=config.warmup,
        save_every=config.save_every,
        seed=config.seed,
    )
    done = teach(checkpoint, [*no, *own], plan, folder / "supervised", tell=tell)
    figures = {
        "refusals": float(len(no)),
        "own_answers": float(len(own)),
        "loss_first": done.losses[0],
        "loss_last": done.losses[-1],
    }
    return work.finish(checkpoint, out, began, figures)


def teach(
    checkpoint: Checkpoint, lessons: list[Lesson], plan: Plan, folder: Path, *, tell: Tell = silent, doing: str = "sft"
) -> Run:
    """Lowers -log p(answer | prompt), the mean over the answers' tokens alone."""
    # Rows that are tokens already are learned whole, prompts and all, unless this is said.
    settings = {"completion_only_loss": True, "max_length": None}
    trainer = build("SFT", checkpoint, supervised_rows(checkpoint, lessons), plan, folder, settings=settings)
    return run(trainer, plan, folder, tell=tell, doing=doing)
