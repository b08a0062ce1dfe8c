"""A request as a body for OpenAI Chat Completions."""

from collections.abc import Sequence
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
    body["messages"] = [turn for message in request.messages for turn in _turns(message, dialect)]
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


def _turns(message: Message, dialect: Dialect) -> list[dict[str, Any]]:
    parts = message.parts
    role = dialect.developer_role if message.role is Role.DEVELOPER else str(message.role.value)
    if len(parts) == 1 and type(parts[0]) is Text and message.role is not Role.TOOL:
        return [{"role": role, "content": parts[0].text}]
    if message.role is Role.ASSISTANT:
        return [_assistant(parts)]
    # A tool's message answers one call and holds nothing else, so that other parts travel as the user's.
    role = "user" if message.role is Role.TOOL else role
    turns: list[dict[str, Any]] = []
    content: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, ToolResult):
            if content:
                turns.append({"role": role, "content": content})
                content = []
            turns.append({"role": "tool", "tool_call_id": part.call_id, "content": part.text})
        elif isinstance(part, Text):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, Opaque):
            content.append(openai_part(part))
        else:
            raise _misplaced(message.role)
    if content or not turns:
        turns.append({"role": role, "content": content or ""})
    return turns


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
