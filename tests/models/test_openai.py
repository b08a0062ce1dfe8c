"""Chat Completions: what goes up, and what comes down."""

import asyncio
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import completion_create_params
from pydantic import TypeAdapter

from outworks.label import TOOL
from outworks.message import Delta, Finish, Message, Opaque, Output, Request, Role, Text, ToolCall, ToolCallPiece, Usage
from outworks.model import Joined, UpstreamError, join
from outworks.models import openai
from outworks.models.call import MOST_CALLS
from outworks.models.openai_answer import Reading
from outworks.models.openai_request import Dialect, encode
from tests.models.faults import (
    TINY_IMAGE,
    WEATHER,
    answer,
    ask,
    assistant,
    replaced,
    result,
    sse,
    stream,
    system,
    upstream,
    user,
)

DIALECT = Dialect("max_completion_tokens", "safety_identifier", "system", True)
PARAMS = TypeAdapter(completion_create_params.CompletionCreateParamsNonStreaming)
STREAMING = TypeAdapter(completion_create_params.CompletionCreateParamsStreaming)


def sent(request: Request, **dialect: Any) -> Any:
    body = encode(request, "gpt-up", msgspec.structs.replace(DIALECT, **dialect))
    decoded = msgspec.json.decode(body)
    (STREAMING if request.stream else PARAMS).validate_python(decoded)
    return decoded


def read(*choices: dict[str, Any], n: int = 1, **more: Any) -> Joined:
    reading = Reading(ask(parameters={"n": n}))
    return joined(reading.whole(msgspec.json.encode({"choices": choices, **more})))


def read_stream(*events: dict[str, Any] | bytes, n: int = 1) -> Joined:
    reading = Reading(ask(stream=True, parameters={"n": n}))
    deltas = [d for e in events for d in reading.event(e if isinstance(e, bytes) else msgspec.json.encode(e))]
    reading.end()
    return joined(deltas)


def joined(deltas: list[Delta]) -> Joined:
    joined = Joined()
    for delta in deltas:
        joined.add(delta)
    return joined


def piece(finish: str | None = None, index: int = 0, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


def test_a_plain_question() -> None:
    """The upstream's own model name, the text as a string, nothing else."""
    assert sent(ask("hello")) == {"model": "gpt-up", "messages": [{"role": "user", "content": "hello"}]}


def test_every_parameter_under_its_name() -> None:
    """Canonical names are OpenAI's, but for the token limit and the form of a named tool."""
    parameters = {
        "max_tokens": 5,
        "temperature": 0.5,
        "stop": ["a"],
        "seed": 1,
        "n": 2,
        "tool_choice": {"name": "weather"},
    }

    body = sent(ask(parameters=parameters, tools=(WEATHER,)))

    assert body["max_completion_tokens"] == 5
    assert "max_tokens" not in body
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert {name: body[name] for name in ("temperature", "stop", "seed", "n")} == {
        "temperature": 0.5,
        "stop": ["a"],
        "seed": 1,
        "n": 2,
    }


def test_the_dialect_of_older_servers() -> None:
    """`max_tokens`, `user`, the developer's role and the counts in streams follow the settings."""
    request = ask(
        Message(Role.DEVELOPER, (Text("be brief"),), TOOL), parameters={"max_tokens": 5}, account="h4sh", stream=True
    )

    old = sent(request, max_tokens_as="max_tokens", account_as="user", usage_in_streams=False)
    new = sent(request, developer_role="developer")
    none = sent(request, account_as="none")

    assert (old["max_tokens"], old["user"], old["messages"][0]["role"]) == (5, "h4sh", "system")
    assert "stream_options" not in old
    assert (new["max_completion_tokens"], new["safety_identifier"]) == (5, "h4sh")
    assert new["messages"][0]["role"] == "developer"
    assert new["stream_options"] == {"include_usage": True}
    assert "h4sh" not in msgspec.json.encode(none).decode()


@pytest.mark.parametrize("name", ["model", "messages", "stream", "stream_options", "safety_identifier", "tools"])
def test_no_parameter_stands_in_for_what_was_judged(name: str) -> None:
    """A parameter called like a part of the request does not replace that part."""
    honest = ask(tools=(WEATHER,), stream=True, account="h4sh")

    assert sent(replaced(honest, parameters={name: "other"})) == sent(honest)


def test_a_conversation_with_tools() -> None:
    """Calls and results keep their ids and their very arguments, and stand in their order."""
    request = ask(
        system("Be kind."),
        "Weather in Rome and Oslo?",
        assistant("Let me see.", ToolCall("c1", "weather", '{"place": "Rome" }'), ToolCall("c2", "weather", "{}")),
        result("c1", "sun"),
        result("c2", "snow"),
        "Thanks",
        tools=(WEATHER,),
    )

    body = sent(request)

    assert body["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Weather in Rome and Oslo?"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"place": "Rome" }'}},
                {"id": "c2", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sun"},
        {"role": "tool", "tool_call_id": "c2", "content": "snow"},
        {"role": "user", "content": "Thanks"},
    ]
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "Tells the weather.",
                "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
                "strict": True,
            },
        }
    ]


def test_a_call_without_words_has_no_content() -> None:
    """An assistant turn of calls alone carries null, as the API has it."""
    turn = sent(ask("?", assistant("", ToolCall("c", "weather", "{}"))))["messages"][1]

    assert turn["content"] is None


def test_third_party_words_outside_a_result_go_as_the_users() -> None:
    """A document without a call to answer cannot be a tool's message."""
    assert sent(ask(Message(Role.TOOL, (Text("a page"),), TOOL)))["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "a page"}]}
    ]


def test_results_of_one_turns_calls_stand_together() -> None:
    """What a tool showed beside its result travels behind the last result, before whatever comes next."""
    image = Opaque("image", {"type": "image_url", "image_url": {"url": TINY_IMAGE}})
    shown = msgspec.structs.replace(result("c1", "sun"), parts=(*result("c1", "sun").parts, image))
    calls = assistant("", ToolCall("c1", "weather", "{}"), ToolCall("c2", "weather", "{}"))

    last = sent(ask("?", calls, shown, result("c2", "snow")))["messages"][2:]
    followed = sent(ask("?", calls, shown, result("c2", "snow"), "So?"))["messages"][2:]

    assert [turn["role"] for turn in last] == ["tool", "tool", "user"]
    assert [turn["tool_call_id"] for turn in last[:2]] == ["c1", "c2"]
    assert last[2]["content"] == [{"type": "image_url", "image_url": {"url": TINY_IMAGE}}]
    assert followed == [*last, {"role": "user", "content": "So?"}]


ADMITTED = [
    ({"type": "image_url", "image_url": {"url": TINY_IMAGE, "detail": "low"}}, "image_url"),
    ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}}, "image_url"),
    ({"type": "image", "source": {"type": "url", "url": "https://h/i.png"}}, "image_url"),
    ({"type": "input_audio", "input_audio": {"data": "aGVsbG8=", "format": "wav"}}, "input_audio"),
    ({"type": "file", "file": {"file_data": "data:application/pdf;base64,aGVsbG8="}}, "file"),
    ({"type": "file", "file": {"file_id": "file-1"}}, "file"),
    ({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGVsbG8="}}, "file"),
]


@pytest.mark.parametrize(("data", "kind"), ADMITTED)
def test_admitted_content_of_either_wire_goes_up(data: Any, kind: str) -> None:
    """Images, audio and files are rebuilt in this vendor's form, whichever wire they came over."""
    content = sent(ask(user("see", Opaque("image", data))))["messages"][0]["content"]

    assert [part["type"] for part in content] == ["text", kind]


def test_words_hidden_beside_a_medium_do_not_go_up() -> None:
    """A document's title or context is text that no defense read."""
    data = {**ADMITTED[-1][0], "title": "canary", "context": "canary"}

    assert b"canary" not in encode(ask(user("see", Opaque("document", data))), "m", DIALECT)


@pytest.mark.parametrize("data", [{"type": "video"}, {"type": "image_url"}, "x", None])
def test_content_without_a_form_is_unsupported(data: Any) -> None:
    """What this vendor cannot take is refused, not dropped."""
    with pytest.raises(UpstreamError) as caught:
        sent(ask(user("see", Opaque("video", data))))

    assert (caught.value.kind, caught.value.status, caught.value.param) == ("unsupported", 400, "messages")


def test_a_whole_answer_is_one_delta() -> None:
    """Text, finish and counts of the common answer come in one piece."""
    reading = Reading(ask())
    body = {
        "id": "x",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }

    assert reading.whole(msgspec.json.encode(body)) == [Delta(text="Hi.", finish=Finish.STOP, usage=Usage(3, 2))]


CALLS = [
    {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"place":'}},
    {"id": "c2", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
]


def test_a_whole_answer_with_calls() -> None:
    """Words, each call, then the finish."""
    answer = read({"index": 0, "message": {"content": "See:", "tool_calls": CALLS}, "finish_reason": "tool_calls"})

    assert answer.outputs == (
        Output(
            text="See:",
            tool_calls=(ToolCall("c1", "weather", '{"place":'), ToolCall("c2", "weather", "{}")),
            finish=Finish.TOOL_CALLS,
            done=True,
        ),
    )


@pytest.mark.parametrize(
    ("reason", "finish", "refused"),
    [
        ("stop", Finish.STOP, False),
        ("length", Finish.LENGTH, False),
        ("content_filter", Finish.CONTENT_FILTER, True),
        ("eos", Finish.STOP, False),
    ],
)
def test_each_finish(reason: str, finish: Finish, refused: bool) -> None:
    """Every reason to end has its canonical one; a filter's is the provider's refusal."""
    whole = read({"index": 0, "message": {"content": "a"}, "finish_reason": reason}).outputs[0]
    streamed = read_stream(piece(content="a"), piece(reason)).outputs[0]

    assert whole == streamed == Output(text="a", refused=refused, finish=finish, done=True)


def test_a_demanded_call_ends_as_a_call() -> None:
    """OpenAI says `stop` where one function was demanded; clients of any wire are told of the call."""
    answer = read({"index": 0, "message": {"tool_calls": CALLS[:1]}, "finish_reason": "stop"})

    assert answer.outputs[0].finish is Finish.TOOL_CALLS


def test_a_refusal_is_text_that_is_marked() -> None:
    """The model's own refusal reaches the user, and is marked for the record."""
    whole = read({"index": 0, "message": {"content": None, "refusal": "I can't."}, "finish_reason": "stop"})
    streamed = read_stream(piece(refusal="I "), piece(refusal="can't."), piece("stop"))

    assert (
        whole.outputs
        == streamed.outputs
        == (Output(text="I can't.", refused=True, as_refusal=True, finish=Finish.STOP, done=True),)
    )


def test_a_text_that_begins_as_content_is_content_to_its_end() -> None:
    """A refusal behind content is marked for the record; its words stay in the one text that was begun."""
    whole = read({"index": 0, "message": {"content": "Well, ", "refusal": "no."}, "finish_reason": "stop"})
    streamed = read_stream(piece(content="Well, "), piece(refusal="no."), piece("stop"))

    assert whole.outputs == streamed.outputs == (Output(text="Well, no.", refused=True, finish=Finish.STOP, done=True),)


def test_a_stream_with_everything() -> None:
    """Two choices woven together, calls in pieces, counts at the end; what is not known is passed over."""
    answer = read_stream(
        piece(role="assistant", content=""),
        piece(content="He", reasoning_content="canary"),
        piece(index=1, tool_calls=[{"index": 0, "id": "c1", "function": {"name": "weather", "arguments": ""}}]),
        {"choices": [], "prompt_filter_results": [{"a": 1}]},
        {"novelty": True},
        piece(content="y"),
        piece(index=1, tool_calls=[{"index": 0, "function": {"arguments": '{"a"'}}]),
        piece(index=1, tool_calls=[{"index": 1, "id": "c2", "function": {"name": "weather", "arguments": "{}"}}]),
        piece(index=1, tool_calls=[{"index": 0, "function": {"arguments": ":1}"}}]),
        piece("stop"),
        piece("tool_calls", index=1),
        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 9}},
        b"[DONE]",
        n=2,
    )

    assert answer.outputs[0] == Output(text="Hey", finish=Finish.STOP, done=True)
    assert answer.outputs[1].tool_calls == (ToolCall("c1", "weather", '{"a":1}'), ToolCall("c2", "weather", "{}"))
    assert answer.usage == Usage(7, 9)


@pytest.mark.parametrize("index", [{}, {"index": 0}], ids=["no index", "index 0 for all"])
def test_calls_of_servers_that_do_not_number_them(index: dict[str, int]) -> None:
    """A new id begins a new call, whatever the index says, and a name said twice is one name."""
    answer = read_stream(
        piece(tool_calls=[{**index, "id": "c1", "function": {"name": "weather", "arguments": '{"a"'}}]),
        piece(tool_calls=[{**index, "id": "c1", "function": {"name": "weather", "arguments": ":1}"}}]),
        piece(tool_calls=[{**index, "id": "c2", "function": {"name": "time", "arguments": "{"}}]),
        piece(tool_calls=[{**index, "function": {"arguments": "}"}}]),
        piece("tool_calls"),
    )

    assert answer.outputs[0].tool_calls == (ToolCall("c1", "weather", '{"a":1}'), ToolCall("c2", "time", "{}"))


@pytest.mark.parametrize(
    "events",
    [
        [piece("stop"), piece(content="late")],
        [piece(content="a", index=1), piece("stop")],
        [piece(content="a", index=-1), piece("stop")],
        [piece(tool_calls=[{"index": n} for n in range(MOST_CALLS + 1)])],
        [{"choices": 3}],
        [{"choices": [{"index": 0, "delta": {"content": 3}}]}],
        [b"["],
        [b"[" * 5000],
        [b"null"],
    ],
    ids=[
        "more after the end",
        "a choice too many",
        "below zero",
        "calls without end",
        "wrong",
        "wrong text",
        "cut",
        "deep",
        "null",
    ],
)
def test_what_is_not_of_the_form_is_garbage(events: list[Any]) -> None:
    """A stream is held to its form: nothing may come of it that nobody would judge."""
    with pytest.raises(UpstreamError) as caught:
        read_stream(*events)

    assert caught.value.kind == "garbage"


def test_as_many_calls_as_are_taken() -> None:
    """All of them, whole and streamed, each in its place."""
    calls = [{"index": n, "id": f"c{n}", "function": {"name": f"f{n}", "arguments": "{}"}} for n in range(MOST_CALLS)]
    whole = {"index": 0, "message": {"tool_calls": calls}, "finish_reason": "tool_calls"}

    for made in (read(whole), read_stream(piece("tool_calls", tool_calls=calls))):
        assert [call.name for call in made.outputs[0].tool_calls] == [f"f{n}" for n in range(MOST_CALLS)]
    with pytest.raises(UpstreamError, match="more tool calls"):
        read({**whole, "message": {"tool_calls": [*calls, calls[0]]}})


def test_long_arguments_in_small_pieces_cost_what_their_length_does() -> None:
    """Two megabytes in twenty thousand pieces hold nobody up."""
    call = piece(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": "a" * 100}}])
    more = piece(tool_calls=[{"index": 0, "function": {"arguments": "a" * 100}}])
    began = time.process_time()

    made = read_stream(call, *[more] * 20_000, piece("tool_calls"))

    assert len(made.outputs[0].tool_calls[0].arguments) == 2_000_100
    assert time.process_time() - began < 4


@pytest.mark.parametrize("count", [-1, 2**53 + 1, 10**40])
def test_counts_that_cannot_be_are_none(count: int) -> None:
    """Nobody is told of fewer tokens than none, or of more than a reader of JSON can hold."""
    end = {"index": 0, "message": {"content": "Hi."}, "finish_reason": "stop"}

    assert read(end, usage={"prompt_tokens": count, "completion_tokens": 2}).usage == Usage(0, 2)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(msgspec.json.encode))
def test_nothing_but_deltas_or_an_upstream_error_comes_of_any_bytes(data: bytes) -> None:
    """Whatever an upstream sends, reading it raises nothing else."""
    for read in (Reading(ask()).whole, Reading(ask()).event):
        error = None
        try:
            assert all(isinstance(delta, Delta) for delta in read(data))
        except UpstreamError as raised:
            error = raised
        assert error is None or error.kind in ("garbage", "broken")


ERRORS = [
    (400, {"error": {"code": "content_policy_violation"}}, "policy", 400),
    (400, {"error": {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, "policy", 400),
    (400, {"error": {"code": "invalid_prompt", "message": "..."}}, "policy", 400),
    (403, {"error": {"code": 403, "type": "moderation"}}, "policy", 400),
    (400, {"error": {"type": "invalid_request_error", "code": "context_length_exceeded"}}, "rejected", 400),
    (400, {"error": {"message": "no", "type": "invalid_request_error"}}, "rejected", 400),
    (400, {"object": "error", "message": "no", "code": 400}, "rejected", 400),
    (400, {"error": "plain"}, "rejected", 400),
    (413, {}, "rejected", 413),
    (422, [], "rejected", 400),
    (401, {"error": {"code": "invalid_api_key", "message": "Incorrect key: sk-canary"}}, "rejected", 502),
    (404, {"error": {"code": "model_not_found"}}, "rejected", 502),
    (408, {}, "timeout", 504),
    (429, {"error": {"code": "rate_limit_exceeded"}}, "rate_limited", 429),
    (500, {"error": {"message": "canary"}}, "broken", 502),
    (500, {"error": {"type": "a" * 5000 + "_canary"}}, "broken", 502),
    (500, {"error": {"type": "canary" * 5}}, "broken", 502),
    (503, {}, "rate_limited", 503),
    (504, {}, "timeout", 504),
]


@pytest.mark.parametrize(("status", "body", "kind", "told"), ERRORS)
async def test_each_error_of_an_upstream(status: int, body: Any, kind: str, told: int) -> None:
    """Each is told to whom it is due, in our words: a fault of the set-up is never the client's."""
    async with upstream(answer(body, status=status)) as server:
        model = openai.OpenAI("m", openai.Settings(base_url=server.base_url, max_retries=0), {})
        with pytest.raises(UpstreamError) as caught:
            await join(model.generate(ask()))
        await model.aclose()

    assert (caught.value.kind, caught.value.status) == (kind, told)
    assert "canary" not in caught.value.message


async def test_an_error_page_tells_nothing() -> None:
    """An HTML error page, however large, becomes one short sentence."""
    page = b"<html>canary " + b"x" * 200_000

    async with upstream(answer(page, status=500, media="text/html")) as server:
        model = openai.OpenAI("m", openai.Settings(base_url=server.base_url, max_retries=0), {})
        with pytest.raises(UpstreamError) as caught:
            await join(model.generate(ask()))
        await model.aclose()

    assert caught.value.message == "The upstream failed (500)."


async def test_the_parameter_at_fault_is_named_only_if_it_was_sent() -> None:
    """An upstream's `param` is repeated where it is one of ours, in our name for it, never as free text."""
    for param, named in (
        ("temperature", "temperature"),
        ("max_completion_tokens", "max_tokens"),
        ("tools[0].function.canary", "tools"),
        ("messages.[1].content", "messages"),
        ("top_p", ""),
        ("canary text", ""),
    ):
        error = {"error": {"code": "unsupported_value", "param": param}}
        async with upstream(answer(error, status=400)) as server:
            model = openai.OpenAI("m", openai.Settings(base_url=server.base_url), {})
            with pytest.raises(UpstreamError) as caught:
                await join(model.generate(ask(parameters={"temperature": 9, "max_tokens": 10**7})))
            await model.aclose()

        assert caught.value.param == named
        assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    ("problem", "kind"),
    [({"code": "content_filter"}, "policy"), ({"message": "canary"}, "broken"), ("canary", "broken")],
)
async def test_an_error_within_a_stream(problem: Any, kind: str) -> None:
    """What came before it was said; the error follows as its own kind."""
    async with upstream(stream(sse(piece(content="Hi"), {"error": problem}))) as server:
        model = openai.OpenAI("m", openai.Settings(base_url=server.base_url), {})
        deltas = model.generate(ask(stream=True))
        assert (await anext(deltas)).text == "Hi"
        with pytest.raises(UpstreamError) as caught:
            await anext(deltas)
        await model.aclose()

    assert caught.value.kind == kind
    assert "canary" not in caught.value.message


async def test_a_flood_of_events_leaves_others_their_turn() -> None:
    """However many events come in one piece, not all of them are read before anybody else goes on."""
    event = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    done = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with upstream(answer(event * 3_000 + done, media="text/event-stream")) as server:
        model = openai.OpenAI("m", openai.Settings(base_url=server.base_url))
        deltas = model.generate(ask(stream=True))
        await anext(deltas)
        task = asyncio.create_task(others())
        first = [turns async for _ in deltas]
        task.cancel()
        await model.aclose()

    assert max(first.count(turn) for turn in set(first)) <= 200


async def test_a_server_that_does_not_stream_still_answers() -> None:
    """Whole JSON in answer to a streamed request is read as what it is."""
    whole = {"choices": [{"index": 0, "message": {"content": "Hi."}, "finish_reason": "stop"}]}

    async with upstream(answer(whole)) as server:
        model = openai.OpenAI("m", openai.Settings(base_url=server.base_url), {})
        assert (await join(model.generate(ask(stream=True)))).outputs[0].text == "Hi."
        await model.aclose()


def test_pieces_name_their_call_once() -> None:
    """The first piece carries id and name, later ones arguments only."""
    reading = Reading(ask(stream=True))
    first = reading.event(msgspec.json.encode(piece(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f"}}])))
    later = reading.event(msgspec.json.encode(piece(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}])))

    assert first == [Delta(tool_call=ToolCallPiece(index=0, id="c", name="f"))]
    assert later == [Delta(tool_call=ToolCallPiece(index=0, arguments="{}"))]
