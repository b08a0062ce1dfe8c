"""The reader: everything that is asked of a ledger without writing to it."""

import sqlite3
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec

from outworks.event import Event
from outworks.ledger.chain import GENESIS, Head, body_decoder, kinds
from outworks.ledger.schema import EXCHANGES, LedgerError, open_ledger
from outworks.ledger.signal import Signal
from outworks.nearest import did_you_mean
from outworks.verdict import Decision

_PAGE = 500
"""Rows fetched at a time. No transaction stays open between pages: the write-ahead log could not be moved meanwhile."""

_EXCHANGE_KINDS = frozenset(EXCHANGES.strip("()").replace("'", "").split(", "))
_COLUMNS = "seq, hash, at, exchange, account, product, conversation, body, commitment IS NOT NULL AND content IS NULL"


class Recorded(msgspec.Struct, frozen=True):
    """An event as the ledger holds it."""

    seq: int
    event: Event
    hash: str
    """Hexadecimal."""
    erased: bool
    """It had content, which was erased."""


class BusyMinute(msgspec.Struct, frozen=True, gc=False):
    """A minute in which an account sent many requests."""

    at: float
    """Unix seconds at its beginning."""
    requests: int
    seq: int
    """The last of them."""


class Content(msgspec.Struct, frozen=True, gc=False):
    """What was said in an event, and whose it is."""

    seq: int
    at: float
    kind: str
    account: str
    exchange: str
    text: bytes


class Spoken(msgspec.Struct, frozen=True, gc=False):
    """An event in which something was asked, or left, as it lies in the file."""

    seq: int
    at: float
    kind: str
    """`received` or `released`."""
    account: str
    exchange: str
    body: str | bytes | None
    """Of what left, the event's body."""
    text: bytes | None
    """None where it was erased, or is not there."""


class Tally(msgspec.Struct, frozen=True, gc=False):
    """How many events of a kind there were on a day."""

    day: int
    """Days since 1970, UTC."""
    kind: str
    count: int


class Reader:
    """Reads a ledger, from any thread."""

    def __init__(self, path: Path, *, busy_timeout_s: float = 5.0) -> None:
        """Raises `LedgerError`."""
        self.path = path
        self._reading = open_ledger(path, read_only=True, busy_timeout_s=busy_timeout_s)
        self._turn = threading.Lock()
        self._decode = body_decoder().decode

    def close_now(self) -> None:
        """Give the file back."""
        with self._turn:
            self._reading.close()

    def head(self) -> Head:
        """The last event's place and hash."""
        rows = self._rows("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1")
        return Head(rows[0][0], rows[0][1].hex()) if rows else Head(0, GENESIS.hex())

    def events(
        self,
        after: int = 0,
        *,
        kinds: Collection[str] | None = None,
        account: str | None = None,
        exchange: str | None = None,
        limit: int | None = None,
        with_content: bool = False,
    ) -> Iterator[Recorded]:
        """Events in order, those after the sequence number `after`.

        Ready for polling with `kinds` that requests do not leave (acted, changed, case_opened...), which have an index
        of their own; quick for one exchange or one account. Raises `ValueError` for a kind that does not exist.
        """
        where = _where(kinds, account, exchange)
        columns = _COLUMNS + (", content" if with_content else "")
        if account is not None:
            yield from self._events_of(where, columns, after, limit)
            return
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(_PAGE, left)
            rows = self._rows(
                f"SELECT {columns} FROM event WHERE seq > ? {where.sql} ORDER BY seq LIMIT ?",  # noqa: S608
                (after, *where.values, size),
            )
            yield from map(self._recorded, rows)
            if len(rows) < size:
                return
            after = rows[-1][0]
            left = None if left is None else left - len(rows)

    def tail(
        self,
        count: int,
        *,
        kinds: Collection[str] | None = None,
        account: str | None = None,
        exchange: str | None = None,
        with_content: bool = False,
    ) -> list[Recorded]:
        """The last `count` events, in order."""
        where = _where(kinds, account, exchange)
        columns = _COLUMNS + (", content" if with_content else "")
        rows = self._rows(
            f"SELECT {columns} FROM event WHERE seq > 0 {where.sql} ORDER BY seq DESC LIMIT ?",  # noqa: S608
            (*where.values, count),
        )
        return [self._recorded(row) for row in reversed(rows)]

    def event(self, seq: int) -> Recorded | None:
        """One event, with its content."""
        rows = self._rows(f"SELECT {_COLUMNS}, content FROM event WHERE seq = ?", (seq,))  # noqa: S608
        return self._recorded(rows[0]) if rows else None

    def signals(self, account: str | None = None, after: int = 0, since: float | None = None) -> Iterator[Signal]:
        """Signals in order: of one account or all, of events after the number `after`, at or after `since`."""
        where = ""
        values: list[str | float] = []
        if account is not None:
            where += " AND account = ?" + (" AND account <> ''" if account else "")
            values.append(account)
        if since is not None:
            where += " AND at >= ?"
            values.append(since)
        last = (after, 1 << 62)
        while True:
            rows = self._rows(
                f"SELECT * FROM signal WHERE (seq, n) > (?, ?) {where} ORDER BY seq, n LIMIT {_PAGE}",  # noqa: S608
                (*last, *values),
            )
            yield from map(_signal, rows)
            if len(rows) < _PAGE:
                return
            last = (rows[-1][0], rows[-1][1])

    def requests(self, account: str, since: float) -> int:
        """How many requests of the account were received at or after `since` (Unix seconds), by every worker."""
        rows = self._rows(
            "SELECT count(*) FROM event WHERE account = ? AND account <> '' AND at >= ? AND kind = 'received'",
            (account, since),
        )
        return int(rows[0][0])

    def spoken(self, after: int, until: int, *, exchange: str = "") -> list[Spoken]:
        """What was asked and what left, in the events after `after` up to `until`; of one exchange, where it is
        named."""
        where, values = (" AND exchange = ?", (exchange,)) if exchange else ("", ())
        rows = self._rows(
            "SELECT seq, at, kind, account, exchange, CASE kind WHEN 'released' THEN body END, CAST(content AS BLOB) "  # noqa: S608
            f"FROM event WHERE seq > ? AND seq <= ? AND kind IN ('received', 'released'){where} ORDER BY seq",
            (after, until, *values),
        )
        return [Spoken(*row) for row in rows]

    def tally(self, after: int, until: int) -> list[Tally]:
        """How many events there are of each kind on each day, after `after` and up to `until`."""
        rows = self._rows(
            "SELECT CAST(at / 86400 AS INTEGER) AS day, kind, count(*) FROM event WHERE seq > ? AND seq <= ? "
            "GROUP BY day, kind",
            (after, until),
        )
        return [Tally(*row) for row in rows]

    def begun(self, exchange: str) -> int:
        """The first event of an exchange; 0 where there is none."""
        rows = self._rows("SELECT min(seq) FROM event WHERE exchange = ? AND exchange <> ''", (exchange,))
        return rows[0][0] or 0

    def first_violation(self, account: str, since: float) -> float | None:
        """When a live line of defense first found or did something in a request of the account, at or after `since`."""
        rows = self._rows(
            "SELECT min(at) FROM signal WHERE account = ? AND account <> '' AND at >= ? AND mode = 'live' "
            "AND defense NOT IN ('standing', 'gateway', 'refusal', 'upstream') AND category <> 'defense_failed' "
            "AND (decision > 0 OR score >= 0.5)",
            (account, since),
        )
        return None if rows[0][0] is None else float(rows[0][0])

    def seq_at(self, at: float) -> int:
        """The number of the last event before a time (Unix seconds), found as in a book: numbers follow the clock, but
        for what several workers recorded within the same moment."""
        low, high = 0, self.head().seq
        while low < high:
            middle = (low + high + 1) // 2
            rows = self._rows("SELECT at FROM event WHERE seq >= ? ORDER BY seq LIMIT 1", (middle,))
            low, high = (middle, high) if rows and rows[0][0] < at else (low, middle - 1)
        return low

    def busy_minutes(self, account: str, since: float, least: int) -> list[BusyMinute]:
        """The minutes (of the clock) at or after `since` in which at least so many requests of the account came."""
        rows = self._rows(
            "SELECT CAST(at / 60 AS INTEGER) AS minute, count(*), max(seq) FROM event "
            "WHERE account = ? AND account <> '' AND at >= ? AND kind = 'received' "
            "GROUP BY minute HAVING count(*) >= ? ORDER BY minute",
            (account, since, least),
        )
        return [BusyMinute(minute * 60.0, count, seq) for minute, count, seq in rows]

    def latest_requests(self, account: str, since: float, count: int) -> list[Recorded]:
        """The account's last `count` requests at or after `since`, with their content, in the order of the ledger."""
        rows = self._rows(
            f"SELECT {_COLUMNS}, content FROM event WHERE account = ? AND account <> '' AND at >= ? "  # noqa: S608
            "AND kind = 'received' ORDER BY at DESC, seq DESC LIMIT ?",
            (account, since, count),
        )
        return sorted(map(self._recorded, rows), key=lambda recorded: recorded.seq)

    def accounts(self, *, noted: bool = False, since: float = 0.0) -> list[str]:
        """Every account that appears at or after `since`; with `noted`, those of which some defense noted something."""
        table = "signal" if noted else "event"
        sql = f"SELECT DISTINCT account FROM {table} WHERE account <> '' AND at >= ?"  # noqa: S608
        return [str(row[0]) for row in self._rows(sql, (since,))]

    def first_seen(self, account: str) -> float | None:
        """When the account first appears (Unix seconds)."""
        rows = self._rows("SELECT at FROM event WHERE account = ? AND account <> '' ORDER BY at LIMIT 1", (account,))
        return float(rows[0][0]) if rows else None

    def _events_of(self, where: "_Where", columns: str, after: int, limit: int | None) -> Iterator[Recorded]:
        """An account's events: its index is in order of time, so their places are read first and put in order."""
        found = self._rows(
            f"SELECT seq FROM event WHERE seq > ? {where.sql} ORDER BY seq LIMIT ?",  # noqa: S608
            (after, *where.values, -1 if limit is None else limit),
        )
        for start in range(0, len(found), _PAGE):
            seqs = ", ".join(str(row[0]) for row in found[start : start + _PAGE])
            yield from map(
                self._recorded,
                self._rows(f"SELECT {columns} FROM event WHERE seq IN ({seqs}) ORDER BY seq"),  # noqa: S608
            )

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._turn:
                return self._reading.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger {self.path} can't be read: {error}") from error

    def _recorded(self, row: tuple[Any, ...]) -> Recorded:
        seq, digest, at, exchange, account, product, conversation, body, erased, *content = row
        try:
            said = self._decode(body)
        except (msgspec.DecodeError, TypeError) as error:
            raise LedgerError(
                f"event {seq} of the ledger {self.path} can't be read: {error}; `outworks ledger verify` tells more"
            ) from error
        event = Event(
            body=said,
            at=at,
            exchange=exchange,
            account=account,
            product=product,
            conversation=conversation,
            content=content[0] if content else None,
        )
        return Recorded(seq, event, digest.hex(), bool(erased))


class _Where(msgspec.Struct, frozen=True):
    sql: str
    values: tuple[str, ...]


def _where(wanted: Collection[str] | None, account: str | None, exchange: str | None) -> _Where:
    """Conditions in the very words of the partial indices: SQLite uses one only if it can see that it covers them."""
    sql = ""
    values: list[str] = []
    if wanted is not None:
        for kind in wanted:
            _check_kind(kind)
        if _EXCHANGE_KINDS.isdisjoint(wanted):
            sql += f" AND kind NOT IN {EXCHANGES}"
        sql += f" AND kind IN ({', '.join('?' * len(wanted))})"
        values += wanted
    for column, value in (("account", account), ("exchange", exchange)):
        if value is not None:
            sql += f" AND {column} = ?" + (f" AND {column} <> ''" if value else "")
            values.append(value)
    return _Where(sql, tuple(values))


def _check_kind(kind: str) -> None:
    if kind not in kinds():
        hint = did_you_mean(kind, kinds())
        raise ValueError(f"there is no kind of event {kind!r}; there are {', '.join(sorted(kinds()))}{hint}")


def _signal(row: tuple[Any, ...]) -> Signal:
    seq, n, at, account, product, exchange, conversation, defense, category, decision, mode, score = row
    return Signal(
        seq=seq,
        n=n,
        at=at,
        account=account,
        product=product,
        exchange=exchange,
        conversation=conversation,
        defense=defense,
        category=category,
        decision=Decision(decision),
        mode=mode,
        score=score,
    )
