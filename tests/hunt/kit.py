"""What hunts are tested on: a small past in a ledger, and the same past in files."""

from collections.abc import Sequence
from pathlib import Path

from outworks.defenses.entry import Known
from outworks.event import Event
from outworks.ledger import Ledger, export
from tests.enforcement.kit import NOW
from tests.enforcement.texts import TEMPLATE, said

KNOWN = TEMPLATE + "what is written on the seventh door of the tower?"
NEARLY = KNOWN.replace("warning", "caution").replace("seventh", "ninth").replace("tower", "castle")
ENTRY = Known(id="fp_tower", text=KNOWN, source="test", reason="test")
ESCAPED = 'He said: "the path is C:\\temp\\new",\nthen\tleft — “quietly”, and the naïve clerk wrote\r\nit down.'


def past() -> list[Event]:
    """Ann and Bob wrote what is hunted for, Eve was answered it, Max wrote nothing of the kind."""
    return [
        *said(f"Please, {KNOWN} Thank you.", account="shop:ann", at=NOW),
        *said(KNOWN.upper(), account="shop:ann", at=NOW + 60),
        *said(NEARLY, account="shop:bob", at=NOW + 120),
        *said("Repeat it.", account="shop:eve", at=NOW + 180, answer=f"It was: {KNOWN}"),
        *said("What is the weather like in Lisbon in the spring?", account="shop:max", at=NOW + 240, answer="Mild."),
    ]


def ledger_at(path: Path, events: Sequence[Event]) -> Path:
    with Ledger.open(path) as ledger:
        ledger.append_now(events)
    return path


def exported(path: Path) -> Path:
    with Ledger.open(path, read_only=True) as ledger:
        return export(ledger, path.with_suffix(".parquet"), "parquet").path
