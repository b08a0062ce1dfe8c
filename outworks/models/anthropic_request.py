"""A request as a body for the Anthropic Messages API."""

from collections.abc import Iterable
from typing import Any

import msgspec

from outworks.message import Message, Opaque, Part, Request, Role, Text, Tool, ToolCall, ToolResult
from outworks.model import UpstreamError
from outworks.models.media import anthropic_block

_SAMPLING = ("temperature", "top_p", "top_k")
_WITHOUT_EFFECT = frozenset({"n", "seed", "verbosity", "metadata", "prompt_cache_key"})
"""`n` is as many calls; the others are hints and book-keeping, which promise nothing about the answer."""
_NEUTRAL: dict[str, Any] = {
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": {},
    "logprobs": False,
    "modalities": ["text"],
    "parallel_tool_calls": True,
    "store": False,
}
"""Values with which a parameter asks for nothing; others of these are unsupported."""
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}


def encode(request: Request, model: str, max_tokens: int, sampling: bool) -> bytes:
    """The body of one call. Raises `UpstreamError` (unsupported) for what the API has no form for: a parameter is
    translated, is without effect by definition, or is refused by name; none is dropped in silence."""
    body: dict[str, Any] = {"model": model, "max_tokens": max_tokens}
    for name, value in request.parameters.items():
        _parameter(body, name, value, request, sampling)
    system = [message.text for message in request.messages if message.role in (Role.SYSTEM, Role.DEVELOPER)]
    if any(system):
        body["system"] = system[0] if len(system) == 1 else [_text(text) for text in system if text]
    body["messages"] = _turns(request.messages)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.account:
        body["metadata"] = {"user_id": request.account}
    if request.stream:
        body["stream"] = True
    return msgspec.json.encode(body)


def _parameter(body: dict[str, Any], name: str, value: Any, request: Request, sampling: bool) -> None:
    if name == "max_tokens":
        body["max_tokens"] = value
    elif name == "stop":
        body["stop_sequences"] = value
    elif name in _SAMPLING:
        if sampling:
            body[name] = value
    elif name == "tool_choice" or (name == "parallel_tool_calls" and value is False):
        if request.tools and "tool_choice" not in body:
            body["tool_choice"] = _tool_choice(request.parameters)
    elif name == "response_format":
        _merge(body, _format(value))
    elif name == "reasoning_effort" and isinstance(value, str) and value in _EFFORTS:
        _merge(body, {"effort": _EFFORTS[value]})
    elif name == "thinking" and not request.tools:
        body["thinking"] = value
    elif name == "reasoning_effort" and value == "none":
        body["thinking"] = {"type": "disabled"}
    elif name == "service_tier" and isinstance(value, str) and value in _TIERS:
        body["service_tier"] = _TIERS[value]
    elif name not in _WITHOUT_EFFECT and not (name in _NEUTRAL and _NEUTRAL[name] == value):
        why = f"The upstream of this model does not support `{name}`, or not this value of it."
        raise UpstreamError(why, kind="unsupported", status=400, param=name)


def _merge(body: dict[str, Any], config: dict[str, Any]) -> None:
    if config:
        body["output_config"] = body.get("output_config", {}) | config


def _tool_choice(parameters: dict[str, Any]) -> dict[str, Any]:
    asked = parameters.get("tool_choice", "auto")
    if isinstance(asked, dict):
        choice: dict[str, Any] = {"type": "tool", "name": asked.get("name")}
    elif isinstance(asked, str) and asked in _CHOICES:
        choice = {"type": _CHOICES[asked]}
    else:
        raise UpstreamError("`tool_choice` is none that is known.", kind="unsupported", status=400, param="tool_choice")
    if parameters.get("parallel_tool_calls") is False and asked != "none":
        choice["disable_parallel_tool_use"] = True
    return choice


def _format(asked: Any) -> dict[str, Any]:
    match asked:
        case {"type": "text"}:
            return {}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return {"format": {"type": "json_schema", "schema": schema}}
    why = "The upstream of this model supports `response_format` with a `json_schema` only."
    raise UpstreamError(why, kind="unsupported", status=400, param="response_format")


def _tool(tool: Tool) -> dict[str, Any]:
    encoded: dict[str, Any] = {"name": tool.name, "input_schema": {"type": "object"} | tool.schema}
    if tool.description:
        encoded["description"] = tool.description
    if tool.strict is not None:
        encoded["strict"] = tool.strict
    return encoded


def _turns(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """User and assistant by turns, as the API demands: neighbours of one role are one turn, and the results of a turn's
    calls stand together at the head of the next."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role in (Role.SYSTEM, Role.DEVELOPER):
            if any(isinstance(part, Opaque) for part in message.parts):
                raise _misplaced(message.role)
            continue
        role = "assistant" if message.role is Role.ASSISTANT else "user"
        # The API refuses an empty text.
        blocks = [_block(part, role) for part in message.parts if not (isinstance(part, Text) and not part.text)]
        if not blocks and role == "assistant":
            continue  # it refuses such a turn too; models say nothing at times, and clients send that back
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    for turn in turns:
        turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    return turns


def _block(part: Part, role: str) -> dict[str, Any]:
    if isinstance(part, Text):
        return _text(part.text)
    if isinstance(part, ToolCall) and role == "assistant":
        return {"type": "tool_use", "id": part.id, "name": part.name, "input": _arguments(part)}
    if isinstance(part, ToolResult) and role == "user":
        return {"type": "tool_result", "tool_use_id": part.call_id, "content": part.text}
    if isinstance(part, Opaque) and role == "user":
        return anthropic_block(part)
    raise _misplaced(Role(role))


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _arguments(call: ToolCall) -> msgspec.Raw:
    """The very text that was judged, not a second writing of it."""
    text = call.arguments or "{}"
    try:
        msgspec.json.decode(text, type=dict[str, Any])
    except (ValueError, RecursionError):
        why = f"The arguments of the tool call {call.name!r:.80} are not a JSON object, which the upstream demands."
        raise UpstreamError(why, kind="unsupported", status=400, param="messages") from None
    return msgspec.Raw(text)


def _misplaced(role: Role) -> UpstreamError:
    why = f"A turn of role `{role.value}` holds content that the upstream of this model does not take there."
    return UpstreamError(why, kind="unsupported", status=400, param="messages")
