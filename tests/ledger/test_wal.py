"""The write-ahead log, read from outside: what was committed to it and can't be read any more."""

import shutil
import struct
from pathlib import Path

import pytest

from outworks.ledger import Ledger
from outworks.ledger.wal import lost_commits
from tests.ledger.kit import behind, received

HEADER, FRAME, PAGE = 32, 24, 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A copy of a ledger whose last events are only in its log: a copy of all three files, as after a crash."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        for n in range(6):
            ledger.append_now([received(f"x{n}")])
        (tmp_path / "copy").mkdir()
        for end in ("", "-wal"):
            shutil.copy(tmp_path / f"l.db{end}", tmp_path / "copy" / f"l.db{end}")
    return tmp_path / "copy" / "l.db"


def lost(path: Path) -> list[str]:
    """What is lost, with a connection open that has read the log, as verification has."""
    connection = behind(path)
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    try:
        return lost_commits(path)
    finally:
        connection.close()


def change(path: Path, at: int, data: bytes) -> None:
    log = path.with_name("l.db-wal")
    whole = bytearray(log.read_bytes())
    whole[at : at + len(data)] = data
    log.write_bytes(whole)


def frames(path: Path) -> int:
    return (path.with_name("l.db-wal").stat().st_size - HEADER) // (FRAME + PAGE)


def test_a_sound_log_has_lost_nothing(path: Path) -> None:
    """Every frame is accepted, whether SQLite has read the log before or not."""
    assert frames(path) > 6
    assert lost(path) == []


def test_without_a_log_nothing_is_lost(tmp_path: Path) -> None:
    """A ledger that was closed has none; an empty one holds nothing."""
    Ledger.open(tmp_path / "l.db").close_now()

    assert lost_commits(tmp_path / "l.db") == []
    (tmp_path / "l.db-wal").write_bytes(b"")
    assert lost_commits(tmp_path / "l.db") == []


@pytest.mark.parametrize("where", ["page", "frame header"])
def test_a_damaged_frame_before_a_commit_is_named(path: Path, where: str) -> None:
    """A bit flipped in the second frame: it, and all that was committed behind it, is lost."""
    at = HEADER + (FRAME + PAGE) + (FRAME + 100 if where == "page" else 2)

    last = frames(path)
    change(path, at, bytes([path.with_name("l.db-wal").read_bytes()[at] ^ 1]))

    assert lost(path) == [
        f"frame 2 of the write-ahead log is damaged: what it and the next, as far as {last}, recorded is lost"
    ]


def test_a_damaged_header_is_named(path: Path) -> None:
    """Without its header nothing in the log can be read."""
    change(path, 12, struct.pack(">I", 99))

    assert lost(path) == ["the header of the write-ahead log is damaged: the events in it are lost"]


def test_a_last_frame_that_was_half_written_is_no_loss(path: Path) -> None:
    """What a process was writing when it died, nobody was told of."""
    log = path.with_name("l.db-wal")
    log.write_bytes(log.read_bytes()[:-1000])

    assert lost(path) == []


def test_what_an_older_log_left_behind_is_no_loss(path: Path) -> None:
    """Frames with the salts of a log that was begun anew are not this log's."""
    log = path.with_name("l.db-wal")
    whole = log.read_bytes()
    old = bytearray(whole[-(FRAME + PAGE) :])
    old[8:16] = b"othersal"
    log.write_bytes(whole + bytes(old))

    assert lost(path) == []
