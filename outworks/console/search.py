"""Search: the questions of pages that the ledger's reader does not answer, each along an index and bounded."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from outworks.ledger.schema import LedgerError, open_ledger

_LAST = "\U0010ffff"
_PRODUCTS = 50


class Row(msgspec.Struct, frozen=True):
    """An exchange in a list."""

    exchange: str
    at: float
    seq: int


class Search:
    """Looks things up in a ledger's file; used from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reading = open_ledger(path, read_only=True, busy_timeout_s=5.0)
        self._turn = threading.Lock()

    def close(self) -> None:
        """Give the file back."""
        with self._turn:
            self._reading.close()

    def accounts(self, text: str, *, limit: int = 50) -> list[str]:
        """Accounts whose name, with or without the product's, begins with the text."""
        found = list(self._beginning(text, limit))
        for product in self._products():
            if len(found) >= limit or not text:
                break
            found += [name for name in self._beginning(f"{product}:{text}", limit - len(found)) if name not in found]
        return found

    def noted(self, *, limit: int = 50, looked: int = 1000) -> list[str]:
        """Accounts that some line of defense noted lately, the latest first."""
        rows = self._rows("SELECT account FROM signal ORDER BY seq DESC, n DESC LIMIT ?", (looked,))
        return [name for name in dict.fromkeys(row[0] for row in rows) if name][:limit]

    def exchanges(self, account: str, *, limit: int = 30, before: float | None = None) -> list[Row]:
        """An account's exchanges, the latest first; `before` (Unix seconds) pages on."""
        rows = self._rows(
            "SELECT exchange, at, seq FROM event WHERE account = ? AND account <> '' AND at < ? AND kind IN "
            "('received', 'rejected') ORDER BY at DESC LIMIT ?",
            (account, 1e18 if before is None else before, limit),
        )
        return [Row(*row) for row in rows if row[0]]

    def signals(self, account: str, *, limit: int = 500) -> list[tuple[str, str, str, int, str]]:
        """What was found lately in an account's exchanges: exchange, defense, category, decision, mode."""
        return self._rows(
            "SELECT exchange, defense, category, decision, mode FROM signal WHERE account = ? AND account <> '' "
            "ORDER BY at DESC LIMIT ?",
            (account, limit),
        )

    def count(self, account: str, *, most: int = 100_000) -> int:
        """How many requests an account sent, counted no further than `most`."""
        rows = self._rows(
            "SELECT count(*) FROM (SELECT 1 FROM event "
            "WHERE account = ? AND account <> '' AND kind = 'received' LIMIT ?)",
            (account, most),
        )
        return int(rows[0][0])

    def _beginning(self, text: str, limit: int) -> Iterator[str]:
        """Each name once: the index is asked for the next greater one, whatever number of events each has."""
        last, end = text, text + _LAST
        including = ">="
        for _ in range(limit):
            rows = self._rows(
                f"SELECT account FROM event WHERE account {including} ? AND account < ? AND account <> '' "  # noqa: S608
                "ORDER BY account LIMIT 1",
                (last, end),
            )
            if not rows:
                return
            last, including = rows[0][0], ">"
            yield last

    def _products(self) -> Iterator[str]:
        last = ""
        for _ in range(_PRODUCTS):
            rows = self._rows(
                "SELECT account FROM event WHERE account > ? AND account <> '' ORDER BY account LIMIT 1", (last,)
            )
            if not rows:
                return
            product = str(rows[0][0]).partition(":")[0]
            last = f"{product}:{_LAST}"
            yield product

    def _rows(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            with self._turn:
                return self._reading.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger {self.path} can't be read: {error}") from error
