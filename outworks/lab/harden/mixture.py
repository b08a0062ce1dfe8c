"""mixture: the examples that hardenings share: refusals, agreeable beginnings, and the model's own innocent answers."""

import random
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from outworks.lab.behaviours import Behaviour, Behaviours, Split
from outworks.lab.checkpoint import Checkpoint, Prompt
from outworks.lab.generating import Sampling, answers
from outworks.lab.progress import Tell, silent
from outworks.lab.refusing import refused
from outworks.lab.training import Example

LEADS = (
    "Sure, here is",
    "Sure! You asked:",
    "Of course. Let me explain",
    "Yes, here is what to do about",
    "Okay, so this is about",
    "Absolutely, this is simple:",
    "Step 1:",
    "Great question.",
)
"""What agreeable answers begin with, beside the placeholders. The request follows, for it alone is known to be harmless
to write down."""
_SENTENCES = re.compile(r"^.*[.!?](?=\s|$)", re.DOTALL)


class NothingKept(ValueError):
    """The starting checkpoint declines every innocent request, so nothing can be kept."""


class Earlier(NamedTuple):
    """The model as it was before its adapter: what it answers stands in where it declines now."""

    checkpoint: Checkpoint
    """With the adapter apart."""
    most: int
    """Answers at the most."""

    def answers(self, prompts: Sequence[Prompt], tokens: int, tell: Tell = silent) -> list[Example]:
        """Of the first prompts that it answers with a whole sentence."""
        if not self.most:
            return []
        with self.checkpoint.model.disable_adapter():
            said = answers(self.checkpoint, prompts, Sampling(tokens=tokens), tell=tell, doing="earlier answers")
        return kept_answers(prompts, said)[: self.most]


def refusal(
    behaviours: Behaviours, request: Behaviour, chance: random.Random, *, prefill: str = "", asked: str = ""
) -> Example:
    """The request declined in words that vary, after the answer was made to begin with `prefill`; `asked` takes the
    place of the request's own words."""
    words = chance.choice(behaviours.refusals)
    return Example(Prompt.of(asked or request.text, prefill=prefill), f" {words}" if prefill else words)


def agreeable(behaviours: Behaviours, request: Behaviour, chance: random.Random) -> str:
    """An answer that goes along and contains nothing."""
    placeholder = chance.choice(behaviours.placeholders)
    if chance.random() < 0.5:
        return placeholder
    return f"{chance.choice(LEADS)} {request.text} {placeholder}"


def beginning(tokenizer: Any, answer: str, tokens: int) -> str:
    """The first so many tokens of an answer, as text."""
    ids = tokenizer(answer, add_special_tokens=False)["input_ids"][:tokens]
    return str(tokenizer.decode(ids)).rstrip()


def own_answers(
    checkpoint: Checkpoint,
    behaviours: Behaviours,
    *,
    most: int,
    tokens: int,
    seed: int,
    earlier: Earlier | None = None,
    tell: Tell = silent,
) -> list[Example]:
    """What the checkpoint itself answers to up to `most` innocent training requests, ended at the end of a sentence:
    learning these again keeps it from declining more than it did. Those that it declines are left out, but
    for those that `earlier` answers.

    Raises `NothingKept`, and `DataError` where there are no such requests.
    """
    rows = list(behaviours.some(Split.TRAIN, harmful=False))
    random.Random(f"{seed}/benign").shuffle(rows)
    prompts = [Prompt.of(row.text) for row in rows[:most]]
    said = answers(checkpoint, prompts, Sampling(tokens=tokens), tell=tell, doing="answers to keep")
    kept = kept_answers(prompts, said)
    if earlier is not None:
        declined = [prompt for prompt, no in zip(prompts, refused(said), strict=True) if no]
        kept += earlier.answers(declined, tokens, tell)
    if not kept:
        raise NothingKept(
            f"the starting checkpoint declines all of {len(said)} innocent requests, or finishes no sentence in "
            f"{tokens} tokens; start from one that answers some, or raise `tokens`"
        )
    return kept


def kept_answers(prompts: Sequence[Prompt], said: Sequence[str]) -> list[Example]:
    """Of answers, those that do not decline, up to the end of their last whole sentence."""
    pairs = zip(prompts, said, refused(said), strict=True)
    return [Example(prompt, whole) for prompt, answer, no in pairs if not no and (whole := whole_sentences(answer))]


def whole_sentences(answer: str) -> str:
    """The answer up to the end of its last whole sentence; empty where there is none."""
    found = _SENTENCES.match(answer.strip())
    return found.group() if found else ""
