"""How fast a hunt goes through the past: megabytes of content a second of one core's time, by what is hunted where."""

import importlib.util
import random
import tempfile
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from outworks import label
from outworks.defenses.entry import Known
from outworks.event import Event, Judged, Judgement, Received, Released
from outworks.hunt.cluster import DaftLook
from outworks.hunt.fingerprints import Fingerprints
from outworks.hunt.hunt import Look, LookFor
from outworks.hunt.sources import LedgerSource, ParquetSource
from outworks.ledger import Ledger, export
from outworks.message import Message, Role, Text
from outworks.verdict import Decision

_EXCHANGES = 8_000
_GROUP = 2_000
_PLANTED = 40
_NOW = 1_790_000_000.0


def run(console: Console) -> dict[str, object]:
    """Print the table; returns megabytes a second by row."""
    chance = random.Random(7)
    bank = [Known(id=f"fp_{n}", text=_words(chance, 90), source="bench", reason="bench") for n in range(1000)]
    figures: dict[str, object] = {}
    table = Table("what", "where", "MB of content", "MB/s a core", "found", box=None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        with Ledger.open(path) as ledger:
            for group in _exchanges(chance, bank):
                ledger.append_now(group)
            parquet = export(ledger, path.with_suffix(".parquet"), "parquet").path
        archive = ParquetSource([parquet])
        for count in (1, 1000):
            hunter = Fingerprints(bank[:count])
            rows: list[tuple[str, Look, object]] = [
                ("Parquet, DuckDB", LookFor(hunter, archive), archive),
                ("the ledger", LookFor(hunter, LedgerSource(path)), LedgerSource(path)),
            ]
            if importlib.util.find_spec("daft") is not None:
                daft = DaftLook(hunter, [str(parquet)])
                rows.append(("Parquet, Daft (all cores)", daft, daft))
            for where, look, source in rows:
                best, size, found = float("inf"), 0, 0
                for _ in range(2):
                    wall, began = time.perf_counter(), time.process_time()
                    looked = [look(unit) for unit in source.units()]  # type: ignore[attr-defined]
                    spent = time.process_time() - began if "Daft" not in where else time.perf_counter() - wall
                    best = min(best, spent)
                    size = sum(each.bytes for each in looked)
                    found = len({one.exchange for each in looked for one in each.found})
                what = f"{count} fingerprint{'s' if count > 1 else ''}"
                figures[f"{what}, {where}"] = round(size / best / 1e6, 1)
                table.add_row(what, where, f"{size / 1e6:.0f}", f"{size / best / 1e6:.0f}", str(found))
    console.print(table)
    return figures


def _words(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(_VOCABULARY, cum_weights=_OFTEN, k=count))


def _exchanges(chance: random.Random, bank: list[Known]) -> Iterator[list[Event]]:
    """Conversations of some turns, each of which comes again with the next request; a tenth has typographic marks."""
    planted = set(chance.sample(range(_EXCHANGES), _PLANTED))
    group: list[Event] = []
    turns: list[Message] = []
    for n in range(_EXCHANGES):
        if n % 4 == 0:
            turns = [Message(Role.SYSTEM, (Text(_words(chance, 40)),), label.SYSTEM)]
        words = _words(chance, chance.randint(10, 150))
        if n % 10 == 0:
            words = f"“{words}” — naïve, isn’t it?\n\n* one\n* two"
        if n in planted:
            known = bank[0] if n % 2 else chance.choice(bank)
            words += f" {known.text}"
        turns = [*turns, Message(Role.USER, (Text(words),), label.USER)]
        answer = _words(chance, chance.randint(30, 200))
        said = msgspec.json.encode({"messages": turns, "tools": (), "parameters": {"temperature": 0.7}}).decode()
        judged = Judged(
            stage="request", judgements=(Judgement(defense="links", decision=Decision.ALLOW),), decision=Decision.ALLOW
        )
        bodies = (
            (Received(wire="openai", model="m"), said),
            (judged, None),
            (Released(choice=0, start=0, end=len(answer), finish="stop"), answer),
        )
        for body, content in bodies:
            at = _NOW + n / 10
            group.append(Event(body=body, at=at, exchange=f"ex_{n}", account=f"shop:u{n % 997}", content=content))
        turns.append(Message(Role.ASSISTANT, (Text(answer),), label.USER))
        if len(group) >= _GROUP:
            yield group
            group = []
    yield group


_letters = random.Random(3)
_VOCABULARY = ["".join(_letters.choices("etaoinshrdlucmfwypvbgk", k=_letters.randint(2, 10))) for _ in range(20_000)]
_OFTEN = list(accumulate(1 / (rank + 5) for rank in range(len(_VOCABULARY))))
