"""Export: a ledger's events as JSON lines or Parquet, for other tools."""

import os
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import msgspec

from outworks.ledger.chain import kind_of
from outworks.ledger.reader import Reader, Recorded

_BATCH = 5_000

_encoder = msgspec.json.Encoder()


class Exported(msgspec.Struct, frozen=True):
    """What was written where."""

    path: Path
    events: int


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """An event, flat."""

    seq: int
    hash: str
    at: float
    kind: str
    exchange: str
    account: str
    product: str
    conversation: str
    body: Any
    content: str | None
    erased: bool


def line_of(recorded: Recorded) -> Line:
    """The event as it is exported: one JSON object, with the body as an object in it."""
    event = recorded.event
    return Line(
        seq=recorded.seq,
        hash=recorded.hash,
        at=event.at,
        kind=kind_of(type(event.body)),
        exchange=event.exchange,
        account=event.account,
        product=event.product,
        conversation=event.conversation,
        body=event.body,
        content=event.content,
        erased=recorded.erased,
    )


def json_line(recorded: Recorded) -> bytes:
    """One line of JSON, without its end."""
    return _encoder.encode(line_of(recorded))


def export(
    ledger: Reader,
    path: str | Path,
    format: Literal["jsonl", "parquet"] = "jsonl",
    *,
    after: int = 0,
    with_content: bool = True,
) -> Exported:
    """Write every event after the number `after` to a file, which appears only when it is whole.

    Parquet has the same columns as the JSON lines, with the body as JSON text. Raises `ModuleNotFoundError` for Parquet
    without pyarrow, `ValueError` for another format.
    """
    path = Path(path)
    if format not in ("jsonl", "parquet"):
        raise ValueError(f"a ledger is exported as 'jsonl' or 'parquet', not as {format!r}")
    events = ledger.events(after, with_content=with_content)
    # A link goes on leading where it led.
    whole = path.resolve()
    unfinished = whole.with_name(whole.name + ".part")
    # What people said is for the owner alone, wherever it is written.
    os.close(os.open(unfinished, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
    try:
        count = _write_jsonl(events, unfinished) if format == "jsonl" else _write_parquet(events, unfinished)
        os.replace(unfinished, whole)
    finally:
        unfinished.unlink(missing_ok=True)
    return Exported(path, count)


def _write_jsonl(events: Iterator[Recorded], path: Path) -> int:
    count = 0
    with path.open("wb") as file:
        for count, recorded in enumerate(events, start=1):  # noqa: B007
            file.write(json_line(recorded) + b"\n")
    return count


def _write_parquet(events: Iterator[Recorded], path: Path) -> int:
    try:
        pa: Any = import_module("pyarrow")
        pq: Any = import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("Parquet needs pyarrow: pip install 'outworks[parquet]'", name="pyarrow") from error
    text = ("hash", "kind", "exchange", "account", "product", "conversation", "body", "content")
    types = {"seq": pa.int64(), "at": pa.float64(), "erased": pa.bool_()} | dict.fromkeys(text, pa.string())
    schema = pa.schema([(name, types[name]) for name in Line.__struct_fields__])
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(islice(events, _BATCH)):
            rows = [msgspec.structs.asdict(line_of(one)) for one in batch]
            for row in rows:
                row["body"] = _encoder.encode(row["body"]).decode()
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(batch)
    return count
