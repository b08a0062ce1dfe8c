"""Sources: the ledger itself, and Parquet files that were exported from it, in units that can be taken one by one."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from glob import escape
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import msgspec
from typing_extensions import override

from outworks.hunt.answers import Answers
from outworks.hunt.found import Unit
from outworks.ledger.reader import Content, Reader, Spoken

EVENTS = 50_000
"""Events in a unit: seconds of work, so that a hunt that is stopped loses little."""
_ROWS = 2_000
_END = (1 << 63) - 1
_LONGEST_S = 86_400.0
"""No exchange lasts longer: after so long nothing more of it is looked for in a file."""
COLUMNS = ("seq", "at", "kind", "account", "product", "exchange", "conversation", "body", "content", "hash")


class Source(Protocol):
    """A past, in parts."""

    def units(self) -> list[Unit]:
        """Its parts, in order."""
        ...

    def contents(self, unit: Unit) -> Iterator[Sequence[Content]]:
        """What was said in one part, some thousands of events at a time."""
        ...


class LedgerSource(Source):
    """The policy's ledger. It is read as any reader does, and may go on growing: a hunt ends where it stood."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @override
    def units(self) -> list[Unit]:
        head = _reader(self._path).head().seq
        name = str(self._path)
        return [Unit(source=name, first=after + 1, last=min(after + EVENTS, head)) for after in range(0, head, EVENTS)]

    @override
    def contents(self, unit: Unit) -> Iterator[Sequence[Content]]:
        return _some(self._said(unit))

    def _said(self, unit: Unit) -> Iterator[Content]:
        reader = _reader(Path(unit.source))
        answers = Answers(whole=True)
        for after in range(unit.first - 1, unit.last, _ROWS):
            for row in reader.spoken(after, min(after + _ROWS, unit.last)):
                yield from answers.take(row)
        # What another unit goes on with is read here, where it begins.
        for exchange in answers.open:
            for row in reader.spoken(unit.last, _END, exchange=exchange):
                yield from answers.take(row, begins=False)
        yield from answers.rest()


@lru_cache(maxsize=1)
def _reader(path: Path) -> Reader:
    return Reader(path)


class ParquetSource(Source):
    """Files as `outworks ledger export` writes them, read by DuckDB: of them only what is wanted."""

    def __init__(self, paths: Sequence[Path], *, ordered: bool = True) -> None:
        """With `ordered` a file whose events are not in the order of their ledger is refused: parts of it would be
        passed over."""
        self._paths = tuple(paths)
        self._ordered = ordered

    @override
    def units(self) -> list[Unit]:
        """Raises ValueError for a file that is no exported ledger, FileNotFoundError where there is none."""
        return [unit for path in self._paths for unit in _units(path, ordered=self._ordered)]

    @override
    def contents(self, unit: Unit) -> Iterator[Sequence[Content]]:
        return _some(self._said(unit))

    def _said(self, unit: Unit) -> Iterator[Content]:
        con, path = database(), escape(unit.source)
        (begun,) = con.execute("SELECT min(seq) FROM read_parquet($path)", {"path": path}).fetchone()
        answers = Answers(whole=begun is not None and begun < unit.first)
        at = 0.0
        for row in _rows(
            con,
            "seq BETWEEN $first AND $last AND kind IN ('received', 'released')",
            {"path": path, "first": unit.first, "last": unit.last},
        ):
            at = max(at, row.at)
            yield from answers.take(row)
        if answers.open:
            # What another unit goes on with is read here, where it begins.
            for row in _rows(
                con,
                "seq > $last AND \"at\" <= $until AND kind = 'released' AND list_contains($open, exchange)",
                {"path": path, "last": unit.last, "until": at + _LONGEST_S, "open": sorted(answers.open)},
            ):
                yield from answers.take(row, begins=False)
        yield from answers.rest()


def _rows(con: Any, where: str, values: dict[str, Any]) -> Iterator[Spoken]:
    cursor = con.execute(
        "SELECT seq, \"at\", kind, account, exchange, CASE kind WHEN 'released' THEN body END, encode(content) "  # noqa: S608
        f"FROM read_parquet($path) WHERE {where} ORDER BY seq",
        values,
    )
    while rows := cursor.fetchmany(_ROWS):
        yield from (Spoken(*row) for row in rows)


def _some(contents: Iterator[Content]) -> Iterator[Sequence[Content]]:
    while some := list(islice(contents, _ROWS)):
        yield some


def database(threads: int = 1) -> Any:
    """DuckDB, in memory. Raises ModuleNotFoundError that names the extra."""
    try:
        duckdb: Any = import_module("duckdb")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "hunts over Parquet need DuckDB: pip install 'outworks[hunt]'", name="duckdb"
        ) from error
    # Nothing is fetched, and no file is written but by us.
    settings = {"threads": threads, "autoinstall_known_extensions": False, "autoload_known_extensions": False}
    return duckdb.connect(":memory:", config=settings)


class _Group(msgspec.Struct, frozen=True):
    low: int
    high: int
    rows: int


def _units(path: Path, *, ordered: bool) -> Iterator[Unit]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; expected Parquet as `outworks ledger export` writes it")
    con = database()
    try:
        names = [
            row[0] for row in con.execute("SELECT name FROM parquet_schema($p)", {"p": escape(str(path))}).fetchall()
        ]
    except Exception as error:
        raise ValueError(f"{path} is not Parquet: {str(error).splitlines()[0]}") from error
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ValueError(f"{path} is no exported ledger: it has no {', '.join(missing)}")
    rows = con.execute(
        "SELECT CAST(stats_min_value AS BIGINT), CAST(stats_max_value AS BIGINT), row_group_num_rows "
        "FROM parquet_metadata($p) WHERE path_in_schema = 'seq' ORDER BY row_group_id",
        {"p": escape(str(path))},
    ).fetchall()
    if any(None in row for row in rows):
        yield Unit(source=str(path), first=0, last=_END)
        return
    first, last, count = None, 0, 0
    for group in (_Group(*row) for row in rows):
        if ordered and group.low <= last:
            raise ValueError(
                f"{path} is not in the order in which `outworks ledger export` writes it: sort it by seq, and keep the "
                "events of each ledger in files of their own"
            )
        first = group.low if first is None else first
        last, count = group.high, count + group.rows
        if count >= EVENTS:
            yield Unit(source=str(path), first=first, last=last)
            first, count = None, 0
    if first is not None:
        yield Unit(source=str(path), first=first, last=last)
