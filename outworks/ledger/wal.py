"""The write-ahead log, read from outside: SQLite drops whatever follows a damaged frame in it without a word."""

import os
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
    order: str
    """The byte order of its checksums, as `struct` writes it."""
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
    for _ in range(3):
        try:
            with log.open("rb") as file:
                found = _find_lost(file, index)
        except FileNotFoundError:
            return []
        if found is None:
            return []
        # A commit that is under way looks the same for an instant: what is lost stays lost.
        time.sleep(0.02)
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
    damaged = _first_damaged(file, log, accepted)
    if damaged >= last:
        return None  # the very last frame, half written when its process died: nobody was told that it was recorded
    return (
        f"frame {damaged} of the write-ahead log is damaged: what it and the next, as far as {last}, recorded is lost"
    )


def _header(file: BinaryIO) -> _Log | None:
    raw = file.read(_HEADER.size)
    if len(raw) < _HEADER.size or not file.read(1):
        return None  # empty, or nothing behind the header
    magic, _, page_size, _, salt1, salt2, *sums = _HEADER.unpack(raw)
    order = ">" if magic & 1 else "<"
    sound = magic & ~1 == _MAGIC and _checksum(order, raw[:24], [0, 0]) == sums
    return _Log(page_size, (salt1, salt2), order, sound)


def _checksum(order: str, raw: bytes, sums: list[int]) -> list[int]:
    """SQLite's running checksum, continued over `raw`."""
    words = struct.unpack(f"{order}{len(raw) // 4}I", raw)
    a, b = sums
    for n in range(0, len(words), 2):
        a = (a + words[n] + b) & 0xFFFFFFFF
        b = (b + words[n + 1] + a) & 0xFFFFFFFF
    return [a, b]


def _first_damaged(file: BinaryIO, log: _Log, accepted: int) -> int:
    """The number of the first frame behind the accepted ones whose checksum does not go on from theirs."""
    number = accepted
    file.seek(_HEADER.size + (number - 1) * (_FRAME.size + log.page_size) + 16 if number else 24)
    sums = list(struct.unpack(">2I", file.read(8)))
    if number:
        file.seek(log.page_size, os.SEEK_CUR)
    while True:
        number += 1
        frame = file.read(_FRAME.size + log.page_size)
        if len(frame) < _FRAME.size + log.page_size:
            return number
        _, _, *salts, sum1, sum2 = _FRAME.unpack(frame[: _FRAME.size])
        sums = _checksum(log.order, frame[_FRAME.size :], _checksum(log.order, frame[:8], sums))
        if sums != [sum1, sum2] or tuple(salts) != log.salts:
            return number


def _last_commit(file: BinaryIO, log: _Log) -> int:
    """The number of the last frame of this log (older ones have other salts) that ends a transaction."""
    last = number = 0
    size = _FRAME.size + log.page_size
    # A full disk leaves half a frame at the end, of a transaction that was never recorded.
    whole = (file.seek(0, os.SEEK_END) - _HEADER.size) // size
    while number < whole:
        file.seek(_HEADER.size + number * size)
        raw = file.read(_FRAME.size)
        if len(raw) < _FRAME.size:
            return last  # cut short meanwhile
        _, pages, salt1, salt2, _, _ = _FRAME.unpack(raw)
        number += 1
        if (salt1, salt2) == log.salts and pages:
            last = number
    return last


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
