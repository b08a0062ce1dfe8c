"""Verification: reads a whole ledger and names every event that is not as it was written."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from typing_extensions import override

from outworks.event import Body, Erased, Event
from outworks.ledger.chain import GENESIS, SALT_BYTES, Head, body_decoder, canonical, commit, link
from outworks.ledger.schema import LedgerError, expected_schema, open_ledger, schema_of, signal_row
from outworks.ledger.signal import signals_of
from outworks.ledger.wal import lost_commits

_PAGE = 200
_LOWEST = -(1 << 63)
"""The one number that no page begins behind."""
_MOST = 1000
"""Faults named one by one; a rewritten ledger would have millions."""

Row = tuple[Any, ...]


class Fault(msgspec.Struct, frozen=True):
    """Something that is not as it was written."""

    seq: int | None
    """The event; None where it is no single one."""
    what: str

    @override
    def __str__(self) -> str:
        return self.what


class Verification(msgspec.Struct, frozen=True):
    """What became of a ledger."""

    ok: bool
    events: int
    """How many were read."""
    faults: tuple[Fault, ...]
    head: Head
    """Keep it elsewhere, and give it to the next verification."""


def verify(
    path: str | Path, *, head: str | None = None, progress: Callable[[int, int], None] | None = None
) -> Verification:
    """Check a ledger: every column of every event, its content, the index of signals, and SQLite's own structures.

    From the inside nobody can see that the last events were cut off, or that the whole ledger was written anew: give
    `head` (`SEQ:HASH`, or a hash alone), kept elsewhere since an earlier verification, and both are found. Safe while
    others write. `progress` is told events read and events in all. Raises `LedgerError` where there is no file, and
    `ValueError` for a malformed head.
    """
    path = Path(path)
    expected = _head(head)
    if not path.is_file():
        raise LedgerError(f"there is no ledger at {path}")
    audit = _Audit(path, progress)
    try:
        audit.run(expected)
    except (sqlite3.Error, LedgerError, UnicodeDecodeError) as error:
        audit.add(None, f"the file can't be read: {error}")
    faults = tuple(audit.faults)
    return Verification(not faults, audit.count, faults, Head(audit.last, audit.stored.hex()))


def _head(head: str | None) -> Head | None:
    if head is None:
        return None
    seq, _, digest = head.rpartition(":")
    try:
        if len(bytes.fromhex(digest)) != len(GENESIS):
            raise ValueError
        place = int(seq or -1)
        if not -1 <= place < 1 << 63:
            raise ValueError
        return Head(place, digest.lower())
    except ValueError:
        raise ValueError(
            f"the head is {head!r}; expected SEQ:HASH with 64 hexadecimal digits, or the hash alone"
        ) from None


class _Audit:
    """One reading of a ledger, from its first event to its last."""

    def __init__(self, path: Path, progress: Callable[[int, int], None] | None) -> None:
        self.path = path
        self.progress = progress
        self.faults: list[Fault] = []
        self.count = 0
        self.last = 0
        self.stored = GENESIS
        """The last event's hash as the file has it."""
        self._computed = GENESIS
        self._gone: set[int] = set()
        self._erased: set[int] = set()
        self._decode = body_decoder().decode

    def add(self, seq: int | None, what: str) -> None:
        if len(self.faults) < _MOST:
            self.faults.append(Fault(seq, what.encode("utf-8", "backslashreplace").decode()))
        elif len(self.faults) == _MOST:
            self.faults.append(Fault(None, f"there are more faults than the {_MOST} named here"))

    def run(self, expected: Head | None) -> None:
        connection = open_ledger(self.path, read_only=True, busy_timeout_s=5.0)
        try:
            # Text that is no longer UTF-8 must reach the comparison rather than end the reading.
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            self._check_structure(connection)
            total = self._total(connection)
            for rows, signals in self._pages(connection):
                for row in rows:
                    self._check_event(row, signals.pop(row[0], []))
                for seq in signals:
                    self.add(seq, f"the index of signals speaks of event {seq}, which is not there")
                if self.progress is not None:
                    self.progress(self.count, max(total, self.count))
            self._check_erasures(connection)
            if expected is not None:
                self._check_head(connection, expected)
        finally:
            # Last: to read the log's index from outside gives up this process's locks on it.
            for lost in lost_commits(self.path):
                self.add(None, lost)
            connection.close()

    def _check_structure(self, connection: sqlite3.Connection) -> None:
        for missing in sorted(expected_schema() - schema_of(connection)):
            self.add(None, f"the {missing[0]} {missing[1]!r} is missing or altered")
        for extra in sorted(schema_of(connection) - expected_schema()):
            self.add(None, f"the {extra[0]} {extra[1]!r} does not belong in a ledger")
        try:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(100)")]
        except sqlite3.DatabaseError as error:
            found = [str(error)]
        for fault in found:
            if fault != "ok":
                self.add(_named(fault), f"SQLite finds the file damaged: {fault}")

        for table in ("event", "signal"):
            with suppress(sqlite3.DatabaseError):  # what cannot be read is told of above
                lowest = connection.execute(f"SELECT 1 FROM {table} WHERE seq = ?", (_LOWEST,)).fetchone()  # noqa: S608
                if lowest:
                    self.add(_LOWEST, f"{table} {_LOWEST} is out of place: events are numbered from 1")

    def _total(self, connection: sqlite3.Connection) -> int:
        try:
            return int(connection.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()[0])
        except sqlite3.DatabaseError:
            return 0

    def _pages(self, connection: sqlite3.Connection) -> Iterator[tuple[list[Row], dict[int, list[Row]]]]:
        """Events and the signals of the same range, each page in one short transaction."""
        after, size = _LOWEST, _PAGE
        while True:
            connection.execute("BEGIN")
            try:
                rows = connection.execute(
                    "SELECT * FROM event NOT INDEXED WHERE seq > ? ORDER BY seq LIMIT ?", (after, size)
                ).fetchall()
                until = max((row[0] for row in rows), default=(1 << 63) - 1)
                signals: dict[int, list[Row]] = {}
                for row in connection.execute(
                    "SELECT * FROM signal WHERE seq > ? AND seq <= ? ORDER BY seq, n", (after, until)
                ):
                    signals.setdefault(row[0], []).append(row)
            except sqlite3.DatabaseError as error:
                if size > 1:
                    size = 1  # up to the event that can't be read
                    continue
                self.add(self.last + 1, f"event {self.last + 1} can't be read: {error}")
                return
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            yield rows, signals
            if not rows or until <= after:
                return  # at the end; or in a tree whose order is damaged, which would be walked for ever
            after = until

    def _check_event(self, row: Row, signals: list[Row]) -> None:
        seq, stored, *linked, salt, content = row
        self.count += 1
        follows = seq == self.last + 1
        if seq <= self.last:
            self.add(seq, f"event {seq} is out of place: events are numbered from 1")
            return
        if not follows:
            missing = (
                f"event {self.last + 1} is" if seq == self.last + 2 else f"events {self.last + 1} to {seq - 1} are"
            )
            self.add(self.last + 1, f"{missing} missing")
        event = _canonical(row)
        intact = event is not None
        if event is not None:
            computed = link(self.stored, seq, event)
            # Where only the hash before was altered, this event still follows from what it ought to be.
            intact = stored in (computed, link(self._computed, seq, event)) if follows else True
        self._computed = computed if event is not None and follows else GENESIS
        if not intact:
            self.add(seq, f"event {seq} was altered: its hash does not follow from its columns and the event before")
        self._check_content(seq, linked[-1], salt, content)
        self.last, self.stored = seq, stored if isinstance(stored, bytes) else GENESIS
        if intact:
            self._check_derived(seq, linked, signals)

    def _check_content(self, seq: int, commitment: Any, salt: Any, content: Any) -> None:
        if content is None:
            if salt is not None:
                self.add(seq, f"the content of event {seq} is missing, and its salt is not")
            elif commitment is not None:
                self._gone.add(seq)
        elif not isinstance(content, str) or not isinstance(salt, bytes) or commit(salt, _raw(content)) != commitment:
            self.add(seq, f"the content of event {seq} was altered")

    def _check_derived(self, seq: int, linked: list[Any], signals: list[Row]) -> None:
        at, _, exchange, account, product, conversation, said, _ = linked
        try:
            body: Body = self._decode(said)
        except (msgspec.DecodeError, UnicodeError, TypeError) as error:
            self.add(seq, f"event {seq} says something that this version can't read: {error}")
            return
        event = Event(body=body, at=at, exchange=exchange, account=account, product=product, conversation=conversation)
        if isinstance(body, Erased):
            self._erased.update(body.events)
        derived = [signal_row(one, seq) for one in signals_of(event)]
        if [_typed(row) for row in signals] != [_typed(row) for row in derived]:
            self.add(seq, f"the index of signals does not say what event {seq} says")

    def _check_erasures(self, connection: sqlite3.Connection) -> None:
        for seq in sorted(self._gone - self._erased):
            self.add(seq, f"the content of event {seq} is missing, and no erasure was recorded")
        back = connection.execute("SELECT seq FROM event WHERE content IS NOT NULL AND seq <= ?", (self.last,))
        for seq in sorted(self._erased.intersection(row[0] for row in back) if self._erased else ()):
            self.add(seq, f"the content of event {seq} is there, although it was erased")

    def _check_head(self, connection: sqlite3.Connection, expected: Head) -> None:
        if expected.seq == 0 and expected.hash == GENESIS.hex():
            return
        digest = bytes.fromhex(expected.hash)
        if expected.seq < 0:
            if not connection.execute("SELECT 1 FROM event WHERE hash = ? AND seq > 0", (digest,)).fetchone():
                self.add(
                    None, f"no event has the hash {expected.hash}: the ledger was cut short, rewritten or replaced"
                )
            return
        row = connection.execute("SELECT hash FROM event WHERE seq = ?", (expected.seq,)).fetchone()
        if row is None:
            self.add(expected.seq, f"event {expected.seq} is missing: the ledger was cut short after event {self.last}")
        elif row[0] != digest:
            self.add(expected.seq, f"event {expected.seq} has not the hash given: the ledger was rewritten or replaced")


def _canonical(row: Row) -> bytes | None:
    """What the event's hash covers; None where a column has another type than was written, which SQLite would keep."""
    _, stored, at, *texts, commitment, salt, content = row
    sound = (
        isinstance(stored, bytes)
        and isinstance(at, float)
        and all(isinstance(text, str) for text in texts)
        and (commitment is None or (isinstance(commitment, bytes) and len(commitment) == len(GENESIS)))
        and (salt is None or (isinstance(salt, bytes) and len(salt) == SALT_BYTES))
        and (content is None or isinstance(content, str))
    )
    try:
        return canonical((at, *texts, commitment)) if sound else None
    except UnicodeEncodeError:
        return None


def _typed(row: Row) -> list[tuple[type, Any]]:
    return [(type(value), value) for value in row]


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _named(fault: str) -> int | None:
    """The event that SQLite means by `row 12 missing from index event_account`."""
    words = fault.split()
    return int(words[1]) if words[0] == "row" and words[1].isdigit() else None
