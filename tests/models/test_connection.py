"""Connections to an upstream, against servers that try to be believed when they should not be."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from outworks.message import Delta
from outworks.model import UpstreamError, join
from outworks.models import openai
from outworks.models.connection import HEAD_BYTES
from outworks.models.pool import address, proxy_for
from tests.models.faults import Behaviour, Call, answer, ask, hang, raw, upstream
from tests.models.test_http import ANSWER, model_at, text_of

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
BODY = b'{"choices":[{"index":0,"message":{"content":"%b"},"finish_reason":"stop"}]}'
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def said(text: bytes, *, head: bytes = HEAD) -> bytes:
    body = BODY % text
    return head + b"content-length: %d\r\n\r\n%b" % (len(body), body)


@asynccontextmanager
async def serving(handle: Handler) -> AsyncIterator[int]:
    """A server of plain bytes; yields its port."""
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def two_texts(first: Behaviour) -> list[str]:
    """What a model says at two calls in turn, where the server behaves so at the first, and well at the second."""
    async with upstream(first, answer(ANSWER)) as server, model_at(server.base_url) as model:
        texts = []
        for _ in range(2):
            try:
                texts.append(await text_of(model, ask()))
            except UpstreamError as error:
                texts.append(error.kind)
            await asyncio.sleep(0.05)
        return texts


async def test_an_answer_sent_ahead_is_never_taken_for_the_next_one() -> None:
    """A second answer behind the first is nobody's: the next call gets its own."""
    assert await two_texts(raw(said(b"one") + said(b"planted"))) == ["one", "Hi."]


async def test_an_answer_that_comes_while_nobody_asks_is_dropped() -> None:
    """Bytes on an idle connection close it."""

    async def late(call: Call) -> None:
        await call.send(said(b"one"))
        await asyncio.sleep(0.02)
        with suppress(ConnectionError):
            await call.send(said(b"planted"))

    assert await two_texts(late) == ["one", "Hi."]


async def test_a_connection_that_the_server_will_close_is_not_used_again() -> None:
    """`Connection: close` is believed."""
    head = HEAD + b"connection: close\r\n"

    async with upstream(raw(said(b"one", head=head)), answer(ANSWER)) as server, model_at(server.base_url) as model:
        assert [await text_of(model, ask()) for _ in range(2)] == ["one", "Hi."]

        assert len({call.peer for call in server.calls}) == 2


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\ncontent-length: 7\r\n\r\n",
    ],
    ids=["100", "103"],
)
async def test_interim_answers_are_passed_over(head: bytes) -> None:
    """What comes before the proper answer says nothing about it."""
    assert await two_texts(raw(head + said(b"one"))) == ["one", "Hi."]


async def test_a_body_without_a_length_ends_with_its_connection() -> None:
    """An old server's way to say that this was all."""
    assert await two_texts(raw(HEAD + b"\r\n" + BODY % b"one", close=True)) == ["one", "Hi."]


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"content-length: 3\r\ncontent-length: 70\r\n\r\n",
        HEAD + b"content-length: 70\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        HEAD + b"x-long: " + b"a" * HEAD_BYTES + b"\r\n\r\n",
        HEAD + b"".join(b"x-%d: a\r\n" % n for n in range(HEAD_BYTES // 7)) + b"\r\n",
    ],
    ids=["two lengths", "length and chunks", "another protocol", "a long header", "many headers"],
)
async def test_framing_that_two_readers_could_read_in_two_ways_is_garbage(head: bytes) -> None:
    """Two lengths, a length and chunks, a change of protocol, a head without end: none of it is an answer."""
    assert await two_texts(raw(head + BODY % b"one")) == ["garbage", "Hi."]


@pytest.mark.parametrize("said", [b"x-a: " + b"a" * 4_000, b"x-a: a\r\n" * 500], ids=["one", "many"])
async def test_trailers_without_end_are_garbage(said: bytes) -> None:
    """What comes behind the last piece of a body is held to a head's bound: it is in no count of the answer's bytes."""
    sent = 0

    async def endless(call: Call) -> None:
        nonlocal sent
        await call.send(HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n")
        while True:
            await call.send(said)
            sent += len(said)

    assert await two_texts(endless) == ["garbage", "Hi."]
    assert sent < 16_000_000


async def test_no_more_connections_than_the_policy_says_and_nobody_is_forgotten() -> None:
    """Calls beyond the limit wait for a free connection, and all are answered."""

    async def slow(call: Call) -> None:
        await asyncio.sleep(0.01)
        await answer(ANSWER)(call)

    async with upstream(slow) as server, model_at(server.base_url, max_connections=3) as model:
        texts = await asyncio.gather(*(text_of(model, ask()) for _ in range(30)))

        assert texts == ["Hi."] * 30
        assert len({call.peer for call in server.calls}) <= 3


async def test_whoever_waits_too_long_for_a_connection_is_told() -> None:
    """The wait for a free connection counts as connecting, and one who gave up takes no place."""
    limits = {"max_connections": 1, "connect_timeout_s": 0.1}
    async with upstream(hang, answer(ANSWER)) as server, model_at(server.base_url, **limits) as model:
        first = asyncio.create_task(join(model.generate(ask())))
        while not server.calls:
            await asyncio.sleep(0.01)
        with pytest.raises(UpstreamError) as caught:
            await text_of(model, ask())
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

        assert (caught.value.kind, caught.value.status) == ("timeout", 504)
        assert await text_of(model, ask()) == "Hi."


async def test_an_idle_connection_is_closed_in_time() -> None:
    """After `keepalive_s` nothing is kept open, and the next call makes a new connection."""
    async with upstream(answer(ANSWER)) as server, model_at(server.base_url, keepalive_s=0.1) as model:
        await text_of(model, ask())
        await asyncio.sleep(0.3)
        await text_of(model, ask())

        assert len({call.peer for call in server.calls}) == 2


async def test_a_reader_that_takes_its_time_is_no_silence() -> None:
    """The read timeout counts the upstream's silence, not the client's."""
    pieces = [b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'] * 3
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    body = b"".join(pieces) + end
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(body)

    async def in_two(call: Call) -> None:
        await call.send(head + pieces[0])
        await asyncio.sleep(0.3)
        await call.send(body[len(pieces[0]) :])

    async with upstream(in_two) as server, model_at(server.base_url, read_timeout_s=0.2) as model:
        deltas = model.generate(ask(stream=True))
        first = await anext(deltas)
        await asyncio.sleep(0.4)
        rest = [delta async for delta in deltas]

    assert first == Delta(text="a")
    assert rest[-1].finish is not None


async def test_closing_ends_calls_under_way() -> None:
    """A model that is closed leaves no call hanging."""
    async with upstream(hang) as server, model_at(server.base_url) as model:
        call = asyncio.create_task(join(model.generate(ask())))
        while not server.calls:
            await asyncio.sleep(0.01)
        began = time.monotonic()
        await model.aclose()
        with pytest.raises(UpstreamError):
            await call

        assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://h", "http://h/"),
        ("https://h:443/v1", "https://h/v1"),
        ("http://h:8000/v1?a=b c", "http://h:8000/v1?a=b%20c"),
        ("http://[::1]:8000/ä", "http://[::1]:8000/%C3%A4"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
    ],
)
def test_an_address_is_written_as_it_is_sent(url: str, said: str) -> None:
    """Only ASCII goes over the line, and the usual port is left out."""
    assert str(address(url)) == said


LONG = f"http://{'a' * 64}.example/"


@pytest.mark.parametrize(
    "url",
    ["http://", "http:///x", "gopher://h/", "http://h:99999/", "http://h:x/", "h", "http://a..b/", "http://./", LONG],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """No host, no name that a host can have, no port that there is, another scheme."""
    with pytest.raises(ValueError, match=r"."):
        address(url)


async def test_a_proxy_is_told_the_whole_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP goes to the proxy under the upstream's full address, with the proxy's own password."""
    async with upstream(answer(ANSWER)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.base_url.replace("://", "://us%65r:pa%3Ass@"))
        monkeypatch.delenv("no_proxy", raising=False)
        settings = {"use_proxy_from_env": True}
        async with model_at("http://upstream.invalid:81/v1", **settings) as model:
            assert await text_of(model, ask()) == "Hi."

        call = proxy.calls[0]
    assert call.head.startswith("POST http://upstream.invalid:81/v1/chat/completions HTTP/1.1\r\n")
    assert call.headers["host"] == "upstream.invalid:81"
    assert call.headers["proxy-authorization"] == "Basic dXNlcjpwYTpzcw=="


async def test_through_a_proxy_tls_goes_in_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy learns the host and the port, and sees a TLS hello; never a key, never a word."""
    seen: list[bytes] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        seen.append(await reader.read(1000))
        writer.close()

    async with serving(tunnel) as port:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        settings = openai.Settings(
            base_url="https://upstream.invalid/v1", api_key_env="KEY", use_proxy_from_env=True, max_retries=0
        )
        model = openai.OpenAI("m", settings, {"KEY": "secret-key"})
        with pytest.raises(UpstreamError) as caught:
            await join(model.generate(ask()))
        await model.aclose()

    assert caught.value.kind == "unreachable"
    assert seen[0] == b"CONNECT upstream.invalid:443 HTTP/1.1\r\nHost: upstream.invalid:443\r\n\r\n"
    assert seen[1][:2] == b"\x16\x03"
    assert b"secret-key" not in b"".join(seen)


async def test_a_proxy_that_refuses_makes_the_upstream_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """No tunnel, no request."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with serving(refuse) as port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        async with model_at("https://upstream.invalid/v1", use_proxy_from_env=True) as model:
            with pytest.raises(UpstreamError) as caught:
                await join(model.generate(ask()))

    assert caught.value.kind == "unreachable"


def test_a_proxy_is_passed_by_where_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_PROXY is honoured; a proxy of another kind is refused by the variable's name, without its password."""
    monkeypatch.setenv("http_proxy", "socks5://u:secret@h:1")
    monkeypatch.setenv("no_proxy", "near.example")

    assert proxy_for(address("http://near.example/")) is None
    with pytest.raises(ValueError, match="HTTP_PROXY") as caught:
        proxy_for(address("http://far.example/"))
    assert "secret" not in str(caught.value)
