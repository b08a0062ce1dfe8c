"""The schema: opening a ledger's file, and the migrations that bring an old one up to date."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from outworks.event import Event
from outworks.ledger.chain import body_decoder
from outworks.ledger.signal import Signal, signals_of

APPLICATION_ID = 0x4F757477
"""Written into the file's header: `Outw`."""

CHANGES = "('acted', 'changed', 'erased', 'undone')"
"""Kinds that had an index of their own until version 3."""

EXCHANGES = "('received', 'judged', 'released', 'ended', 'rejected', 'upstream_failed')"
"""Kinds that requests leave: nearly all events. The others, those of later versions included, are rare and polled
(keys, standing, cases, notices...), and share an index."""

EVENT_COLUMNS = 12
SIGNAL_COLUMNS = 12

Synchronous = Literal["normal", "full"]


class LedgerError(Exception):
    """A ledger that can't be opened or read: says which file, what is wrong with it, and what would help."""


def create_events(connection: sqlite3.Connection) -> None:
    """Version 1: the chain, with content beside it. Content comes last: reading a row without it skips its pages."""
    connection.execute(
        """CREATE TABLE event (
            seq INTEGER PRIMARY KEY,
            hash BLOB NOT NULL,
            at REAL NOT NULL,
            kind TEXT NOT NULL,
            exchange TEXT NOT NULL,
            account TEXT NOT NULL,
            product TEXT NOT NULL,
            conversation TEXT NOT NULL,
            body TEXT NOT NULL,
            commitment BLOB,
            salt BLOB,
            content TEXT
        )"""
    )
    connection.execute("CREATE INDEX event_exchange ON event (exchange) WHERE exchange <> ''")
    connection.execute("CREATE INDEX event_account ON event (account, at, kind) WHERE account <> ''")
    connection.execute(f"CREATE INDEX event_change ON event (seq) WHERE kind IN {CHANGES}")
    connection.execute("CREATE INDEX event_content ON event (at) WHERE content IS NOT NULL")


def derive_signals(connection: sqlite3.Connection) -> None:
    """Version 2: the index of signals, filled from the events that are there."""
    connection.execute(
        """CREATE TABLE signal (
            seq INTEGER NOT NULL,
            n INTEGER NOT NULL,
            at REAL NOT NULL,
            account TEXT NOT NULL,
            product TEXT NOT NULL,
            exchange TEXT NOT NULL,
            conversation TEXT NOT NULL,
            defense TEXT NOT NULL,
            category TEXT NOT NULL,
            decision INTEGER NOT NULL,
            mode TEXT NOT NULL,
            score REAL NOT NULL,
            PRIMARY KEY (seq, n)
        ) WITHOUT ROWID"""
    )
    connection.execute("CREATE INDEX signal_account ON signal (account, at) WHERE account <> ''")
    decode = body_decoder().decode
    rows = connection.execute("SELECT seq, at, exchange, account, product, conversation, body FROM event ORDER BY seq")
    insert = f"INSERT INTO signal VALUES ({', '.join('?' * SIGNAL_COLUMNS)})"  # noqa: S608
    for seq, at, exchange, account, product, conversation, body in rows:
        event = Event(
            body=decode(body), at=at, exchange=exchange, account=account, product=product, conversation=conversation
        )
        connection.executemany(insert, [signal_row(one, seq) for one in signals_of(event)])


def index_the_rare(connection: sqlite3.Connection) -> None:
    """Version 3: the index of changes widened to every kind that requests do not leave. One scan of the file."""
    connection.execute("DROP INDEX event_change")
    connection.execute(f"CREATE INDEX event_rare ON event (seq) WHERE kind NOT IN {EXCHANGES}")


def signal_row(one: Signal, seq: int) -> tuple[object, ...]:
    """A signal's columns, in the order of its table."""
    columns = msgspec.structs.astuple(one)
    return (seq, *columns[1:9], int(one.decision), one.mode, one.score)


Migration = Callable[[sqlite3.Connection], None]

MIGRATIONS: tuple[Migration, ...] = (create_events, derive_signals, index_the_rare)
"""In order; `user_version` counts those done. Never change one that was released: add another."""


def connect(path: Path, *, read_only: bool = False, busy_timeout_s: float = 5.0) -> sqlite3.Connection:
    """A connection to a file that exists; it starts no transaction on its own."""
    mode = "ro" if read_only else "rw"
    if read_only and not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists():
        mode = "ro&immutable=1"  # a copy on a read-only disk: SQLite wants to make files beside any other
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=busy_timeout_s,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    # Content that is erased is overwritten, wherever SQLite moves or frees it.
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def _check_place(path: Path, *, read_only: bool) -> None:
    if path.is_dir():
        raise LedgerError(f"the ledger {path} is a folder; expected a file, such as {path / 'ledger.db'}")
    if not path.parent.is_dir():
        there = next((str(parent) for parent in path.parents if parent.is_dir()), "/")
        raise LedgerError(
            f"the ledger {path} lies in a folder that does not exist: {path.parent} (of it, {there} exists); "
            "create the folder, or correct the path"
        )
    if read_only and not path.exists():
        raise LedgerError(f"there is no ledger at {path}")


def open_ledger(
    path: Path, *, read_only: bool, busy_timeout_s: float, migrations: Sequence[Migration] = MIGRATIONS
) -> sqlite3.Connection:
    """A connection to a ledger of this version, created or migrated where that is needed. Raises `LedgerError`."""
    connection = None
    try:
        _check_place(path, read_only=read_only)
        if not read_only:
            # The ledger holds what people said: a file of ours is for its owner alone. One that exists is not opened:
            # closing it would give up every lock that this process has on it (POSIX), and the next process to close
            # the ledger would take the write-ahead log away from under us.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = connect(path, read_only=read_only, busy_timeout_s=busy_timeout_s)
        if _version(connection, path, migrations) < len(migrations):
            if read_only:
                if not _version(connection, path, migrations):
                    raise LedgerError(f"{path} is empty; expected a ledger (what a copy that failed leaves, perhaps)")
                raise LedgerError(
                    f"the ledger {path} was written by an older version of Outworks: open it once for writing "
                    "(any command that writes does) to bring it up to date"
                )
            _migrate(connection, path, migrations, busy_timeout_s)
        if not read_only:
            _check_writable(connection)
    except (sqlite3.Error, OSError, LedgerError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, LedgerError):
            raise
        raise LedgerError(f"the ledger {path} can't be opened: {_reason(error)}") from error
    return connection


def _reason(error: Exception) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return "it is not a ledger (not an SQLite database); give another path, or move that file away"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN) or isinstance(error, OSError):
        return f"it is not writable here ({error}); correct the rights of the file and of its folder"
    if code == sqlite3.SQLITE_BUSY:
        return "another process keeps it locked; end that process, or wait for it"
    return str(error)


def _version(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> int:
    """How many migrations the file has seen. Raises `LedgerError` where it is no ledger, or a newer one."""
    # One statement, so that another process that creates the ledger at this moment is seen wholly or not at all.
    version, owner, tables = connection.execute(
        "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema) "
        "FROM pragma_user_version, pragma_application_id"
    ).fetchone()
    if owner != APPLICATION_ID:
        if owner or version or tables:
            raise LedgerError(f"{path} is not a ledger: it is another program's SQLite database")
        return 0
    if version > len(migrations):
        raise LedgerError(
            f"the ledger {path} has the format {version}, and this version of Outworks reads formats up to "
            f"{len(migrations)}: use the version that wrote it, or a newer one"
        )
    return int(version)


def _migrate(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration], busy_timeout_s: float
) -> None:
    """Do what is missing, each migration wholly or not at all; of several processes at once, one does it."""
    mode = set_wal(connection, busy_timeout_s)
    if mode != "wal":
        raise LedgerError(f"the ledger needs SQLite's write-ahead log, and its file system allows only {mode!r}")
    created = False
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = _version(connection, path, migrations)
            created = created or not version
            if version < len(migrations):
                migrations[version](connection)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if version >= len(migrations):
            break
    if created:
        # What a later migration dropped again leaves bytes that mean nothing, and that no verification can vouch for.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("VACUUM")


def set_wal(connection: sqlite3.Connection, busy_timeout_s: float) -> str:
    """Use a write-ahead log, where the file system allows one; returns what is used then."""
    # SQLite does not wait for the lock that this takes, whatever its busy timeout.
    deadline = time.monotonic() + busy_timeout_s
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def identity(path: Path) -> tuple[int, int] | None:
    """Which file lies at a path: SQLite goes on with one that was deleted or replaced. None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino)


def _check_writable(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        # Locked now is writable later; SQLite opens a file that it may only read without a word.
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise


def expected_schema() -> frozenset[tuple[str, ...]]:
    """Every table and index of a sound ledger, as SQLite describes them."""
    connection = sqlite3.connect(":memory:")
    for migration in MIGRATIONS:
        migration(connection)
    described = schema_of(connection)
    connection.close()
    return described


def schema_of(connection: sqlite3.Connection) -> frozenset[tuple[str, ...]]:
    """Every table and index of a file, as SQLite describes them."""
    return frozenset(connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema"))
