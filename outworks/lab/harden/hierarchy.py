"""hierarchy: instructions inside data are data: structured queries (StruQ, Chen et al., arXiv 2402.06363), then
preference (SecAlign, Chen et al., arXiv 2410.05451)."""

import hashlib
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from outworks.lab.backend import load
from outworks.lab.behaviours import Behaviours
from outworks.lab.card import Card
from outworks.lab.checkpoint import Checkpoint, Prompt
from outworks.lab.generating import Sampling, answers
from outworks.lab.harden.mixture import NothingKept, own_answers, whole_sentences
from outworks.lab.harden.slots import METHOD, Injections, Task, prompt, shipped
from outworks.lab.limits import AboveZero, AtLeastOne, NoneOrMore, Seed, Share, Weight
from outworks.lab.progress import Tell, silent
from outworks.lab.refusing import refused
from outworks.lab.subject import Subject
from outworks.lab.training import IGNORED, Example, Plan, Trained, draw, encode, likelihood_loss, train
from outworks.lab.work import Work

_FIRST = "structured"
"""The folder, within the outcome's, of what structured queries made; preference goes on from it."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long each half is, and how it is weighed."""

    steps: NoneOrMore = 40
    """Steps of structured query tuning; 0 leaves it out."""
    preference_steps: NoneOrMore = 24
    """Steps of preference after it; 0 leaves it out."""
    rows: AtLeastOne = 4
    """Tasks a step."""
    injected: Share = 0.6
    """The share of tasks with an instruction in their data, in the first half (0.5 in StruQ); all have one in the
    second."""
    beta: AboveZero = 0.1
    """How tightly preference is held to what it began from (beta of DPO, SecAlign's value)."""
    anchor: Weight = 0.2
    """Weight of the preferred answer's own likelihood beside the preference."""
    kept: AtLeastOne = 12
    """Innocent requests without data, whose own answers are kept; so are those to the planted instructions, where it is
    the user who gives them."""
    tokens: AtLeastOne = 32
    """The longest answer that is learned."""
    lr: AboveZero = 3e-4
    """Learning rate of AdamW."""
    preference_lr: AboveZero = 1e-4
    """The same, in the second half."""
    seed: Seed = 0
    """Of the adapter, and of which instruction gets into which data."""


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """A task and what the model itself says to it when nothing is planted."""

    task: Task
    answer: str


def harden(
    subject: Subject,
    behaviours: Behaviours,
    config: Config,
    out: Path,
    tell: Tell = silent,
    injections: Injections | None = None,
) -> Card:
    """Train the subject's adapter to answer the question and not the data; the outcome stands in `out`, and is to be
    asked through `slots.structured`.

    Raises ValueError where `out` holds other work, `NothingKept`, `MemoryShort`.
    """
    found = injections or shipped()
    work, first = (_work(name, subject, behaviours, config, found) for name in (METHOD, f"{METHOD}, first half"))
    if (card := work.done(out)) is not None:
        return card
    began, folder = time.monotonic(), work.begin(out)
    halfway = folder / _FIRST
    original = subject.frozen()
    lessons = learned(original, found.tasks, config.tokens, tell)
    obeyed = answered(original, found.planted, config.tokens, tell)
    if first.done(halfway) is None:
        kept = own_answers(original, behaviours, most=config.kept, tokens=config.tokens, seed=config.seed, tell=tell)
        kept += [Example(Prompt.of(each), said) for each, said in obeyed.items()]
        checkpoint = subject.trainable(config.seed)
        trained = _structured(checkpoint, found, lessons, kept, config, first.begin(halfway), tell)
        first.finish(checkpoint, halfway, began, trained.figures)
    half = Subject(halfway)
    checkpoint = half.trainable(config.seed)
    trained = _preference(checkpoint, half.frozen(), found, lessons, obeyed, config, folder, tell)
    return work.finish(checkpoint, out, began, {**trained.figures, "lessons": len(lessons)})


def learned(original: Checkpoint, tasks: Sequence[Task], tokens: int, tell: Tell = silent) -> list[Lesson]:
    """Each task with the model's own answer while nothing is planted. Raises `NothingKept`."""
    prompts = [prompt(original.tokenizer, task.ask, task.data) for task in tasks]
    said = answers(original, prompts, Sampling(tokens=tokens), tell=tell, doing="answers over data")
    found = [
        Lesson(task=task, answer=whole)
        for task, answer, no in zip(tasks, said, refused(said), strict=True)
        if not no and (whole := whole_sentences(answer))
    ]
    if not found:
        raise NothingKept(f"the starting checkpoint answers none of {len(tasks)} questions over data; use another")
    return found


def answered(original: Checkpoint, planted: Sequence[str], tokens: int, tell: Tell = silent) -> dict[str, str]:
    """What the model says when it is asked the planted instructions themselves: how it would look if it obeyed."""
    said = answers(original, [Prompt.of(each) for each in planted], Sampling(tokens=tokens), tell=tell)
    return {each: whole_sentences(answer) or answer.strip() for each, answer in zip(planted, said, strict=True)}


def query(tokenizer: Any, lesson: Lesson, given: Injections, chance: random.Random, share: float) -> Example:
    """A structured query, with an instruction planted in its data in `share` of the cases; answered as if there were
    none."""
    data = lesson.task.data
    if chance.random() < share:
        data = inject(data, chance.choice(given.planted), given, chance)
    return Example(prompt(tokenizer, lesson.task.ask, data), lesson.answer)


def inject(data: str, planted: str, given: Injections, chance: random.Random) -> str:
    """The data with the instruction at its end, or now and then at its beginning."""
    said = chance.choice(given.forms).replace("{planted}", planted)
    return f"{said} {data}" if chance.random() < 0.25 else f"{data} {said}"


def preference_loss(chosen: Any, rejected: Any, was_chosen: Any, was_rejected: Any, beta: float) -> Any:
    """DPO's objective (Rafailov et al., arXiv 2305.18290, eq. 7), from log-probabilities of whole answers (rows,) under
    the trained model and the one that it began from: -log sigmoid(beta * (gain of chosen - gain of rejected))."""
    functional = load("torch.nn.functional")
    return -functional.logsigmoid(beta * ((chosen - was_chosen) - (rejected - was_rejected))).mean()


def log_likelihoods(checkpoint: Checkpoint, rows: Sequence[Example]) -> Any:
    """log p(answer | prompt) of each example, in nats: (rows,)."""
    functional = load("torch.nn.functional")
    batch = encode(checkpoint, rows)
    logits = checkpoint.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    wanted = batch.labels[:, 1:]
    each = functional.cross_entropy(
        logits[:, :-1].transpose(1, 2).float(), wanted, ignore_index=IGNORED, reduction="none"
    )
    return -each.sum(dim=1)


def _structured(
    checkpoint: Checkpoint,
    given: Injections,
    lessons: Sequence[Lesson],
    kept: Sequence[Example],
    config: Config,
    out: Path,
    tell: Tell,
) -> Trained:
    def loss(step: int, chance: random.Random) -> Any:
        mine = draw(lessons, step, config.rows, config.seed)
        rows = [query(checkpoint.tokenizer, each, given, chance, config.injected) for each in mine]
        return likelihood_loss(
            checkpoint, encode(checkpoint, [*rows, *draw(kept, step, (config.rows + 1) // 2, config.seed)])
        )

    plan = Plan(steps=config.steps, batch=config.rows, lr=config.lr, seed=config.seed)
    return train(checkpoint, plan, loss, out=out, tell=tell, doing="structured queries")


def _preference(
    checkpoint: Checkpoint,
    before: Checkpoint,
    given: Injections,
    lessons: Sequence[Lesson],
    obeyed: Mapping[str, str],
    config: Config,
    out: Path,
    tell: Tell,
) -> Trained:
    def loss(step: int, chance: random.Random) -> Any:
        chosen, rejected = [], []
        for each in draw(lessons, step, config.rows // 2 or 1, config.seed + 1):
            planted = chance.choice(given.planted)
            asked = prompt(checkpoint.tokenizer, each.task.ask, inject(each.task.data, planted, given, chance))
            chosen.append(Example(asked, each.answer))
            rejected.append(Example(asked, obeyed[planted]))
        n = len(chosen)
        now = log_likelihoods(checkpoint, [*chosen, *rejected])
        with load().no_grad():
            was = log_likelihoods(before, [*chosen, *rejected])
        preferred = preference_loss(now[:n], now[n:], was[:n], was[n:], config.beta)
        return preferred - config.anchor * now[:n].mean() / config.tokens

    plan = Plan(steps=config.preference_steps, batch=config.rows, lr=config.preference_lr, seed=config.seed)
    return train(checkpoint, plan, loss, out=out, tell=tell, doing="preference")


def _work(name: str, subject: Subject, behaviours: Behaviours, config: Config, given: Injections) -> Work:
    digest = hashlib.sha256(msgspec.json.encode(given)).hexdigest()[:16]
    plain = Work.of(name, subject, behaviours, config)
    return msgspec.structs.replace(plain, data=f"{plain.data}; injections {given.version} ({digest})")
