"""The write-ahead log, read from outside: SQLite drops whatever follows a damaged frame in it without a word."""

import struct
import time
from pathlib import Path
from typing import BinaryIO

import msgspec

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = 0x377F0682
"""Its last bit says in which byte order checksums are computed."""


class _Log(msgspec.Struct, frozen=True):
    page_size: int
    salts: tuple[int, int]
    sound: bool
    """Its header is as SQLite wrote it."""


def lost_commits(path: Path) -> list[str]:
    """What was committed to the log of a ledger and can't be read any more; a connection to it must be open.

    Frames are written in order, so a commit behind the last frame that SQLite accepts means damage before it: after the
    death of a process there is at most an unfinished transaction there. See the SQLite documentation, "The Write-Ahead
    Log" of "Database File Format", and "WAL-Index Header" of "WAL-mode File Format".
    """
    log = Path(f"{path}-wal")
    index = Path(f"{path}-shm")
    found: str | None = None
    for _ in range(5):
        try:
            with log.open("rb") as file:
                found = _find_lost(file, index)
        except FileNotFoundError:
            return []
        if found is None:
            return []
        # A commit that is under way looks the same for an instant: what is lost stays lost.
        time.sleep(0.05)
    return [found] if found else []


def _find_lost(file: BinaryIO, index: Path) -> str | None:
    log = _header(file)
    if log is None:
        return None
    if not log.sound:
        return "the header of the write-ahead log is damaged: the events in it are lost"
    last = _last_commit(file, log)
    accepted = _accepted(index, log)
    if accepted is None or last <= accepted:
        return None
    return (
        f"frame {accepted + 1} of the write-ahead log is damaged: what it and the next, as far as {last}, "
        "recorded is lost"
    )


def _header(file: BinaryIO) -> _Log | None:
    raw = file.read(_HEADER.size)
    if len(raw) < _HEADER.size or not file.read(1):
        return None  # empty, or nothing behind the header
    magic, _, page_size, _, salt1, salt2, sum1, sum2 = _HEADER.unpack(raw)
    words = struct.unpack(f"{'>' if magic & 1 else '<'}6I", raw[:24])
    a = b = 0
    for n in range(0, 6, 2):
        a = (a + words[n] + b) & 0xFFFFFFFF
        b = (b + words[n + 1] + a) & 0xFFFFFFFF
    sound = magic & ~1 == _MAGIC and (a, b) == (sum1, sum2)
    return _Log(page_size, (salt1, salt2), sound)


def _last_commit(file: BinaryIO, log: _Log) -> int:
    """The number of the last frame of this log (older ones have other salts) that ends a transaction."""
    last = number = 0
    while True:
        file.seek(_HEADER.size + number * (_FRAME.size + log.page_size))
        raw = file.read(_FRAME.size)
        if len(raw) < _FRAME.size:
            return last
        _, pages, salt1, salt2, _, _ = _FRAME.unpack(raw)
        number += 1
        if (salt1, salt2) == log.salts and pages:
            last = number


def _accepted(index: Path, log: _Log) -> int | None:
    """The last frame that SQLite reads, from the index of the log that its connections share."""
    try:
        with index.open("rb") as file:
            raw = file.read(48)
    except FileNotFoundError:
        return None
    if len(raw) < 48:
        return None
    salts = struct.unpack(">2I", raw[32:40])
    if salts != log.salts:
        return None  # another log by now
    return int(struct.unpack("=I", raw[16:20])[0])
