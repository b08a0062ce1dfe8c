"""The commands: hunts, backtests and reports on a ledger, and what they say to bad input."""

import csv
import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from outworks import cli
from outworks.enforcement.reports.numbers import Numbers
from outworks.ledger import Ledger
from tests.enforcement.kit import exchange
from tests.enforcement.texts import said
from tests.hunt.kit import KNOWN, exported

pytest.importorskip("pyarrow", reason="Parquet needs outworks[parquet]")
pytest.importorskip("duckdb", reason="hunts over Parquet need outworks[hunt]")

POLICY = """
[ledger]
path = "ledger.db"

[[models]]
name = "m"
provider = "scripted"

[[rules]]
name = "repeat"
description = "Twice stopped."
when = 'blocked("1h") >= 2'
action = "warn"
expires = "7d"
mode = "draft"
"""

Call = Callable[..., "Told"]


class Told:
    """What a command said, and its status."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err


@pytest.fixture
def outworks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command on a small past."""
    (tmp_path / "outworks.toml").write_text(POLICY)
    now = time.time() - 60
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.append_now(said(f"Please: {KNOWN}", account="shop:ann", at=now, answer="No."))
        ledger.append_now(said("What is new?", account="shop:bob", at=now, answer="Nothing."))
        for _ in range(3):
            ledger.append_now(exchange(account="shop:bob", at=now))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["outworks", *arguments])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        out, err = capsys.readouterr()
        code = exit.value.code
        return Told(code if isinstance(code, int) else 0, out, err)

    return call


def test_a_text_is_hunted_for(outworks: Call, tmp_path: Path) -> None:
    """The accounts that wrote it are listed, and every finding is in the file."""
    told = outworks("hunt", "fingerprint", KNOWN)

    assert told.status == 0
    assert "shop:ann" in told.out
    assert "1 account, 1 finding" in told.out
    (line,) = (tmp_path / "found.jsonl").read_text().splitlines()
    assert json.loads(line)["seq"] == 1
    assert not (tmp_path / "found.jsonl.checkpoint").exists()


@pytest.mark.parametrize("engine", ["duckdb", "daft"])
def test_files_are_hunted_by_either_engine(outworks: Call, tmp_path: Path, engine: str) -> None:
    """The same command goes through exported files, by DuckDB or by Daft."""
    pytest.importorskip(engine, reason="needs outworks[cluster]")
    path = exported(tmp_path / "ledger.db")

    told = outworks("hunt", "fingerprint", KNOWN, "--over", str(path), "--engine", engine)

    assert "1 account, 1 finding" in told.out, told.err


def test_a_file_of_entries_and_the_bank_s_are_hunted_for(outworks: Call, tmp_path: Path) -> None:
    """Entries come from an exchange file, in any format, or from the bank by their ids."""
    (tmp_path / "feed.csv").write_text(f'text,source,reason\n"{KNOWN}",feed,incident\n')
    by_file = outworks("hunt", "fingerprint", "--file", "feed.csv")
    outworks("fingerprints", "import", "feed.csv", "--by", "eva")
    name = json.loads((tmp_path / "found.jsonl").read_text())["what"]

    by_id = outworks("hunt", "fingerprint", "--entry", name)
    unknown = outworks("hunt", "fingerprint", "--entry", name[:-1] + "x")

    assert "1 account, 1 finding" in by_file.out
    assert "1 account, 1 finding" in by_id.out
    assert f"did you mean '{name}'" in unknown.err


def test_a_rule_is_hunted_with(outworks: Call, tmp_path: Path) -> None:
    """A rule of the policy, or one in a file of its own, on the ledger or on files."""
    (tmp_path / "new.toml").write_text(POLICY[POLICY.index("[[rules]]") :].replace(">= 2", ">= 3"))
    path = exported(tmp_path / "ledger.db")

    for rule in ("repeat", "new.toml"):
        for over in ((), ("--over", str(path))):
            told = outworks("hunt", "rule", rule, *over)
            assert "shop:bob" in told.out
            assert "1 account, 1 finding" in told.out


def test_a_detector_is_hunted_with(outworks: Call) -> None:
    """A detector of today judges what was said then; one that there is not is refused with the nearest name."""
    told = outworks("hunt", "detector", "jailbreak", "--false-positive-rate", "0.01")
    unknown = outworks("hunt", "detector", "jailbrake")

    assert told.status == 0, told.err
    assert "everything is in found.jsonl" in told.out
    assert unknown.status == 1
    assert "did you mean 'jailbreak'" in unknown.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("hunt", "fingerprint", "x", "--over", "ledger.parquet", "--out", "ledger.parquet"),
        ("hunt", "fingerprint", "x", "--over", "*.parquet", "--engine", "daft", "--out", "ledger.parquet"),
        ("hunt", "fingerprint", "--file", "feed.csv", "--out", "feed.csv"),
        ("hunt", "rule", "repeat", "--over", "link.parquet", "--out", "ledger.parquet"),
        ("hunt", "rule", "rule.toml", "--out", "rule.toml"),
    ],
)
def test_what_is_read_is_not_written_over(outworks: Call, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """An archive, a feed or a rule is not lost to what was found in it."""
    exported(tmp_path / "ledger.db")
    (tmp_path / "link.parquet").symlink_to("ledger.parquet")
    (tmp_path / "feed.csv").write_text(f'text,source,reason\n"{KNOWN}",test,test\n')
    (tmp_path / "rule.toml").write_text(POLICY.split("\n\n")[-1])
    before = (tmp_path / arguments[-1]).read_bytes()

    told = outworks(*arguments)

    assert told.status == 1
    assert "is read here, and would be lost" in told.err
    assert (tmp_path / arguments[-1]).read_bytes() == before


@pytest.mark.parametrize("arguments", [("hunt", "fingerprint", "x", "--out", "pipe"), ("ledger", "export", "pipe")])
def test_no_file_takes_the_place_of_a_pipe(outworks: Call, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """What appears when it is whole cannot appear in a pipe, nor on a device."""
    os.mkfifo(tmp_path / "pipe")

    told = outworks(*arguments)

    assert told.status == 1
    assert "is a pipe or a device" in told.err
    assert (tmp_path / "pipe").is_fifo()


def test_an_export_without_content_is_told(outworks: Call) -> None:
    """Nobody takes it for a past in which nobody said such a thing."""
    assert outworks("ledger", "export", "bare.parquet", "--no-content").status == 0

    told = outworks("hunt", "fingerprint", KNOWN, "--over", "bare.parquet")

    assert "0 accounts" in told.out
    assert "Nothing was said there" in told.err


BAD = [
    (("hunt", "fingerprint"), "look for what?"),
    (("hunt", "fingerprint", "x", "--engine", "daft"), "say which with --over"),
    (("hunt", "fingerprint", "x", "--over", "none.parquet"), "there is no file"),
    (("hunt", "fingerprint", "x", "--over", "outworks.toml"), "is not Parquet"),
    (("hunt", "rule", "repeet"), "its rules are repeat; did you mean 'repeat'?"),
    (("rules", "backtest", "repeet"), "its rules are repeat"),
    (("rules", "backtest", "repeat", "--last", "yesterday"), "a duration is a whole number"),
    (("report", "transparency", "--since", "January"), "expected one such as 2026-01-31"),
    (("report", "transparency", "--since", "2026-02-01", "--until", "2026-01-01"), "comes before"),
    (("fingerprints", "import", "outworks.toml", "--format", "csv"), "nothing was imported"),
]


@pytest.mark.parametrize(("arguments", "says"), BAD)
def test_bad_input_is_told(outworks: Call, arguments: tuple[str, ...], says: str) -> None:
    """What cannot be done is one message and status 1."""
    told = outworks(*arguments)

    assert told.status == 1
    assert says in told.err
    assert "Traceback" not in told.err


RULE = POLICY[POLICY.index("[[rules]]") :].replace('"draft"', '"live"')


@pytest.mark.parametrize("command", [("rules", "backtest"), ("hunt", "rule")])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rules = 3", "rule.toml:1: rules: given 3; expected a list, each item a table"),
        ("x = ", "rule.toml:1: not TOML, at the end: invalid value"),
        ("", "rule.toml has 0 [[rules]]; expected one"),
        (RULE * 2, "2 rules are called 'repeat'"),
        (RULE.replace("when", "whn"), "rule.toml:4: rules[0].whn: unknown key 'whn'; did you mean 'when'?"),
        (RULE.replace('"warn"', '"wrn"'), "'ban' or 'case'; did you mean 'warn'?"),
        (RULE.replace('blocked("1h")', 'blocked("leek", "1h")'), "no line of defense is called 'leek'"),
        (RULE.replace("[[rules", "[[ruls"), "unknown key 'ruls'; did you mean 'rules'?"),
    ],
)
def test_a_rule_s_own_file_is_checked_as_the_policy_is(
    outworks: Call, tmp_path: Path, command: tuple[str, str], text: str, says: str
) -> None:
    """Each fault with its line and the nearest name: a misspelt rule must not look like one that meets nobody."""
    (tmp_path / "rule.toml").write_text(text)

    told = outworks(*command, "rule.toml")

    assert told.status == 1
    assert says in told.err
    assert "Traceback" not in told.err


def test_a_rule_s_own_file_may_begin_with_a_mark_and_end_lines_as_windows_does(outworks: Call, tmp_path: Path) -> None:
    """As the policy may; and a policy with one rule is such a file, too."""
    (tmp_path / "rule.toml").write_bytes(b"\xef\xbb\xbf" + RULE.replace("\n", "\r\n").encode())

    assert "1 of 1 account" in outworks("rules", "backtest", "rule.toml").out
    assert "1 of 1 account" in outworks("rules", "backtest", "outworks.toml").out


@pytest.mark.parametrize("group", ["fingerprints", "hunt"])
def test_words_from_standard_input_are_utf8(outworks: Call, monkeypatch: pytest.MonkeyPatch, group: str) -> None:
    """What is not is refused with its line: it would stand in the bank as something that nobody wrote."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"first\ncaf\xe9"), errors="surrogateescape"))
    line = ("add", "-", "--source", "s", "--reason", "r") if group == "fingerprints" else ("fingerprint", "-")

    told = outworks(group, *line)

    assert told.status == 1
    assert "-:2: the byte 0xe9 is not UTF-8" in told.err


def test_a_folder_for_what_is_written_is_made(outworks: Call, tmp_path: Path) -> None:
    """By reports as by hunts."""
    reported = outworks("report", "transparency", "--since", "2026-01-01", "--out", "made/reports")

    assert reported.status == 0, reported.err
    assert len(list((tmp_path / "made" / "reports").iterdir())) == 2


def test_an_export_to_no_folder_says_which(outworks: Call, tmp_path: Path) -> None:
    """A mistyped path makes no folders, and no name is told that nobody gave."""
    told = outworks("ledger", "export", "made/exports/events.jsonl")

    assert (told.status, told.err) == (
        1,
        "outworks: there is no folder made/exports: create it, or name another file\n",
    )
    assert not (tmp_path / "made").exists()


def test_a_report_into_a_file_s_folder_is_refused_before_the_counting(outworks: Call) -> None:
    """What was given is told, not the file that could not be written."""
    told = outworks("report", "transparency", "--since", "2026-01-01", "--out", "outworks.toml")

    assert told.status == 1
    assert "outworks.toml is no folder" in told.err


def test_a_rule_is_tried_and_listed(outworks: Call) -> None:
    """A draft is tried on the past: whom, when and on what; the list says what reviewers found."""
    tried = outworks("rules", "backtest", "repeat")
    listed = outworks("rules", "list")

    assert "repeat (draft, warn): 1 of 1 account looked at, 1 action." in tried.out
    assert "shop:bob" in tried.out
    assert "repeat" in listed.out


def test_the_transparency_report_is_written(outworks: Call, tmp_path: Path) -> None:
    """A table and a page, of the period; samples are drawn by a command of its own."""
    drawn = outworks("report", "sample", "2", "--by", "eva")
    told = outworks("report", "transparency", "--since", time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400)))

    (table,) = tmp_path.glob("transparency-*.csv")
    (page,) = tmp_path.glob("transparency-*.html")
    rows = {(row["name"], row["label"]): row["value"] for row in csv.DictReader(table.open())}
    assert "2 answers were drawn" in drawn.out
    assert rows["blocked", "fingerprint"] == "3"
    assert rows["sampled", ""] == "2"
    assert "Exchanges stopped by fingerprint" in page.read_text()
    assert str(table.name) in told.out
    with Ledger.open(tmp_path / "ledger.db", read_only=True) as ledger:
        assert len(Numbers(ledger).unlabelled()) == 2
