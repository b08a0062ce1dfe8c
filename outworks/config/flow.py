"""A flow policy in a file of its own."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from outworks.defenses.flow.policy import Settings, faults
from outworks.message import Tool
from outworks.toml import LARGEST, read


class _Defenses(msgspec.Struct, frozen=True):
    flow: Settings = Settings()


class _File(msgspec.Struct, frozen=True):
    defenses: _Defenses = _Defenses()


def load(path: Path, *, offered: Iterable[Tool] = ()) -> Settings:
    """The table `[defenses.flow]` of a file that holds nothing else, as examples do.

    Raises `PolicyError` with every fault; with the tools that a product offers, also for names that those do not have.
    """
    with path.open("rb") as file:
        reading = read(file.read(LARGEST + 1), _File, file=str(path))
    settings = reading.take(Settings, "defenses", "flow")
    if settings is not None:
        for fault in faults(settings.tools, offered=tuple(offered)):
            place, _, why = fault.partition(": ")
            reading.fault(_at(place, settings), why)
    reading.settle()
    assert settings is not None
    return settings


def _at(place: str, settings: Settings) -> tuple[str | int, ...]:
    """The place as a path of keys: names of tools and arguments may hold dots themselves."""
    tool = max((name for name in settings.tools if place.startswith(f"tools.{name}")), key=len)
    rest = place.removeprefix(f"tools.{tool}").strip(".")
    steps: list[str | int] = ["defenses", "flow", "tools", tool]
    if rest.startswith("arguments."):
        rest = rest.removeprefix("arguments.")
        argument = max((name for name in settings.tools[tool].arguments if rest.startswith(name)), key=len)
        steps += ["arguments", argument]
        rest = rest.removeprefix(argument).strip(".")
    return (*steps, *(int(step) if step.isdigit() else step for step in rest.split(".") if step))
