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
    """Failed attempts within the last quarter of an hour."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    def wait(self, name: str, address: str) -> float:
        """How many seconds to wait before the next attempt; 0 for none. It tells nothing of whether the name exists."""
        now = self._clock()
        since = now - WINDOW_SECONDS
        counts = (
            ("name = ? AND address = ?", (name[:_LONGEST], address), PER_NAME_AND_ADDRESS),
            ("address = ?", (address,), PER_ADDRESS),
            ("name = ?", (name[:_LONGEST],), PER_NAME),
        )
        waits = [0.0]
        for where, values, most in counts:
            rows = self._store.rows(
                f"SELECT at FROM attempt WHERE at > ? AND {where} ORDER BY at DESC LIMIT 1 OFFSET ?",  # noqa: S608
                (since, *values, most - 1),
            )
            if rows:
                waits.append(rows[0][0] + WINDOW_SECONDS - now)
        return max(waits)

    def failed(self, name: str, address: str) -> None:
        """Note one that failed."""
        now = self._clock()
        with self._store.transaction() as do:
            do("DELETE FROM attempt WHERE at <= ?", (now - WINDOW_SECONDS,))
            do("INSERT INTO attempt VALUES (?, ?, ?)", (now, name[:_LONGEST], address))

    def succeeded(self, name: str, address: str) -> None:
        """Forget what failed before, for this person from there."""
        self._store.change("DELETE FROM attempt WHERE name = ? AND address = ?", (name[:_LONGEST], address))
