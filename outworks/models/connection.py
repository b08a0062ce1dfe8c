"""A connection to an upstream: one HTTP/1.1 exchange at a time, its bytes held to the protocol and to the clock."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, cast

import httptools
from typing_extensions import override

from outworks.model import UpstreamError

HEAD_BYTES = 16_384
"""What the head of an answer may hold, and what may come between two pieces of its body, or behind the last."""
_BUFFERED = 262_144
"""Bytes of a body that wait for their reader before the sender is made to wait too."""


class Unanswered(UpstreamError):
    """Not a byte of an answer came, and none is on its way: asking again doubles nothing but the request."""


def _hung_up() -> Unanswered:
    """The upstream closed the connection without a word."""
    return Unanswered("The upstream broke off its answer.", kind="broken")


class Connection(asyncio.Protocol):
    """Bytes over one connection, in the shape of answers.

    The timer is not set anew for each read: it rings now and then, looks how long it has been quiet, and goes back to
    sleep. A timer a call costs as much as a defense.
    """

    def __init__(self, lost: Callable[["Connection"], None], *, read_timeout_s: float, keepalive_s: float) -> None:
        """`lost` is called once, when the connection is closed, whoever closed it."""
        self._lost = lost
        self._read_timeout_s = read_timeout_s
        self._keepalive_s = keepalive_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._quiet_since = self._loop.time()
        self._ends = float("inf")
        self.busy = False
        """Between `send` and `release`."""
        self._parser: Any = httptools.HttpResponseParser(self)
        self._clear()

    def _clear(self) -> None:
        self._beside_bytes = 0
        self._named_bytes = 0
        self._chunks: list[bytes] = []
        self._held = 0
        self._paused = False
        self._error: UpstreamError | None = None
        self._headed = False
        self._framed = False
        self._lasting = False
        self.complete = False
        """The answer has come whole."""
        self.status = 0
        self.headers: dict[str, str] = {}
        """By name in lower case; of several alike the last."""

    # What the pool does with it.

    def send(self, data: bytes, ends: float) -> None:
        """Begin an exchange, which has to be over at `ends` (the loop's time). Raises `Unanswered` where the other side
        has closed the connection."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise _hung_up()
        self.busy = True
        self._ends = ends
        self._quiet_since = self._loop.time()
        self._arm(min(ends, self._quiet_since + min(self._read_timeout_s, self._keepalive_s)))
        transport.write(data)

    def release(self) -> bool:
        """End the exchange; whether the connection can carry another. One that cannot is closed at once, so that an
        upstream whose answer nobody awaits any more stops."""
        if not (self.busy and self.complete and self._lasting and self.open):
            self.close()
            return False
        self.busy = False
        self._quiet_since = self._loop.time()
        self._ends = float("inf")
        self._clear()
        return True

    @property
    def open(self) -> bool:
        """Nobody has closed it yet, as far as is known."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def stale(self) -> bool:
        """It has been idle for so long that the other side may be about to close it."""
        return self._loop.time() - self._quiet_since >= self._keepalive_s

    def close(self) -> None:
        """Close, without a word."""
        if self._transport is not None:
            self._transport.abort()

    async def start_tls(self, context: ssl.SSLContext, host: str, timeout_s: float) -> None:
        """Go on under TLS, behind a proxy. Raises OSError, of which `ssl.SSLError` is one."""
        transport = await self._loop.start_tls(
            cast(asyncio.Transport, self._transport),
            self,
            context,
            server_hostname=host,
            ssl_handshake_timeout=timeout_s,
        )
        if transport is None:
            raise ConnectionResetError
        self._transport = transport
        self.busy = False
        self._parser = httptools.HttpResponseParser(self)
        self._clear()

    # What the reader of an answer sees.

    async def head(self) -> None:
        """Wait for status and headers. Raises `UpstreamError`."""
        while not self._headed:
            if self._error is not None:
                raise self._error
            await self._wait()

    async def more(self) -> bytes:
        """The next bytes of the body; none at its end. Raises `UpstreamError` where it breaks off."""
        while True:
            if self._chunks:
                data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
                self._chunks = []
                self._held = 0
                if self._paused and self._transport is not None:
                    self._paused = False
                    self._transport.resume_reading()
                return data
            if self._error is not None:
                raise self._error
            if self.complete:
                return b""
            await self._wait()

    async def _wait(self) -> None:
        self._quiet_since = self._loop.time()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: UpstreamError) -> None:
        if self._error is None and not self.complete:
            self._error = error
        self.close()
        self._wake()

    # What the loop tells.

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    @override
    def data_received(self, data: bytes) -> None:
        if not self.busy or self.complete:
            # Nobody asked: whatever it is, it must not be taken for the answer to the next question.
            self.close()
            return
        self._quiet_since = self._loop.time()
        self._beside_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if self.complete:
                self.close()
            else:
                self._fail(UpstreamError("The upstream's answer was not proper HTTP.", kind="garbage"))
            return
        if self._beside_bytes > HEAD_BYTES and not self.complete:
            self._fail(UpstreamError("The upstream's answer was not proper HTTP.", kind="garbage"))
        elif self._headed:
            self._wake()

    @override
    def eof_received(self) -> bool:
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        if self.complete or self._error is not None:
            pass
        elif self._headed and not self._framed and exc is None:
            self.complete = True  # a body without a length ends with its connection
        else:
            silent = not self._headed and not self._beside_bytes
            self._error = _hung_up() if silent else UpstreamError("The upstream broke off its answer.", kind="broken")
        self._wake()
        self._lost(self)

    # What the parser tells.

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or a trailer, of which none is wanted."""
        if not self._headed:
            self._named_bytes += len(name) + len(value) + 4
            if self._named_bytes > HEAD_BYTES:
                raise ValueError("a head without end")
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Status and headers are whole."""
        status = self._parser.get_status_code()
        if status < 200:
            self.headers = {}  # an interim answer; the proper one follows
            return
        self.status = status
        self._headed = True
        self._beside_bytes = 0
        self._framed = "content-length" in self.headers or "transfer-encoding" in self.headers

    def on_body(self, data: bytes) -> None:
        """A piece of the body, without its framing."""
        self._beside_bytes = 0
        self._chunks.append(data)
        self._held += len(data)
        if self._held > _BUFFERED and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_begin(self) -> None:
        """Another message: after an interim answer the proper one, else more than was asked for."""
        if self.complete:
            raise ValueError("an answer to no question")

    def on_message_complete(self) -> None:
        """The end of an answer, or of an interim one."""
        if self._headed:
            self.complete = True
            self._lasting = self._parser.should_keep_alive()

    # The clock.

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self._loop.time()
        if not self.busy:
            if self.stale:
                self.close()
                return
            due = self._quiet_since + self._keepalive_s
        else:
            if self._waiter is None:
                self._quiet_since = now  # the reader is slow, not the upstream
            due = min(self._ends, self._quiet_since + self._read_timeout_s)
            if now >= due:
                self._fail(UpstreamError("The upstream did not answer in time.", kind="timeout", status=504))
                return
            due = min(due, now + self._keepalive_s)
        self._arm(due)
