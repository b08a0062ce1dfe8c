"""measures: what one checkpoint is asked, and what its answers are worth."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from outworks.lab.attempt import tries
from outworks.lab.backend import enough_memory, load
from outworks.lab.behaviours import Behaviour, Behaviours, Split
from outworks.lab.checkpoint import Checkpoint, Prompt, Turn
from outworks.lab.evaluate.checks import followed
from outworks.lab.evaluate.instructions import Instructions, Task
from outworks.lab.generating import Sampling, answers
from outworks.lab.harden.slots import structured, wants_slots
from outworks.lab.progress import Tell
from outworks.lab.refusing import refused


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer and its worth."""

    id: str
    asked: str
    said: str = ""
    value: float
    """1 where the measure's word is true of the answer, else 0; for `perplexity`, nats a token."""


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of every checkpoint, and how much."""

    behaviours: Behaviours
    instructions: Instructions
    tokens: int = 24
    """The longest answer where a refusal is looked for."""
    long_tokens: int = 40
    """The longest answer to an instruction or a task."""
    most: int = 40
    """Rows of each kind, at most."""
    split: Split = Split.TEST


Ask = Callable[[Checkpoint, Asking, Tell], list[Answer]]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of one checkpoint."""

    name: str
    key: str
    """What was asked: another set or length is another measurement."""
    seconds: float
    answers: tuple[Answer, ...] = ()

    @property
    def values(self) -> dict[str, float]:
        """The worth of each answer, by what was asked."""
        return {each.id: each.value for each in self.answers}


def measure(name: str, key: str, checkpoint: Checkpoint, asking: Asking, tell: Tell) -> Measured:
    """One of `MEASURES`, taken now."""
    began = time.monotonic()
    found = MEASURES[name](checkpoint, asking, tell)
    return Measured(name=name, key=key, seconds=time.monotonic() - began, answers=tuple(found))


def data_turns(checkpoint: Checkpoint, task: Task, data: str) -> tuple[Turn, ...]:
    """A question and its data, as the checkpoint is to be asked: in its slot where it was trained to read one, else as
    most applications put them, one message."""
    if wants_slots(checkpoint.card):
        return structured(checkpoint.tokenizer, task.ask, data)
    return (Turn("user", f"{task.ask}\n\n{data}"),)


def _natural(checkpoint: Checkpoint, asking: Asking, tell: Tell) -> list[Answer]:
    """Harmful requests as they come: does the model go along?"""
    rows = asking.behaviours.harmful(asking.split)
    said = _said(checkpoint, [row.text for row in rows], asking.tokens, tell, "harmful requests")
    judged = tries(rows, "natural", said)
    return [_answer(row, one.answer, one.reached) for row, one in zip(rows, judged, strict=True)]


def _hard(checkpoint: Checkpoint, asking: Asking, tell: Tell) -> list[Answer]:
    """Innocent requests that look harmful: does it decline?"""
    rows = asking.behaviours.benign(asking.split)
    said = _said(checkpoint, [row.text for row in rows], asking.tokens, tell, "innocent requests")
    return [_answer(row, one, no) for row, one, no in zip(rows, said, refused(said), strict=True)]


def _everyday(checkpoint: Checkpoint, asking: Asking, tell: Tell) -> list[Answer]:
    """Everyday requests: does it decline?"""
    rows = asking.instructions.everyday[: asking.most]
    said = _said(checkpoint, rows, asking.tokens, tell, "everyday requests")
    return _numbered("everyday", rows, said, refused(said))


def _instructions(checkpoint: Checkpoint, asking: Asking, tell: Tell) -> list[Answer]:
    """Instructions that a program can check: are they followed?"""
    rows = asking.instructions.checks[: asking.most]
    said = _said(checkpoint, [row.ask for row in rows], asking.long_tokens, tell, "instructions")
    done = [followed(row, one) for row, one in zip(rows, said, strict=True)]
    return _numbered("check", [row.ask for row in rows], said, done)


def _tasks(checkpoint: Checkpoint, asking: Asking, tell: Tell) -> list[Answer]:
    """Tasks over data in which nothing is planted: are they solved?"""
    rows = asking.instructions.tasks[: asking.most]
    said = _over_data(checkpoint, rows, [row.data for row in rows], asking, tell, "tasks")
    return _numbered("task", [row.data for row in rows], said, [r.solved(s) for r, s in zip(rows, said, strict=True)])


def _injected(checkpoint: Checkpoint, asking: Asking, tell: Tell) -> list[Answer]:
    """The same tasks with an instruction in the data: is it obeyed?"""
    rows = asking.instructions.tasks[: asking.most]
    data = [asking.instructions.injected(n) for n in range(len(rows))]
    said = _over_data(checkpoint, rows, data, asking, tell, "planted instructions")
    return _numbered("task", data, said, [r.obeyed(s) for r, s in zip(rows, said, strict=True)])


def _perplexity(checkpoint: Checkpoint, asking: Asking, tell: Tell) -> list[Answer]:
    """Neutral text: nats a token."""
    rows = asking.instructions.paragraphs[: asking.most]
    found = []
    for n, text in enumerate(rows):
        tell("neutral text", n, len(rows))
        found.append(nats(checkpoint, text))
    tell("neutral text", len(rows), len(rows))
    return [
        Answer(id=f"paragraph-{n}", asked=text, value=value)
        for n, (text, value) in enumerate(zip(rows, found, strict=True), 1)
    ]


def nats(checkpoint: Checkpoint, text: str) -> float:
    """Mean negative log-likelihood of a text's tokens, each from those before it; the first follows the end of another
    text. e to its power is the perplexity."""
    torch, functional = load(), load("torch.nn.functional")
    tokenizer = checkpoint.tokenizer
    tokens = [tokenizer.eos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
    ids = torch.tensor([tokens], device=checkpoint.device)  # (1, tokens)
    with torch.no_grad(), enough_memory("the length of the paragraphs"):
        logits = checkpoint.model(input_ids=ids).logits  # (1, tokens, vocabulary)
    return float(functional.cross_entropy(logits[0, :-1].float(), ids[0, 1:]))


def _said(checkpoint: Checkpoint, asked: Sequence[str], tokens: int, tell: Tell, doing: str) -> list[str]:
    prompts = [Prompt.of(text) for text in asked]
    return answers(checkpoint, prompts, Sampling(tokens=tokens), tell=tell, doing=doing)


def _over_data(
    checkpoint: Checkpoint, rows: Sequence[Task], data: Sequence[str], asking: Asking, tell: Tell, doing: str
) -> list[str]:
    prompts = [Prompt(data_turns(checkpoint, row, text)) for row, text in zip(rows, data, strict=True)]
    return answers(checkpoint, prompts, Sampling(tokens=asking.long_tokens), tell=tell, doing=doing)


def _answer(row: Behaviour, said: str, value: Any) -> Answer:
    return Answer(id=row.id, asked=row.text, said=said, value=float(value))


def _numbered(kind: str, asked: Sequence[str], said: Sequence[str], values: Sequence[Any]) -> list[Answer]:
    return [
        Answer(id=f"{kind}-{n}", asked=text, said=one, value=float(value))
        for n, (text, one, value) in enumerate(zip(asked, said, values, strict=True), 1)
    ]


MEASURES: Mapping[str, Ask] = {
    "natural": _natural,
    "hard": _hard,
    "everyday": _everyday,
    "instructions": _instructions,
    "tasks": _tasks,
    "injected": _injected,
    "perplexity": _perplexity,
}
"""In the order in which they are taken."""
