"""Count: calls a turn, each taken before it leaves, so that of two requests at once only one gets the last."""

from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from outworks.message import Request

_REMEMBERED = 10_000


class Turn(msgspec.Struct, frozen=True):
    """A turn of the user's, as far as a request shows it."""

    words: str
    """What stands for the user's last words: without the gateway's secret it tells nothing of them."""
    place: int
    """How often the user had said just this before."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A call that takes its place among those of its turn."""

    tool: str
    turn: Turn
    slot: str
    """Which call it is of which output: taken twice it is one."""


Count = Callable[[Request, Taken], Awaitable[int]]
"""Takes a call, and says how many of its turn were taken before it, by whatever worker. A client that drops messages
makes the turn look like an earlier one with the same words, and begins no new one: later turns then count too."""


class Counted:
    """Counts of one process, for trials and tests; the gateway's are kept by the ledger."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], deque[Taken]] = {}

    async def __call__(self, request: Request, taken: Taken) -> int:
        """Take it; how many were taken before."""
        key = (request.account, request.conversation)
        before = self._taken.setdefault(key, deque())
        if len(self._taken) > _REMEMBERED:
            self._taken.pop(next(iter(self._taken)))
        if all(each.slot != taken.slot for each in before):
            before.append(taken)
        return rank(before, taken)


def rank(taken: "deque[Taken]", one: Taken) -> int:
    """How many calls of the same turn stand before this one."""
    count = 0
    for each in taken:
        if each.slot == one.slot:
            break
        same = each.tool == one.tool and each.turn.words == one.turn.words
        count += same and each.turn.place >= one.turn.place
    return count
