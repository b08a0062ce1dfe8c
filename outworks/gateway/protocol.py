"""The HTTP protocol of the listening socket: Uvicorn's, with bounds on request heads, and with less work a request."""

import asyncio
import fcntl
import sys
import termios
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, cast

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

HEAD_BYTES = 65_536
"""What a request head may hold before its connection is closed; reads may overshoot it by one buffer."""
HEAD_SECONDS = 10.0
"""How long a client may take to send a request head."""
UNREAD_SECONDS = 30.0
"""How often a connection is looked at whose client does not read what waits for it; the second time that it has read
nothing since, it is cut off."""
_READ_BUFFER = 262_144
_UPGRADING = (b"upgrade", b"http2-settings")
"""Headers, and what `Connection` says of them."""


class Guarded(HttpToolsProtocol):
    """Uvicorn's protocol with what it lacks against slow and endless senders: a bound on a request head's size and
    on the time that it may take."""

    _head_bytes = 0
    _beside_bytes = 0
    """What came since the last piece of a body: of a body in chunks, its framing and its trailers."""
    _timer: asyncio.TimerHandle | None = None
    _idle: asyncio.TimerHandle | None = None
    _idle_since = 0.0
    _unread: asyncio.TimerHandle | None = None
    _in_head = True
    _declined: bytes | None = None
    """The head of a request that also asked for another protocol, without that wish."""

    @override
    def connection_made(self, transport: Any) -> None:
        self._together = _Together(transport, self.loop, self._watch_unread)
        self._earlier: list[RequestResponseCycle] = []
        """Responses that were not complete when the next request came: Uvicorn forgets them."""
        super().connection_made(cast(asyncio.Transport, self._together))
        self._arm()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        for timer in (self._idle, self._unread):
            if timer is not None:
                timer.cancel()
        for cycle in self._earlier:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    @override
    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_bytes = self._beside_bytes = 0
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        self._in_head = False
        self._beside_bytes = 0
        self._disarm()
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._declined = self._without_upgrade()
            return
        self.headers = _NO_TRAILERS
        if self.cycle is not None and not self.cycle.response_complete:
            self._earlier.append(self.cycle)
        url = self.url
        if self.parser.get_method() == b"POST" and url[:1] == b"/" and b"?" not in url and b"%" not in url:
            self._begin()
        else:
            super().on_headers_complete()

    def _begin(self) -> None:
        """What Uvicorn does for a request, without what no POST of ours needs."""
        version = self.parser.get_http_version()
        scope = cast(dict[str, Any], self.scope)
        scope["method"] = "POST"
        scope["http_version"] = version
        scope["path"] = self.url.decode("ascii")
        scope["raw_path"] = self.url
        scope["query_string"] = b""
        before = self.cycle
        cycle = self.cycle = _Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is not None and not before.response_complete:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))
            return
        task = self.loop.create_task(cycle.run_asgi(self.app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    @override
    def on_body(self, body: bytes) -> None:
        self._beside_bytes = 0
        super().on_body(body)

    @override
    def data_received(self, data: bytes) -> None:
        self._beside_bytes += len(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES + _READ_BUFFER:
                self.transport.write(_HEAD_TOO_LARGE)
                self.transport.close()
                return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offered:
            self._decline(memoryview(data)[offered.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        if self._beside_bytes > HEAD_BYTES and not self._in_head:
            self.transport.close()
        if self._in_head:
            self._arm()  # only now: most heads come in one piece, and pay for no timer

    def _without_upgrade(self) -> bytes:
        """The request's head again, as it would be without its wish to change the protocol."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                value = b",".join(token for token in value.split(b",") if token.strip().lower() not in _UPGRADING)
            if name not in _UPGRADING and (value or name != b"connection"):
                lines.append(b"%b: %b" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def _decline(self, rest: memoryview) -> None:
        """Go on in HTTP/1.1, as a server may (RFC 9110, 7.8). To the parser a message ends where another protocol was
        offered: what follows is its body, and must never be read as the next request."""
        while self._declined is not None:
            head, self._declined = self._declined, None
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as Uvicorn's own
            try:
                self.parser.feed_data(head)
                if rest:
                    self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as offered:
                rest = rest[offered.args[0] :]
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")

    @override
    def on_message_complete(self) -> None:
        if self._declined is None:
            super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        self._together.flush()
        if self._earlier:
            del self._earlier[0]
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        # A timer that is set and taken back for every request costs as much as a defense: this one rings now and then.
        self._idle_since = self.loop.time()
        if self._idle is None:
            self._idle = self.loop.call_later(self.timeout_keep_alive, self._look_idle)

    def _look_idle(self) -> None:
        """Close the connection, if nothing came over it for so long."""
        self._idle = None
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle = self.loop.call_later(left, self._look_idle)
        elif self.cycle.response_complete:
            self.transport.close()
        # Else a response is under way, whose end begins it anew.

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_unread()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None and not self.transport.is_closing():
            self._unread.cancel()

    def _watch_unread(self, waiting: float = float("inf")) -> None:
        if self._unread is not None:
            self._unread.cancel()
        self._unread = self.loop.call_later(UNREAD_SECONDS, self._look_unread, waiting)

    def _look_unread(self, waiting: float) -> None:
        """Cut off whoever reads nothing: neither a response that waits for such a client nor a connection that is to
        close behind it has another end."""
        left = self.transport.get_write_buffer_size() + _untaken(self.transport)
        if left < waiting:
            self._watch_unread(left)
        else:
            self.transport.abort()

    def _arm(self) -> None:
        self._timer = self._timer or self.loop.call_later(HEAD_SECONDS, self._late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self._in_head and not self.transport.is_closing():
            self.transport.close()


class _Cycle(RequestResponseCycle):
    """A response whose head leaves with the first bytes of its body, in one system call."""

    _head = b""
    _unbounded = False

    @override
    async def send(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self._start(message["status"], message["headers"])
            return
        if self.response_complete:
            raise RuntimeError("a response goes on after its end")
        body: bytes = message.get("body", b"")
        last = not message.get("more_body", False)
        if self.chunked_encoding:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            body += b"0\r\n\r\n" if last else b""
        elif not self._unbounded:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (last and self.expected_content_length):
                raise RuntimeError("a response has another length than it said")
        head, self._head = self._head, b""
        self.transport.write(head + body)
        if last:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()

    def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        # HTTP/1.0 knows no chunks: what has no length there ends with its connection.
        self._unbounded = self.scope["http_version"] == "1.0"
        self.chunked_encoding = status not in (204, 304) and not self._unbounded
        lines = [STATUS_LINE[status]]
        for name, value in (*self.default_headers, *headers):
            lines.append(b"%b: %b\r\n" % (name, value))
            if name == b"content-length":
                self.chunked_encoding = self._unbounded = False
                self.expected_content_length = int(value)
            elif name == b"connection" and value == b"close":
                self.keep_alive = False
        if self.chunked_encoding:
            lines.append(b"transfer-encoding: chunked\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        head = b"".join(lines)
        # One line a header and not a line more: whatever words stand in one, they cannot begin another.
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            self.response_started = False
            raise RuntimeError("a response header holds a line break")
        self._head = head + b"\r\n"


class _Together:
    """A transport that writes once what is written in one turn of the loop: Uvicorn writes a response's head and its
    body apart, and a system call more costs as much as a defense."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, unread: Callable[[], None]
    ) -> None:
        """`unread` is called where something waits to be read when the connection is to close."""
        self._transport = transport
        self._loop = loop
        self._unread = unread
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hold until the turn ends, or the response does."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def flush(self) -> None:
        """Write what is held."""
        held, self._held = self._held, []
        if held and not self._transport.is_closing():
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))

    def close(self) -> None:
        """Write what is held, then close."""
        self.flush()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._unread()


def _untaken(transport: asyncio.BaseTransport) -> int:
    """Bytes of a connection that wait in the kernel, where it tells: it asks for more only once much of them is gone,
    and a client that reads slowly takes long for that."""
    try:
        waiting = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int.from_bytes(waiting, sys.byteorder)


_NO_TRAILERS: Any = deque(maxlen=0)
"""Where what the parser reads as headers behind a body goes: nobody asks for them, and there may be no end of them."""

_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
