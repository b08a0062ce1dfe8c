"""Anthropic Messages: what a request says."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from outworks import label
from outworks.gateway.problem import Problem
from outworks.gateway.wires import reading
from outworks.gateway.wires.reading import Fields, Id, Name, Voiced
from outworks.gateway.wires.wire import Asked
from outworks.label import Label
from outworks.message import Message, Opaque, Role, Text, Tool, ToolCall, ToolResult

_encode = msgspec.json.Encoder().encode


class _Block(Fields, frozen=True, kw_only=True, tag_field="type"):
    """A block of a turn's content; `voiced` says whose words it holds."""

    cache_control: Any = None
    citations: Any = None


class _TextBlock(_Block, frozen=True, kw_only=True, tag="text"):
    text: str

    def voiced(self, own: Label) -> Iterator[Voiced]:
        yield Voiced(own, Text(self.text))


# Whoever attached an image or a file, nobody can vouch for the words inside: they are a third party's.


class _ImageBlock(_Block, frozen=True, kw_only=True, tag="image"):
    source: dict[str, Any]
    transformations: Any = None

    def voiced(self, own: Label) -> Iterator[Voiced]:
        yield Voiced(label.TOOL, Opaque("image", {"type": "image", "source": self.source}))


class _PlainText(Fields, frozen=True, kw_only=True, tag_field="type", tag="text"):
    data: str
    media_type: str = "text/plain"


class _Content(Fields, frozen=True, kw_only=True, tag_field="type", tag="content"):
    content: str | list[_TextBlock | _ImageBlock]


class _Base64(Fields, frozen=True, kw_only=True, tag_field="type", tag="base64"):
    data: str
    media_type: str


class _Url(Fields, frozen=True, kw_only=True, tag_field="type", tag="url"):
    url: str


class _File(Fields, frozen=True, kw_only=True, tag_field="type", tag="file"):
    file_id: str


class _DocumentBlock(_Block, frozen=True, kw_only=True, tag="document"):
    source: _PlainText | _Content | _Base64 | _Url | _File
    title: str | None = None
    context: str | None = None

    def voiced(self, own: Label) -> Iterator[Voiced]:
        about = [given for given in (self.title, self.context) if given]
        match self.source:
            case _PlainText(data=text) | _Content(content=str(text)):
                yield Voiced(label.TOOL, Text("\n".join([*about, text])))
            case _Content(content=list(blocks)):
                yield from (Voiced(label.TOOL, Text(given)) for given in about)
                for block in blocks:
                    yield from block.voiced(label.TOOL)
            case source:
                named = {"title": self.title, "context": self.context}
                kept = {name: value for name, value in named.items() if value}
                data = {"type": "document", "source": msgspec.to_builtins(source), **kept}
                yield Voiced(label.TOOL, Opaque("file", data))


class _SearchResultBlock(_Block, frozen=True, kw_only=True, tag="search_result"):
    source: str
    title: str
    content: list[_TextBlock]

    def voiced(self, own: Label) -> Iterator[Voiced]:
        text = "\n".join([self.title, self.source, *(block.text for block in self.content)])
        yield Voiced(label.TOOL, Text(text))


class _ToolResultBlock(_Block, frozen=True, kw_only=True, tag="tool_result"):
    tool_use_id: Id
    content: str | list[_TextBlock | _ImageBlock | _DocumentBlock | _SearchResultBlock] | None = None
    is_error: bool | None = None
    toolset_name: None = None

    def message(self) -> Message:
        """One result, its texts joined by newlines; what cannot be read stands beside it."""
        if self.content is None or isinstance(self.content, str):
            return Message(Role.TOOL, (ToolResult(self.tool_use_id, self.content or ""),), label.TOOL)
        parts = [each.part for block in self.content for each in block.voiced(label.TOOL)]
        text = "\n".join(part.text for part in parts if isinstance(part, Text))
        opaque = (part for part in parts if isinstance(part, Opaque))
        return Message(Role.TOOL, (ToolResult(self.tool_use_id, text), *opaque), label.TOOL)


class _ToolUseBlock(_Block, frozen=True, kw_only=True, tag="tool_use"):
    id: Id
    name: Name
    input: dict[str, Any]
    caller: Any = None
    toolset_name: None = None

    def voiced(self, own: Label) -> Iterator[Voiced]:
        yield Voiced(own, ToolCall(self.id, self.name, _encode(self.input).decode()))


class _ThinkingBlock(_Block, frozen=True, kw_only=True, tag="thinking"):
    thinking: str
    signature: str = ""

    def voiced(self, own: Label) -> Iterator[Voiced]:
        block = {"type": "thinking", "thinking": self.thinking, "signature": self.signature}
        yield Voiced(own, Opaque("thinking", block))


class _RedactedThinkingBlock(_Block, frozen=True, kw_only=True, tag="redacted_thinking"):
    data: str

    def voiced(self, own: Label) -> Iterator[Voiced]:
        yield Voiced(own, Opaque("redacted_thinking", {"type": "redacted_thinking", "data": self.data}))


_FromUser: TypeAlias = _TextBlock | _ImageBlock | _DocumentBlock | _SearchResultBlock | _ToolResultBlock
_FromAssistant: TypeAlias = _TextBlock | _ToolUseBlock | _ThinkingBlock | _RedactedThinkingBlock


class _Turn(Fields, frozen=True, kw_only=True, tag_field="role"):
    """A turn of the conversation; `messages` says it in the canonical form."""


class _SystemTurn(_Turn, frozen=True, kw_only=True, tag="system"):
    content: str | list[_TextBlock]

    def messages(self) -> Iterator[Message]:
        yield from _system(self.content)


class _UserTurn(_Turn, frozen=True, kw_only=True, tag="user"):
    content: str | Annotated[list[_FromUser], msgspec.Meta(min_length=1)]

    def messages(self) -> Iterator[Message]:
        if isinstance(self.content, str):
            yield Message(Role.USER, (Text(self.content),), label.USER)
            return
        # Results of tools sit among the user's words on this wire; each becomes a turn of its own, where it stood.
        words: list[Voiced] = []
        for block in self.content:
            if isinstance(block, _ToolResultBlock):
                yield from reading.turns(Role.USER, words)
                words = []
                yield block.message()
            else:
                words.extend(block.voiced(label.USER))
        yield from reading.turns(Role.USER, words)


class _AssistantTurn(_Turn, frozen=True, kw_only=True, tag="assistant"):
    content: str | list[_FromAssistant]

    def messages(self) -> Iterator[Message]:
        if isinstance(self.content, str):
            yield Message(Role.ASSISTANT, (Text(self.content),), label.ASSISTANT)
        elif self.content:
            parts = (each.part for block in self.content for each in block.voiced(label.ASSISTANT))
            yield Message(Role.ASSISTANT, tuple(parts), label.ASSISTANT)


class _Tool(Fields, frozen=True, kw_only=True):
    name: Name
    input_schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None
    type: str | None = None
    cache_control: Any = None
    eager_input_streaming: Any = None

    def tool(self) -> Tool:
        return Tool(self.name, self.description or "", self.input_schema, self.strict)


class _Choice(Fields, frozen=True, kw_only=True):
    type: Literal["auto", "any", "none", "tool"]
    name: Name | None = None
    disable_parallel_tool_use: bool | None = None


class _Metadata(Fields, frozen=True, kw_only=True):
    user_id: str | None = None


class _Format(Fields, frozen=True, kw_only=True, tag_field="type", tag="json_schema"):
    schema: dict[str, Any]


class _OutputConfig(Fields, frozen=True, kw_only=True):
    effort: str | None = None
    format: _Format | None = None


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a request that need a shape; the others are parameters, kept as they are."""

    model: str
    max_tokens: int
    messages: Annotated[list[_UserTurn | _AssistantTurn | _SystemTurn], msgspec.Meta(min_length=1)]
    system: str | list[_TextBlock] | None = None
    tools: list[_Tool] | None = None
    tool_choice: _Choice | None = None
    stop_sequences: list[str] | None = None
    output_config: _OutputConfig | None = None
    metadata: _Metadata | None = None
    stream: bool | None = None
    cache_control: Any = None


_SHAPED = frozenset(_Body.__struct_fields__)
_HINTS = {
    "developer": "this wire has one role for the product, 'system'",
    "tool": "results of tools are sent as 'tool_result' blocks of a user turn",
    "function": "results of tools are sent as 'tool_result' blocks of a user turn",
}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions"})
"""Keys of a JSON schema under which schemas stand by names of the author's."""
_VALUES = frozenset({"enum", "const", "default", "examples"})
"""Keys under which values stand, which may look like schemas."""


def read(body: bytes) -> Asked:
    """Decode a request body. Raises `Problem` 400."""
    fields = reading.read_object(body)
    _refuse_thread(fields.get("thread"))
    _refuse_server_tools(fields.get("tools"))
    given = reading.convert(fields, _Body, _HINTS)
    parameters = {name: value for name, value in fields.items() if value is not None and name not in _SHAPED}
    tools = tuple(tool.tool() for tool in given.tools) if given.tools else ()
    parameters["max_tokens"] = given.max_tokens
    _rename(parameters, given, tools)
    system = _system(given.system) if given.system else ()
    messages = (*system, *[message for turn in given.messages for message in turn.messages()])
    if not messages:
        raise reading.invalid("messages", "every turn is empty")
    return Asked(
        model=given.model,
        messages=messages,
        tools=tools,
        parameters=parameters,
        stream=bool(given.stream),
        user=reading.check_user(given.metadata.user_id or "", "metadata.user_id") if given.metadata else "",
    )


def _rename(parameters: dict[str, Any], given: _Body, tools: tuple[Tool, ...]) -> None:
    """Put the parameters that have another name or form on this wire under their canonical one."""
    if parameters.get("n", 1) != 1:
        raise reading.invalid("n", "an answer on this wire is one message; only 1 can be asked for")
    if parameters.get("thinking") == {"type": "disabled"}:
        del parameters["thinking"]
    if given.stop_sequences is not None:
        reading.set_once(parameters, "stop", given.stop_sequences, "stop_sequences")
    if given.tool_choice is not None:
        _choose(parameters, given.tool_choice, tools)
    if given.output_config is None:
        return
    if given.output_config.effort is not None:
        reading.set_once(parameters, "reasoning_effort", given.output_config.effort, "output_config.effort")
    if given.output_config.format is not None:
        schema = given.output_config.format.schema
        # This vendor always keeps to the schema, which the canonical form calls strict.
        asked = {"name": "response", "schema": schema, "strict": _is_strict(schema)}
        form = {"type": "json_schema", "json_schema": asked}
        reading.set_once(parameters, "response_format", form, "output_config.format")


def _is_strict(schema: dict[str, Any]) -> bool:
    """Whether OpenAI's API takes a schema as a strict one: every field of every object is required, and no others are
    allowed. Any other it refuses as such, and keeps to as well as the model can."""
    waiting: list[Any] = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        if not isinstance(one, dict):
            continue
        if one.get("type") == "object" or "properties" in one:
            fields, required = one.get("properties", {}), one.get("required", [])
            if one.get("additionalProperties") is not False:
                return False
            if (
                not isinstance(fields, dict)
                or not isinstance(required, list)
                or fields.keys() - set(map(str, required))
            ):
                return False
        for key, value in one.items():
            if key in _NAMED and isinstance(value, dict):
                waiting += value.values()
            elif key not in _VALUES:
                waiting.append(value)
    return True


def _choose(parameters: dict[str, Any], choice: _Choice, tools: tuple[Tool, ...]) -> None:
    if choice.type == "tool":
        if choice.name is None:
            raise reading.invalid("tool_choice.name", "is required with type 'tool', and was not given")
        reading.check_choice(choice.name, (tool.name for tool in tools), "tool_choice.name")
        parameters["tool_choice"] = {"name": choice.name}
    else:
        parameters["tool_choice"] = _CHOICES[choice.type]
    if choice.disable_parallel_tool_use is not None:
        parallel = not choice.disable_parallel_tool_use
        reading.set_once(parameters, "parallel_tool_calls", parallel, "tool_choice.disable_parallel_tool_use")


def _refuse_thread(thread: Any) -> None:
    """A conversation that the vendor's server keeps cannot be judged here. The official client's tool runner asks for
    one by default; told so in the vendor's own code, it goes on with every turn in the request."""
    if thread is not None:
        why = "thread: conversations are not kept here; send every turn in `messages`, without `thread`"
        raise Problem(400, "thread_unsupported_request", why, param="thread")


def _refuse_server_tools(tools: Any) -> None:
    """Tools that the vendor's own servers run act out of reach of any check here."""
    for i, tool in enumerate(tools if isinstance(tools, list) else ()):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if isinstance(kind, str) and kind != "custom":
            why = f"{kind[:100]!r} is a tool of the vendor's own; only tools that the client runs are offered here"
            raise reading.invalid(f"tools[{i}].type", why)


def _system(content: str | list[_TextBlock]) -> Iterator[Message]:
    parts = (Text(content),) if isinstance(content, str) else tuple(Text(block.text) for block in content)
    yield Message(Role.SYSTEM, parts, label.SYSTEM)
