"""OpenAI Chat Completions: what a request says."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from outworks import label
from outworks.gateway.wires import reading
from outworks.gateway.wires.reading import Fields, Id, Name, Voiced
from outworks.gateway.wires.wire import Asked
from outworks.label import Label
from outworks.message import MOST_CHOICES, Message, Opaque, Role, Text, Tool, ToolCall, ToolResult


class _Part(Fields, frozen=True, kw_only=True, tag_field="type"):
    prompt_cache_breakpoint: Any = None
    cache_control: Any = None


class _TextPart(_Part, frozen=True, kw_only=True, tag="text"):
    text: str

    def voiced(self, own: Label) -> Voiced:
        return Voiced(own, Text(self.text))


class _RefusalPart(_Part, frozen=True, kw_only=True, tag="refusal"):
    refusal: str

    def voiced(self, own: Label) -> Voiced:
        return Voiced(own, Text(self.refusal))


# Whoever attached an image, a recording or a file, nobody can vouch for the words inside: they are a third party's.


class _ImagePart(_Part, frozen=True, kw_only=True, tag="image_url"):
    image_url: dict[str, Any]

    def voiced(self, own: Label) -> Voiced:
        return Voiced(label.TOOL, Opaque("image", {"type": "image_url", "image_url": self.image_url}))


class _AudioPart(_Part, frozen=True, kw_only=True, tag="input_audio"):
    input_audio: dict[str, Any]

    def voiced(self, own: Label) -> Voiced:
        return Voiced(label.TOOL, Opaque("audio", {"type": "input_audio", "input_audio": self.input_audio}))


class _FilePart(_Part, frozen=True, kw_only=True, tag="file"):
    file: dict[str, Any]

    def voiced(self, own: Label) -> Voiced:
        return Voiced(label.TOOL, Opaque("file", {"type": "file", "file": self.file}))


_Texts: TypeAlias = str | Annotated[list[_TextPart], msgspec.Meta(min_length=1)]
_Said: TypeAlias = str | Annotated[list[_TextPart | _RefusalPart], msgspec.Meta(min_length=1)]
_Shown: TypeAlias = str | Annotated[list[_TextPart | _ImagePart | _AudioPart | _FilePart], msgspec.Meta(min_length=1)]


class _Function(Fields, frozen=True, kw_only=True):
    name: Name
    arguments: str
    parsed_arguments: Any = None


class _Call(Fields, frozen=True, kw_only=True, tag_field="type", tag="function"):
    id: Id
    function: _Function
    index: Any = None


class _Turn(Fields, frozen=True, kw_only=True, tag_field="role"):
    """A turn of the conversation; `messages` says it in the canonical form."""


class _SystemTurn(_Turn, frozen=True, kw_only=True, tag="system"):
    content: _Texts
    name: Any = None

    def messages(self) -> Iterator[Message]:
        yield Message(Role.SYSTEM, _texts(self.content), label.SYSTEM)


class _DeveloperTurn(_Turn, frozen=True, kw_only=True, tag="developer"):
    content: _Texts
    name: Any = None

    def messages(self) -> Iterator[Message]:
        yield Message(Role.DEVELOPER, _texts(self.content), label.SYSTEM)


class _UserTurn(_Turn, frozen=True, kw_only=True, tag="user"):
    content: _Shown
    name: Any = None

    def messages(self) -> Iterator[Message]:
        if isinstance(self.content, str):
            yield Message(Role.USER, (Text(self.content),), label.USER)
        else:
            yield from reading.turns(Role.USER, (part.voiced(label.USER) for part in self.content))


class _AssistantTurn(_Turn, frozen=True, kw_only=True, tag="assistant"):
    content: _Said | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    audio: dict[str, Any] | None = None
    function_call: None = None
    name: Any = None
    annotations: Any = None
    parsed: Any = None

    def messages(self) -> Iterator[Message]:
        if self.audio:
            yield Message(Role.ASSISTANT, (Opaque("audio", self.audio),), label.TOOL)
        refusal = (Text(self.refusal),) if self.refusal else ()
        calls = (ToolCall(call.id, call.function.name, call.function.arguments) for call in self.tool_calls or ())
        parts = (*_texts(self.content), *refusal, *calls)
        if not parts and not self.audio:
            raise reading.invalid("messages", "an assistant turn needs `content`, `refusal` or `tool_calls`")
        yield Message(Role.ASSISTANT, parts, label.ASSISTANT)


class _ToolTurn(_Turn, frozen=True, kw_only=True, tag="tool"):
    content: _Texts
    tool_call_id: Id
    name: Any = None

    def messages(self) -> Iterator[Message]:
        text = self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)
        yield Message(Role.TOOL, (ToolResult(self.tool_call_id, text),), label.TOOL)


class _Definition(Fields, frozen=True, kw_only=True):
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Tool(Fields, frozen=True, kw_only=True, tag_field="type", tag="function"):
    function: _Definition
    cache_control: Any = None

    def tool(self) -> Tool:
        given = self.function
        schema = given.parameters or {}
        return Tool(given.name, given.description or "", schema, given.strict)


class _ChosenName(Fields, frozen=True, kw_only=True):
    name: Name


class _Chosen(Fields, frozen=True, kw_only=True, tag_field="type", tag="function"):
    function: _ChosenName


class _StreamOptions(Fields, frozen=True, kw_only=True):
    include_usage: bool | None = None
    include_obfuscation: Any = None


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a request that need a shape; the others are parameters, kept as they are."""

    model: str
    messages: Annotated[
        list[_SystemTurn | _DeveloperTurn | _UserTurn | _AssistantTurn | _ToolTurn], msgspec.Meta(min_length=1)
    ]
    tools: list[_Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | _Chosen | None = None
    stop: str | list[str] | None = None
    max_completion_tokens: Any = None
    n: Annotated[int, msgspec.Meta(ge=1, le=MOST_CHOICES)] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    user: str | None = None
    safety_identifier: str | None = None
    functions: None = None
    function_call: None = None


_SHAPED = frozenset(_Body.__struct_fields__)
_LEGACY = "the legacy function calling is not offered here: send `tools`, `tool_choice`, `tool_calls` and role 'tool'"
_FUNCTIONS_ONLY = "only tools of type 'function' are offered here"
_HINTS = {
    "function": _LEGACY,
    "functions": _LEGACY,
    "function_call": _LEGACY,
    "custom": _FUNCTIONS_ONLY,
    "allowed_tools": _FUNCTIONS_ONLY,
}


def read(body: bytes) -> Asked:
    """Decode a request body. Raises `Problem` 400."""
    fields = reading.read_object(body)
    given = reading.convert(fields, _Body, _HINTS)
    parameters = {name: value for name, value in fields.items() if value is not None and name not in _SHAPED}
    tools = tuple(tool.tool() for tool in given.tools) if given.tools else ()
    if given.max_completion_tokens is not None:
        reading.set_once(parameters, "max_tokens", given.max_completion_tokens, "max_completion_tokens")
    if given.n is not None:
        parameters["n"] = given.n
    if given.stop is not None:
        parameters["stop"] = [given.stop] if isinstance(given.stop, str) else given.stop
    if isinstance(given.tool_choice, _Chosen):
        name = given.tool_choice.function.name
        reading.check_choice(name, (tool.name for tool in tools), "tool_choice.function.name")
        parameters["tool_choice"] = {"name": name}
    elif given.tool_choice is not None:
        parameters["tool_choice"] = given.tool_choice
    return Asked(
        model=given.model,
        messages=tuple([message for turn in given.messages for message in turn.messages()]),
        tools=tools,
        parameters=parameters,
        stream=bool(given.stream),
        include_usage=given.stream_options is not None and bool(given.stream_options.include_usage),
        user=reading.check_user(reading.first_user(given.safety_identifier, given.user), "user"),
    )


def _texts(content: _Said | _Texts | None) -> tuple[Text, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    return tuple(Text(part.text if isinstance(part, _TextPart) else part.refusal) for part in content)
