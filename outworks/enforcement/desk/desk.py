"""The desk: where people and the clerk change what the ledger says of cases, one at a time, each change whole."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from outworks.enforcement.desk.fold import KINDS, fold
from outworks.enforcement.desk.index import clear, open_index, remove
from outworks.enforcement.settings import Office
from outworks.event import Event
from outworks.ledger.journal import is_damaged
from outworks.ledger.ledger import Ledger
from outworks.ledger.reader import Recorded
from outworks.ledger.schema import LedgerError, identity

_STEP = 1000
"""Events passed over before how far the index has come is noted again."""


class Desk:
    """A ledger with its index of cases. Many processes may have one at the same ledger; used from any thread.

    Whoever changes something holds the index's write lock from the question whether it is allowed until it is in the
    ledger: so no case is given twice, and nothing is decided twice. The index is only ever written by folding what the
    ledger has. A process that dies in between has either recorded the change, and the next one to look folds it, or
    not.
    """

    def __init__(self, ledger: Ledger, office: Office | None = None, *, clock: Callable[[], float] = time.time) -> None:
        """The index lies beside the ledger, at `LEDGER.desk`. Raises `LedgerError` where it can't be opened."""
        self.ledger = ledger
        self.office = office or Office()
        self.clock = clock
        self.path = ledger.path.with_name(f"{ledger.path.name}.desk")
        self._lock = threading.RLock()
        self._seen = -1
        self._db = self._open()
        self._changing = False

    def close(self) -> None:
        """Give the index back; the ledger is its owner's."""
        with self._lock:
            self._db.close()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What the index answers, once it has taken in all that the ledger holds."""
        return self._ask(sql, values)

    def named(self, sql: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The same, for values by name."""
        return self._ask(sql, values)

    def refresh(self) -> None:
        """Take in what was recorded since."""
        with self._lock:
            if self._changing:
                return
            head = self.ledger.head()
            if head.seq == self._seen:
                return
            self._reopen()
            place = self._place()
            new = next(iter(self.ledger.events(place, kinds=KINDS, limit=1)), None)
            if new is not None or head.seq - place > _STEP or not self._follows(place):
                with self._transaction():
                    self._catch_up()
            self._seen = head.seq

    @contextmanager
    def change(self) -> Iterator["Desk"]:
        """Hold the lock: what is read within is how it is, and `record` writes. Nests."""
        with self._lock:
            if self._changing:
                yield self
                return
            self._reopen()
            with self._transaction():
                self._catch_up()
                self._changing = True
                try:
                    yield self
                finally:
                    self._changing = False

    def record(self, events: Sequence[Event]) -> list[int]:
        """Write events, all or none, within `change`; returns their numbers. Raises `RecordError`."""
        if not self._changing:
            raise RuntimeError("the desk records only within change()")
        seqs = self.ledger.append_now(events)
        self._catch_up()
        return seqs

    def mark(self, name: str) -> int | None:
        """The event from which on something is done."""
        found = self._ask("SELECT seq FROM mark WHERE name = ?", (name,))
        return int(found[0][0]) if found else None

    def note_mark(self, name: str, seq: int) -> None:
        """Note how far something is done that can be done again without harm. It is lost with the index."""
        self._ask("INSERT OR REPLACE INTO mark VALUES (?, ?)", (name, seq))

    def event(self, seq: int) -> Recorded:
        """One event of the ledger that the index names."""
        found = self.ledger.event(seq)
        if found is None:
            raise LedgerError(f"the index {self.path} names event {seq}, which the ledger does not have")
        return found

    def _ask(self, sql: str, values: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                self.refresh()
                return self._db.execute(sql, values).fetchall()
            except sqlite3.DatabaseError as error:
                if self._changing or not is_damaged(error):
                    raise
                self._begin_anew()
            self.refresh()
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise LedgerError(f"the index {self.path} is kept locked by another process: {error}") from error
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._seen = -1
            if is_damaged(error):
                self._begin_anew()
                raise LedgerError(f"the index {self.path} was damaged, and is made anew: {error}") from error
            raise

    def _catch_up(self) -> None:
        head = self.ledger.head()
        place = self._place()
        if not self._follows(place):
            clear(self._db)
            place = 0
        last = place
        for recorded in self.ledger.events(place, kinds=KINDS):
            fold(self._db, recorded.seq, recorded.event)
            last = recorded.seq
        last = max(last, head.seq)
        if last > place:
            found = self.ledger.event(last)
            if found is not None:
                self._db.execute("UPDATE place SET seq = ?, hash = ?", (last, found.hash))

    def _place(self) -> int:
        return int(self._db.execute("SELECT seq FROM place").fetchone()[0])

    def _follows(self, place: int) -> bool:
        """Whether the index was made from this very ledger: one that was replaced, or lost its end, has another
        hash."""
        if place == 0:
            return True
        found = self.ledger.event(place)
        noted = self._db.execute("SELECT hash FROM place").fetchone()[0]
        return found is not None and found.hash == noted

    def _begin_anew(self) -> None:
        """In the place of a damaged index, unless another process has done so."""
        if identity(self.path) == self._file:
            remove(self.path)
        self._reopen()

    def _open(self) -> sqlite3.Connection:
        self._seen = -1
        try:
            db = open_index(self.path)
        except sqlite3.OperationalError as error:
            raise LedgerError(f"the index {self.path} can't be opened: {error}") from error
        self._file = identity(self.path)
        return db

    def _reopen(self) -> None:
        """SQLite goes on with a file that was removed; its lock would then keep nobody out."""
        if identity(self.path) != self._file:
            self._db.close()
            self._db = self._open()
