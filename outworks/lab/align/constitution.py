"""constitution: the model criticises and revises its own answers by written principles, and learns from the pairs.

Bai et al., Constitutional AI (arXiv 2212.08073): critique and revision with examples before them, then supervised
learning of the revisions. The preference of revision over first answer stands where the paper asks a feedback model.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from outworks.lab.align.dpo import prefer, preference_figures
from outworks.lab.align.lessons import Lesson, Pair, own_answers, spread, to_sentence_end
from outworks.lab.align.principles import Constitution, read_constitution
from outworks.lab.align.sft import teach
from outworks.lab.align.trainers import keep_adapter, stage_losses, take_adapter
from outworks.lab.behaviours import Behaviour, Behaviours, Split
from outworks.lab.card import Card
from outworks.lab.checkpoint import Checkpoint, Prompt, Turn
from outworks.lab.generating import Sampling, answers
from outworks.lab.limits import AboveZero, AtLeastOne, NoneOrMore, Seed, Weight
from outworks.lab.progress import Tell, silent
from outworks.lab.refusing import refused
from outworks.lab.subject import Subject
from outworks.lab.training import Plan
from outworks.lab.work import Work


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many answers are revised, and how they train."""

    principles: str = ""
    """A file in the form of the shipped `principles.toml`; empty takes that."""
    requests: AtLeastOne = 140
    """Harmful training requests at the most whose answers are criticised and revised."""
    contrasts: NoneOrMore = 140
    """Innocent requests at the most whose own answers are learned beside the revisions."""
    tokens: AtLeastOne = 32
    """The longest answer and revision."""
    critique_tokens: AtLeastOne = 32
    supervised_steps: AtLeastOne = 70
    supervised_lr: AboveZero = 3e-4
    preference_steps: NoneOrMore = 35
    """0 leaves the preference out."""
    preference_lr: AboveZero = 1e-4
    beta: AboveZero = 0.1
    """How dear it is for the preference to leave the supervised model."""
    likelihood: Weight = 1.0
    """The weight of the revisions' own -log p beside the preference, as in `dpo`."""
    batch: AtLeastOne = 4
    save_every: AtLeastOne = 25
    """Steps between two saved states."""
    seed: Seed = 0


class Revised(msgspec.Struct, frozen=True):
    """One answer and what the model made of it."""

    request: str
    first: str
    principle: str
    critique: str
    revision: str


def align(subject: Subject, behaviours: Behaviours, config: Config, out: Path, tell: Tell = silent) -> Card:
    """The checkpoint, trained on its own revisions, in `out`; the revisions lie beside it in `revisions.json`.

    Figures: how many first answers and how many revisions declined, how many revisions said something new, and the
    losses. A small model's revisions may decline no more than its first answers: then it learns what it learns.
    """
    work = Work.of("align constitution", subject, behaviours, config)
    if (card := work.done(out)) is not None:
        return card
    harmful = behaviours.some(Split.TRAIN, harmful=True)
    rules = read_constitution(Path(config.principles) if config.principles else None)
    began, folder = time.monotonic(), work.begin(out)
    kept = out / "revisions.json"
    if (folder / "revised").is_file():
        revised = msgspec.json.decode(kept.read_bytes(), type=list[Revised])
    else:
        rows = spread(harmful, config.requests)
        revised = revise(subject.frozen(), rules, rows, config, tell=tell)
        kept.write_bytes(msgspec.json.format(msgspec.json.encode(revised), indent=1))
        (folder / "revised").touch()
    figures = revision_figures(revised)
    innocent = spread(behaviours.benign(Split.TRAIN), config.contrasts)
    own = own_answers(subject, innocent, config.tokens, tell=tell, kept=folder / "own.json")
    learned = _learn(subject, revised, own, config, folder, tell)
    return work.finish(learned.checkpoint, out, began, {**figures, "own_answers": float(len(own)), **learned.losses})


def revise(
    checkpoint: Checkpoint, rules: Constitution, rows: Sequence[Behaviour], config: Config, *, tell: Tell = silent
) -> list[Revised]:
    """Answer, critique, revision for each request; the principles are gone through in turn, from the seed on."""
    short, longer = Sampling(tokens=config.tokens), Sampling(tokens=config.critique_tokens)
    first = answers(checkpoint, [Prompt.of(row.text) for row in rows], short, tell=tell, doing="first answers")
    first = [to_sentence_end(said) for said in first]
    chosen = [rules.principles[(n + config.seed) % len(rules.principles)] for n in range(len(rows))]
    asks = [rules.critique.strip().replace("{principle}", each) for each in chosen]
    talks = [
        (*_shown(rules, ask), Turn("user", row.text), Turn("assistant", said), Turn("user", ask))
        for row, said, ask in zip(rows, first, asks, strict=True)
    ]
    critiques = answers(checkpoint, [Prompt(talk) for talk in talks], longer, tell=tell, doing="critiques", batch=20)
    again = rules.revision.strip()
    talks = [
        (*talk, Turn("assistant", to_sentence_end(critique)), Turn("user", again))
        for talk, critique in zip(talks, critiques, strict=True)
    ]
    revisions = answers(checkpoint, [Prompt(talk) for talk in talks], short, tell=tell, doing="revisions", batch=20)
    return [
        Revised(row.text, said, principle, critique, to_sentence_end(revision))
        for row, said, principle, critique, revision in zip(rows, first, chosen, critiques, revisions, strict=True)
    ]


def _shown(rules: Constitution, ask: str) -> tuple[Turn, ...]:
    """The examples as a talk, each with the same request for a critique."""
    turns: list[Turn] = []
    for each in rules.example:
        turns += [Turn("user", each.request), Turn("assistant", each.answer), Turn("user", ask)]
        turns += [Turn("assistant", each.critique), Turn("user", rules.revision.strip())]
        turns += [Turn("assistant", each.revision)]
    return tuple(turns)


def revision_figures(revised: Sequence[Revised]) -> dict[str, float]:
    """How many there are, and what the revising changed."""
    return {
        "answers": float(len(revised)),
        "first_declined": float(sum(refused([each.first for each in revised]))),
        "revisions_declined": float(sum(refused([each.revision for each in revised]))),
        "revisions_new": float(sum(_changed(each) for each in revised)),
    }


def _changed(each: Revised) -> bool:
    return bool(each.revision.strip()) and each.revision.strip() != each.first.strip()


class _Learned(msgspec.Struct, frozen=True):
    checkpoint: Checkpoint
    losses: dict[str, float]


def _learn(
    subject: Subject, revised: Sequence[Revised], own: list[Lesson], config: Config, folder: Path, tell: Tell
) -> _Learned:
    """Supervised learning of the revisions, then the preference for them over the first answers."""
    checkpoint = subject.trainable(config.seed)
    losses: dict[str, float] = {}
    plan = Plan(
        steps=config.supervised_steps,
        batch=config.batch,
        lr=config.supervised_lr,
        save_every=config.save_every,
        seed=config.seed,
    )
    if not take_adapter(checkpoint, folder / "supervised-adapter"):
        lessons = [Lesson(Prompt.of(each.request), each.revision) for each in revised if each.revision.strip()]
        done = teach(checkpoint, [*lessons, *own], plan, folder / "supervised", tell=tell, doing="revisions learned")
        keep_adapter(checkpoint, folder / "supervised-adapter", done)
    losses |= stage_losses(folder / "supervised-adapter", "supervised")
    pairs = [Pair(Prompt.of(each.request), each.revision, each.first) for each in revised if _changed(each)]
    if config.preference_steps and pairs:
        plan = msgspec.structs.replace(plan, steps=config.preference_steps, lr=config.preference_lr)
        preferred = prefer(
            checkpoint,
            pairs,
            plan,
            config.beta,
            config.likelihood,
            folder / "preference",
            tell=tell,
            doing="revisions preferred",
        )
        losses |= preference_figures(preferred)
    return _Learned(checkpoint, losses)
