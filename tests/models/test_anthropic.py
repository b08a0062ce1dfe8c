"""Anthropic Messages: what goes up, and what comes down."""

import asyncio
from typing import Any

import msgspec
import pytest
from anthropic.types import MessageCreateParams
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from outworks.label import ASSISTANT, SYSTEM, TOOL
from outworks.message import Delta, Finish, Message, Opaque, Output, Request, Role, Text, ToolCall, Usage
from outworks.model import Joined, UpstreamError, join
from outworks.models import anthropic
from outworks.models.anthropic_answer import Reading
from outworks.models.anthropic_request import encode
from outworks.models.call import MOST_CALLS
from tests.models.faults import (
    TINY_IMAGE,
    WEATHER,
    Call,
    answer,
    ask,
    assistant,
    hang,
    result,
    sse,
    stream,
    system,
    upstream,
    user,
)

PARAMS = TypeAdapter(MessageCreateParams)


def sent(request: Request, *, sampling: bool = True) -> Any:
    body = msgspec.json.decode(encode(request, "claude-up", 4096, sampling))
    PARAMS.validate_python(body)
    return body


def with_parameters(**parameters: Any) -> Any:
    return sent(ask(parameters=parameters, tools=(WEATHER,)))


def joined(deltas: list[Delta]) -> Joined:
    joined = Joined()
    for delta in deltas:
        joined.add(delta)
    return joined


def read(*content: dict[str, Any], stop_reason: str = "end_turn", **more: Any) -> Joined:
    message = {"type": "message", "content": content, "stop_reason": stop_reason, **more}
    return joined(Reading(0, {}).whole(msgspec.json.encode(message)))


def read_stream(*events: dict[str, Any] | bytes) -> Joined:
    reading = Reading(0, {})
    deltas = [d for e in events for d in reading.event(e if isinstance(e, bytes) else msgspec.json.encode(e))]
    reading.end()
    return joined(deltas)


def text(said: str, index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": said}}


def arguments(said: str, index: int) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": said}}


def begin(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def finish(reason: str, stop_sequence: str | None = None, **usage: int) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": stop_sequence}, "usage": usage}


START = {"type": "message_start", "message": {"type": "message", "content": [], "usage": {"input_tokens": 5}}}
END = {"type": "message_stop"}


def test_a_plain_question() -> None:
    """The upstream's own model name, the token limit that the API demands, the text, nothing else."""
    assert sent(ask("hello")) == {
        "model": "claude-up",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
    }


@pytest.mark.parametrize(
    ("parameters", "body"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"temperature": 0.5, "top_p": 0.9, "top_k": 3}, {"temperature": 0.5, "top_p": 0.9, "top_k": 3}),
        ({"seed": 1, "n": 2}, {}),
        ({"frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}, "logprobs": False}, {}),
        ({"tool_choice": "auto"}, {"tool_choice": {"type": "auto"}}),
        ({"tool_choice": "none"}, {"tool_choice": {"type": "none"}}),
        ({"tool_choice": "required"}, {"tool_choice": {"type": "any"}}),
        ({"tool_choice": {"name": "weather"}}, {"tool_choice": {"type": "tool", "name": "weather"}}),
        ({"parallel_tool_calls": False}, {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}),
        (
            {"parallel_tool_calls": False, "tool_choice": "required"},
            {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
        ),
        ({"parallel_tool_calls": True}, {}),
        ({"response_format": {"type": "text"}}, {}),
        (
            {
                "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
                "reasoning_effort": "high",
            },
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}, "effort": "high"}},
        ),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"service_tier": "standard_only"}, {"service_tier": "standard_only"}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"metadata": {"a": "b"}, "prompt_cache_key": "k", "verbosity": "low", "modalities": ["text"]}, {}),
    ],
)
def test_each_parameter_that_has_a_form(parameters: dict[str, Any], body: dict[str, Any]) -> None:
    """A canonical parameter goes up in this API's form; one that asks for nothing does not."""
    plain = with_parameters()

    assert with_parameters(**parameters) == plain | body


@pytest.mark.parametrize(
    "parameters",
    [
        {"logit_bias": {"5": 1}},
        {"logprobs": True},
        {"frequency_penalty": 0.5},
        {"response_format": {"type": "json_object"}},
        {"response_format": "json"},
        {"tool_choice": "sometimes"},
        {"reasoning_effort": "utmost"},
        {"reasoning_effort": {}},
        {"service_tier": []},
        {"service_tier": "flex"},
        {"thinking": {"type": "adaptive"}},
        {"novelty": 1},
        {"system": "canary"},
        {"messages": []},
    ],
    ids=lambda parameters: next(iter(parameters)),
)
def test_each_parameter_without_a_form_is_refused_by_name(parameters: dict[str, Any]) -> None:
    """What the API cannot do is an error that names it; nothing is dropped in silence."""
    with pytest.raises(UpstreamError) as caught:
        with_parameters(**parameters)

    assert (caught.value.kind, caught.value.status) == ("unsupported", 400)
    assert caught.value.param == next(iter(parameters))


def test_sampling_can_be_dropped() -> None:
    """For models that reject sampling parameters the policy may leave them out."""
    body = sent(ask(parameters={"temperature": 0.5, "top_p": 0.9, "top_k": 3, "max_tokens": 7}), sampling=False)

    assert body == sent(ask(parameters={"max_tokens": 7}))


def test_a_conversation_with_tools() -> None:
    """System apart; turns alternate; results head the user's turn; arguments are the judged text, parsed by the API."""
    request = ask(
        system("Be kind."),
        "Weather in Rome and Oslo?",
        "Quick!",
        assistant(
            "Let me see.", ToolCall("c1", "weather", '{"place": "Rome", "n": 1.0}'), ToolCall("c2", "weather", "")
        ),
        result("c1", "sun"),
        result("c2", "snow"),
        "Thanks",
        tools=(WEATHER,),
        account="h4sh",
        stream=True,
    )

    body = sent(request)

    assert body["system"] == "Be kind."
    assert body["metadata"] == {"user_id": "h4sh"}
    assert body["stream"] is True
    assert body["messages"] == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "Weather in Rome and Oslo?"}, {"type": "text", "text": "Quick!"}],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "c1", "name": "weather", "input": {"place": "Rome", "n": 1.0}},
                {"type": "tool_use", "id": "c2", "name": "weather", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "sun"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "snow"},
                {"type": "text", "text": "Thanks"},
            ],
        },
    ]
    assert body["tools"] == [
        {
            "name": "weather",
            "description": "Tells the weather.",
            "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}},
            "strict": True,
        }
    ]
    assert b'{"place": "Rome", "n": 1.0}' in encode(request, "m", 1, True)


def test_results_come_before_words() -> None:
    """The API demands the results of calls at the head of the turn, wherever a client put them."""
    turn = sent(ask("?", assistant("", ToolCall("c", "weather", "{}")), "well", result("c", "sun")))["messages"][2]

    assert [block["type"] for block in turn["content"]] == ["tool_result", "text"]


@pytest.mark.parametrize(
    "said", [assistant(""), Message(Role.ASSISTANT, (Text(""),), ASSISTANT)], ids=["none", "empty"]
)
def test_an_answer_without_words_is_no_turn(said: Message) -> None:
    """The API refuses an empty turn of the model's before the last; a conversation goes on after an empty answer."""
    turns = sent(ask("hello", said, "are you there?"))["messages"]

    assert turns == [{"role": "user", "content": [{"type": "text", "text": t} for t in ("hello", "are you there?")]}]


def test_system_turns_wherever_they_stand() -> None:
    """System and developer turns become the system prompt, in order."""
    request = ask(system("One."), "hello", Message(Role.DEVELOPER, (Text("Two."),), SYSTEM))

    body = sent(request)

    assert body["system"] == [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]
    assert [turn["role"] for turn in body["messages"]] == ["user"]


@pytest.mark.parametrize("said", ["[]", "1", "{", '{"a": 1} x', "[" * 5000])
def test_arguments_that_are_no_object_are_refused(said: str) -> None:
    """Arguments that this API cannot carry are an error: anything else would not be what was judged."""
    with pytest.raises(UpstreamError) as caught:
        sent(ask("?", assistant("", ToolCall("c", "weather", said))))

    assert (caught.value.kind, caught.value.status, caught.value.param) == ("unsupported", 400, "messages")


@pytest.mark.parametrize(
    ("data", "block"),
    [
        (
            {"type": "image_url", "image_url": {"url": TINY_IMAGE, "detail": "low"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://h/i.png"}},
            {"type": "image", "source": {"type": "url", "url": "https://h/i.png"}},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGVsbG8="}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGVsbG8="}},
        ),
        (
            {"type": "document", "title": "canary", "source": {"type": "url", "url": "https://h/a.pdf"}},
            {"type": "document", "source": {"type": "url", "url": "https://h/a.pdf"}},
        ),
    ],
)
def test_admitted_content_of_either_wire_goes_up(data: Any, block: Any) -> None:
    """Images and documents are rebuilt in this vendor's form, with nothing that nobody judged."""
    assert sent(ask(user("see", Opaque("image", data))))["messages"][0]["content"][1] == block


@pytest.mark.parametrize(
    "message",
    [
        user("hear", Opaque("audio", {"type": "input_audio", "input_audio": {"data": "a", "format": "wav"}})),
        Message(Role.ASSISTANT, (Opaque("image", {}),), TOOL),
        Message(Role.SYSTEM, (Opaque("image", {}),), SYSTEM),
    ],
    ids=["audio", "assistant", "system"],
)
def test_content_without_a_form_is_unsupported(message: Message) -> None:
    """What this vendor cannot take is refused, not dropped."""
    with pytest.raises(UpstreamError) as caught:
        sent(ask(message))

    assert caught.value.kind == "unsupported"


def test_a_whole_answer_is_one_delta() -> None:
    """Text, finish and counts of the common answer come in one piece; cached input is input."""
    message = {
        "type": "message",
        "content": [{"type": "text", "text": "Hi "}, {"type": "text", "text": "you."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 2},
    }

    assert Reading(1, {}).whole(msgspec.json.encode(message)) == [
        Delta(choice=1, text="Hi you.", finish=Finish.STOP, usage=Usage(7, 2))
    ]


@pytest.mark.parametrize("count", [-1, 2**53 + 1, 10**40])
def test_counts_that_cannot_be_are_none(count: int) -> None:
    """Nobody is told of fewer tokens than none, or of more than a reader of JSON can hold."""
    usage = {"input_tokens": 3, "cache_read_input_tokens": count, "output_tokens": count}
    message = {"type": "message", "content": [], "stop_reason": "end_turn", "usage": usage}

    assert Reading(0, {}).whole(msgspec.json.encode(message))[-1].usage == Usage(3, 0)


def test_more_calls_than_are_taken_are_garbage() -> None:
    """As many as are taken pass, in one piece too; one more does not."""
    message = {"type": "message", "content": [TOOL_USE] * MOST_CALLS, "stop_reason": "tool_use"}

    assert len(Reading(0, {}).whole(msgspec.json.encode(message))) == MOST_CALLS + 1
    message["content"] = [TOOL_USE] * (MOST_CALLS + 1)
    with pytest.raises(UpstreamError, match="more tool calls"):
        Reading(0, {}).whole(msgspec.json.encode(message))


def test_a_whole_answer_with_calls() -> None:
    """Words, each call with its very arguments, then the finish; other blocks are not taken."""
    reading = Reading(0, {})
    body = (
        b'{"content":[{"type":"thinking","thinking":"canary","signature":"x"},{"type":"text","text":"See:"},'
        b'{"type":"tool_use","id":"c1","name":"weather","input":{"place": "Rome","n":1.0}}],'
        b'"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}}'
    )

    assert joined(reading.whole(body)).outputs == (
        Output(
            text="See:",
            tool_calls=(ToolCall("c1", "weather", '{"place": "Rome","n":1.0}'),),
            finish=Finish.TOOL_CALLS,
            done=True,
        ),
    )


@pytest.mark.parametrize(
    ("reason", "end", "refused"),
    [
        ("end_turn", Finish.STOP, False),
        ("stop_sequence", Finish.STOP, False),
        ("max_tokens", Finish.LENGTH, False),
        ("model_context_window_exceeded", Finish.LENGTH, False),
        ("refusal", Finish.CONTENT_FILTER, True),
        ("novelty", Finish.STOP, False),
    ],
)
def test_each_finish(reason: str, end: Finish, refused: bool) -> None:
    """Every reason to end has its canonical one; a refusal is marked as the provider's."""
    whole = read({"type": "text", "text": "a"}, stop_reason=reason).outputs[0]
    streamed = read_stream(START, text("a"), finish(reason), END).outputs[0]

    assert whole == streamed == Output(text="a", refused=refused, finish=end, done=True)


def test_the_stop_string_that_was_met_is_told() -> None:
    """Which of the strings ended the answer is known, streamed or not; with any other reason there is none."""
    for reason, met in (("stop_sequence", "END"), ("end_turn", "")):
        whole = read({"type": "text", "text": "a"}, stop_reason=reason, stop_sequence="END").outputs[0]
        streamed = read_stream(START, text("a"), finish(reason, "END"), END).outputs[0]

        assert whole == streamed == Output(text="a", finish=Finish.STOP, stop_string=met, done=True)


def test_a_stream_with_everything() -> None:
    """Texts, calls with and without arguments, counts; pings, thinking and news are passed over."""
    answer = read_stream(
        START,
        {"type": "ping"},
        begin(0, type="thinking", thinking="canary"),
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "canary"}},
        stop(0),
        begin(1, type="text", text="", citations=None),
        text("He", 1),
        {"type": "novelty", "what": ["ever"]},
        text("y", 1),
        stop(1),
        begin(2, type="tool_use", id="c1", name="weather", input={}),
        arguments("", 2),
        arguments('{"a"', 2),
        arguments(":1}", 2),
        stop(2),
        begin(3, type="tool_use", id="c2", name="time", input={}),
        stop(3),
        finish("tool_use", output_tokens=9),
        END,
    )

    assert answer.outputs == (
        Output(
            text="Hey",
            tool_calls=(ToolCall("c1", "weather", '{"a":1}'), ToolCall("c2", "time", "{}")),
            finish=Finish.TOOL_CALLS,
            done=True,
        ),
    )
    assert answer.usage == Usage(5, 9)


TOOL_USE = {"type": "tool_use", "id": "c", "name": "f", "input": {}}


def began(index: int) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": TOOL_USE}


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([START, text("a")], "broken"),
        ([START, END], "broken"),
        ([START, finish("end_turn"), text("late"), END], "garbage"),
        ([START, arguments("{}", 7), finish("end_turn")], "garbage"),
        ([START, *(began(n) for n in range(MOST_CALLS + 1))], "garbage"),
        ([START, b"{", END], "garbage"),
        ([b"[]"], "garbage"),
        ([b"[" * 5000], "garbage"),
        ([START, {"type": "error", "error": {"type": "overloaded_error", "message": "canary"}}], "rate_limited"),
        ([START, {"type": "error", "error": {"type": "api_error"}}], "broken"),
        ([START, {"type": "error"}], "broken"),
    ],
)
def test_what_is_not_of_the_form_is_an_error(events: list[Any], kind: str) -> None:
    """A stream is held to its form, and its own errors are ours."""
    with pytest.raises(UpstreamError) as caught:
        read_stream(*events)

    assert caught.value.kind == kind
    assert "canary" not in caught.value.message


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(msgspec.json.encode))
def test_nothing_but_deltas_or_an_upstream_error_comes_of_any_bytes(data: bytes) -> None:
    """Whatever an upstream sends, reading it raises nothing else."""
    for read in (Reading(0, {}).whole, Reading(0, {}).event):
        error = None
        try:
            assert all(isinstance(delta, Delta) for delta in read(data))
        except UpstreamError as raised:
            error = raised
        assert error is None or error.kind == "garbage"


async def generate(server_url: str, request: Request, **given: Any) -> Joined:
    settings = anthropic.Settings(base_url=server_url, api_key_env="KEY", max_retries=0, **given)
    model = anthropic.Anthropic("m", settings, {"KEY": "secret"})
    try:
        return await join(model.generate(request))
    finally:
        await model.aclose()


WHOLE = {
    "content": [{"type": "text", "text": "Hi."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 2},
}
SSE = sse(START, text("Hi."), finish("end_turn", output_tokens=2), END)


@pytest.mark.parametrize("behaviour", [answer(WHOLE), stream(SSE)], ids=["whole", "streamed"])
async def test_a_call_end_to_end(behaviour: Any) -> None:
    """Path, key, version and body are the vendor's; the answer is read as it comes."""
    async with upstream(behaviour) as server:
        said = await generate(server.base_url, ask(), model="claude-up")
        call = server.calls[0]

    assert said.outputs[0].text == "Hi."
    assert call.head.startswith("POST /v1/messages HTTP/1.1\r\n")
    assert (call.headers["x-api-key"], call.headers["anthropic-version"]) == ("secret", "2023-06-01")
    assert call.json["model"] == "claude-up"


@pytest.mark.parametrize("behaviour", [answer(WHOLE), stream(SSE)], ids=["whole", "streamed"])
async def test_choices_are_as_many_calls(behaviour: Any) -> None:
    """`n` calls side by side make `n` choices, and their tokens are counted together."""
    async with upstream(behaviour) as server:
        said = await generate(server.base_url, ask(parameters={"n": 3}))
        calls = len(server.calls)

    assert [output.text for output in said.outputs] == ["Hi."] * 3
    assert [output.choice for output in said.outputs] == [0, 1, 2]
    assert said.usage in (Usage(9, 6), Usage(15, 6))
    assert calls == 3


async def test_one_failed_choice_fails_the_answer_and_stops_the_others() -> None:
    """No partial answer, and no call left running."""
    async with upstream(hang, answer({}, status=500)) as server:
        with pytest.raises(UpstreamError) as caught:
            await asyncio.wait_for(generate(server.base_url, ask(parameters={"n": 2})), 5)

        assert caught.value.kind == "broken"
        await asyncio.wait_for(server.left.wait(), 1.0)


async def test_closing_the_iterator_stops_every_choice() -> None:
    """A client that goes away stops all the calls made for it."""
    gone = 0

    async def slow(call: Call) -> None:
        nonlocal gone
        try:
            await stream(sse(START, text("Hi.")), end=False)(call)
        except asyncio.CancelledError:
            gone += 1
            raise

    async with upstream(slow) as server:
        model = anthropic.Anthropic("m", anthropic.Settings(base_url=server.base_url), {})
        deltas = model.generate(ask(stream=True, parameters={"n": 3}))
        await anext(deltas)
        await deltas.aclose()
        await asyncio.sleep(0.1)
        await model.aclose()

    assert gone == len(server.calls)


@pytest.mark.parametrize("n", [0, -1, 17, "2", None])
async def test_a_number_of_choices_out_of_range_is_refused(n: Any) -> None:
    """One request cannot be turned into a flood of calls."""
    async with upstream(answer(WHOLE)) as server:
        with pytest.raises(UpstreamError) as caught:
            await generate(server.base_url, ask(parameters={"n": n}))

        assert (caught.value.kind, caught.value.param, server.calls) == ("unsupported", "n", [])


@pytest.mark.parametrize(
    ("status", "problem", "kind", "told"),
    [
        (
            400,
            {"type": "invalid_request_error", "message": "Output blocked by content filtering policy"},
            "policy",
            400,
        ),
        (400, {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens"}, "rejected", 400),
        (400, {"type": "invalid_request_error", "message": "canary"}, "rejected", 400),
        (401, {"type": "authentication_error", "message": "canary"}, "rejected", 502),
        (429, {"type": "rate_limit_error", "message": "canary"}, "rate_limited", 429),
        (500, {"type": "api_error", "message": "canary"}, "broken", 502),
        (529, {"type": "overloaded_error", "message": "canary"}, "rate_limited", 503),
    ],
)
async def test_each_error_of_the_api(status: int, problem: dict[str, str], kind: str, told: int) -> None:
    """Each is told to whom it is due, in our words."""
    async with upstream(answer({"type": "error", "error": problem}, status=status)) as server:
        with pytest.raises(UpstreamError) as caught:
            await generate(server.base_url, ask())

    assert (caught.value.kind, caught.value.status) == (kind, told)
    assert "canary" not in caught.value.message
