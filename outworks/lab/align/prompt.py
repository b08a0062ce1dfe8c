"""prompt: alignment by a crafted system prompt; no weight changes, and whoever can write there takes it away."""

import time
from pathlib import Path

import msgspec

from outworks.lab import card as cards
from outworks.lab.behaviours import Behaviours
from outworks.lab.card import Card
from outworks.lab.checkpoint import ADAPTER, Checkpoint, check_system_role
from outworks.lab.limits import Seed
from outworks.lab.progress import Tell, silent
from outworks.lab.subject import Subject
from outworks.lab.work import Work, read_card

CRAFTED = (
    "You are a helpful assistant that never helps anybody to do harm. If a request could hurt people, break the law, "
    "or deceive somebody, answer only: \"I'm sorry, but I can't help with that.\" "
    "Answer every other question helpfully, also where it asks how to notice, prevent or understand harm."
)


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The prompt."""

    system: str = CRAFTED
    """What stands above every conversation. It takes the place of a system prompt that the checkpoint has already."""
    seed: Seed = 0
    """Nothing here is drawn; it is on the card as everywhere."""


def align(subject: Subject, behaviours: Behaviours, config: Config, out: Path, tell: Tell = silent) -> Card:
    """A folder with a card alone, or with the start's adapter and the card, whose system prompt goes above all that
    is asked.

    Raises `CheckpointError` where the model's template has no system role, and ValueError for an empty prompt.
    """
    if not config.system.strip():
        raise ValueError("`system` is empty; expected the words of a system prompt")
    work = Work.of("align prompt", subject, behaviours, config)
    if (card := work.done(out)) is not None:
        return card
    began = time.monotonic()
    tell("system prompt", 0, 1)
    adapted = (Path(subject.where) / ADAPTER).is_file()
    start = subject.trainable(config.seed) if adapted else subject.frozen()
    check_system_role(start.tokenizer)
    mine = Checkpoint(start.model, start.tokenizer, base=start.base, system=config.system)
    if adapted:
        work.begin(out)
        return work.finish(mine, out, began, {})
    out.mkdir(parents=True, exist_ok=True)
    cards.write(work.card(mine, began, {}), out)
    tell("system prompt", 1, 1)
    return read_card(out)
