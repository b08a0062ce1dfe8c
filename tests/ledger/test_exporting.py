"""Export: a ledger for other tools."""

import builtins
import json
import stat
import sys
from pathlib import Path

import pytest

from outworks.ledger import Exported, Ledger, erase, export, summary
from outworks.ledger.chain import kinds
from tests.ledger.kit import conversation, judged, received


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.append_now(conversation())
        erase(ledger, exchange="x1", before=1000.5, by="p", reason="r")
        yield ledger


def test_json_lines_hold_everything(ledger: Ledger, tmp_path: Path) -> None:
    """One object a line: every column, the body as an object, content, and whether it was erased."""
    assert export(ledger, tmp_path / "l.jsonl") == Exported(tmp_path / "l.jsonl", 5)

    lines = [json.loads(line) for line in (tmp_path / "l.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["received", "judged", "released", "acted", "erased"]
    assert lines[2] == {
        "seq": 3,
        "hash": ledger.tail(3)[0].hash,
        "at": 1001.0,
        "kind": "released",
        "exchange": "x1",
        "account": "ann",
        "product": "shop",
        "conversation": "c1",
        "body": {"kind": "released", "choice": 0, "start": 0, "end": 8, "finish": "stop"},
        "content": "good day",
        "erased": False,
    }
    assert [line["erased"] for line in lines] == [True, False, False, False, False]
    assert stat.S_IMODE((tmp_path / "l.jsonl").stat().st_mode) == 0o600


def test_parquet_holds_the_same(ledger: Ledger, tmp_path: Path) -> None:
    """Parquet has the same columns and rows, with the body as JSON text."""
    parquet = pytest.importorskip("pyarrow.parquet")
    export(ledger, tmp_path / "l.jsonl")

    exported = export(ledger, tmp_path / "l.parquet", "parquet")

    lines = [json.loads(line) for line in (tmp_path / "l.jsonl").read_text().splitlines()]
    rows = parquet.read_table(tmp_path / "l.parquet").to_pylist()
    assert [row | {"body": json.loads(row["body"])} for row in rows] == lines
    assert exported.events == 5


def test_only_what_is_asked_for(ledger: Ledger, tmp_path: Path) -> None:
    """`after` leaves out what was exported before, and content can be left out."""
    assert export(ledger, tmp_path / "l.jsonl", after=2, with_content=False).events == 3

    assert "good day" not in (tmp_path / "l.jsonl").read_text()


def test_parquet_without_pyarrow_names_the_extra(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to install, and leaves no file behind."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'outworks\[parquet\]'"):
        export(ledger, tmp_path / "l.parquet", "parquet")
    assert sorted(one.suffix for one in tmp_path.iterdir() if "parquet" in one.name) == []


def test_an_unfinished_export_leaves_the_old_one(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file appears only when it is whole: what was there before stays until then."""
    (tmp_path / "l.jsonl").write_text("the old one")
    monkeypatch.setattr("outworks.ledger.exporting.json_line", lambda recorded: builtins.int("not a number"))

    with pytest.raises(ValueError, match="not a number"):
        export(ledger, tmp_path / "l.jsonl")

    assert (tmp_path / "l.jsonl").read_text() == "the old one"
    assert not (tmp_path / "l.jsonl.part").exists()


def test_another_format_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    """The error says what there is."""
    with pytest.raises(ValueError, match="'jsonl' or 'parquet', not as 'csv'"):
        export(ledger, tmp_path / "l.csv", "csv")  # type: ignore[arg-type]


def test_a_summary_is_one_harmless_line(tmp_path: Path) -> None:
    """Every kind has a line of its own; control characters that somebody sent reach no terminal."""
    with Ledger.open(tmp_path / "s.db") as ledger:
        ledger.append_now([*conversation(), received(account="\x1b[2Jann\n\u202e")])

        lines = [summary(one) for one in ledger.events()]

    assert "openai small" in lines[0]
    assert "request BLOCK: fingerprint BLOCK (canary)" in lines[1]
    assert "WARNED by rule:first, a1: a reason" in lines[3]
    assert "\\x1b[2Jann\\n\\u202e" in lines[4]
    assert all(line.isprintable() for line in lines)


def test_a_summary_leaves_out_content(tmp_path: Path) -> None:
    """What people said does not end up in a terminal's scroll-back by watching a ledger."""
    with Ledger.open(tmp_path / "s.db") as ledger:
        ledger.append_now([received(said="a secret"), judged()])

        assert "a secret" not in "".join(summary(one) for one in ledger.tail(5, with_content=True))
    assert {"received", "judged", "erased"} <= set(kinds())
