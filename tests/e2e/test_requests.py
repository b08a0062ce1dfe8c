"""Bad requests and bad clients: each gets a clear error in its wire's form and leaves an event; nothing hangs."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from outworks.event import Ended, Received, Rejected
from tests.e2e.kit import ANTHROPIC, OPENAI, PATHS, Gateway, question, read_all, read_until, wait_for
from tests.e2e.loopback import DEFAULT, Loopback

HI = [{"role": "user", "content": "hi"}]


def with_fields(**fields: Any) -> bytes:
    return json.dumps(question("hi", **fields)).encode()


MALFORMED = {
    "nothing": b"",
    "half an object": b'{"model": "fake", "messages": [',
    "a list": b"[]",
    "null": b"null",
    "two objects": with_fields() + with_fields(),
    "not utf-8": with_fields().replace(b"hi", b"\xff\xfe"),
    "not a number": with_fields().replace(b"100", b"NaN"),
    "a number of 5000 digits": with_fields().replace(b"100", b"1" * 5000),
    "a number beyond all": with_fields().replace(b"100", b"1e999"),
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"model":' * 50_000,
    "deep in a message": with_fields().replace(b'"hi"', b"[" * 30_000 + b"]" * 30_000),
    "deep in a parameter": with_fields(metadata=7).replace(
        b'"metadata": 7', b'"metadata": ' + b'{"a":' * 9000 + b"1" + b"}" * 9000
    ),
    "a lone surrogate": with_fields().replace(b"hi", b"a \\ud800 b"),
    "a backwards pair": with_fields().replace(b"hi", b"\\udc00\\ud800"),
    "no messages": with_fields(messages=[]),
    "messages a string": with_fields(messages="hi"),
    "a message a string": with_fields(messages=["hi"]),
    "content a number": with_fields(messages=[{"role": "user", "content": 7}]),
    "an unknown role": with_fields(messages=[{"role": "wizard", "content": "hi"}]),
    "model a number": with_fields(model=5),
    "model missing": json.dumps({"messages": HI, "max_tokens": 5}).encode(),
    "stream a word": with_fields(stream="yes"),
    "tools a word": with_fields(tools="all"),
    "max_tokens a list": with_fields(max_tokens=[]),
    "temperature a word": with_fields(temperature="hot"),
    "temperature true": with_fields(temperature=True),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_is_told_what_is_wrong(shared: Gateway, path: str, name: str) -> None:
    """400 with a message in the wire's form, and an event under the same id."""
    answer = shared.post(MALFORMED[name], path)

    assert answer.status == 400, answer.body
    assert len(answer.message) > 10
    assert len(answer.message) < 1000
    assert answer.json.get("type") == ("error" if path == ANTHROPIC else None)
    assert shared.events(answer.id), "nothing was recorded"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "text", ["a\x00b", "abc \u202e def \u2066x\u2069", "\ufeff\u200b\u00ad", "\U0001f600\u0301" * 50]
)
def test_odd_characters_pass_unchanged(shared: Gateway, upstream: Loopback, path: str, text: str) -> None:
    """NUL, bidirectional marks and the like are text: they reach the model as they were, and come back so."""
    answer = shared.ask(f"[says] {text}.", path)

    assert answer.status == 200
    assert answer.text == f"{text}.".strip()
    assert upstream.was_asked(text)


@pytest.mark.parametrize("path", PATHS)
def test_ten_thousand_messages_pass(shared: Gateway, upstream: Loopback, path: str) -> None:
    """A conversation of 10,000 turns is long, and no fault."""
    turns = [{"role": ("user", "assistant")[n % 2], "content": f"turn {n} on {path}"} for n in range(9_999)]

    answer = shared.post({"model": "patient", "max_tokens": 9, "messages": turns}, path)

    assert (answer.status, answer.text) == (200, DEFAULT)
    assert len(upstream.asked(f"turn 9998 on {path}").json["messages"]) == 9_999


@pytest.mark.parametrize("path", PATHS)
def test_a_body_over_the_limit_is_refused_unread(shared: Gateway, path: str) -> None:
    """With a content-length over the limit the answer comes before the body."""
    with shared.connect() as connection:
        whole = shared.send_head(b"{", path).replace(b"content-length: 1\r", b"content-length: 99999999\r")
        connection.sendall(whole)
        answer = read_until(connection, b"}}")

    assert b" 413 " in answer.split(b"\r\n")[0]
    assert b"request_too_large" in answer


def chunked(gateway: Gateway, path: str, chunks: list[bytes]) -> bytes:
    """The answer to a body that says nothing of its length."""
    key = gateway.authorised()["authorization"]
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\ntransfer-encoding: chunked\r\n\r\n"
    with gateway.connect() as connection:
        connection.sendall(head.encode())
        try:
            for chunk in chunks:
                connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            connection.sendall(b"0\r\n\r\n")
        except ConnectionError:
            pass
        return read_until(connection, b"}")


@pytest.mark.parametrize("path", PATHS)
def test_chunked_uploads_are_read_and_bounded(shared: Gateway, path: str) -> None:
    """A body in chunks is a body; one that grows over the limit is refused, wherever it stops."""
    body = json.dumps(question("hi")).encode()

    assert b" 200 " in chunked(shared, path, [body[:9], body[9:20], body[20:]])[:15]
    assert b" 413 " in chunked(shared, path, [b" " * 65_536] * 17)[:15]


@pytest.mark.parametrize("sent", [0, 20])
def test_a_slow_body_is_not_waited_for(shared: Gateway, sent: int) -> None:
    """A client that does not send its body in time is told 408, whether it began or not."""
    began = time.monotonic()
    with shared.connect() as connection:
        whole = shared.send_head(question("hi"))
        connection.sendall(whole[: whole.index(b"\r\n\r\n") + 4 + sent])
        answer = read_until(connection, b"}}")

    assert b" 408 " in answer.split(b"\r\n")[0]
    assert 0.5 < time.monotonic() - began < 5
    id = answer.split(b"x-request-id: ")[1].split(b"\r\n")[0].decode()
    assert shared.wait_event(Rejected, id).code == "request_timeout"


def test_a_trickled_body_has_one_limit_in_all(shared: Gateway) -> None:
    """A byte now and then does not buy more time."""
    began = time.monotonic()
    with shared.connect() as connection:
        whole = shared.send_head(question("hi"))
        head = whole.index(b"\r\n\r\n") + 4
        connection.sendall(whole[:head])
        connection.settimeout(0.1)
        answer = b""
        for at in range(head, len(whole) - 1):
            connection.sendall(whole[at : at + 1])
            try:
                answer = connection.recv(65_536)
                break
            except TimeoutError:
                continue

    assert b" 408 " in answer[:15]
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("words", "stream"),
    [
        ("[hang] before anything", False),
        ("[hang] before a stream", True),
        ("[then hang] some words, and then more of them", True),
    ],
)
def test_a_client_that_leaves_ends_its_upstream_call(
    shared: Gateway, upstream: Loopback, words: str, stream: bool
) -> None:
    """Before the first byte and in the middle of a stream: the upstream sees its caller go, and the ledger why."""
    asked = f"{words}, {stream}"
    with shared.connect() as connection:
        connection.sendall(shared.send_head(question(asked, model="patient", stream=stream)))
        wait_for(lambda: upstream.was_asked(asked), 5)
        if stream and "then" in words:
            read_until(connection, b'"content":"s')

    assert upstream.wait_left(asked)
    exchange = next(e.exchange for e in shared.events() if isinstance(e.body, Received) and asked in (e.content or ""))
    assert shared.wait_event(Ended, exchange).why == "client_left"


def test_a_client_that_leaves_with_half_a_body_is_recorded(shared: Gateway) -> None:
    """Half a request asks nothing, and is in the ledger."""
    before = len(shared.bodies(Rejected))
    with shared.connect() as connection:
        connection.sendall(shared.send_head(question("hi"))[:-10])
        time.sleep(0.1)

    wait_for(lambda: len(shared.bodies(Rejected)) > before, 5)
    assert shared.bodies(Rejected)[-1].code == "client_left"


def test_connections_are_kept(shared: Gateway) -> None:
    """Several requests go over one connection, also after one that was refused."""
    with shared.connect() as connection:
        for body in (question("hi"), b"{", question("hi")):
            connection.sendall(shared.send_head(body))
            answer = read_until(connection, b"}}" if body == b"{" else b'"total_tokens"')
            assert answer.startswith(b"HTTP/1.1 400" if body == b"{" else b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", OPENAI, 405, "is asked with POST, not with GET; known:"),
        ("DELETE", ANTHROPIC, 405, "is asked with POST, not with DELETE; known:"),
        ("POST", "/v1/completions", 404, "did you mean '/v1/chat/completions'?"),
        ("GET", "/v1/chat/completion", 404, "did you mean '/v1/chat/completions'?"),
        ("POST", "/v1/messages/batches", 404, "did you mean '/v1/messages'?"),
        ("GET", "/%00/../etc/passwd", 404, "/v1/reports, /v1/appeals"),
    ],
)
def test_what_is_not_served_is_told(shared: Gateway, method: str, path: str, status: int, said: str) -> None:
    """Another path or method gets an error that names what there is."""
    answer = shared._call(method, path, b"{}", shared.authorised())

    assert answer.status == status
    assert said in answer.message
    assert "/v1/chat/completions" in answer.message


def test_health_and_metrics_need_no_key(shared: Gateway) -> None:
    """Whoever watches the gateway holds no key; metrics have counts and no content."""
    shared.ask("[says] something unrepeatable", user="the-name-of-a-person")

    assert shared.get("/healthz").json == {"status": "ok"}
    assert shared.get("/readyz").json == {"status": "ok"}
    metrics = shared.get("/metrics").body.decode()
    assert 'outworks_exchanges_total{outcome="released",wire="openai"}' in metrics
    assert "unrepeatable" not in metrics
    assert "the-name-of-a-person" not in metrics


@pytest.fixture(scope="module")
def strict(policy: str, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that wants an end user named, serves few at once, and waits half a second for a head."""
    text = policy.replace("[gateway]", "[gateway]\nrequire_account = true", 1).replace(
        "limits = {", "limits = { in_flight = 2,"
    )
    prelude = "import outworks.gateway.protocol as s; s.HEAD_SECONDS = 0.5; "
    gateway = Gateway(tmp_path_factory.mktemp("strict"), text, environ=environ, prelude=prelude)
    gateway.add_key()
    try:
        yield gateway.start()
    finally:
        gateway.stop()


@pytest.mark.parametrize("path", PATHS)
def test_a_missing_account_is_told(strict: Gateway, path: str) -> None:
    """Where the policy wants an end user, a request without one learns how to name it; the header is one way."""
    answer = strict.ask("hi", path)

    assert (answer.status, answer.code) == (400, "account_missing")
    assert "X-Outworks-Account" in answer.message
    assert strict.bodies(Rejected, answer.id)[0].code == "account_missing"
    assert strict.post(question("hi"), path, X_Outworks_Account="ann").status == 200


@pytest.mark.parametrize("sent", [b"", b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"])
def test_a_slow_head_is_not_waited_for(strict: Gateway, sent: bytes) -> None:
    """A connection that sends nothing, or half a head, is closed in time."""
    began = time.monotonic()
    with strict.connect() as connection:
        connection.sendall(sent)
        assert read_all(connection) == b""

    assert time.monotonic() - began < 5


def test_an_endless_head_is_cut_off(strict: Gateway) -> None:
    """A head that grows without end is refused by its size."""
    with strict.connect() as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n")
        sent = 0
        try:
            while sent < 4_000_000:
                sent += connection.send(b"x-padding: " + b"y" * 60_000 + b"\r\n")
            connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass
        answer = read_all(connection)

    assert sent < 4_000_000
    assert answer == b"" or answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))


def test_beyond_its_limit_the_gateway_says_so(strict: Gateway) -> None:
    """With as many exchanges in flight as the policy admits, the next is told to come back."""
    held = [strict.connect() for _ in range(2)]
    for connection in held:
        connection.sendall(strict.send_head(question("[hang] still", model="patient"), OPENAI, "x-outworks-account: a"))
    wait_for(lambda: strict.ask("hi", user="b").status == 503, 5)

    answer = strict.ask("hi", user="b")

    assert answer.code == "overloaded"
    assert answer.headers["retry-after"] == "1"
    for connection in held:
        connection.close()
    wait_for(lambda: strict.ask("hi", user="b").status == 200, 5)
