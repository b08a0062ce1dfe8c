"""Hunts by Daft: archives in object stores, and on a Ray cluster those that outgrow one machine."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import msgspec

from outworks.hunt.answers import Answers
from outworks.hunt.found import Found, Hunter, Looked, Unit
from outworks.ledger.reader import Spoken

_FILES = 64
"""Files of a unit: they are looked through at once, as far as the machines go, and noted together."""
_COLUMNS = ("seq", "at", "kind", "account", "exchange", "body", "content", "hash")


class _Part(msgspec.Struct, frozen=True):
    """What some rows came to."""

    found: tuple[Found, ...]
    bytes: int


class DaftLook:
    """A hunter over Parquet files, which may be anything that Daft reads: paths, patterns, `s3://`..."""

    def __init__(self, hunter: Hunter, files: Sequence[str], *, ray: str = "") -> None:
        """`ray` is the cluster's address, or `auto`; empty, and this machine does it all. Outworks must be installed on
        every machine of a cluster. Raises ModuleNotFoundError that names the extra."""
        self._hunter = hunter
        self._patterns = tuple(files)
        self._daft = _daft()
        if ray:
            self._daft.set_runner_ray(None if ray == "auto" else ray, noop_if_initialized=True)

    def units(self) -> list[Unit]:
        """The files, some at a time. Raises FileNotFoundError where a pattern matches none."""
        paths: list[str] = []
        for pattern in self._patterns:
            found = self._daft.from_glob_path(pattern).to_pydict()["path"]
            if not found:
                raise FileNotFoundError(f"there is no file {pattern}")
            paths += sorted(found)
        return [
            Unit(source="daft", first=n, last=n + _FILES - 1, accounts=tuple(paths[n : n + _FILES]))
            for n in range(0, len(paths), _FILES)
        ]

    def __call__(self, unit: Unit) -> Looked:
        """Everything that the hunter finds in these files."""
        daft, hunter = self._daft, self._hunter

        @daft.func.batch(return_dtype=daft.DataType.binary())  # type: ignore[untyped-decorator]
        def look(*columns: Any) -> list[bytes | None]:
            return _look(hunter, *(column.to_pylist() for column in columns))

        @daft.func.batch(return_dtype=daft.DataType.binary())  # type: ignore[untyped-decorator]
        def look_at_answers(*columns: Any) -> list[bytes | None]:
            return _look_at_answers(hunter, *(column.to_pylist() for column in columns))

        table = daft.read_parquet(list(unit.accounts))
        missing = [name for name in _COLUMNS if name not in table.column_names]
        if missing:
            raise ValueError(f"{unit.accounts[0]} is no exported ledger: it has no {', '.join(missing)}")
        asked = table.where((daft.col("kind") == "received") & daft.col("content").not_null())
        left = table.where(daft.col("kind") == "released").groupby("exchange")
        answers = left.agg(*(daft.col(name).list_agg() for name in _COLUMNS if name != "exchange"))
        parts = (
            asked.select(look(*(daft.col(name) for name in _COLUMNS)).alias("part")),
            answers.select(look_at_answers(*(daft.col(name) for name in _COLUMNS)).alias("part")),
        )
        rows = [row for part in parts for row in part.where(daft.col("part").not_null()).to_pydict()["part"]]
        looked = [msgspec.json.decode(row, type=_Part) for row in rows]
        found = sorted((one for part in looked for one in part.found), key=lambda one: one.seq)
        return Looked(unit=unit, found=tuple(found), bytes=sum(part.bytes for part in looked))


def _look(hunter: Hunter, *columns: list[Any]) -> list[bytes | None]:
    """What a batch of requests comes to, in the place of its first row."""
    return _part(hunter, [_row(*fields) for fields in zip(*columns, strict=True)], len(columns[0]))


def _look_at_answers(hunter: Hunter, *columns: list[Any]) -> list[bytes | None]:
    """The same of exchanges, of each the pieces that left."""
    rows = []
    for seqs, ats, kinds, accounts, exchange, bodies, contents, hashes in zip(*columns, strict=True):
        pieces = zip(seqs, ats, kinds, accounts, [exchange] * len(seqs), bodies, contents, hashes, strict=True)
        # Exports may overlap: a piece that stands in two of them left once.
        rows += sorted({fields[-1]: _row(*fields) for fields in pieces}.values(), key=lambda row: row.seq)
    return _part(hunter, rows, len(columns[0]))


def _part(hunter: Hunter, rows: list[Spoken], count: int) -> list[bytes | None]:
    if not count:
        return []
    answers = Answers(whole=False)
    contents = [content for row in rows for content in answers.take(row)] + list(answers.rest())
    part = _Part(tuple(hunter.look(contents)), sum(len(content.text) for content in contents))
    return [msgspec.json.encode(part), *[None] * (count - 1)]


def _row(seq: int, at: float, kind: str, account: str, exchange: str, body: str, content: str | None, _: str) -> Spoken:
    text = None if content is None else content.encode("utf-8", "surrogatepass")
    return Spoken(seq, at, kind, account, exchange, body, text)


def _daft() -> Any:
    try:
        return import_module("daft")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "hunts by Daft, on a Ray cluster too, need it: pip install 'outworks[cluster]'", name="daft"
        ) from error
