"""The transport, against a server that fails in every way that servers do."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import msgspec
import pytest

from outworks.message import Delta, Request
from outworks.model import UpstreamError, join
from outworks.models import openai
from outworks.models.http import endpoint, retry_after
from tests.models.faults import (
    STREAM_HEAD,
    Behaviour,
    Call,
    answer,
    ask,
    chunk,
    hang,
    hang_up,
    raw,
    sse,
    stream,
    upstream,
)

ANSWER = {"choices": [{"index": 0, "message": {"content": "Hi."}, "finish_reason": "stop"}]}
JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n"
WAITING = {"max_retries": 1, "max_retry_wait_s": 2.0}
SAID = sse({"choices": [{"index": 0, "delta": {"content": "Hi."}}]})
FINISHED = sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, b"[DONE]")


@asynccontextmanager
async def model_at(base_url: str, **settings: Any) -> AsyncIterator[openai.OpenAI]:
    given = {"read_timeout_s": 2.0, "total_timeout_s": 4.0, "max_retry_wait_s": 0.2, "max_retries": 0} | settings
    model = openai.OpenAI("m", openai.Settings(base_url=base_url, **given), {})
    try:
        yield model
    finally:
        await model.aclose()


async def failing(*behaviours: Behaviour, request: Request | None = None, **settings: Any) -> UpstreamError:
    async with upstream(*behaviours) as server, model_at(server.base_url, **settings) as model:
        with pytest.raises(UpstreamError) as caught:
            await join(model.generate(request or ask()))
        return caught.value


async def text_of(model: openai.OpenAI, request: Request) -> str:
    return (await join(model.generate(request))).outputs[0].text


async def test_connections_are_reused_whole_and_streamed() -> None:
    """Calls one after another, of either kind, share one connection."""
    async with upstream(answer(ANSWER), stream(SAID, FINISHED), answer(ANSWER)) as server:
        async with model_at(server.base_url) as model:
            for streamed in (False, True, False):
                assert await text_of(model, ask(stream=streamed)) == "Hi."

        assert len({call.peer for call in server.calls}) == 1


async def test_an_upstream_that_closes_idle_connections_does_no_harm() -> None:
    """A connection that was closed behind our back costs a new one, not an answer."""

    async def once(call: Call) -> None:
        await answer(ANSWER)(call)
        call.writer.close()

    async with upstream(once) as server, model_at(server.base_url, max_retries=1) as model:
        for _ in range(20):
            assert await text_of(model, ask()) == "Hi."


async def test_a_closed_model_stays_closed() -> None:
    """No call after the end opens a connection that nobody would close."""
    async with upstream(answer(ANSWER)) as server, model_at(server.base_url) as model:
        await text_of(model, ask())
        await model.aclose()
        with pytest.raises(UpstreamError) as caught:
            await text_of(model, ask())

        assert caught.value.status == 503
        assert len(server.calls) == 1


async def test_a_refused_connection_is_unreachable() -> None:
    """Nothing listens: `unreachable`, told as 502, and no address in the message."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    async with model_at(f"http://127.0.0.1:{port}", max_retries=1) as model:
        with pytest.raises(UpstreamError) as caught:
            await join(model.generate(ask()))

    assert (caught.value.kind, caught.value.status) == ("unreachable", 502)
    assert str(port) not in caught.value.message


async def test_a_connection_that_is_never_accepted_times_out() -> None:
    """A full backlog ends at the connect timeout."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        began = time.monotonic()

        async with model_at(f"http://127.0.0.1:{listener.getsockname()[1]}", connect_timeout_s=0.2) as model:
            with pytest.raises(UpstreamError) as caught:
                await join(model.generate(ask()))
        for filler in fillers:
            filler.close()

    assert (caught.value.kind, caught.value.status) == ("timeout", 504)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "behaviour",
    [
        hang,
        raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"),
        raw(b"HTTP/1.1 2"),
    ],
    ids=["before headers", "within the body", "within headers"],
)
async def test_silence_ends_at_the_read_timeout(behaviour: Behaviour) -> None:
    """An upstream that hangs is told as 504 once the time between bytes is over."""
    began = time.monotonic()

    error = await failing(_then_hang(behaviour), read_timeout_s=0.2)

    assert (error.kind, error.status) == ("timeout", 504)
    assert time.monotonic() - began < 2


def _then_hang(behaviour: Behaviour) -> Behaviour:
    async def behave(call: Call) -> None:
        await behaviour(call)
        await asyncio.sleep(30)

    return behave


@pytest.mark.parametrize("piece", [SAID, b": ping\n\n", b"x"], ids=["text", "comments", "no line"])
async def test_an_endless_stream_ends_at_the_total_timeout(piece: bytes) -> None:
    """A trickle that never ends, and so never hangs, is cut off."""
    began = time.monotonic()

    error = await failing(
        stream(*[piece] * 200, pause=0.05), request=ask(stream=True), read_timeout_s=0.5, total_timeout_s=0.6
    )

    assert (error.kind, error.status) == ("timeout", 504)
    assert time.monotonic() - began < 2


async def test_a_slow_trickle_within_the_limits_is_read() -> None:
    """Bytes one by one are a stream like any other."""
    whole = SAID + FINISHED

    behaviour = stream(*(whole[i : i + 1] for i in range(len(whole))), pause=0.001)
    async with upstream(behaviour) as server, model_at(server.base_url) as model:
        assert await text_of(model, ask(stream=True)) == "Hi."


async def test_deltas_come_as_they_are_sent() -> None:
    """The first delta of a stream does not wait for the rest."""
    async with upstream(stream(SAID, end=False)) as server, model_at(server.base_url) as model:
        deltas = model.generate(ask(stream=True))
        assert await asyncio.wait_for(anext(deltas), 1.0) == Delta(text="Hi.")
        await deltas.aclose()


@pytest.mark.parametrize(
    "behaviour",
    [
        hang_up,
        raw(JSON_HEAD + b"{", close=True),
        raw(STREAM_HEAD + chunk(SAID), close=True),
        raw(STREAM_HEAD + b"ff\r\ndata", close=True),
        stream(SAID),
        stream(SAID, sse(b"[DONE]")),
        stream(),
    ],
    ids=["no word", "short body", "mid-stream", "mid-chunk", "no finish", "done without finish", "empty"],
)
async def test_what_breaks_off_is_broken(behaviour: Behaviour) -> None:
    """An answer that ends before it is whole is an error, never a short answer."""
    error = await failing(behaviour, request=ask(stream=True))

    assert (error.kind, error.status) == ("broken", 502)


@pytest.mark.parametrize(
    "behaviour",
    [
        raw(b"\x00\xffno http at all\r\n\r\n", close=True),
        raw(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 20_000 + b"\r\n\r\n", close=True),
        raw(STREAM_HEAD + b"ZZZ\r\nx\r\n", close=True),
        answer(b"<html>Hello</html>", media="text/html"),
        answer(b"<html>Hello</html>", media="application/json"),
        answer(b"", media="application/json"),
        answer(ANSWER, media="text/plain"),
        answer(b"\x1f\x8b\x08rubbish", content_encoding="gzip"),
        answer(b"[" * 100_000),
        answer(b'{"choices": "none"}'),
        answer(b'{"choices": [{"index": 0, "message": {"content": "\xff"}, "finish_reason": "stop"}]}'),
        answer(ANSWER, status=204),
        stream(sse(b"{")),
    ],
    ids=lambda _: "",
)
async def test_what_is_no_answer_is_garbage(behaviour: Behaviour) -> None:
    """Whatever cannot be read as an answer is `garbage`, told as 502."""
    error = await failing(behaviour)

    assert (error.kind, error.status) == ("garbage", 502)


async def test_a_redirect_is_not_followed() -> None:
    """Neither the key nor the conversation goes where an answer points."""
    async with upstream(answer(ANSWER)) as elsewhere:
        error = await failing(answer(b"", status=307, location=elsewhere.base_url))

        assert (error.kind, elsewhere.calls) == ("garbage", [])


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_huge_body_is_cut_off(streamed: bool) -> None:
    """No more than the limit is taken, and the connection is closed on the sender."""

    async def flood(call: Call) -> None:
        await call.send(STREAM_HEAD if streamed else STREAM_HEAD.replace(b"text/event-stream", b"application/json"))
        while True:
            await call.send(chunk(b"data: " + b"x" * 65_536))

    async with upstream(flood) as server, model_at(server.base_url, max_response_bytes=300_000) as model:
        with pytest.raises(UpstreamError) as caught:
            await join(model.generate(ask(stream=streamed)))

        assert caught.value.kind == "garbage"
        await asyncio.wait_for(server.left.wait(), 1.0)


async def test_closing_the_iterator_closes_the_connection() -> None:
    """A client that goes away stops the upstream at once."""
    async with upstream(stream(SAID, end=False)) as server, model_at(server.base_url) as model:
        deltas = model.generate(ask(stream=True))
        await anext(deltas)
        await deltas.aclose()

        await asyncio.wait_for(server.left.wait(), 1.0)


@pytest.mark.parametrize("behaviour", [hang, stream(SAID, end=False)], ids=["before headers", "mid-stream"])
async def test_cancelling_the_task_closes_the_connection(behaviour: Behaviour) -> None:
    """Cancelling works at any moment of the call."""
    async with upstream(behaviour) as server, model_at(server.base_url) as model:
        task = asyncio.create_task(join(model.generate(ask(stream=True))))
        while not server.calls:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        await asyncio.wait_for(server.left.wait(), 1.0)


@pytest.mark.parametrize(
    "fault",
    [answer({}, status=429), answer({}, status=502), answer({}, status=503), answer({}, status=529), hang_up],
    ids=["429", "502", "503", "529", "hang up"],
)
async def test_what_did_no_work_is_tried_again(fault: Behaviour) -> None:
    """A server that says it did not do the work, or says nothing at all, is asked again, up to the limit."""
    async with upstream(fault, fault, answer(ANSWER)) as server, model_at(server.base_url, max_retries=2) as model:
        assert await text_of(model, ask()) == "Hi."
        assert len(server.calls) == 3

    async with upstream(fault, fault, answer(ANSWER)) as server, model_at(server.base_url, max_retries=1) as model:
        with pytest.raises(UpstreamError):
            await join(model.generate(ask()))
        assert len(server.calls) == 2


@pytest.mark.parametrize(
    "fault",
    [
        answer({}, status=400),
        answer({}, status=401),
        answer({}, status=500),
        answer({}, status=504),
        stream(SAID),
        raw(STREAM_HEAD, close=True),
        answer(b"garbage"),
    ],
    ids=["400", "401", "500", "504", "broken stream", "broken before the first event", "garbage"],
)
async def test_what_may_have_done_work_is_not_tried_again(fault: Behaviour) -> None:
    """Once an answer has begun, or for an error that trying again cannot mend, there is one call."""
    async with upstream(fault, answer(ANSWER)) as server, model_at(server.base_url, max_retries=3) as model:
        with pytest.raises(UpstreamError):
            await join(model.generate(ask(stream=True)))

        assert len(server.calls) == 1


async def test_a_timeout_is_not_tried_again() -> None:
    """A server that hangs may be at work; asking again would double it."""
    async with upstream(hang, answer(ANSWER)) as server:
        async with model_at(server.base_url, max_retries=3, read_timeout_s=0.2) as model:
            with pytest.raises(UpstreamError):
                await join(model.generate(ask()))

        assert len(server.calls) == 1


async def test_retry_after_is_honoured() -> None:
    """The upstream's own time is waited, not the usual backoff."""
    began = time.monotonic()

    busy = answer({}, status=429, retry_after="1")
    async with upstream(busy, answer(ANSWER)) as server, model_at(server.base_url, **WAITING) as model:
        assert await text_of(model, ask()) == "Hi."

    assert time.monotonic() - began >= 1


async def test_a_long_retry_after_is_told_to_the_client() -> None:
    """Where the upstream asks for more than the policy would wait, the client gets its 429 and the time."""
    error = await failing(answer({}, status=429, retry_after="60"), answer(ANSWER), max_retries=3)

    assert (error.kind, error.status, error.retry_after) == ("rate_limited", 429, 60.0)


async def test_retries_stay_within_the_total_time() -> None:
    """No retry begins that could not end in time."""
    began = time.monotonic()

    error = await failing(
        answer({}, status=503, retry_after="1"), max_retries=9, max_retry_wait_s=5.0, total_timeout_s=1.5
    )

    assert (error.kind, error.status) == ("rate_limited", 503)
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": formatdate(0, usegmt=True)}, 0.0),
        ({"retry-after": "9" * 300}, 86_400.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86_400.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, milliseconds and dates are read; nonsense is as good as nothing."""
    assert retry_after(headers) == seconds


def test_a_date_in_retry_after_is_the_time_until_then() -> None:
    """A date to come is so many seconds."""
    assert retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)}) == pytest.approx(30, abs=2)


async def test_only_the_settings_decide_what_goes_upstream() -> None:
    """The key of the settings, no cookies, no compression, and the headers that the policy adds."""
    async with upstream(answer(ANSWER, set_cookie="a=b"), answer(ANSWER)) as server:
        settings = openai.Settings(base_url=server.base_url + "/v1/", api_key_env="UP_KEY", headers={"X-Team": "red"})
        model = openai.OpenAI("m", settings, {"UP_KEY": " secret-key\n", "OTHER": "x"})
        for _ in range(2):
            await join(model.generate(ask()))
        await model.aclose()

        call = server.calls[1]
    assert call.head.startswith("POST /v1/chat/completions HTTP/1.1\r\n")
    assert call.headers["authorization"] == "Bearer secret-key"
    assert call.headers["accept-encoding"] == "identity"
    assert call.headers["x-team"] == "red"
    assert "cookie" not in call.headers


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"base_url": "localhost:8000"}, "localhost:8000"),
        ({"base_url": "ftp://host/"}, "ftp://host/"),
        ({"base_url": "https://"}, "https://"),
        ({"base_url": "https://user:pass@host/"}, "api_key_env"),
        ({"api_key_env": "ABSENT"}, "ABSENT"),
        ({"api_key_env": "BROKEN"}, "BROKEN"),
        ({"headers": {"Authorization": "Bearer pass"}}, "api_key_env"),
        ({"headers": {"X-Team": "a\r\nX-Evil: 1"}}, "X-Team"),
        ({"headers": {"X Team": "a"}}, "X Team"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], said: str) -> None:
    """An address or key that cannot work is refused at the start, by name, without its secret."""
    with pytest.raises(ValueError, match=said) as caught:
        openai.OpenAI("m", openai.Settings(**settings), {"BROKEN": "key\r\nX-Evil: 1"})

    assert "pass" not in str(caught.value).replace("password", "")
    assert "Evil" not in str(caught.value)


@pytest.mark.parametrize("setting", ["connect_timeout_s = 0", "max_retries = -1", "max_response_bytes = 0"])
def test_a_limit_that_is_none_is_refused(setting: str) -> None:
    """Limits have a lower bound at load."""
    with pytest.raises(msgspec.ValidationError, match="Expected"):
        msgspec.toml.decode(f'provider = "openai"\n{setting}', type=openai.Settings)


def test_the_path_is_added_to_the_base() -> None:
    """A base with or without a slash at its end gives the same address."""
    assert str(endpoint("http://h/v1", "/x")) == str(endpoint("http://h/v1/", "/x")) == "http://h/v1/x"


async def test_a_server_that_fails_at_tls_is_unreachable() -> None:
    """What does not speak proper TLS gets no request, and is not asked again: that would not mend it."""
    connections: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(await reader.read(10_000))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server, model_at(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", max_retries=3) as model:
        with pytest.raises(UpstreamError) as caught:
            await join(model.generate(ask()))

    assert caught.value.kind == "unreachable"
    assert len(connections) == 1
    assert b"hello" not in connections[0]


async def test_authorities_that_are_gone_make_the_upstream_unreachable(tmp_path: Path) -> None:
    """The file was there when the policy was checked; no request goes anywhere without it, and that is told."""
    async with model_at("https://127.0.0.1:1", ca_file=str(tmp_path / "gone.pem")) as model:
        with pytest.raises(UpstreamError) as caught:
            await join(model.generate(ask()))

    assert caught.value.kind == "unreachable"
