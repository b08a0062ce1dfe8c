"""card: what is written beside everything that the lab makes, so that nobody has to remember how it was made."""

import hashlib
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from outworks.lab.behaviours import Behaviours

FILE = "card.json"
_LIBRARIES = ("torch", "transformers", "peft", "trl", "nanogcg")


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """How a checkpoint was made."""

    method: str
    """`align sft`, `attack finetune`..."""
    base: str
    """What it stands on: `embedded`, or a folder."""
    start: str = ""
    """The checkpoint whose adapter training went on from; empty where it began from the base."""
    system: str = ""
    """The system prompt that belongs to the checkpoint."""
    data: str = ""
    """Name, version and digest of the behaviours."""
    seed: int = 0
    configuration: dict[str, Any] = {}
    seconds: float = 0.0
    figures: dict[str, float] = {}
    """What training measured: first and last loss, counts."""
    versions: dict[str, str] = {}
    machine: str = ""


def describe(found: Behaviours) -> str:
    """Which behaviours: their name, version, and a digest of every word."""
    digest = hashlib.sha256(msgspec.json.encode(found.all)).hexdigest()[:16]
    return f"{found.name} {found.version} ({digest})".replace("  ", " ")


def write(card: Card, folder: Path) -> None:
    """Beside the checkpoint, completed with versions and machine."""
    whole = msgspec.structs.replace(card, versions=_versions(), machine=_machine())
    fresh = folder / (FILE + ".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")
    os.replace(fresh, folder / FILE)


def read(folder: Path) -> Card | None:
    """None where there is none. Raises ValueError for a damaged one."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Card)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"{path}: {error}; expected a card that the lab wrote") from error


def _versions() -> Mapping[str, str] | Any:
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores"
