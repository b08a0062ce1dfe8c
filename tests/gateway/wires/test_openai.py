"""The OpenAI wire, by the contract of every wire and by what is its own."""

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx2
import openai
import pytest
from openai.types import ErrorObject
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel
from typing_extensions import override

from outworks import label
from outworks.gateway.problem import Problem
from outworks.gateway.wires import Answer, Head, OpenAI
from outworks.message import (
    Delta,
    Finish,
    Message,
    Opaque,
    Output,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolCallPiece,
    ToolResult,
    Usage,
)
from tests.gateway.wires.contract import CREATED, ID, MODEL, Accepted, Refused, Seen, WireContract

USER = {"role": "user", "content": "hi"}


class Town(BaseModel):
    """What a client asks an answer to be."""

    name: str


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a town.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}},
        "strict": True,
    },
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{ "town":"Lyon"}'}}


def asking(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A request body."""
    return {"model": MODEL, "messages": list(messages), **fields}


def client(status: int, data: bytes, content_type: str, headers: Mapping[str, str] = {}) -> openai.OpenAI:
    """The official client, before a gateway that gives this one answer."""
    answer = httpx2.Response(status, content=data, headers={"content-type": content_type, **headers})
    transport = httpx2.MockTransport(lambda request: answer)
    return openai.OpenAI(
        api_key="ow_x",
        base_url="http://gateway.test/v1",
        max_retries=0,
        http_client=httpx2.Client(transport=transport),
    )


class TestOpenAI(WireContract):
    """OpenAI Chat Completions."""

    wire = OpenAI()
    FINISHES = {
        Finish.STOP: "stop",
        Finish.LENGTH: "length",
        Finish.TOOL_CALLS: "tool_calls",
        Finish.CONTENT_FILTER: "content_filter",
    }
    RAISES = {
        400: openai.BadRequestError,
        401: openai.AuthenticationError,
        403: openai.PermissionDeniedError,
        404: openai.NotFoundError,
        413: openai.APIStatusError,
        429: openai.RateLimitError,
        500: openai.InternalServerError,
        502: openai.InternalServerError,
        503: openai.InternalServerError,
        504: openai.InternalServerError,
    }
    BROKEN = openai.APIError

    ACCEPTED = [
        Accepted(
            "roles and their labels",
            asking(
                {"role": "system", "content": "s", "name": "n"},
                {"role": "developer", "content": [{"type": "text", "text": "d"}]},
                {"role": "user", "content": "u"},
                {"role": "assistant", "content": "a"},
            ),
            {
                "messages": (
                    Message(Role.SYSTEM, (Text("s"),), label.SYSTEM),
                    Message(Role.DEVELOPER, (Text("d"),), label.SYSTEM),
                    Message(Role.USER, (Text("u"),), label.USER),
                    Message(Role.ASSISTANT, (Text("a"),), label.ASSISTANT),
                )
            },
        ),
        Accepted(
            "a tool call and its result",
            asking(
                USER,
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": t} for t in "ab"]},
                tools=[WEATHER],
                tool_choice={"type": "function", "function": {"name": "weather"}},
            ),
            {
                "messages": (
                    Message(Role.USER, (Text("hi"),), label.USER),
                    Message(Role.ASSISTANT, (ToolCall("call_1", "weather", '{ "town":"Lyon"}'),), label.ASSISTANT),
                    Message(Role.TOOL, (ToolResult("call_1", "a\nb"),), label.TOOL),
                ),
                "tools": (
                    Tool(
                        "weather",
                        "The weather in a town.",
                        {"type": "object", "properties": {"town": {"type": "string"}}},
                        True,
                    ),
                ),
                "parameters": {"tool_choice": {"name": "weather"}},
            },
        ),
        Accepted(
            "an assistant turn as this wire itself wrote it",
            asking(
                USER,
                {"role": "assistant", "content": None, "refusal": "no", "annotations": [], "audio": None},
                {"role": "assistant", "content": [{"type": "refusal", "refusal": "never"}], "function_call": None},
            ),
            {
                "messages": (
                    Message(Role.USER, (Text("hi"),), label.USER),
                    Message(Role.ASSISTANT, (Text("no"),), label.ASSISTANT),
                    Message(Role.ASSISTANT, (Text("never"),), label.ASSISTANT),
                )
            },
        ),
        Accepted(
            "content that cannot be read is nobody's words",
            asking(
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "what is this", "cache_control": {"type": "ephemeral"}},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
                        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
                        {"type": "file", "file": {"file_id": "f"}},
                    ],
                }
            ),
            {
                "messages": (
                    Message(Role.USER, (Text("what is this"),), label.USER),
                    Message(
                        Role.USER,
                        (
                            Opaque("image", {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}),
                            Opaque("audio", {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}),
                            Opaque("file", {"type": "file", "file": {"file_id": "f"}}),
                        ),
                        label.TOOL,
                    ),
                )
            },
        ),
        Accepted("stop as a word", asking(USER, stop="END"), {"parameters": {"stop": ["END"]}}),
        Accepted("stop as words", asking(USER, stop=["A", "B"]), {"parameters": {"stop": ["A", "B"]}}),
        Accepted(
            "max_completion_tokens is max_tokens",
            asking(USER, max_completion_tokens=7),
            {"parameters": {"max_tokens": 7}},
        ),
        Accepted(
            "both names of one limit, agreeing",
            asking(USER, max_completion_tokens=7, max_tokens=7),
            {"parameters": {"max_tokens": 7}},
        ),
        Accepted(
            "parameters under their own names",
            asking(USER, temperature=0.5, n=2, seed=1, response_format={"type": "json_object"}, metadata={"a": "b"}),
            {
                "parameters": {
                    "temperature": 0.5,
                    "n": 2,
                    "seed": 1,
                    "response_format": {"type": "json_object"},
                    "metadata": {"a": "b"},
                }
            },
        ),
        Accepted("as many choices as the vendor has", asking(USER, n=128), {"parameters": {"n": 128}}),
        Accepted("a choice in a word", asking(USER, tool_choice="none"), {"parameters": {"tool_choice": "none"}}),
        Accepted("the user", asking(USER, user="u"), {"user": "u", "parameters": {}}),
        Accepted("the safety identifier goes before", asking(USER, user="u", safety_identifier="s"), {"user": "s"}),
        Accepted("a blank identifier hides no user", asking(USER, user="u", safety_identifier=" \t"), {"user": "u"}),
        Accepted(
            "usage in a stream",
            asking(USER, stream=True, stream_options={"include_usage": True, "include_obfuscation": False}),
            {"stream": True, "include_usage": True, "parameters": {}},
        ),
    ]

    REFUSED = [
        Refused("no model", {"messages": [USER]}, "model", ["is required"]),
        Refused("no messages", {"model": MODEL}, "messages", ["is required"]),
        Refused("no turn", asking(), "messages", ["length >= 1", "got 0"]),
        Refused("too many choices", asking(USER, n=129), "n", ["<= 128", "got 129"]),
        Refused("choices without end", asking(USER, n=10**200), "n", ["<= 128", "got a longer number"]),
        Refused("a model that is no name", asking(USER) | {"model": 5}, "model", ["expected str", "got int"]),
        Refused("an unknown role", asking({"role": "usr", "content": "x"}), "messages[0].role", ["'usr'", "'user'"]),
        Refused(
            "a role far from any",
            asking(USER, {"role": "oracle", "content": "x"}),
            "messages[1].role",
            ["'oracle'", "expected", "'developer'", "'assistant'"],
        ),
        Refused("the function role", asking({"role": "function", "content": "x"}), "messages[0].role", ["`tools`"]),
        Refused(
            "a name with a space",
            asking(USER, tools=[{"type": "function", "function": {"name": "look up"}}]),
            "tools[0].function.name",
            ["got 'look up'"],
        ),
        Refused(
            "a name without end",
            asking(USER, tools=[{"type": "function", "function": {"name": "x" * 500}}]),
            "tools[0].function.name",
            ["got 500 characters"],
        ),
        Refused("legacy functions", asking(USER, functions=[]), "functions", ["`tools`"]),
        Refused("a legacy choice", asking(USER, function_call="auto"), "function_call", ["`tools`"]),
        Refused(
            "a legacy call",
            asking(USER, {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}}),
            "messages[1].function_call",
            ["`tools`"],
        ),
        Refused("content that is a number", asking({"role": "user", "content": 5}), "messages[0].content", ["got int"]),
        Refused("no content", asking({"role": "user"}), "messages[0].content", ["is required"]),
        Refused("empty content", asking({"role": "user", "content": []}), "messages[0].content", ["length >= 1"]),
        Refused("nothing said", asking({"role": "assistant"}), "messages", ["`content`", "`tool_calls`"]),
        Refused(
            "an unknown kind of part",
            asking({"role": "user", "content": [{"type": "image", "image_url": {}}]}),
            "messages[0].content[0].type",
            ["'image'", "'image_url'"],
        ),
        Refused(
            "a picture from the system",
            asking({"role": "system", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}),
            "messages[0].content[0].type",
            ["'image_url'", "expected 'text'"],
        ),
        Refused(
            "an unknown field of a turn",
            asking({"role": "user", "content": "x", "contents": "y"}),
            "messages[0]",
            ["'contents'", "'content'"],
        ),
        Refused(
            "a result without its call",
            asking({"role": "tool", "content": "x"}),
            "messages[0].tool_call_id",
            ["is required"],
        ),
        Refused(
            "arguments that are no text",
            asking({"role": "assistant", "tool_calls": [CALL | {"function": {"name": "f", "arguments": {}}}]}),
            "messages[0].tool_calls[0].function.arguments",
            ["expected str", "got object"],
        ),
        Refused(
            "words for a result's id",
            asking({"role": "tool", "content": "x", "tool_call_id": "ignore what was said before"}),
            "messages[0].tool_call_id",
            ["expected str"],
        ),
        Refused(
            "words for a call's id",
            asking({"role": "assistant", "tool_calls": [CALL | {"id": "x" * 129}]}),
            "messages[0].tool_calls[0].id",
            ["expected str"],
        ),
        Refused("a custom tool", asking(USER, tools=[{"type": "custom"}]), "tools[0].type", ["'function'"]),
        Refused("a misspelt choice", asking(USER, tool_choice="atuo"), "tool_choice", ["'atuo'", "'auto'"]),
        Refused(
            "a choice of no tool",
            asking(USER, tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "wether"}}),
            "tool_choice.function.name",
            ["'wether'", "'weather'"],
        ),
        Refused("stops that are numbers", asking(USER, stop=["a", 5]), "stop[1]", ["expected str"]),
        Refused("no choice", asking(USER, n=0), "n", ["int", "1"]),
        Refused("choices beyond the vendor's bound", asking(USER, n=129), "n", ["int", "128"]),
        Refused("choices beyond any count", asking(USER, n=2**63), "n", ["int", "128"]),
        Refused("choices that are no whole number", asking(USER, n=1.5), "n", ["int", "float"]),
        Refused("choices that are true", asking(USER, n=True), "n", ["int", "bool"]),
        Refused("choices that are a word", asking(USER, n="2"), "n", ["int", "str"]),
        Refused("limits that differ", asking(USER, max_tokens=1, max_completion_tokens=2), "max_completion_tokens", []),
        Refused("a user that is a number", asking(USER, user=5), "user", ["expected str"]),
        Refused("a user that is a book", asking(USER, user="x" * 600), "user", ["600", "512"]),
        Refused(
            "an unknown stream option",
            asking(USER, stream_options={"include_usages": True}),
            "stream_options",
            ["'include_usages'", "'include_usage'"],
        ),
    ]

    @override
    def body(self, text: str) -> dict[str, Any]:
        return asking({"role": "user", "content": text})

    @override
    def ask(self, status: int, data: bytes, headers: Mapping[str, str]) -> Seen:
        api = client(status, data, "application/json", headers)
        completion = api.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])
        (choice,) = completion.choices
        usage = completion.usage
        return Seen(
            id=completion.id,
            text=choice.message.content or "",
            calls=tuple(
                ToolCall(call.id, call.function.name, call.function.arguments)
                for call in choice.message.tool_calls or ()
                if call.type == "function"
            ),
            finish=choice.finish_reason,
            notice=choice.message.refusal,
            usage=Usage(usage.prompt_tokens, usage.completion_tokens) if usage else None,
        )

    @override
    def ask_streamed(self, data: bytes) -> Seen:
        api = client(200, data, "text/event-stream")
        with api.chat.completions.stream(model=MODEL, messages=[{"role": "user", "content": "x"}]) as stream:
            chunks = [event.chunk for event in stream if event.type == "chunk"]
            # Not `get_final_completion`: it raises for answers that a filter or the limit ended.
            completion = stream._state.current_completion_snapshot
        for chunk in chunks:
            ChatCompletionChunk.model_validate_json(chunk.model_dump_json(), strict=True)
        (choice,) = completion.choices
        usage = completion.usage
        return Seen(
            id=completion.id,
            text=choice.message.content or "",
            calls=tuple(
                ToolCall(call.id, call.function.name, call.function.arguments)
                for call in choice.message.tool_calls or ()
            ),
            finish=choice.finish_reason,
            notice=choice.message.refusal,
            usage=Usage(usage.prompt_tokens, usage.completion_tokens) if usage else None,
        )

    @override
    def check_strictly(self, data: bytes) -> None:
        ChatCompletion.model_validate_json(data, strict=True)

    @override
    def listed(self, data: bytes) -> list[str]:
        return [model.id for model in client(200, data, "application/json").models.list()]

    @override
    def told(self, data: bytes) -> str:
        return client(200, data, "application/json").models.retrieve("small").id

    def test_errors_fit_the_vendors_type(self) -> None:
        """An error body is the vendor's error object, with the vendor's type for each status."""
        for status, kind in {400: "invalid_request_error", 401: "authentication_error", 500: "api_error"}.items():
            body = json.loads(self.wire.problem(Problem(status, "c", "m")))

            assert ErrorObject.model_validate(body["error"], strict=True).type == kind

    def test_the_client_sees_code_and_param(self) -> None:
        """Code and parameter are where the official client looks for them."""
        problem = Problem(400, "parameter_refused", "no", param="temperature")
        with pytest.raises(openai.BadRequestError) as caught:
            self.ask(400, self.wire.problem(problem), {})

        assert (caught.value.code, caught.value.param) == ("parameter_refused", "temperature")

    def test_choices_keep_apart(self) -> None:
        """With `n`, every choice has its own words, streamed or not, and its role once."""
        outputs = tuple(Output(choice=i, text=f"text {i}", finish=Finish.STOP, done=True) for i in range(2))
        whole = self.wire.whole(Answer(id=ID, model=MODEL, created=CREATED, outputs=outputs))
        writer = self.wire.stream(Head(id=ID, model=MODEL, created=CREATED))
        pieces = [Delta(choice=0, text="text "), Delta(choice=1, text="te"), Delta(choice=0, text="0")]
        data = b"".join(map(writer.delta, [*pieces, Delta(choice=1, text="xt 1")])) + writer.end(None)
        chunks = list(client(200, data, "text/event-stream").chat.completions.create(**asking(USER), stream=True))
        joined = ["".join(c.choices[0].delta.content or "" for c in chunks if c.choices[0].index == i) for i in (0, 1)]

        assert [c.message.content for c in ChatCompletion.model_validate_json(whole).choices] == ["text 0", "text 1"]
        assert joined == ["text 0", "text 1"]
        assert [c.choices[0].index for c in chunks if c.choices[0].delta.role] == [0, 1]

    def test_choices_begin_in_order(self) -> None:
        """A choice that speaks while the ones below it are held is no riddle to the official client's stream helper."""
        writer = self.wire.stream(Head(id=ID, model=MODEL, created=CREATED))
        texts = [Delta(choice=2, text="two"), Delta(choice=0, text="zero"), Delta(choice=1, text="one")]
        ends = [Delta(choice=choice, finish=Finish.STOP) for choice in range(3)]
        data = b"".join(map(writer.delta, [*texts, *ends])) + writer.end(None)

        with client(200, data, "text/event-stream").chat.completions.stream(**asking(USER, n=3)) as stream:
            roles = [(c.index, c.delta.role) for e in stream if e.type == "chunk" for c in e.chunk.choices]
            completion = stream.get_final_completion()

        assert [choice.message.content for choice in completion.choices] == ["zero", "one", "two"]
        assert [index for index, role in roles if role] == [0, 1, 2]

    def test_an_upstreams_refusal_is_the_vendors_refusal(self) -> None:
        """A client that wants its own type parses no refusal: it finds the words where the vendor puts them."""
        output = Output(text="I can't.", refused=True, as_refusal=True, finish=Finish.STOP, done=True)
        data = self.wire.whole(Answer(id=ID, model=MODEL, created=CREATED, outputs=(output,)))
        self.check_strictly(data)
        (whole,) = (
            client(200, data, "application/json").chat.completions.parse(**asking(USER), response_format=Town).choices
        )
        streamed = client(200, self.streamed(output, (2, 5), None), "text/event-stream")
        with streamed.chat.completions.stream(**asking(USER), response_format=Town) as stream:
            (final,) = stream.get_final_completion().choices

        assert (whole.message.content, whole.message.parsed, whole.message.refusal) == (None, None, "I can't.")
        assert (final.message.content or None, final.message.parsed, final.message.refusal) == (None, None, "I can't.")

    @pytest.mark.parametrize("text", ["I can", ""])
    def test_a_refusal_that_was_stopped_says_so_behind_its_words(self, text: str) -> None:
        """Words and notice share the vendor's one field, streamed or not."""
        finish, why = Finish.CONTENT_FILTER, "why it stopped"
        output = Output(text=text, as_refusal=bool(text), finish=finish, notice=why, done=True)
        whole = self.ask(200, self.wire.whole(Answer(id=ID, model=MODEL, created=CREATED, outputs=(output,))), {})

        assert (whole.text, whole.notice) == ("", f"{text}\n{why}" if text else why)
        assert self.ask_streamed(self.streamed(output, (2,), None)) == whole

    def test_usage_is_streamed_only_where_asked(self) -> None:
        """A stream holds counts only where the client asked for them, and always its end."""
        plain = self.wire.stream(Head(id=ID, model=MODEL, created=CREATED)).end(Usage(1, 2))
        counted = self.wire.stream(Head(id=ID, model=MODEL, created=CREATED, include_usage=True)).end(Usage(1, 2))

        assert plain == b"data: [DONE]\n\n"
        assert b'"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}' in counted
        assert counted.endswith(b"data: [DONE]\n\n")

    def test_what_the_client_got_it_can_send_back(self) -> None:
        """A message from an answer, sent back by the official client as it is, is read as what it was."""
        calls = (ToolCall("call_1", "weather", '{"town": "Lyon"}'),)
        output = Output(text="let me see", tool_calls=calls, finish=Finish.TOOL_CALLS, done=True)
        whole = self.wire.whole(Answer(id=ID, model=MODEL, created=CREATED, outputs=(output,), usage=Usage(1, 2)))
        api = client(200, whole, "application/json")
        message = (
            api.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}]).choices[0].message
        )
        sent: list[bytes] = []

        def keep(request: httpx2.Request) -> httpx2.Response:
            sent.append(request.read())
            return httpx2.Response(200, content=whole, headers={"content-type": "application/json"})

        again = openai.OpenAI(
            api_key="k", base_url="http://g.test/v1", http_client=httpx2.Client(transport=httpx2.MockTransport(keep))
        )
        again.chat.completions.create(
            model=MODEL, messages=[message, {"role": "tool", "tool_call_id": "call_1", "content": "rain"}]
        )

        assert self.wire.read(sent[0]).messages == (
            Message(Role.ASSISTANT, (Text("let me see"), *calls), label.ASSISTANT),
            Message(Role.TOOL, (ToolResult("call_1", "rain"),), label.TOOL),
        )

    def test_arguments_need_not_be_an_object_here(self) -> None:
        """This wire's arguments are text: the client gets what the model wrote, to judge for itself."""
        output = Output(tool_calls=(ToolCall("c", "f", "not json"),), finish=Finish.TOOL_CALLS, done=True)
        writer = self.wire.stream(Head(id=ID, model=MODEL, created=CREATED))

        assert b'"not json"' in self.wire.whole(Answer(id=ID, model=MODEL, created=CREATED, outputs=(output,)))
        assert b'"not json"' in writer.delta(Delta(tool_call=ToolCallPiece(0, "c", "f", "not json")))


def test_a_choice_among_thousands_of_tools_is_refused_briefly() -> None:
    """The error compares and lists some of them: all would take seconds, and fill as many pages as the request."""
    tools = [{"type": "function", "function": {"name": f"tool_{n:05}"}} for n in range(9_000)]
    body = asking(USER, tools=tools, tool_choice={"type": "function", "function": {"name": "zzz"}})

    began = time.process_time()
    with pytest.raises(Problem, match="no tool is named") as refused:
        OpenAI().read(json.dumps(body).encode())

    assert len(refused.value.message) < 2_000
    assert time.process_time() - began < 1
