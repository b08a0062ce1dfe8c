"""Upstreams that fail: the client gets a clear error in its wire's form, the ledger an event, and nothing hangs."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import anthropic
import openai
import pytest

from outworks.event import Released, UpstreamFailed
from tests.e2e.kit import OPENAI, PATHS, Answer, Gateway, question, said
from tests.e2e.loopback import Loopback

FORMS = [(path, stream) for path in PATHS for stream in (False, True)]


def ask_every_way(gateway: Gateway, text: str, model: str, forms: Sequence[tuple[str, bool]] = FORMS) -> list[Answer]:
    """Over both wires, whole and streamed, all at once."""

    def one(form: tuple[str, bool]) -> Answer:
        way = f"{text} over {form[0].rpartition('/')[2]}, {'streamed' if form[1] else 'whole'}"
        return gateway.ask(way, form[0], model=model, stream=form[1])

    with ThreadPoolExecutor(len(forms)) as pool:
        return list(pool.map(one, forms))


@pytest.mark.parametrize(
    ("text", "model", "status", "code"),
    [
        ("hi", "down", 502, "upstream_unreachable"),
        ("[hang]", "fake", 504, "upstream_timeout"),
        ("[hang up]", "fake", 502, "upstream_broken"),
        ("[garbage]", "fake", 502, "upstream_garbage"),
        ("[garbage json]", "fake", 502, "upstream_garbage"),
        ("[not http]", "fake", 502, "upstream_garbage"),
        ("[401]", "fake", 502, "upstream_rejected"),
        ("[429]", "fake", 429, "upstream_rate_limited"),
        ("[500]", "fake", 502, "upstream_broken"),
        ("[policy]", "fake", 400, "upstream_policy"),
    ],
)
def test_an_upstream_that_fails_is_told(shared: Gateway, text: str, model: str, status: int, code: str) -> None:
    """In time, with its own status and code, without a word of what the upstream said, and recorded."""
    began = time.monotonic()

    for answer in ask_every_way(shared, text, model):
        assert (answer.status, answer.code) == (status, code)
        assert b"secret" not in answer.body
        assert b"10.0.0.1" not in answer.body
        assert shared.bodies(UpstreamFailed, answer.id)
        if code == "upstream_rate_limited":
            assert answer.headers["retry-after"] == "20"
    assert time.monotonic() - began < 8


def test_what_the_upstream_rejects_is_not_tried_again(shared: Gateway, upstream: Loopback) -> None:
    """Both clients try a 502 twice more by themselves; one that lasts, such as for a wrong key, they raise at once."""
    asked = [{"role": "user", "content": "[401] once"}]
    gpt = openai.OpenAI(base_url=f"{shared.url}/v1", api_key=shared.key)
    claude = anthropic.Anthropic(base_url=shared.url, api_key=shared.key)

    with pytest.raises(openai.InternalServerError, match="key, account or model"):
        gpt.chat.completions.create(model="fake", messages=asked)
    with pytest.raises(anthropic.InternalServerError, match="key, account or model"):
        claude.messages.create(model="fake", max_tokens=9, messages=asked)

    assert len([call for call in upstream.calls if call.json["messages"] == asked]) == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[break off] Once upon a time there was a lamp", "upstream_broken"),
        ("[then hang] Once upon a time there was a lamp", "upstream_timeout"),
        ("[endless]", "upstream_timeout"),
        ("[garbage stream]", "upstream_garbage"),
    ],
)
def test_a_stream_that_fails_midway_says_so(shared: Gateway, text: str, code: str) -> None:
    """What left before stands; then comes the error, in the stream, and nothing after it. It is never a proper end."""
    began = time.monotonic()

    for answer, (_, stream) in zip(ask_every_way(shared, text, "fake"), FORMS, strict=True):
        if not stream:
            continue
        if answer.status == 200:
            got = said(answer.body)
            assert got.error == code
            assert not got.whole
            recorded = (e.content or "" for e in shared.events(answer.id) if isinstance(e.body, Released))
            assert "".join(recorded) == got.text
        else:
            assert answer.code == code
        assert shared.bodies(UpstreamFailed, answer.id)
    assert time.monotonic() - began < 10


def test_an_answer_cut_short_is_no_answer(shared: Gateway) -> None:
    """A whole answer that breaks off is a 502, never half of it."""
    for path in PATHS:
        answer = shared.ask("[break off] Once upon", path)

        assert (answer.status, answer.code) == (502, "upstream_broken")


def test_the_clients_raise_in_the_middle_of_a_stream(shared: Gateway) -> None:
    """The official clients raise their own error when a stream breaks off, after the words that came."""
    asked = [{"role": "user", "content": "[break off] Once upon a time there was a lamp in a shop"}]
    gpt = openai.OpenAI(base_url=f"{shared.url}/v1", api_key=shared.key, max_retries=0)
    claude = anthropic.Anthropic(base_url=shared.url, api_key=shared.key, max_retries=0)
    words = ""

    with pytest.raises(openai.APIError) as first:
        for chunk in gpt.chat.completions.create(model="fake", messages=asked, stream=True):  # type: ignore[call-overload]
            words += chunk.choices[0].delta.content or ""
    with (
        pytest.raises(anthropic.APIError),
        claude.messages.stream(model="fake", max_tokens=9, messages=asked) as stream,  # type: ignore[arg-type]
    ):
        stream.until_done()

    assert words.startswith("Once upon")
    assert first.value.code == "upstream_broken"


def test_others_go_on_while_an_upstream_hangs(shared: Gateway) -> None:
    """A hanging upstream holds nobody but those who asked it."""
    with ThreadPoolExecutor(8) as pool:
        hanging = [pool.submit(shared.ask, "[hang] all of you", model="fake") for _ in range(8)]
        began = time.monotonic()
        assert shared.ask("hi", model="scripted").status == 200
        assert time.monotonic() - began < 1.0
        assert {answer.result().status for answer in hanging} == {504}


def test_an_exchange_has_a_limit_in_all(shared: Gateway) -> None:
    """An answer that would take longer than `exchange_seconds` ends there, also where the upstream is patient."""
    began = time.monotonic()

    answer = shared.post(question("[slowly] " + "word " * 400, model="patient", stream=True), OPENAI)

    assert said(answer.body).error == "exchange_timeout"
    assert 4 < time.monotonic() - began < 10
