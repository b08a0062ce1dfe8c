"""The HTTP side of an exchange: its limits, reading a body in time, replying once, noticing a client that leaves."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import Meta
from starlette.types import Receive, Send

from outworks.action import Action, Standing
from outworks.gateway.problem import Problem
from outworks.gateway.wires import StreamWriter, Wire
from outworks.judge import bounded


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one request may cost before any defense has seen it."""

    body_bytes: Annotated[int, Meta(gt=0)] = 1_048_576
    """The largest request body, in bytes; a larger one is answered 413."""
    body_seconds: Annotated[float, Meta(gt=0)] = 10.0
    """How long a client may take to send its body; a slower one is answered 408."""
    exchange_seconds: Annotated[float, Meta(gt=0)] = 600.0
    """How long one exchange may take, the client's reading included."""
    in_flight: Annotated[int, Meta(gt=0)] = 512
    """Exchanges at once in one worker; beyond it the answer is 503 with Retry-After."""
    in_flight_per_account: Annotated[int, Meta(gt=0)] = 128
    """Exchanges of one named end user at once in one worker; beyond it the answer is 429 with Retry-After, so that
    nobody fills the gateway for all the others."""


class Reply:
    """The HTTP response, begun at most once."""

    def __init__(self, send: Send, id: str) -> None:
        self._send = send
        self.id = id
        self.headers: list[tuple[bytes, bytes]] = []
        self.started = False
        self.ended = False
        self.writer: StreamWriter | None = None

    async def start(self, status: int, content_type: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        self.started = True
        own = [(b"content-type", content_type), (b"cache-control", b"no-store"), *named(self.id)]
        await self._send(
            {"type": "http.response.start", "status": status, "headers": own + self.headers + (headers or [])}
        )

    async def more(self, data: bytes, *, last: bool = False) -> None:
        self.ended = last
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def whole(self, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        length = (b"content-length", str(len(body)).encode())
        await self.start(status, b"application/json", [length, *(headers or [])])
        await self.more(body, last=True)

    async def problem(self, wire: Wire, problem: Problem) -> None:
        """Tell of a problem in the wire's own words: as a status while none has left, else inside the stream."""
        problem.request_id = self.id
        if self.ended:
            return
        if self.started and self.writer is not None:
            await self.more(self.writer.problem(problem), last=True)
            return
        headers = [(name.encode(), value.encode()) for name, value in problem.headers().items()]
        await self.whole(problem.status, wire.problem(problem), headers)


def told(action: Action, appeal_url: Callable[[str], str] = lambda action: "") -> list[tuple[bytes, bytes]]:
    """What an account with an action in force is told with every answer, those that it still gets too."""
    if action.standing is Standing.GOOD:
        return []
    url = appeal_url(action.id)
    return [
        (b"x-outworks-standing", action.standing.name.lower().encode()),
        (b"x-outworks-reason", quote(action.reason, safe=" ,.:;!?'()/-").encode()),
        (b"x-outworks-appeal", quote(action.id).encode()),
        *([(b"x-outworks-appeal-url", quote(url, safe="/:?#[]@").encode())] if url else []),
    ]


def named(id: str) -> list[tuple[bytes, bytes]]:
    """The exchange's id, where OpenAI's clients look for it and where Anthropic's do."""
    return [(b"x-request-id", id.encode()), (b"request-id", id.encode())]


LOOK_AFTER = 0.1
"""Seconds after which an exchange's client is looked after."""


class Watches:
    """The exchanges that are too young to be looked at. Most are over before their time comes, so that all of them
    share one timer: one an exchange, set and taken back, costs as much as a defense."""

    def __init__(self) -> None:
        self._young: deque[Watch] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, watch: "Watch", loop: asyncio.AbstractEventLoop) -> None:
        """Look at an exchange once its time has come. Raises `RuntimeError` where another loop's are under way."""
        if loop is not self._loop:
            lasting = self._loop is not None and not self._loop.is_closed()
            if lasting and not all(each.over for each in self._young):
                raise RuntimeError("exchanges are watched from one event loop at a time; another one's are under way")
            self._loop = loop
            self._young.clear()
        if not self._young:
            self._ring_in(LOOK_AFTER, loop)
        self._young.append(watch)

    def _ring_in(self, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        # In a context of its own: that of whoever came first must not live on in all who follow.
        loop.call_later(seconds, self._ring, loop, context=Context())

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            return
        young, now = self._young, loop.time()
        try:
            while young and (young[0].over or young[0].due <= now):
                watch = young.popleft()
                if not watch.over:
                    watch.look()
        finally:
            if young:
                self._ring_in(young[0].due - now, loop)


class Watch:
    """Ends an exchange when its client goes away or its time is up."""

    def __init__(self, receive: Receive, seconds: float, watches: Watches) -> None:
        self.late = False
        self.ended = False
        self.over = False
        """Nobody need look at it any more."""
        self._loop = asyncio.get_running_loop()
        self.due = self._loop.time() + LOOK_AFTER
        """When to look at it, by the loop's time."""
        self._receive = receive
        self._seconds = seconds
        self._exchange = asyncio.current_task(self._loop)
        self._context = copy_context()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if seconds > LOOK_AFTER:
            watches.add(self, self._loop)
        else:
            self._timer = self._loop.call_later(seconds, self._end, True)

    def stop(self) -> None:
        """Look no more."""
        self.over = True
        self._exchange = None  # it may wait in the row for a moment, and need not hold on to anything
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def look(self) -> None:
        """From now on, notice its client's leaving."""
        self._task = self._loop.create_task(self._wait(), context=self._context)
        self._timer = self._loop.call_at(self.due + self._seconds - LOOK_AFTER, self._end, True)

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._end(False)

    def _end(self, late: bool) -> None:
        if self._exchange is not None and not self.ended:
            self.late = late
            self.ended = True
            self._exchange.cancel("timed_out" if late else "client_left")


async def read_body(receive: Receive, headers: Mapping[str, str], limits: Limits) -> bytes:
    """The request's body. Raises `Problem` 413 where it is too large, 408 where it is too slow, 400 where it ends."""
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limits.body_bytes:
        raise _too_large(limits)
    try:
        return await bounded(_body(receive, limits), limits.body_seconds)
    except TimeoutError:
        why = f"the body did not arrive within {limits.body_seconds:g} seconds"
        raise Problem(408, "request_timeout", why) from None


async def _body(receive: Receive, limits: Limits) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "client_left", "the client went away before its request was whole")
        chunk: bytes = message.get("body", b"")
        chunks.append(chunk)
        size += len(chunk)
        if size > limits.body_bytes:
            raise _too_large(limits)
        if not message.get("more_body", False):
            return chunk if len(chunks) == 1 else b"".join(chunks)


def _too_large(limits: Limits) -> Problem:
    return Problem(413, "request_too_large", f"the body is larger than {limits.body_bytes} bytes")
