"""Beside: a file that lies beside a ledger and is derived from it: it follows, or is begun anew if it does not fit."""

import contextlib
import os
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from outworks.ledger.journal import is_damaged
from outworks.ledger.reader import Reader
from outworks.ledger.schema import LedgerError, identity, set_wal

_BUSY_S = 10.0


class Beside(ABC):
    """Tables derived from one ledger. Any number of processes may follow with one file; used from any thread.

    How far it has come stands in the file and is written with what was read, so a follower that is killed goes on where
    it was. A file that is damaged, of another version, or of another ledger is begun anew: it is never the only copy.
    """

    suffix: str
    """What its name adds to the ledger's."""
    version: int
    tables: tuple[str, ...]
    """The statements that make them."""

    def __init__(self, reader: Reader) -> None:
        """Raises `LedgerError` where the file cannot be made."""
        self._reader = reader
        # Whoever reads need not wait until another has followed; to close, nobody may be doing either: SQLite would end
        # the process.
        self._following = threading.RLock()
        self._reading = threading.RLock()
        self._damaged = False
        self.path = reader.path.with_name(f"{reader.path.name}.{self.suffix}")
        try:
            self._db = self._opened()
        except sqlite3.OperationalError as error:
            raise LedgerError(f"{self.path} can't be opened: {error}") from error
        except sqlite3.DatabaseError:
            self._remove()
            self._db = self._opened()

    def close(self) -> None:
        """Give the file back."""
        with self._following, self._reading:
            self._db.close()

    @property
    def seq(self) -> int:
        """How far the ledger has been read."""
        return int(self._rows("SELECT seq FROM place")[0][0])

    def follow(self, *, most: int | None = None) -> bool:
        """Read on, about `most` events; returns whether there is more. Another that follows is waited for."""
        try:
            if self._damaged:
                self._begin_anew()
            with self._transaction():
                return self._read_on(most)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                return True
            raise LedgerError(f"{self.path} can't be written: {error}") from error
        except (sqlite3.DatabaseError, LedgerError) as error:
            self._check_damage(error)
            if not self._damaged:
                raise
            return True

    def _read_on(self, most: int | None) -> bool:
        seq, digest = self._db.execute("SELECT seq, hash FROM place").fetchone()
        head = self._reader.head()
        found = self._reader.event(seq) if seq else None
        if seq and (found is None or found.hash != digest):
            self._clear()  # another ledger lies at the path now, or this one lost its end with the machine
            seq = 0
        if head.seq == seq:
            return False
        until = head.seq if most is None else min(head.seq, seq + most)
        self.fold(seq, until)
        last = self._reader.event(until)
        if last is None:
            raise LedgerError(f"event {until} of the ledger {self._reader.path} is missing")
        self._db.execute("UPDATE place SET seq = ?, hash = ?", (until, last.hash))
        return until < head.seq

    @abstractmethod
    def fold(self, after: int, until: int) -> None:
        """Take in the events after `after`, up to `until`, within a transaction."""

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._following:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # SQLite ends one by itself where the disk is full, or the file damaged
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._reading:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.DatabaseError as error:
                self._check_damage(error)
                if not self._damaged:
                    raise
                raise LedgerError(f"{self.path} was damaged, and is made anew: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        db = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            set_wal(db, _BUSY_S)
            db.execute("PRAGMA synchronous = NORMAL")
            # What is taken out because its content was erased is overwritten.
            db.execute("PRAGMA secure_delete = ON")
            self._db, self._file = db, identity(self.path)
            with self._transaction():
                if db.execute("PRAGMA user_version").fetchone()[0] != self.version:
                    self._clear()
        except BaseException:
            db.close()
            raise
        return db

    def _check_damage(self, error: Exception) -> None:
        """A damaged file is taken away at once, unless another process has done so; who follows next makes it anew."""
        if is_damaged(error):
            self._damaged = True
            if identity(self.path) == self._file:
                self._remove()

    def _begin_anew(self) -> None:
        with self._following, self._reading:
            self._db.close()
            self._db = self._opened()
            self._damaged = False

    def _clear(self) -> None:
        # The connection is shared: whoever reads would meet tables that are not there.
        with self._reading:
            for (name,) in self._rows("SELECT name FROM sqlite_schema WHERE type = 'table'"):
                self._db.execute(f'DROP TABLE "{name}"')
            for statement in ("CREATE TABLE place (seq INTEGER NOT NULL, hash TEXT NOT NULL)", *self.tables):
                self._db.execute(statement)
            self._db.execute("INSERT INTO place VALUES (0, '')")
            self._db.execute(f"PRAGMA user_version = {self.version}")

    def _remove(self) -> None:
        for name in (self.path, Path(f"{self.path}-wal"), Path(f"{self.path}-shm")):
            name.unlink(missing_ok=True)
