"""OpenAI Chat Completions: `POST /v1/chat/completions`."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from typing_extensions import override

from outworks.gateway.problem import Problem
from outworks.gateway.wires import openai_request
from outworks.gateway.wires.wire import Answer, Asked, Head, StreamWriter, Wire, bearer, stopped
from outworks.message import Delta, Finish, Output, ToolCall, Usage

_encode = msgspec.json.Encoder().encode
_FINISH: Mapping[Finish | None, str | None] = {
    None: None,
    Finish.STOP: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.CONTENT_FILTER: "content_filter",
}
_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


class OpenAI(Wire):
    """The Chat Completions wire."""

    name = "openai"
    path = "/v1/chat/completions"

    @override
    def read(self, body: bytes) -> Asked:
        return openai_request.read(body)

    @override
    def key(self, headers: Mapping[str, str]) -> str:
        return bearer(headers) or headers.get("x-api-key", "").strip()

    @override
    def whole(self, answer: Answer) -> bytes:
        return _encode(
            {
                "id": answer.id,
                "object": "chat.completion",
                "created": answer.created,
                "model": answer.model,
                "choices": [_choice(answer.id, output) for output in answer.outputs],
                "usage": _usage(answer.usage),
            }
        )

    @override
    def stream(self, head: Head) -> StreamWriter:
        return _Chunks(head)

    @override
    def problem(self, problem: Problem) -> bytes:
        return _encode(_error(problem))

    @override
    def models(self, names: Sequence[str], created: int) -> bytes:
        return _encode({"object": "list", "data": [_model(name, created) for name in names]})

    @override
    def model(self, name: str, created: int) -> bytes:
        return _encode(_model(name, created))


def _model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "outworks"}


class _Chunks(StreamWriter):
    """Chunks as server-sent events."""

    def __init__(self, head: Head) -> None:
        self._id = head.id
        self._include_usage = head.include_usage
        fixed = {"id": head.id, "object": "chat.completion.chunk", "created": head.created, "model": head.model}
        # The head of every chunk is the same, so it is encoded once.
        self._before = b"data: " + _encode(fixed)[:-1] + b',"choices":'
        self._after = b',"usage":null}\n\n' if head.include_usage else b"}\n\n"
        self._begun = 0

    @override
    def delta(self, delta: Delta) -> bytes:
        choice, events = delta.choice, []
        if delta.text:
            events.append(self._chunk(choice, {"refusal" if delta.as_refusal else "content": delta.text}))
        if delta.tool_call is not None:
            piece = delta.tool_call
            call = _call(ToolCall(piece.id, piece.name, piece.arguments))
            events.append(self._chunk(choice, {"tool_calls": [{"index": piece.index, **call}]}))
        if delta.finish is not None:
            if delta.notice:
                events.append(self._chunk(choice, {"refusal": _noticed(delta.notice, delta.as_refusal)}))
            events.append(self._finish(choice, delta))
        if events and choice >= self._begun:
            # In order: the official client's accumulator takes no choice before the ones below it.
            begun = {"role": "assistant", "content": "", "refusal": None}
            events[:0] = [self._chunk(each, begun) for each in range(self._begun, choice + 1)]
            self._begun = choice + 1
        return events[0] if len(events) == 1 else b"".join(events)

    def _chunk(self, choice: int, delta: dict[str, Any]) -> bytes:
        choices = [{"index": choice, "delta": delta, "logprobs": None, "finish_reason": None}]
        return self._before + _encode(choices) + self._after

    def _finish(self, choice: int, last: Delta) -> bytes:
        end: dict[str, Any] = {"index": choice, "delta": {}, "logprobs": None, "finish_reason": _FINISH[last.finish]}
        if last.notice:
            end["outworks"] = stopped(self._id, last.notice, last.confirm)
        return self._before + _encode([end]) + self._after

    @override
    def end(self, usage: Usage | None) -> bytes:
        if not self._include_usage or usage is None:
            return b"data: [DONE]\n\n"
        return self._before + b'[],"usage":' + _encode(_usage(usage)) + b"}\n\ndata: [DONE]\n\n"

    @override
    def problem(self, problem: Problem) -> bytes:
        return b"data: " + _encode(_error(problem)) + b"\n\n"


def _choice(id: str, output: Output) -> dict[str, Any]:
    # `content` is null only where something else stands in its place.
    content = output.text or (None if output.tool_calls or output.notice else "")
    refusal = output.notice or None
    if output.as_refusal:
        content, refusal = None, output.text + _noticed(output.notice, True)
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": refusal}
    if output.tool_calls:
        message["tool_calls"] = [_call(call) for call in output.tool_calls]
    finish = _FINISH[output.finish]
    choice = {"index": output.choice, "message": message, "logprobs": None, "finish_reason": finish}
    if output.notice:
        choice["outworks"] = stopped(id, output.notice, output.confirm)
    return choice


def _noticed(notice: str, as_refusal: bool) -> str:
    """What the account is told, as it follows what has left in the same field."""
    return f"\n{notice}" if notice and as_refusal else notice


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _usage(usage: Usage | None) -> dict[str, int] | None:
    if usage is None:
        return None
    total = usage.input_tokens + usage.output_tokens
    return {"prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens, "total_tokens": total}


def _error(problem: Problem) -> dict[str, Any]:
    status = problem.status
    kind = _TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")
    error = {
        "message": problem.message,
        "type": kind,
        "param": problem.param or None,
        "code": problem.code,
        "outworks": problem.outworks(),
    }
    return {"error": error}
