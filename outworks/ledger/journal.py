"""The journal: the connection that appends sealed events, one transaction a group, beside others that do the same."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from outworks.event import RecordError
from outworks.ledger.chain import GENESIS, Sealed, link
from outworks.ledger.schema import (
    EVENT_COLUMNS,
    SIGNAL_COLUMNS,
    Synchronous,
    connect,
    identity,
    open_ledger,
    signal_row,
)

T = TypeVar("T")

_ROWS = 64
"""Rows that one statement inserts; with 12 columns it stays within what every build of SQLite takes."""


def _inserts(table: str, columns: int) -> tuple[str, ...]:
    row = f"({', '.join('?' * columns)})"
    return tuple(f"INSERT INTO {table} VALUES {', '.join([row] * n)}" for n in range(_ROWS + 1))  # noqa: S608


_EVENTS = _inserts("event", EVENT_COLUMNS)
_SIGNALS = _inserts("signal", SIGNAL_COLUMNS)


class Journal:
    """Appends to the chain. Used by one thread at a time.

    Several processes may append to one file. Each remembers the head it wrote; the sequence number is the primary key,
    so a group that was linked to an old head can't be stored, and is linked again. A group without signals is then a
    single statement: SQLite gives up the interpreter lock at every step of a statement, and taking it back costs more
    than the step.
    """

    def __init__(self, path: Path, *, synchronous: Synchronous, busy_timeout_s: float = 5.0) -> None:
        self.path = path
        self.busy_timeout_s = busy_timeout_s
        self._connection = open_ledger(path, read_only=False, busy_timeout_s=busy_timeout_s)
        # Waiting is done here: SQLite's own waits are too coarse for transactions of 50 microseconds.
        self._connection.execute("PRAGMA busy_timeout = 0")
        self._connection.execute(f"PRAGMA synchronous = {synchronous.upper()}")
        self._connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._connection.execute("PRAGMA cache_size = -16000")
        self._head: tuple[int, bytes] | None = None
        self._files = self._identities()
        self._looked = time.monotonic()
        self._mover: sqlite3.Connection | None = None
        self.unmoved = 0
        """Roughly how many pages were written since the last checkpoint."""
        self.begins_anew = False
        """The next group begins the write-ahead log anew, for which SQLite waits for the disk (2-4 ms)."""

    def append(self, events: Sequence[Sealed], patience: float | None = None) -> int:
        """Store a group wholly or not at all; returns the first sequence number.

        Waits up to `patience` seconds (by default the busy timeout) for other processes. Raises `sqlite3.Error`.
        """
        self._check_file()
        if self._head is None or len(events) > _ROWS or any(one.signals for one in events):
            return self.transact(lambda: self.insert(events), patience)
        try:
            return self._patiently(lambda: self.insert(events), patience)
        except sqlite3.IntegrityError:
            self._head = None  # another process has appended; inside a transaction the head stays where it is
        except BaseException:
            self._head = None
            raise
        return self.transact(lambda: self.insert(events), patience)

    def transact(self, work: Callable[[], T], patience: float | None = None) -> T:
        """Do `work` in one transaction, with the head as it is in the file."""
        self._patiently(lambda: self._connection.execute("BEGIN IMMEDIATE"), patience)
        try:
            row = self._connection.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").fetchone()
            self._head = row or (0, GENESIS)
            done = work()
            self._connection.execute("COMMIT")
        except BaseException:
            self._head = None
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return done

    def insert(self, events: Sequence[Sealed]) -> int:
        """Link events to the head and store them; returns the first sequence number."""
        if self._head is None:
            raise RuntimeError("the journal inserts before it knows the head")
        seq, previous = self._head
        self.begins_anew = False
        first = seq + 1
        size = 0
        signals: list[object] = []
        for start in range(0, len(events), _ROWS):
            chunk = events[start : start + _ROWS]
            values: list[object] = []
            for one in chunk:
                seq += 1
                previous = link(previous, seq, one.canonical)
                values += (seq, previous, *one.columns)
                size += len(one.canonical) + len(one.columns[-1] or "")
                for signal in one.signals:
                    signals += signal_row(signal, seq)
            self._connection.execute(_EVENTS[len(chunk)], values)
        for start in range(0, len(signals), _ROWS * SIGNAL_COLUMNS):
            values = signals[start : start + _ROWS * SIGNAL_COLUMNS]
            self._connection.execute(_SIGNALS[len(values) // SIGNAL_COLUMNS], values)
        self._head = (seq, previous)
        self.unmoved += 4 + 2 * len(events) + size // 4096
        return first

    def select(self, sql: str, values: Sequence[object]) -> list[int]:
        """A list of sequence numbers, as they are within the transaction."""
        return [int(row[0]) for row in self._connection.execute(sql, values)]

    def forget(self, seqs: Sequence[int]) -> None:
        """Take away content and salts, overwriting them where they lie before their room is given back."""
        for seq in seqs:
            self._connection.execute(
                "UPDATE event SET content = zeroblob(length(CAST(content AS BLOB))), salt = zeroblob(length(salt)) "
                "WHERE seq = ?",
                (seq,),
            )
        for seq in seqs:
            self._connection.execute("UPDATE event SET content = NULL, salt = NULL WHERE seq = ?", (seq,))

    def checkpoint(self, *, restart: bool = False) -> None:
        """Move what is in the write-ahead log into the file, as far as others allow; durable it is already.

        May run in another thread while groups are written. The log is used from its start again only once nothing in it
        is unmoved, which under load never happens by itself: with `restart`, writers wait until it has.
        """
        # A full disk or a busy file shows at the next write, with the events that could not be recorded.
        with contextlib.suppress(sqlite3.Error):
            if self._mover is None:
                self._mover = connect(self.path, busy_timeout_s=0.1)
            busy, written, moved = self._mover.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if restart:
                busy, written, moved = self._mover.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            self.begins_anew = not busy and written == moved

    def truncate(self) -> bool:
        """Move everything into the file and cut the write-ahead log to nothing; False where a reader prevented it."""

        def attempt() -> None:
            blocked = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if blocked:
                raise _Blocked

        try:
            self._patiently(attempt, None)
        except sqlite3.OperationalError:
            return False
        return True

    def reason(self, error: Exception) -> RecordError:
        """What a failed write is told as."""
        if isinstance(error, RecordError):
            return error
        if is_busy(error):
            return self.locked()
        why = f"{error}" if isinstance(error, sqlite3.Error) else f"{type(error).__name__}: {error}"
        return RecordError(f"the ledger {self.path} could not record: {why}")

    def locked(self) -> RecordError:
        """What a write is told as that waited in vain."""
        why = f"another process has kept it locked for more than {self.busy_timeout_s:g} s"
        return RecordError(f"the ledger {self.path} could not record: {why}")

    def close(self) -> None:
        """Give the file back."""
        if self._mover is not None:
            self._mover.close()
        self._connection.close()

    def _patiently(self, step: Callable[[], T], patience: float | None) -> T:
        deadline = time.monotonic() + (self.busy_timeout_s if patience is None else patience)
        pause = 0.00005
        while True:
            try:
                return step()
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 0.005)

    def _check_file(self) -> None:
        """SQLite goes on writing into files that were deleted: nobody would ever find those events."""
        now = time.monotonic()
        if now - self._looked < 1.0:
            return
        if lost := [path for path, was in self._files.items() if identity(path) != was]:
            raise RecordError(f"the ledger {lost[0]} was removed or replaced while it was in use")
        self._looked = now

    def _identities(self) -> dict[Path, tuple[int, int] | None]:
        """The file, its write-ahead log and that one's index: as long as anybody has it open, they stay."""
        return {path: identity(path) for path in (Path(f"{self.path}{end}") for end in ("", "-wal", "-shm"))}


class _Blocked(sqlite3.OperationalError):
    """A checkpoint that a reader or a writer held up, which SQLite returns rather than raises."""

    sqlite_errorcode = sqlite3.SQLITE_BUSY


def is_busy(error: BaseException) -> bool:
    """Whether another process was in the way."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_damaged(error: BaseException) -> bool:
    """Whether the file itself was in the way: its bytes are not what SQLite wrote."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
