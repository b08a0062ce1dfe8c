"""Wellness: what a reviewer is shown at once, what only when asked for, and how much of it a day."""

import time
from collections.abc import Callable, Sequence

import msgspec

from outworks.console import settings
from outworks.console.show import day
from outworks.console.store import Store

ANY = "any"
"""The limit over all categories together."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer chose."""

    blur: bool = True
    greyscale: bool = False
    shortcuts: bool = True
    """Single keys do something."""
    limits: dict[str, int] = {}
    """Conversations a day, by category: what the policy allows, or fewer."""


class Room(msgspec.Struct, frozen=True):
    """How much a reviewer may still read today."""

    category: str
    read: int
    limit: int | None

    @property
    def full(self) -> bool:
        return self.limit is not None and self.read >= self.limit


class Wellness:
    """What reviewers chose, within what the policy says, and what they read today (UTC)."""

    def __init__(
        self, store: Store, said: Callable[[], settings.Wellness], clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._said = said
        self._clock = clock

    def choice(self, name: str) -> Choice:
        """What holds for a reviewer: the gentler of the policy's word and his own."""
        rows = self._store.rows("SELECT said FROM choice WHERE name = ?", (name,))
        own = msgspec.json.decode(rows[0][0], type=Choice) if rows else Choice()
        said = self._said()
        limits = dict(own.limits)
        for category, most in said.daily_limits.items():
            limits[category] = min(most, limits.get(category, most))
        return msgspec.structs.replace(
            own, blur=own.blur or said.blur, greyscale=own.greyscale or said.greyscale, limits=limits
        )

    def choose(self, name: str, choice: Choice) -> None:
        """Keep what a reviewer chose. Raises `ValueError` for a limit below 0."""
        wrong = [category for category, limit in choice.limits.items() if limit < 0]
        if wrong:
            raise ValueError(f"a daily limit is 0 or more; that of {wrong[0]!r} is {choice.limits[wrong[0]]}")
        said = msgspec.json.encode(choice).decode()
        self._store.change("INSERT OR REPLACE INTO choice VALUES (?, ?)", (name, said))

    def rooms(self, name: str) -> tuple[Room, ...]:
        """What was read today of each category that has a limit, or was read."""
        read = dict(
            self._store.rows(
                "SELECT category, count(DISTINCT what) FROM reading WHERE name = ? AND day = ? GROUP BY category",
                (name, day(self._clock())),
            )
        )
        limits = self.choice(name).limits
        order = sorted({*read, *limits} - {ANY})
        return tuple(Room(each, read.get(each, 0), limits.get(each)) for each in [ANY, *order])

    def read(self, name: str, what: str, categories: Sequence[str]) -> Room | None:
        """Note that a reviewer is about to read something of these categories; the limit that stands against it, if one
        does, and then nothing is noted. What was read before on the same day counts once."""
        today = day(self._clock())
        wanted = tuple(dict.fromkeys((ANY, *categories)))
        limits = self.choice(name).limits
        with self._store.transaction() as do:
            for category in wanted:
                rows = do(
                    "SELECT what = ? FROM reading WHERE name = ? AND day = ? AND category = ?",
                    (what, name, today, category),
                ).fetchall()
                limit = limits.get(category)
                if limit is not None and len(rows) >= limit and (1,) not in rows:
                    return Room(category, len(rows), limit)
            for category in wanted:
                do("INSERT OR IGNORE INTO reading VALUES (?, ?, ?, ?)", (today, name, category, what))
        return None
