"""Clock: simulated time, in which the people behind one account take turns."""

import asyncio
import heapq
import itertools
from collections.abc import Coroutine, Sequence
from typing import Any


class Clock:
    """Whoever waits longest is let on first; nobody moves while another does. Seconds since the beginning."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._parked: asyncio.Future[None] | None = None

    async def until(self, at: float) -> None:
        """Sleep until then."""
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (max(at, self.now), next(self._order), turn))
        self._park()
        await turn

    async def run(self, lives: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Live them all to their end, one at a time."""
        for life in lives:
            await self._step(asyncio.ensure_future(self._whole(life)))
        while self._waiting:
            at, _, turn = heapq.heappop(self._waiting)
            self.now = at
            await self._step(turn)

    async def _step(self, turn: "asyncio.Future[None]") -> None:
        """Let one go on until it sleeps again or ends."""
        parked = self._parked = asyncio.get_running_loop().create_future()
        if not isinstance(turn, asyncio.Task):
            turn.set_result(None)
        await parked

    async def _whole(self, life: Coroutine[Any, Any, None]) -> None:
        try:
            await life
        except BaseException as error:
            if self._parked is not None and not self._parked.done():
                self._parked.set_exception(error)
            return
        self._park()

    def _park(self) -> None:
        if self._parked is not None and not self._parked.done():
            self._parked.set_result(None)
