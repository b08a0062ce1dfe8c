"""Actions as they were taken on one account, and which of them is in force."""

from collections.abc import Sequence

import msgspec

from outworks.action import GOOD, Action, Standing
from outworks.event import Undone


class Taken(msgspec.Struct, frozen=True):
    """An action with its place in the ledger, and how it was taken back, if it was."""

    seq: int
    action: Action
    undone: Undone | None = None

    def counts(self, now: float) -> bool:
        """Whether it is neither undone nor expired; it may be in shadow."""
        return self.undone is None and (self.action.expires is None or now < self.action.expires)

    def state(self, now: float, since: int = 0) -> str:
        """One word for people: `in force`, `shadow`, `case` (it only opened one), `expired`, `lifted` or `undone`.
        `since` is where the account was last reinstated: that lifts what came before it."""
        if self.undone is not None:
            return "undone"
        if not self.counts(now):
            return "expired"
        if self.action.shadow:
            return "case" if self.action.case else "shadow"
        return "lifted" if self.seq < since and self.action.standing is not Standing.GOOD else "in force"


class Force(msgspec.Struct, frozen=True):
    """The action in force, and the moment from which to look again."""

    action: Action
    until: float


def in_force(taken: Sequence[Taken], now: float) -> Force:
    """The strictest action that counts; among equals the tightest rate, then the one that lasts longest.

    A reinstatement clears what came before it. Whatever is undone is passed over as if it had never been, so undoing
    restores exactly what the other actions say.
    """
    since = reinstated(taken)
    live = [one for one in taken if one.seq > since and one.counts(now) and not one.action.shadow]
    expiries = [one.action.expires for one in live if one.action.expires is not None]
    strictest = max(live, key=_strictness, default=None)
    return Force(strictest.action if strictest else GOOD, min(expiries, default=float("inf")))


def reinstated(taken: Sequence[Taken]) -> int:
    """Where the account was last reinstated; 0 where it never was."""
    return max((one.seq for one in taken if _reinstates(one)), default=0)


def _reinstates(one: Taken) -> bool:
    return one.action.standing is Standing.GOOD and one.undone is None and not one.action.shadow


def _strictness(one: Taken) -> tuple[int, float, float, int]:
    action = one.action
    rate = action.rate_per_minute if action.rate_per_minute is not None else float("inf")
    return action.standing, -rate, action.expires if action.expires is not None else float("inf"), one.seq
