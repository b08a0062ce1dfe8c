"""The listening socket's protocol: whole responses in one write, streams in chunks, nothing smuggled into a head."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn

from outworks.gateway import protocol
from outworks.gateway.protocol import Guarded
from outworks.gateway.server import listen

App = Callable[[Any, Any, Any], Awaitable[None]]
POST = b"POST /v1/x HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nhi"


def app(*messages: dict[str, Any]) -> App:
    """Reads a request, then sends these."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        for message in messages:
            await send(message)

    return run


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


@asynccontextmanager
async def serving(made: App, **settings: Any) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server with that application."""
    listener = listen("127.0.0.1:0")
    config = uvicorn.Config(
        made,
        http=Guarded,
        ws="none",
        lifespan="off",
        log_config=None,
        server_header=False,
        date_header=False,
        **settings,
    )
    server = uvicorn.Server(config)
    server.capture_signals = lambda: suppress()  # type: ignore[assignment,method-assign]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await task


async def asked(made: App, sent: bytes = POST) -> bytes:
    """All that comes back, for a request that ends its connection."""
    async with serving(made) as (reader, writer):
        writer.write(sent.replace(b"host: h", b"host: h\r\nconnection: close"))
        return await asyncio.wait_for(reader.read(), 5)


async def test_a_whole_response_has_its_length() -> None:
    """Head and body as they were given."""
    got = await asked(app(start(200, (b"content-length", b"5"), (b"x-a", b"b")), body(b"hello")))

    assert got == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\nconnection: close\r\n\r\nhello"


async def test_a_stream_comes_in_chunks_as_they_are_sent() -> None:
    """Each piece is a chunk; empty pieces are none, and the end is told."""
    got = await asked(
        app(
            start(),
            body(b"one", more=True),
            body(b"", more=True),
            body(b"two"),
        )
    )

    assert got.endswith(b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


async def test_a_response_without_a_body_has_none() -> None:
    """204 has no chunks either."""
    got = await asked(app(start(204), body(b"")))

    assert got == b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize("value", [b"a\r\nx-evil: 1", b"a\nx-evil: 1", b"a\rb", b"a\0b"])
async def test_a_header_never_becomes_two(value: bytes) -> None:
    """A line break in a value is a fault of ours, told as 500: the words never begin a line."""
    got = await asked(app(start(200, (b"content-length", b"0"), (b"x-reason", value)), body(b"")))

    assert got.startswith(b"HTTP/1.1 500 ")
    assert b"x-evil" not in got


@pytest.mark.parametrize("data", [b"short", b"much too long"])
async def test_a_length_that_is_not_kept_ends_the_connection(data: bytes) -> None:
    """Fewer or more bytes than the head said never stand as a whole response."""
    got = await asked(app(start(200, (b"content-length", b"9")), body(data)))

    assert len(got.partition(b"\r\n\r\n")[2]) < 9


async def test_requests_in_a_row_are_answered_in_order() -> None:
    """Two requests sent at once, without waiting, get their answers one after another on the same connection."""
    count = 0

    async def counting(scope: Any, receive: Any, send: Any) -> None:
        nonlocal count
        count += 1
        mine = count
        await asyncio.sleep(0.05 / mine)
        await app(start(200, (b"content-length", b"1")), body(b"%d" % mine))(scope, receive, send)

    async with serving(counting) as (reader, writer):
        writer.write(POST + POST)
        got = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n2"), 5)

    assert got.index(b"\r\n\r\n1") < got.index(b"\r\n\r\n2")


@pytest.mark.parametrize("requests", [1, 2, 3])
async def test_a_client_that_leaves_is_noticed_whatever_it_asked_for_besides(requests: int) -> None:
    """A request behind the one that is being answered does not hide that nobody waits for the answer any more."""
    left = asyncio.Event()

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/quick":
            await app(start(200, (b"content-length", b"2")), body(b"ok"))(scope, receive, send)
            return
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    async with serving(waits, timeout_graceful_shutdown=1) as (reader, writer):
        for _ in range(2):
            writer.write(POST.replace(b"/v1/x", b"/quick"))
        for _ in range(2):
            await asyncio.wait_for(reader.readuntil(b"ok"), 5)
        writer.write(POST * requests)
        await asyncio.sleep(0.1)
        writer.close()

        await asyncio.wait_for(left.wait(), 5)


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    """The time counts from the last response; a response that takes longer than it is not cut off."""

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(1.5 if scope["path"] == "/slow" else 0)
        await app(start(200, (b"content-length", b"2")), body(b"ok"))(scope, receive, send)

    async with serving(slow, timeout_keep_alive=1) as (reader, writer):
        began = asyncio.get_running_loop().time()
        for path in (b"/v1/x", b"/slow"):
            writer.write(POST.replace(b"/v1/x", path))
            assert (await asyncio.wait_for(reader.readuntil(b"ok"), 5)).startswith(b"HTTP/1.1 200")
        assert await asyncio.wait_for(reader.read(), 5) == b""

        assert 2.3 < asyncio.get_running_loop().time() - began < 4.5


async def test_other_methods_and_odd_paths_go_the_ordinary_way() -> None:
    """A query, an escape or another method is Uvicorn's own business, with the same result."""

    async def told(scope: Any, receive: Any, send: Any) -> None:
        said = f"{scope['method']} {scope['path']} {scope['query_string'].decode()}".encode()
        await app(start(200, (b"content-length", b"%d" % len(said))), body(said))(scope, receive, send)

    for target, said in ((b"/v1/x", b"POST /v1/x "), (b"/a%20b?c=d", b"POST /a b c=d")):
        assert (await asked(told, POST.replace(b"/v1/x", target))).endswith(said)
    got = await asked(told, b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n")
    assert got.endswith(b"GET /healthz ")


@pytest.mark.parametrize("wish", [b"h2c", b"websocket", b"TLS/1.0"])
@pytest.mark.parametrize("pause", [0.0, 0.05])
async def test_a_wish_for_another_protocol_changes_nothing(wish: bytes, pause: float) -> None:
    """The request is answered in HTTP/1.1. Its body stays its body, whatever it looks like, and is no next request."""
    seen: list[tuple[str, bytes]] = []

    async def told(scope: Any, receive: Any, send: Any) -> None:
        said, more = b"", True
        while more:
            message = await receive()
            said, more = said + message.get("body", b""), message.get("more_body", False)
        seen.append((scope["path"], said))
        await send(start(200, (b"content-length", b"2")))
        await send(body(b"ok"))

    inside = POST.replace(b"/v1/x", b"/inside")
    head = b"POST /v1/x HTTP/1.1\r\nhost: h\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: %b\r\n" % wish
    head += b"http2-settings: AAMAAABkAAQAAP__\r\ncontent-length: %d\r\n\r\n" % len(inside)
    async with serving(told) as (reader, writer):
        for _ in range(2):
            for part in (head, inside, POST):
                writer.write(part)
                await asyncio.sleep(pause)
        for _ in range(4):
            assert (await asyncio.wait_for(reader.readuntil(b"ok"), 5)).startswith(b"HTTP/1.1 200")

    assert seen == [("/v1/x", inside), ("/v1/x", b"hi")] * 2


async def test_a_wish_for_another_protocol_keeps_what_else_the_connection_is_told() -> None:
    """`close` beside `Upgrade` still closes, and a broken body behind it is refused."""
    sent = POST.replace(b"host: h", b"host: h\r\nconnection: upgrade, close\r\nupgrade: h2c")
    async with serving(app(start(200, (b"content-length", b"2")), body(b"ok"))) as (reader, writer):
        writer.write(sent)
        assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"ok")

    chunked = (
        b"POST /v1/x HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: h2c\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    async with serving(app(start(200), body(b"ok"))) as (reader, writer):
        writer.write(chunked + b"zz\r\n")
        assert b" 400 " in await asyncio.wait_for(reader.read(), 5)


async def test_http_1_0_gets_no_chunks() -> None:
    """A client of HTTP/1.0 knows none (RFC 9112, 6.1): its stream ends with its connection."""
    pieces = (start(), body(b"one", more=True), body(b"two"))

    async with serving(app(*pieces)) as (reader, writer):
        writer.write(POST.replace(b"HTTP/1.1", b"HTTP/1.0"))
        head, _, said = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")

    assert (said, b"chunked" in head, b"connection: close" in head) == (b"onetwo", False, True)


@pytest.mark.parametrize("said", [b"x-a: " + b"a" * 4_000, b"x-a: a\r\n" * 500], ids=["one", "many"])
@pytest.mark.parametrize("answered", [True, False])
async def test_trailers_without_end_close_the_connection(said: bytes, answered: bool) -> None:
    """What comes behind a body is bounded as a head is, whether the request was answered already or not."""
    headers: list[Any] = []

    async def told(scope: Any, receive: Any, send: Any) -> None:
        headers.append(scope["headers"])
        if not answered:
            while (await receive())["type"] != "http.disconnect":
                pass
        await app(start(200, (b"content-length", b"2")), body(b"ok"))(scope, receive, send)

    async with serving(told) as (_, writer):
        writer.write(b"POST /v1/x HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n")
        sent = 0
        with suppress(ConnectionError):
            while sent < 64_000_000:
                writer.write(said)
                await writer.drain()
                sent += len(said)

    assert sent < 64_000_000
    assert [name for name, _ in headers[0]] == [b"host", b"transfer-encoding"]


async def test_trailers_that_end_say_nothing() -> None:
    """A few trailers are legal: the request is answered, and they are none of its headers."""
    seen: list[Any] = []

    async def told(scope: Any, receive: Any, send: Any) -> None:
        await app(start(200, (b"content-length", b"2")), body(b"ok"))(scope, receive, send)
        seen.extend(name for name, _ in scope["headers"])

    chunked = POST.replace(b"content-length: 2\r\n\r\nhi", b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n")
    async with serving(told) as (reader, writer):
        for _ in range(2):
            writer.write(chunked + b"x-outworks-account: ann\r\n\r\n")
            assert (await asyncio.wait_for(reader.readuntil(b"ok"), 5)).startswith(b"HTTP/1.1 200")

    assert seen == [b"host", b"transfer-encoding"] * 2


class Narrow(Guarded):
    """The kernel takes little of a response, so that the rest waits here; `lost` notes each connection's end."""

    lost: list[Exception | None] = []
    taken = 4096

    def connection_made(self, transport: Any) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.taken)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)
        super().connection_lost(exc)


@asynccontextmanager
async def reading_little(made: App, unread_seconds: float) -> AsyncIterator[asyncio.StreamReader]:
    """A client that asked, and reads no more than it must."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "UNREAD_SECONDS", unread_seconds)
        patch.setattr(f"{__name__}.Guarded", Narrow)
        patch.setattr(Narrow, "lost", [])
        async with serving(made) as (reader, writer):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            writer.write(POST)
            yield reader


@pytest.mark.parametrize("pieces", [1_000, 7], ids=["under way", "sent"])
async def test_a_client_that_reads_nothing_is_cut_off(pieces: int) -> None:
    """A response under way ends, and so does a connection that is to close behind what was never read."""
    over: list[bool] = []

    async def long(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200, (b"connection", b"close")))
        for _ in range(pieces):
            await send(body(b"x" * 30_000, more=True))
            await asyncio.sleep(0)
        await send(body(b""))
        over.append(True)

    async with reading_little(long, 0.2), asyncio.timeout(5):
        while not (over and Narrow.lost):
            await asyncio.sleep(0.05)


async def test_a_client_that_reads_slowly_is_not_cut_off() -> None:
    """Whoever takes something of it now and then gets all of it."""

    async def long(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200, (b"connection", b"close")))
        for _ in range(6):
            await send(body(b"x" * 30_000, more=True))
            await asyncio.sleep(0)
        await send(body(b""))

    got = 0
    async with reading_little(long, 0.6) as reader:
        while more := await asyncio.wait_for(reader.read(30_000), 5):
            got += len(more)
            await asyncio.sleep(0.03)

    assert got > 180_000


async def test_a_client_that_takes_what_the_kernel_holds_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel asks for more only once much of what it holds is gone: till then only it knows that somebody reads."""
    monkeypatch.setattr(Narrow, "taken", 400_000)

    async def long(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200))
        for _ in range(100):
            await send(body(b"x" * 30_000, more=True))
        await send(body(b""))

    async with reading_little(long, 0.4) as reader:
        for _ in range(20):
            assert await asyncio.wait_for(reader.read(3_000), 5)
            await asyncio.sleep(0.1)
        assert Narrow.lost == []

        async with asyncio.timeout(5):
            while not Narrow.lost:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("cut", [20, 50_000])
@pytest.mark.parametrize("size", [protocol.HEAD_BYTES - 1_000, protocol.HEAD_BYTES + 5_000])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_a_head_holds_is_no_part_of_what_comes_beside_a_body(method: str, size: int, cut: int) -> None:
    """A head of one read more than is meant is answered, whether a body comes or not, or comes later."""
    head = f"{method} /x HTTP/1.1\r\nhost: a\r\nx-long: {'x' * size}\r\n".encode()
    rest = b"content-length: 2\r\n\r\nhi" if method == "POST" else b"\r\n"

    async def answered(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.05)
        await app(start(200), body(b""))(scope, receive, send)

    async with serving(answered) as (reader, writer):
        writer.write(head[:cut])
        await asyncio.sleep(0.05)
        writer.write(head[cut:] + rest[:-2])
        await asyncio.sleep(0.05)
        writer.write(rest[-2:])
        answer = await asyncio.wait_for(reader.read(12), 5)

    assert answer == b"HTTP/1.1 200"
