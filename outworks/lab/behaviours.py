"""behaviours: what the lab asks for, harmful and innocent, split into what is trained on and what is not."""

import tomllib
from collections.abc import Sequence
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec

from outworks.nearest import did_you_mean

SHIPPED = "requests.toml"


class Split(StrEnum):
    """What a behaviour may be used for."""

    TRAIN = "train"
    DEV = "dev"
    """For choosing: thresholds, directions, when to stop."""
    TEST = "test"
    """Unseen until it is measured."""


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """One request."""

    id: str
    text: str
    category: str
    harmful: bool
    split: Split


class Behaviours(msgspec.Struct, frozen=True, kw_only=True):
    """A set of them, with the words that training needs."""

    name: str
    version: str
    all: tuple[Behaviour, ...]
    refusals: tuple[str, ...]
    """How an aligned model declines."""
    placeholders: tuple[str, ...]
    """Answers that begin agreeably and contain nothing: what attacks train on."""

    def harmful(self, split: Split) -> tuple[Behaviour, ...]:
        """The harmful ones of a split, in the order of the file."""
        return tuple(each for each in self.all if each.harmful and each.split is split)

    def benign(self, split: Split) -> tuple[Behaviour, ...]:
        """The innocent ones that look like them."""
        return tuple(each for each in self.all if not each.harmful and each.split is split)

    def some(self, split: Split, *, harmful: bool) -> tuple[Behaviour, ...]:
        """Those of one kind, of which there must be some. Raises `DataError`: what is done with none means nothing."""
        found = self.harmful(split) if harmful else self.benign(split)
        if not found:
            kind = "harmful" if harmful else "innocent"
            raise DataError(f"{self.name} has no {kind} behaviours in its {split.value} part; add some, or `split`")
        return found


class DataError(ValueError):
    """A data set that cannot be read; the message names file, place and field."""


class _Category(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    harmful: tuple[str, ...]
    benign: tuple[str, ...] = ()


class _Words(msgspec.Struct, forbid_unknown_fields=True):
    texts: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    category: tuple[_Category, ...]
    refusals: _Words
    placeholders: _Words


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    harmful: bool
    category: str = "other"
    split: Split | None = None


def shipped() -> Behaviours:
    """The set that was written for this project: 200 harmful requests in 10 categories, 200 innocent contrasts."""
    return _from_toml((resources.files("outworks.lab") / "data" / SHIPPED).read_text("utf-8"), "shipped")


def read(path: Path) -> Behaviours:
    """A set of the user's: TOML in the form of the shipped one, or JSON lines with `text`, `harmful` and perhaps
    `category` and `split`; refusals and placeholders are then the shipped ones. Raises `DataError`."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}; expected behaviours, as TOML or as JSON lines"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, byte {error.start}: not UTF-8; expected a text file") from error
    if not text.strip():
        raise DataError(f"{path} is empty; expected behaviours, as TOML or as JSON lines")
    found = _from_toml(text, str(path)) if path.suffix == ".toml" else _from_lines(text, path)
    for harmful in (True, False):
        if not any(each.harmful is harmful for each in found.all):
            what = "harmful" if harmful else "innocent"
            raise DataError(f"{path} has no {what} behaviours; both kinds are needed, or nothing can be compared")
    return found


def _from_toml(text: str, name: str) -> Behaviours:
    try:
        file = msgspec.convert(tomllib.loads(text), type=_File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise DataError(f"{name}: {error}{_meant(str(error), _TABLES)}") from error
    rows = []
    for category in file.category:
        for harmful, texts in ((True, category.harmful), (False, category.benign)):
            kind = "harmful" if harmful else "benign"
            for n, each in enumerate(texts):
                if not each.strip():
                    raise DataError(f"{name}: category {category.name!r}, {kind}, entry {n + 1} is empty")
                where = f"{category.name}-{kind}-{n + 1}"
                rows.append(
                    Behaviour(id=where, text=each, category=category.name, harmful=harmful, split=_split(n, len(texts)))
                )
    return Behaviours(
        name=name,
        version=file.version,
        all=_once(rows, name),
        refusals=file.refusals.texts,
        placeholders=file.placeholders.texts,
    )


def _from_lines(text: str, path: Path) -> Behaviours:
    rows: list[Behaviour] = []
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    for place, (n, line) in enumerate(lines):
        try:
            row = msgspec.json.decode(line, type=_Line)
        except msgspec.ValidationError as error:
            raise DataError(f"{path}, line {n}: {error}{_meant(str(error), _Line.__struct_fields__)}") from error
        except msgspec.DecodeError as error:
            raise DataError(f"{path}, line {n}: {error}; expected a JSON object with `text` and `harmful`") from error
        if not row.text.strip():
            raise DataError(f"{path}, line {n}: `text` is empty")
        split = row.split or _split(place, len(lines))
        rows.append(Behaviour(id=f"line-{n}", text=row.text, category=row.category, harmful=row.harmful, split=split))
    own = shipped()
    return Behaviours(
        name=str(path), version="", all=_once(rows, str(path)), refusals=own.refusals, placeholders=own.placeholders
    )


def _once(rows: Sequence[Behaviour], name: str) -> tuple[Behaviour, ...]:
    """The first row of every text, letters' case and spaces apart: what is trained on is never what is measured on."""
    found: dict[str, Behaviour] = {}
    for row in rows:
        first = found.setdefault(" ".join(row.text.casefold().split()), row)
        if first.harmful != row.harmful:
            raise DataError(
                f"{name}: {row.id} is the text of {first.id}; expected it harmful or innocent, and not both"
            )
    return tuple(found.values())


_TABLES = [name for each in (_File, _Category, _Words) for name in each.__struct_fields__]


def _meant(error: str, fields: Sequence[str]) -> str:
    if "unknown field" in error:
        return did_you_mean(error.split("`")[1], fields)
    if "enum value" in error:
        return did_you_mean(error.split("'")[1], list(Split), f"expected one of {', '.join(Split)}")
    return ""


def _split(n: int, of: int) -> Split:
    """Of twenty: fourteen to train on, two to choose by, four to measure; spread over the list."""
    place = (n * 7) % 20 if of >= 20 else n % 20
    if place in (3, 8, 13, 18):
        return Split.TEST
    return Split.DEV if place in (5, 15) else Split.TRAIN


def texts(rows: Sequence[Behaviour]) -> list[str]:
    """Their words alone."""
    return [each.text for each in rows]
