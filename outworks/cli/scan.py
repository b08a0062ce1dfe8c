"""`outworks scan`: texts from a file or standard input, judged by the detectors."""

import gc
import json
import os
import sys
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from outworks.detectors.looking import shipped
from outworks.nearest import did_you_mean
from outworks.scanning import AT_ONCE, TOGETHER, Item, Scanner, side_of

LONGEST = 64 << 20
"""Bytes of one line; a longer one is reported and passed over, so that no file can fill the memory."""
_READ = 1 << 20

_File = Annotated[
    Path, typer.Argument(help="JSON lines with `text`, and `id` and `role` if you like; `-` is standard input.")
]
_Rate = Annotated[float, typer.Option(min=0, max=0.1, help="The share of ordinary texts that may be over a threshold.")]
_Stage = Annotated[
    Literal["never", "unsure", "always"],
    typer.Option(help="When a small transformer looks too; it needs outworks[classifier]."),
]
_Topics = Annotated[bool, typer.Option(help="Score the moderation categories too.")]


def scan_file(
    file: _File = Path("-"),
    false_positive_rate: _Rate = 0.001,
    second_stage: _Stage = "never",
    topics: _Topics = True,
) -> None:
    """Judge texts: JSON lines in, JSON lines out (verdict, scores, spans, microseconds).

    A line that cannot be read is reported by its number and passed over; the status is then 1.
    """
    looking = shipped(second=second_stage != "never")
    scanner = Scanner(looking, false_positive_rate=false_positive_rate, second_stage=second_stage, topics=topics)
    if str(file) == "-":
        faults = through(scanner, sys.stdin.buffer, sys.stdout.buffer, None)
    else:
        with file.open("rb") as source:
            faults = through(scanner, source, sys.stdout.buffer, os.fstat(source.fileno()).st_size)
    if faults:
        print(f"outworks: {faults} {'line was' if faults == 1 else 'lines were'} passed over", file=sys.stderr)
        raise typer.Exit(1)


def through(scanner: Scanner, source: BinaryIO, sink: BinaryIO, size: int | None) -> int:
    """Everything from the source, judged, to the sink; how many lines were at fault."""
    encoder = msgspec.json.Encoder()
    faults = 0
    with _progress(size) as advance, _seldom_collected():
        for batch in _batches(source):
            items: list[Item] = []
            for line in batch.lines:
                try:
                    items.append(_read(line.data, line.number))
                except ValueError as error:
                    faults += 1
                    print(f"outworks: line {line.number}: {error}", file=sys.stderr)
            if items:
                sink.write(encoder.encode_lines(scanner.scan_together(items)))
            advance(batch.bytes)
    sink.flush()
    return faults


class _Row(msgspec.Struct, frozen=True):
    """A line, as most are."""

    text: str
    id: str | int | None = None
    role: str = "user"


_decode = msgspec.json.Decoder(_Row).decode


def _read(data: bytes, number: int) -> Item:
    """One line. Raises ValueError that says what is wrong with it."""
    if not data:
        raise ValueError(f"is longer than {LONGEST >> 20} MiB")
    try:
        row = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        row = _leniently(data, error)
    side_of(row.role)
    return Item(row.text, row.role, number if row.id is None else row.id)


def _leniently(data: bytes, error: Exception) -> _Row:
    """Logs hold half a character now and then (a lone surrogate), which is no reason not to look at the rest."""
    if isinstance(error, msgspec.ValidationError) or b"\\u" not in data:
        raise ValueError(f"{error}{_instead(data)}") from None
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError(str(error)) from None
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        raise ValueError(str(error)) from None
    role, id = value.get("role", "user"), value.get("id")
    if not isinstance(role, str) or not isinstance(id, str | int | None):
        raise ValueError(str(error)) from None
    clean = id.encode("utf-8", "replace").decode() if isinstance(id, str) else id
    return _Row(value["text"], clean, role)


def _instead(data: bytes) -> str:
    """The name under which a text was probably given."""
    try:
        names = list(msgspec.json.decode(data, type=dict[str, msgspec.Raw]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not names or "text" in names:
        return ""
    return did_you_mean("text", names, f"given: {', '.join(map(repr, names))[:200]}")


class _Line(msgspec.Struct, frozen=True):
    number: int
    data: bytes
    """Empty for a line that was too long."""


class _Batch(msgspec.Struct, frozen=True):
    lines: list[_Line]
    bytes: int


def _batches(source: BinaryIO) -> Iterator[_Batch]:
    """Lines, as many as are judged at once. Blank ones are left out."""
    lines: list[_Line] = []
    size = 0
    for number, data in enumerate(_lines(source), 1):
        size += len(data)
        if number == 1:
            data = data.removeprefix(BOM_UTF8)
        if len(data) > LONGEST or data.strip():
            lines.append(_Line(number, data if len(data) <= LONGEST else b""))
        if size >= AT_ONCE or len(lines) >= TOGETHER:
            yield _Batch(lines, size)
            lines, size = [], 0
    yield _Batch(lines, size)


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Each line; of one that is too long, no more than shows that it is."""
    while line := source.readline(LONGEST + 2):
        yield line
        while not line.endswith(b"\n") and len(line) > LONGEST:
            rest = source.readline(_READ)
            if not rest or rest.endswith(b"\n"):
                break


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Nothing here is cyclic: the collector would only go through every batch in vain, for a tenth of the time."""
    usual = gc.get_threshold()
    gc.set_threshold(200_000, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@contextmanager
def _progress(size: int | None) -> Iterator[Callable[[int], None]]:
    """A bar, where somebody is looking."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    columns = (TextColumn("scanning"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("scanning", total=size)
        yield lambda count: bar.advance(task, count)
