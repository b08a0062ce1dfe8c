"""The desk's index: what the ledger says of cases, decisions and notices, in tables that a page can ask."""

import contextlib
import os
import sqlite3
from pathlib import Path

from outworks.ledger.schema import set_wal

VERSION = 3
"""Of another version, the index is made anew from the ledger."""

_TABLES = """
CREATE TABLE place (seq INTEGER NOT NULL, hash TEXT NOT NULL);
CREATE TABLE mark (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE cases (
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, queue TEXT NOT NULL, priority INTEGER NOT NULL, state TEXT NOT NULL,
    account TEXT NOT NULL, product TEXT NOT NULL, exchange TEXT NOT NULL, opened_at REAL NOT NULL, source TEXT NOT NULL,
    action TEXT NOT NULL, appeal TEXT NOT NULL, not_for TEXT NOT NULL, only_for TEXT NOT NULL,
    lease_by TEXT NOT NULL DEFAULT '', lease_until REAL NOT NULL DEFAULT 0,
    assigned_to TEXT NOT NULL DEFAULT '', assigned_until REAL NOT NULL DEFAULT 0, escalated INTEGER NOT NULL DEFAULT 0,
    pending TEXT NOT NULL DEFAULT '', decision TEXT NOT NULL DEFAULT '', outcome TEXT NOT NULL DEFAULT '',
    decided_by TEXT NOT NULL DEFAULT '', decided_at REAL NOT NULL DEFAULT 0, closed_seq INTEGER NOT NULL DEFAULT 0,
    as_of REAL, golden TEXT NOT NULL DEFAULT ''
);
CREATE INDEX cases_waiting ON cases (priority DESC, opened_at, seq) WHERE state <> 'closed';
CREATE INDEX cases_queue ON cases (queue, state, opened_at);
CREATE INDEX cases_account ON cases (account, opened_at);
CREATE INDEX cases_state ON cases (state, opened_at);
CREATE INDEX cases_action ON cases (action) WHERE action <> '';
CREATE INDEX cases_lease ON cases (lease_by) WHERE state <> 'closed' AND lease_by <> '';
CREATE INDEX cases_assigned ON cases (assigned_to) WHERE assigned_to <> '';
CREATE TABLE entry (case_id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (case_id, seq)) WITHOUT ROWID;
CREATE TABLE evidence (case_id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (case_id, seq)) WITHOUT ROWID;
CREATE TABLE reviewed (case_id TEXT NOT NULL, action TEXT NOT NULL, PRIMARY KEY (case_id, action)) WITHOUT ROWID;
CREATE INDEX reviewed_action ON reviewed (action);
CREATE TABLE trail (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, by TEXT NOT NULL, account TEXT NOT NULL, at REAL NOT NULL
);
CREATE INDEX trail_by ON trail (by, seq);
CREATE INDEX trail_kind ON trail (kind, seq);
CREATE INDEX trail_account ON trail (account, seq) WHERE account <> '';
CREATE TABLE skip (case_id TEXT NOT NULL, reviewer TEXT NOT NULL, until REAL NOT NULL,
    PRIMARY KEY (case_id, reviewer)) WITHOUT ROWID;
CREATE TABLE decision (
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, case_id TEXT NOT NULL, account TEXT NOT NULL, by TEXT NOT NULL,
    at REAL NOT NULL, body TEXT NOT NULL, golden TEXT NOT NULL, before TEXT NOT NULL,
    undone INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX decision_case ON decision (case_id, seq);
CREATE INDEX decision_account ON decision (account, seq);
CREATE INDEX decision_by ON decision (by, seq);
CREATE INDEX decision_golden ON decision (golden, by) WHERE golden <> '';
CREATE TABLE action (
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, account TEXT NOT NULL, standing INTEGER NOT NULL, by TEXT NOT NULL,
    at REAL NOT NULL, expires REAL, shadow INTEGER NOT NULL, decision TEXT NOT NULL, bulk TEXT NOT NULL,
    undone INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX action_account ON action (account, seq);
CREATE INDEX action_bulk ON action (bulk, seq) WHERE bulk <> '';
CREATE INDEX action_decision ON action (decision) WHERE decision <> '';
CREATE TABLE appeal (
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, action TEXT NOT NULL, account TEXT NOT NULL, at REAL NOT NULL,
    case_id TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT 'open', decision TEXT NOT NULL DEFAULT '',
    answered_at REAL
);
CREATE UNIQUE INDEX appeal_action ON appeal (action);
CREATE INDEX appeal_account ON appeal (account, seq);
CREATE INDEX appeal_state ON appeal (state, seq);
CREATE TABLE report (
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, account TEXT NOT NULL, exchange TEXT NOT NULL, category TEXT NOT NULL,
    reporter TEXT NOT NULL, at REAL NOT NULL, case_id TEXT NOT NULL DEFAULT ''
);
CREATE INDEX report_account ON report (account, seq);
CREATE INDEX report_case ON report (case_id) WHERE case_id <> '';
CREATE TABLE notice (
    about TEXT PRIMARY KEY, id TEXT NOT NULL, seq INTEGER NOT NULL, account TEXT NOT NULL, action TEXT NOT NULL,
    code TEXT NOT NULL, at REAL NOT NULL
);
CREATE INDEX notice_account ON notice (account, seq);
CREATE INDEX notice_action ON notice (action, seq) WHERE action <> '';
CREATE TABLE owed (about TEXT PRIMARY KEY, seq INTEGER NOT NULL);
CREATE INDEX owed_seq ON owed (seq);
CREATE TABLE due (about TEXT PRIMARY KEY, seq INTEGER NOT NULL);
CREATE INDEX due_seq ON due (seq);
CREATE TABLE bulk (
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, by TEXT NOT NULL, at REAL NOT NULL, state TEXT NOT NULL,
    applied_by TEXT NOT NULL DEFAULT '', applied_at REAL, undone_by TEXT NOT NULL DEFAULT '', undone_at REAL
);
CREATE INDEX bulk_seq ON bulk (seq);
CREATE TABLE golden (case_id TEXT PRIMARY KEY, outcome TEXT NOT NULL, by TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE look (
    by TEXT NOT NULL, at REAL NOT NULL, seq INTEGER NOT NULL, category TEXT NOT NULL, contents INTEGER NOT NULL,
    PRIMARY KEY (by, at, seq)) WITHOUT ROWID;
CREATE TABLE message (
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, type TEXT NOT NULL, account TEXT NOT NULL, at REAL NOT NULL
);
CREATE INDEX message_seq ON message (seq);
CREATE TABLE delivery (webhook TEXT NOT NULL, message TEXT NOT NULL, seq INTEGER NOT NULL, ok INTEGER NOT NULL,
    attempts INTEGER NOT NULL, status INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (webhook, message)) WITHOUT ROWID;
"""


def open_index(path: Path, *, busy_timeout_s: float = 30.0) -> sqlite3.Connection:
    """A connection to the index; one that is damaged, or of another version, is begun anew: the ledger has it all."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        return _opened(path, busy_timeout_s)
    except sqlite3.OperationalError:
        raise  # locked, or not writable: nothing that beginning anew would mend
    except sqlite3.DatabaseError:
        remove(path)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        return _opened(path, busy_timeout_s)


def remove(path: Path) -> None:
    """Take the index away, so that it is begun anew; whoever has it open sees that it is gone."""
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        name.unlink(missing_ok=True)


def _opened(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    try:
        set_wal(connection, busy_timeout_s)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            clear(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def clear(connection: sqlite3.Connection) -> None:
    """Begin anew, within a transaction: no table holds anything."""
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (name,) in tables:
        connection.execute(f'DROP TABLE "{name}"')
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    connection.execute("INSERT INTO place VALUES (0, '')")
    connection.execute(f"PRAGMA user_version = {VERSION}")
