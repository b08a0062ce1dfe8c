"""A request as a body for OpenAI Chat Completions."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from outworks.message import Message, Opaque, Part, Request, Role, Text, Tool, ToolCall, ToolResult
from outworks.model import UpstreamError
from outworks.models.media import openai_part


class Dialect(msgspec.Struct, frozen=True):
    """What differs among servers that speak it."""

    max_tokens_as: str
    account_as: str
    developer_role: str
    usage_in_streams: bool


def encode(request: Request, model: str, dialect: Dialect) -> bytes:
    """The body of the call."""
    body = dict(request.parameters)
    if "max_tokens" in body:
        body[dialect.max_tokens_as] = body.pop("max_tokens")
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        body["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
    if body.get("service_tier") == "standard_only":
        body["service_tier"] = "default"
    # Set last: whatever a parameter is called, it cannot stand in for these.
    body["model"] = model
    body["messages"] = _turns(request.messages, dialect)
    if request.tools:
        body["tools"] = [{"type": "function", "function": _function(tool)} for tool in request.tools]
    if request.stream:
        body["stream"] = True
        if dialect.usage_in_streams:
            body["stream_options"] = {"include_usage": True}
    if request.account and dialect.account_as != "none":
        body[dialect.account_as] = request.account
    return msgspec.json.encode(body)


def _function(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.schema:
        function["parameters"] = tool.schema
    if tool.strict is not None:
        function["strict"] = tool.strict
    return function


def _turns(messages: Iterable[Message], dialect: Dialect) -> list[dict[str, Any]]:
    """A tool's turn answers one call and holds nothing else, so that other parts travel as the user's; they wait for
    the last result, as the API demands the results of one turn's calls together."""
    turns: list[dict[str, Any]] = []
    beside: list[dict[str, Any]] = []
    for message in messages:
        if message.role is Role.TOOL:
            turns += [_result(part) for part in message.parts if isinstance(part, ToolResult)]
            beside += [_part(part, Role.TOOL) for part in message.parts if not isinstance(part, ToolResult)]
            continue
        if beside:
            turns.append({"role": "user", "content": beside})
            beside = []
        turns.append(_turn(message, dialect))
    if beside:
        turns.append({"role": "user", "content": beside})
    return turns


def _turn(message: Message, dialect: Dialect) -> dict[str, Any]:
    parts = message.parts
    role = dialect.developer_role if message.role is Role.DEVELOPER else str(message.role.value)
    if len(parts) == 1 and type(parts[0]) is Text:
        return {"role": role, "content": parts[0].text}
    if message.role is Role.ASSISTANT:
        return _assistant(parts)
    return {"role": role, "content": [_part(part, message.role) for part in parts] or ""}


def _result(result: ToolResult) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": result.call_id, "content": result.text}


def _part(part: Part, role: Role) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Opaque):
        return openai_part(part)
    raise _misplaced(role)


def _assistant(parts: Sequence[Part]) -> dict[str, Any]:
    texts = [part.text for part in parts if isinstance(part, Text)]
    calls = [
        {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}
        for part in parts
        if isinstance(part, ToolCall)
    ]
    if len(texts) + len(calls) != len(parts):
        raise _misplaced(Role.ASSISTANT)
    turn: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    if calls:
        turn["tool_calls"] = calls
    return turn


def _misplaced(role: Role) -> UpstreamError:
    why = f"A turn of role `{role.value}` holds content that the upstream of this model does not take there."
    return UpstreamError(why, kind="unsupported", status=400, param="messages")
