"""The clerk: opens the cases that are called for, tells accounts what was decided, and delivers webhooks."""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TypeVar

import aiohttp

from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.openings import Findings, open_due
from outworks.enforcement.settings import Office
from outworks.enforcement.telling import notices
from outworks.enforcement.telling.appeals import Tokens
from outworks.enforcement.telling.webhooks import Courier
from outworks.enforcement.turn import Turn
from outworks.event import RecordError
from outworks.ledger.ledger import Ledger
from outworks.ledger.schema import LedgerError

T = TypeVar("T")
_log = logging.getLogger(__name__)
_THREADS = 2


class Clerk:
    """Runs in every worker; of those at one ledger one has the turn, and another takes over when it dies. Whatever it
    does is worked out from the ledger, and done again leads to nothing."""

    def __init__(
        self,
        ledger: Ledger,
        office: Office,
        tokens: Tokens,
        *,
        environ: Mapping[str, str] = os.environ,
        interval: float = 0.2,
        connector: Callable[[], aiohttp.BaseConnector] | None = None,
        first_wait: float = 2.0,
    ) -> None:
        """`interval` is how often, in seconds, it looks."""
        self._ledger = ledger
        self._office = office
        self._tokens = tokens
        self._environ = environ
        self._interval = interval
        self._connector = connector
        self._first_wait = first_wait
        self._told: set[str] = set()
        self._renewed = False
        # Whoever waits here for another process's lock takes no thread from the lines of defense.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="clerk")

    def replace_office(self, office: Office) -> None:
        """Go on with another policy."""
        self._office = office
        self._renewed = True

    async def run(self) -> None:
        """Work, or wait for the turn, until cancelled."""
        while True:
            try:
                turn = Turn.take(self._ledger.path, role="clerk")
                if turn is not None:
                    with turn:
                        await self._work(turn)
            except (OSError, LedgerError, RecordError) as error:
                self._tell(f"cases and notices are held up: {error}")
            await asyncio.sleep(self._interval)

    async def _work(self, turn: Turn) -> None:
        self._renewed = False
        async with AsyncExitStack() as stack:
            desk = await self._apart(lambda: Desk(self._ledger, self._office))
            # A courier's thread may wait for another process's lock: who closes waits for it, and the loop must not.
            stack.push_async_callback(self._apart, desk.close)
            findings = await self._apart(lambda: Findings(desk))
            couriers = self._couriers(desk)
            delivering = [asyncio.create_task(self._deliver(courier)) for courier in couriers]
            stack.push_async_callback(_end, delivering)
            while turn.held() and not self._renewed:
                more = await self._apart(lambda: step(desk, findings))
                if not more:
                    await asyncio.sleep(self._interval)

    async def _apart(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _couriers(self, desk: Desk) -> list[Courier]:
        couriers = []
        for webhook in self._office.webhooks:
            try:
                secret = self._environ.get(webhook.secret_env, "")
                couriers.append(
                    Courier(desk, webhook, secret, self._tokens, first_wait=self._first_wait, threads=self._threads)
                )
            except ValueError as error:
                self._tell(f"webhook {webhook.name} is told nothing: {webhook.secret_env}: {error}")
        return couriers

    async def _deliver(self, courier: Courier) -> None:
        """A webhook that is slow or down holds up nothing else."""
        async with aiohttp.ClientSession(
            connector=self._connector() if self._connector is not None else None,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        ) as session:
            while True:
                try:
                    settled = await courier.step(session)
                except Exception as error:
                    # Whatever it is: without this, one message would end all that come after it, and nobody would know.
                    settled = 0
                    self._tell(f"webhooks are held up: {type(error).__name__}: {error}")
                if not settled:
                    await asyncio.sleep(self._interval)

    def _tell(self, failure: str) -> None:
        """Log a failure, once."""
        if failure not in self._told and len(self._told) < 1000:
            self._told.add(failure)
            _log.warning("%s", failure)


def step(desk: Desk, findings: Findings) -> bool:
    """Do what is due, a part of it at a time; True where there is more."""
    more = findings.step()
    opened = open_due(desk)
    sent = notices.send(desk)
    return more or opened > 0 or sent > 0


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
