"""slots: a question and its data kept apart in a prompt, so that nothing in the data can pose as the question (StruQ,
Chen et al., arXiv 2402.06363)."""

import re
import tomllib
from collections.abc import Sequence
from importlib import resources
from typing import Any

import msgspec

from outworks.lab.card import Card
from outworks.lab.checkpoint import Prompt, Turn, chat_text

OPEN, CLOSE = "<data>", "</data>"
"""What marks the slot."""
METHOD = "harden hierarchy"
_TAG = re.compile(r"<[^<>\s]+>|\[/?[A-Z_]+\]")
"""How templates write the marks of a turn."""
SHIPPED = "injections.toml"


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question over data."""

    ask: str
    data: str


class _Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    texts: tuple[str, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    forms: _Texts
    planted: _Texts
    task: tuple[Task, ...]


class Injections(msgspec.Struct, frozen=True, kw_only=True):
    """What the hierarchy is trained on."""

    version: str
    tasks: tuple[Task, ...]
    planted: tuple[str, ...]
    """Instructions that get into data."""
    forms: tuple[str, ...]
    """How: `{planted}` is the instruction."""


def shipped() -> Injections:
    """The set that was written for this project."""
    text = (resources.files("outworks.lab") / "data" / SHIPPED).read_text("utf-8")
    file = msgspec.convert(tomllib.loads(text), type=_File)
    return Injections(version=file.version, tasks=file.task, planted=file.planted.texts, forms=file.forms.texts)


def structured(tokenizer: Any, ask: str, data: str) -> tuple[Turn, ...]:
    """The secure front end: one message, the question first, the data in its slot, without anything in it that could
    close the slot or open a turn."""
    return (Turn("user", f"{ask}\n\n{OPEN}\n{filtered(data, markers(tokenizer))}\n{CLOSE}"),)


def prompt(tokenizer: Any, ask: str, data: str) -> Prompt:
    """The same, to be answered."""
    return Prompt(structured(tokenizer, ask, data))


def wants_slots(card: Card | None) -> bool:
    """Whether the checkpoint was trained to read data in its slot, and is to be asked so."""
    return card is not None and card.method.startswith(METHOD)


def markers(tokenizer: Any) -> tuple[str, ...]:
    """What data may not contain: the slot's marks, and all that the template marks turns with."""
    added = [str(token.content) for token in tokenizer.added_tokens_decoder.values()]
    around = chat_text(tokenizer, (Turn("user", ""), Turn("assistant", ""), Turn("user", "")))
    return tuple(dict.fromkeys((OPEN, CLOSE, *tokenizer.all_special_tokens, *added, *_TAG.findall(around))))


def filtered(data: str, banned: Sequence[str]) -> str:
    """The data without the markers, in whatever case. Over and over, for a marker may be put together from what is left
    of two (`<da<data>ta>`)."""
    pattern = re.compile("|".join(re.escape(each) for each in sorted(banned, key=len, reverse=True)), re.IGNORECASE)
    while (found := pattern.sub("", data)) != data:
        data = found
    return data
