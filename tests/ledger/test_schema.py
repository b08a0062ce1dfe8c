"""Opening a ledger's file: new, old, newer, and not a ledger at all."""

import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from outworks.ledger import Ledger, LedgerError, verify
from outworks.ledger.schema import MIGRATIONS, create_events, derive_signals, expected_schema, open_ledger, schema_of
from tests.ledger.kit import behind, blocked, conversation, judged, received


def version_1(path: Path) -> None:
    """A ledger as the first migration made it, with events that the first version wrote."""
    with Ledger.open(path.with_name("new.db")) as new:
        new.append_now(conversation())
        new.append_now([judged(blocked("late"), account="bob")])
    open_ledger(path, read_only=False, busy_timeout_s=1, migrations=[create_events]).close()
    old = behind(path)
    old.execute("ATTACH ? AS new", (str(path.with_name("new.db")),))
    old.execute("INSERT INTO event SELECT * FROM new.event")
    old.close()


def test_an_old_ledger_opens_in_this_version(tmp_path: Path) -> None:
    """A version-1 file keeps its events and gains what later versions derive from them."""
    version_1(tmp_path / "old.db")

    with Ledger.open(tmp_path / "old.db") as ledger:
        assert [one.event for one in ledger.events(limit=4, with_content=True)] == conversation()
        assert [(one.seq, one.category) for one in ledger.signals()] == [(2, "canary"), (5, "late")]
        assert ledger.append_now([received()]) == [6]

    assert behind(tmp_path / "old.db").execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert schema_of(behind(tmp_path / "old.db")) == expected_schema()
    assert verify(tmp_path / "old.db").ok


def test_an_old_ledger_is_not_migrated_by_a_reader(tmp_path: Path) -> None:
    """Who may only read is told that the file is old and how to bring it up to date."""
    version_1(tmp_path / "old.db")

    with pytest.raises(LedgerError, match="older version of Outworks: open it once for writing"):
        Ledger.open(tmp_path / "old.db", read_only=True)


def test_a_migration_is_done_wholly_or_not_at_all(tmp_path: Path) -> None:
    """A migration that fails leaves the file in the version before it, which still opens."""

    def half(connection: sqlite3.Connection) -> None:
        derive_signals(connection)
        raise OSError("interrupted")

    version_1(tmp_path / "old.db")
    with pytest.raises(LedgerError, match="interrupted"):
        open_ledger(tmp_path / "old.db", read_only=False, busy_timeout_s=1, migrations=[create_events, half])

    assert behind(tmp_path / "old.db").execute("PRAGMA user_version").fetchone() == (1,)
    with Ledger.open(tmp_path / "old.db") as ledger:
        assert len(list(ledger.signals())) == 2


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    """A file from a later version is not touched: the error says which formats this one reads."""
    Ledger.open(tmp_path / "l.db").close_now()
    behind(tmp_path / "l.db").execute("PRAGMA user_version = 99")

    with pytest.raises(LedgerError, match="has the format 99, and this version of Outworks reads formats up to 3"):
        Ledger.open(tmp_path / "l.db")


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    """Neither somebody else's database nor any other file is turned into a ledger."""
    behind(tmp_path / "other.db").execute("CREATE TABLE t (x)")
    (tmp_path / "letter.txt").write_text("Dear ledger, " * 100)

    with pytest.raises(LedgerError, match="another program's SQLite database"):
        Ledger.open(tmp_path / "other.db")
    with pytest.raises(LedgerError, match="not a ledger"):
        Ledger.open(tmp_path / "letter.txt")
    assert behind(tmp_path / "other.db").execute("SELECT count(*) FROM sqlite_schema").fetchone() == (1,)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The error names the folder that does not exist, the part of it that does, and creates nothing."""
    with pytest.raises(LedgerError) as error:
        Ledger.open(tmp_path / "var" / "outworks" / "l.db")

    assert f"does not exist: {tmp_path}/var/outworks (of it, {tmp_path} exists)" in str(error.value)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LedgerError, match=r"is a folder; expected a file, such as .*ledger\.db"):
        Ledger.open(tmp_path)


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with a ledger on it that can only be read."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mount("-t", "tmpfs", "tmpfs", str(disk)):
        pytest.skip("no right to mount a disk here")
    with Ledger.open(disk / "l.db") as ledger:
        ledger.append_now(conversation())
    mount("-o", "remount,ro", str(disk))
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def mount(*arguments: str) -> bool:
    try:
        return subprocess.run(["mount", *arguments], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def test_a_ledger_that_cannot_be_written_can_be_read(read_only_disk: Path) -> None:
    """On a read-only disk a ledger is refused for writing, at once, and can still be read and verified."""
    with pytest.raises(LedgerError, match="not writable here"):
        Ledger.open(read_only_disk / "l.db")
    with pytest.raises(LedgerError, match="not writable here"):
        Ledger.open(read_only_disk / "new.db")

    with Ledger.open(read_only_disk / "l.db", read_only=True) as ledger:
        assert len(list(ledger.events())) == 4
    assert verify(read_only_disk / "l.db").ok


def test_opening_a_locked_ledger_waits_for_nobody(tmp_path: Path) -> None:
    """A ledger that another process is writing to opens at once."""
    Ledger.open(tmp_path / "l.db").close_now()
    behind_it = behind(tmp_path / "l.db")
    behind_it.execute("BEGIN IMMEDIATE")

    Ledger.open(tmp_path / "l.db", busy_timeout_s=0.1).close_now()


def test_synchronous_is_checked(tmp_path: Path) -> None:
    """A setting that does not exist is an error that says what does."""
    with pytest.raises(ValueError, match="'ful'; expected 'normal' or 'full'"):
        Ledger.open(tmp_path / "l.db", synchronous="ful")  # type: ignore[arg-type]
