"""Messages: requests and answers as Inspect has them, and back."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    GenerateConfig,
    ModelOutput,
)
from inspect_ai.tool import ToolCall as InspectCall
from inspect_ai.tool import ToolInfo, ToolParams

from outworks import label
from outworks.message import Message, Request, Role, Text, Tool, ToolCall, ToolResult

OURS = "outworks"
"""The key under which what Inspect has no field for travels through it."""
_NAMES: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "max_tokens",
    "seed": "seed",
    "stop": "stop_seqs",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "logprobs": "logprobs",
    "top_logprobs": "top_logprobs",
}
"""Our names for parameters, and Inspect's."""


class Carried(msgspec.Struct, frozen=True):
    """What Inspect has no field for."""

    id: str
    account: str
    parameters: dict[str, Any]
    tools: tuple[Tool, ...]


def inspect_messages(messages: Sequence[Message]) -> list[ChatMessage]:
    """Turns, in Inspect's form."""
    return [one for message in messages for one in _turn(message)]


def config(request: Request, *, ours: bool) -> GenerateConfig:
    """The parameters; for a model of ours also the exact ones, since Inspect's fields are not all there are."""
    known = {_NAMES[name]: value for name, value in request.parameters.items() if name in _NAMES}
    rest = {name: value for name, value in request.parameters.items() if name not in _NAMES}
    if ours:
        carried = Carried(request.id, request.account, request.parameters, request.tools)
        return GenerateConfig(**known, extra_body={OURS: msgspec.to_builtins(carried)})
    return GenerateConfig(**known, extra_body=rest or None)


def inspect_tools(tools: Sequence[Tool]) -> list[ToolInfo]:
    """What the product offers."""
    return [
        ToolInfo(
            name=tool.name,
            description=tool.description or tool.name,
            parameters=ToolParams.model_validate({"properties": {}, **tool.schema}),
        )
        for tool in tools
    ]


def request(model: str, messages: Sequence[ChatMessage], config: GenerateConfig) -> Request:
    """The request that `config` and these turns were made from; for callers other than Outworks, the nearest one."""
    body = (config.extra_body or {}).get(OURS)
    if body is not None:
        carried = msgspec.convert(body, Carried)
    else:
        values = {name: getattr(config, field) for name, field in _NAMES.items()}
        carried = Carried("inspect", "inspect", {k: v for k, v in values.items() if v is not None}, ())
    return Request(
        id=carried.id,
        model=model,
        messages=tuple(_message(one) for one in messages),
        tools=carried.tools,
        parameters=carried.parameters,
        account=carried.account,
    )


def calls(output: ModelOutput) -> tuple[ToolCall, ...]:
    """The tool calls of an answer."""
    found = output.message.tool_calls or []
    return tuple(ToolCall(one.id, one.function, msgspec.json.encode(one.arguments).decode()) for one in found)


def inspect_calls(found: Sequence[ToolCall]) -> list[InspectCall] | None:
    """Tool calls in Inspect's form; arguments that are no JSON object are kept as an error, as Inspect does."""
    made = []
    for call in found:
        error = None
        try:
            arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
        except msgspec.DecodeError as fault:
            arguments, error = {}, str(fault)
        made.append(InspectCall(id=call.id, function=call.name, arguments=arguments, parse_error=error))
    return made or None


def _turn(message: Message) -> list[ChatMessage]:
    text = "\n".join(part.text for part in message.parts if isinstance(part, Text))
    if message.role in (Role.SYSTEM, Role.DEVELOPER):
        return [ChatMessageSystem(content=text)]
    if message.role is Role.ASSISTANT:
        found = [part for part in message.parts if isinstance(part, ToolCall)]
        return [ChatMessageAssistant(content=text, tool_calls=inspect_calls(found))]
    if message.role is Role.TOOL:
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        return [ChatMessageTool(content=one.text, tool_call_id=one.call_id) for one in results]
    return [ChatMessageUser(content=text)]


def _message(one: ChatMessage) -> Message:
    if isinstance(one, ChatMessageSystem):
        return Message(Role.SYSTEM, (Text(one.text),), label.SYSTEM)
    if isinstance(one, ChatMessageTool):
        return Message(Role.TOOL, (ToolResult(one.tool_call_id or "", one.text),), label.TOOL)
    if isinstance(one, ChatMessageAssistant):
        words = (Text(one.text),) if one.text else ()
        made = tuple(
            ToolCall(call.id, call.function, msgspec.json.encode(call.arguments).decode())
            for call in one.tool_calls or ()
        )
        return Message(Role.ASSISTANT, (*words, *made) or (Text(""),), label.ASSISTANT)
    return Message(Role.USER, (Text(one.text),), label.USER)
