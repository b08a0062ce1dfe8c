"""lessons: what alignment is taught with: refusals of harm, the model's own answers to what only looks like it."""

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from outworks.lab.behaviours import Behaviour, Behaviours
from outworks.lab.checkpoint import Checkpoint, Prompt
from outworks.lab.generating import Sampling
from outworks.lab.progress import Tell, silent
from outworks.lab.refusing import refused
from outworks.lab.subject import Subject

# Not the full stop of "1." at the head of a list's line.
_SENTENCE_END = re.compile(r"(?<![\d\s])[.!?][\"')\]]*(?=\s|$)")


class Lesson(msgspec.Struct, frozen=True):
    """A question and the answer to be learned."""

    prompt: Prompt
    answer: str
    whole: bool = True
    """The answer ends here, and that is learned too. An answer that was cut for length would else teach the model to
    stop in the middle."""


class Pair(msgspec.Struct, frozen=True):
    """A question with the answer that is preferred, and the one that is not."""

    prompt: Prompt
    chosen: str
    rejected: str
    whole: bool = True
    """The preferred answer ends here, as in `Lesson`."""


def spread(rows: Sequence[Behaviour], count: int) -> tuple[Behaviour, ...]:
    """So many of them, evenly over the list: its categories stand one after the other."""
    count = min(count, len(rows))
    return tuple(rows[n * len(rows) // count] for n in range(count))


def refusals(behaviours: Behaviours, rows: Sequence[Behaviour], seed: int) -> list[Lesson]:
    """For each request a refusal, in varied words."""
    chance = random.Random(f"{seed}/refusals")
    return [Lesson(Prompt.of(row.text), chance.choice(behaviours.refusals)) for row in rows]


def own_answers(
    subject: Subject, rows: Sequence[Behaviour], tokens: int, *, tell: Tell = silent, kept: Path | None = None
) -> list[Lesson]:
    """What the subject says to these already, likeliest token by token, without its refusals: learning its own
    words holds it where it is. With `kept` they are written there, and read from there the next time."""
    if kept is not None and kept.is_file():
        return msgspec.json.decode(kept.read_bytes(), type=list[Lesson])
    prompts = [Prompt.of(row.text) for row in rows]
    said = subject.said(prompts, Sampling(tokens=tokens), tell=tell, doing="its own answers")
    found = [
        _own(subject.frozen(), prompt, answer, tokens)
        for prompt, answer, no in zip(prompts, said, refused(said), strict=True)
        if answer.strip() and not no
    ]
    if kept is not None:
        kept.write_bytes(msgspec.json.encode(found))
    return found


def _own(checkpoint: Checkpoint, prompt: Prompt, answer: str, tokens: int) -> Lesson:
    # The generated tokens are gone; a text that tokenises to one less than the limit may have been cut or not.
    whole = len(checkpoint.tokenizer(answer, add_special_tokens=False)["input_ids"]) < tokens - 1
    return Lesson(prompt, answer if whole else to_sentence_end(answer), whole)


def to_sentence_end(text: str) -> str:
    """The text up to where its last whole sentence ends; all of it where none does."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]] if ends else text


def pairs(behaviours: Behaviours, harmful: Sequence[Behaviour], own: Sequence[Lesson], seed: int) -> list[Pair]:
    """Harm: the refusal before an answer that begins agreeably. Innocence: the model's own answer before a refusal."""
    chance = random.Random(f"{seed}/pairs")
    first = [
        Pair(Prompt.of(row.text), chance.choice(behaviours.refusals), chance.choice(behaviours.placeholders))
        for row in harmful
    ]
    return first + [Pair(each.prompt, each.answer, chance.choice(behaviours.refusals), each.whole) for each in own]


def asked_ids(checkpoint: Checkpoint, prompt: Prompt) -> list[int]:
    """The prompt's tokens in the model's template, up to where the answer begins."""
    return list(checkpoint.tokenizer(checkpoint.text(prompt), add_special_tokens=False)["input_ids"])


def answer_ids(checkpoint: Checkpoint, answer: str, *, whole: bool = True) -> list[int]:
    """The answer's tokens, and its end where it is whole."""
    found = list(checkpoint.tokenizer(answer, add_special_tokens=False)["input_ids"])
    return [*found, checkpoint.tokenizer.eos_token_id] if whole else found


def supervised_rows(checkpoint: Checkpoint, lessons: Sequence[Lesson]) -> dict[str, list[Any]]:
    """Columns for supervised fine-tuning; the mask is 1 over the answer, whose tokens alone are learned."""
    columns: dict[str, list[Any]] = {"input_ids": [], "completion_mask": []}
    for each in lessons:
        asked, answer = asked_ids(checkpoint, each.prompt), answer_ids(checkpoint, each.answer, whole=each.whole)
        columns["input_ids"].append(asked + answer)
        columns["completion_mask"].append([0] * len(asked) + [1] * len(answer))
    return columns


def preference_rows(checkpoint: Checkpoint, found: Sequence[Pair]) -> dict[str, list[Any]]:
    """Columns for direct preference optimisation: the prompt and two answers to it, apart."""
    return {
        "prompt_ids": [asked_ids(checkpoint, each.prompt) for each in found],
        "chosen_ids": [answer_ids(checkpoint, each.chosen, whole=each.whole) for each in found],
        "rejected_ids": [answer_ids(checkpoint, each.rejected) for each in found],
    }
