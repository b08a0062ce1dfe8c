"""Webhooks: tells the product what happened, signed, tried again, and in order for each account."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import aiohttp
import msgspec

from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.settings import Webhook
from outworks.enforcement.telling.appeals import Tokens
from outworks.enforcement.telling.signing import Message, key, signed
from outworks.event import Appealed, Begun, CaseDecided, Delivered, Event, Notified
from outworks.moment import moment

_log = logging.getLogger(__name__)
_AT_ONCE = 8
"""Accounts that one webhook is told of at once."""
_WINDOW = 5000
"""Accounts of one webhook looked at in one turn."""
_FIRST_S, _LONGEST_S = 2.0, 3600.0
"""The first and the longest wait before a message is tried again; it doubles in between."""


class Payloads:
    """Makes messages from what the ledger says."""

    def __init__(self, desk: Desk, tokens: Tokens) -> None:
        self._desk = desk
        self._tokens = tokens

    def message(self, id: str, seq: int, type: str) -> Message:
        """The message of that id; its event is at `seq`."""
        event = self._desk.event(seq).event
        data: dict[str, object] = {"account": event.account}
        match event.body:
            case Notified() as body:
                data |= {
                    "notice": body.id,
                    "decision": body.code,
                    "text": body.text,
                    "policy": body.policy,
                    "automated": body.automated,
                    "expires": None if body.expires is None else _iso(body.expires),
                    "action": body.action,
                    "appeal": self._tokens.path(body.action, self._desk.office.appeals.url),
                }
            case Appealed() as body:
                data |= {"appeal": body.id, "action": body.action}
            case CaseDecided() as body:
                report = id.rpartition("_rep_")[2]
                acted = body.outcome not in ("dismiss", "reinstate")
                data |= {"report": f"rep_{report}", "outcome": "acted" if acted else "dismissed"}
        whole = {"type": type, "timestamp": _iso(event.at), "data": data}
        return Message(id=id, type=type, account=event.account, body=msgspec.json.encode(whole))


def _iso(unix: float) -> str:
    return moment(unix, "%Y-%m-%dT%H:%M:%SZ")


class _Trying(msgspec.Struct):
    """How far a message is that has not been taken yet. It is begun anew where the process dies."""

    attempts: int = 0
    again_at: float = 0.0
    begun: float = 0.0
    status: int = 0
    """What it was answered last. What was taken is not sent again where only its record is missing."""

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300


class Courier:
    """Delivers one webhook's messages. Each is delivered at least once: who dies between the delivery and its record
    delivers it again, under the same id. A message waits for those before it of the same account, and for no other."""

    def __init__(
        self,
        desk: Desk,
        webhook: Webhook,
        secret: str,
        tokens: Tokens,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
        first_wait: float = _FIRST_S,
        threads: Executor | None = None,
    ) -> None:
        """`ticks` are seconds by a clock that nobody sets: messages wait, and are given up, by it. `threads` are where
        it reads and writes, by default the loop's."""
        self._desk = desk
        self._webhook = webhook
        self._key = key(secret)
        self._payloads = Payloads(desk, tokens)
        self._clock = clock
        self._ticks = ticks
        self._first_wait = first_wait
        self._threads = threads
        self._trying: dict[str, _Trying] = {}

    async def step(self, session: aiohttp.ClientSession) -> int:
        """Try what is due, once; returns how many deliveries were settled."""
        due = await asyncio.get_running_loop().run_in_executor(self._threads, self._due)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def attempt(message: Message) -> bool:
            async with gate:
                return await self._attempt(session, message)

        # All have ended before this does: one left under way would be begun again beside itself.
        settled = await asyncio.gather(*(attempt(message) for message in due), return_exceptions=True)
        for each in settled:
            if isinstance(each, BaseException):
                raise each
        return sum(each is True for each in settled)

    def _due(self) -> list[Message]:
        """The first message of each account that waits, if its time has come."""
        name = self._webhook.name
        begin = max(self._begin(), self._desk.mark(f"courier:{name}") or 0)
        last = self._desk.rows("SELECT max(seq) FROM message")[0][0] or 0
        types = self._webhook.types
        rows = self._desk.rows(
            f"SELECT id, min(seq), type, account FROM message WHERE seq > ? AND type IN ({_marks(types)}) "  # noqa: S608
            "AND NOT EXISTS (SELECT 1 FROM delivery WHERE webhook = ? AND message = message.id) "
            "GROUP BY account ORDER BY min(seq) LIMIT ?",
            (begin, *types, name, _WINDOW),
        )
        settled = rows[0][1] - 1 if rows else last
        if settled > begin:
            self._desk.note_mark(f"courier:{name}", settled)
        now = self._ticks()
        return [
            self._payloads.message(id, seq, type)
            for id, seq, type, _ in rows
            if self._trying.setdefault(id, _Trying(begun=now)).again_at <= now
        ]

    def _begin(self) -> int:
        """The event from which on this webhook is told: when it first stood in the policy."""
        name = f"webhook:{self._webhook.name}"
        found = self._desk.mark(name)
        if found is not None:
            return found
        with self._desk.change():
            if self._desk.mark(name) is None:
                self._desk.record([Event(body=Begun(what=name), at=self._clock())])
            return self._desk.mark(name) or 0

    async def _attempt(self, session: aiohttp.ClientSession, message: Message) -> bool:
        trying = self._trying[message.id]
        if not trying.taken:
            trying.attempts += 1
            trying.status = await self._post(session, message)
        now = self._ticks()
        wait = min(_LONGEST_S, self._first_wait * 2 ** min(trying.attempts - 1, 16))
        trying.again_at = now + wait * random.uniform(0.8, 1.2)  # noqa: S311
        given_up = not trying.taken and now - trying.begun > self._webhook.give_up_seconds
        if given_up:
            _log.warning(
                "webhook %s: %s is given up after %d attempts", self._webhook.name, message.id, trying.attempts
            )
        if trying.taken or given_up:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._settle, message, trying)
            del self._trying[message.id]
            return True
        if trying.attempts == 1:
            _log.warning(
                "webhook %s did not take a message (status %d); it is tried again", self._webhook.name, trying.status
            )
        return False

    async def _post(self, session: aiohttp.ClientSession, message: Message) -> int:
        """Send it once; the status of the answer, 0 where there was none."""
        try:
            # Nobody but the policy says where it goes: a redirect would let the receiver choose an address inside.
            async with session.post(
                self._webhook.url,
                data=message.body,
                headers=signed(message, self._key, self._clock()),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self._webhook.timeout_s),
            ) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            _log.debug("webhook %s: %s", self._webhook.name, type(error).__name__)
            return 0

    def _settle(self, message: Message, trying: _Trying) -> None:
        body = Delivered(
            message=message.id,
            webhook=self._webhook.name,
            ok=trying.taken,
            attempts=trying.attempts,
            status=trying.status,
        )
        with self._desk.change():
            self._desk.record([Event(body=body, at=self._clock(), account=message.account)])


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def undelivered(desk: Desk, webhook: Webhook) -> int:
    """How many messages wait for a webhook."""
    begin = desk.mark(f"webhook:{webhook.name}")
    if begin is None:
        return 0
    rows = desk.rows(
        f"SELECT count(*) FROM message WHERE seq > ? AND type IN ({_marks(webhook.types)}) AND NOT EXISTS "  # noqa: S608
        "(SELECT 1 FROM delivery WHERE webhook = ? AND message = message.id)",
        (begin, *webhook.types, webhook.name),
    )
    return int(rows[0][0])
