"""The console's own file: sessions, password hashes, one-time links, attempts to sign in, what each reviewer chose.

Nothing in it is evidence: who did what is in the ledger. It can be deleted: everybody then needs a new password.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from outworks.ledger.schema import set_wal

_TABLES = (
    "CREATE TABLE password (name TEXT PRIMARY KEY, hash TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID",
    """CREATE TABLE session (
        digest BLOB PRIMARY KEY, name TEXT NOT NULL, how TEXT NOT NULL, began REAL NOT NULL, seen REAL NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX session_name ON session (name)",
    "CREATE TABLE link (digest BLOB PRIMARY KEY, name TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID",
    "CREATE TABLE attempt (at REAL NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL)",
    "CREATE INDEX attempt_at ON attempt (at)",
    "CREATE TABLE choice (name TEXT PRIMARY KEY, said TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE reading (
        day TEXT NOT NULL, name TEXT NOT NULL, category TEXT NOT NULL, what TEXT NOT NULL,
        PRIMARY KEY (name, day, category, what)
    ) WITHOUT ROWID""",
)
_VERSION = 1
_BUSY_S = 5.0


class Store:
    """The file, used from any thread; every call is one transaction."""

    def __init__(self, path: Path) -> None:
        """Creates it where there is none, for its owner alone. Raises `sqlite3.Error`, `OSError`, `ValueError`."""
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_S)
        self._turn = threading.Lock()
        set_wal(self._connection, _BUSY_S)
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA secure_delete = ON")
        with self.transaction():
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise ValueError(f"{path} was written by a newer version of Outworks; expected format {_VERSION}")
            if version == 0:
                for statement in _TABLES:
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        """Several statements, wholly or not at all."""
        with self._turn:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a statement finds."""
        with self._turn:
            return self._connection.execute(sql, values).fetchall()

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Do one statement; how many rows it changed."""
        with self._turn:
            return self._connection.execute(sql, values).rowcount

    def close(self) -> None:
        """Give the file back."""
        with self._turn:
            self._connection.close()


def beside(ledger: Path) -> Path:
    """Where the console's file of a ledger lies."""
    return ledger.with_suffix(".console")
