"""principles: the short list by which a model judges its own answers, and how it is asked to."""

import tomllib
from importlib import resources
from pathlib import Path

import msgspec

from outworks.lab.behaviours import DataError

SHIPPED = "principles.toml"


class _Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    request: str
    answer: str
    critique: str
    revision: str


class Constitution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The principles, and how the model is asked to judge and to revise by them."""

    version: str
    principles: tuple[str, ...]
    critique: str
    """The request for a critique, with `{principle}` in it."""
    revision: str
    example: tuple[_Example, ...] = ()


def read_constitution(path: Path | None = None) -> Constitution:
    """The shipped principles, or the user's. Raises `DataError` that names the file and the field."""
    name = SHIPPED if path is None else str(path)
    source = (resources.files("outworks.lab") / "data" / SHIPPED) if path is None else path
    try:
        found = msgspec.convert(tomllib.loads(source.read_text("utf-8")), type=Constitution)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise DataError(f"{name}: {error}; expected principles in the form of the shipped ones") from error
    if not found.principles:
        raise DataError(f"{name}: `principles` is empty; expected at least one sentence")
    if "{principle}" not in found.critique:
        raise DataError(f"{name}: `critique` has no {{principle}} in it, so the model would not be told the principle")
    return found
