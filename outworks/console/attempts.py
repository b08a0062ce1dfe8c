"""Attempts to sign in: counted, so that nobody goes through a list of passwords."""

import time
from collections.abc import Callable

from outworks.console.store import Store

WINDOW_SECONDS = 900.0
PER_NAME_AND_ADDRESS = 5
PER_ADDRESS = 30
PER_NAME = 50
"""Far above what one person mistypes: from many addresses, nobody shuts a reviewer out by trying in his name."""
_LONGEST = 200


class Attempts:
    """Attempts within the last quarter of an hour: those that failed, and those of which nobody knows yet."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    def begin(self, name: str, address: str) -> float:
        """Note an attempt, before the password is looked at; 0 where it may go on, else how many seconds it has to
        wait, and then nothing is noted. It counts as failed until `succeeded`, so that no number of attempts at once
        gets past the limit. It tells nothing of whether the name exists."""
        name = name[:_LONGEST]
        counts = (
            ("name = ? AND address = ?", (name, address), PER_NAME_AND_ADDRESS),
            ("address = ?", (address,), PER_ADDRESS),
            ("name = ?", (name,), PER_NAME),
        )
        with self._store.transaction() as do:
            now = self._clock()
            do("DELETE FROM attempt WHERE at <= ?", (now - WINDOW_SECONDS,))
            wait = 0.0
            for where, values, most in counts:
                sql = f"SELECT at FROM attempt WHERE {where} ORDER BY at DESC LIMIT 1 OFFSET ?"  # noqa: S608
                row = do(sql, (*values, most - 1)).fetchone()
                if row is not None:
                    wait = max(wait, row[0] + WINDOW_SECONDS - now)
            if wait <= 0:
                do("INSERT INTO attempt VALUES (?, ?, ?)", (now, name, address))
            return wait

    def succeeded(self, name: str, address: str) -> None:
        """Forget this attempt, and what failed before, for this person from there."""
        self._store.change("DELETE FROM attempt WHERE name = ? AND address = ?", (name[:_LONGEST], address))
