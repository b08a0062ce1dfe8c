"""Anthropic Messages: `POST /v1/messages`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from typing_extensions import override

from outworks.gateway.problem import Problem
from outworks.gateway.wires import anthropic_request
from outworks.gateway.wires.wire import Answer, Asked, Head, StreamWriter, Wire, bearer, stopped
from outworks.message import Delta, Finish, Output, ToolCallPiece, Usage

_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_FINISH: Mapping[Finish | None, str | None] = {
    None: None,
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL_CALLS: "tool_use",
    Finish.CONTENT_FILTER: "refusal",
}
_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Anthropic(Wire):
    """The Messages wire."""

    name = "anthropic"
    path = "/v1/messages"

    @override
    def read(self, body: bytes) -> Asked:
        return anthropic_request.read(body)

    @override
    def key(self, headers: Mapping[str, str]) -> str:
        return headers.get("x-api-key", "").strip() or bearer(headers)

    @override
    def whole(self, answer: Answer) -> bytes:
        """An answer on this wire is one message: of several choices, the first."""
        output = answer.outputs[0]
        message = _message(answer.id, answer.model, answer.usage)
        message["content"] = _content(output)
        message |= _stop(output.finish, output.notice, output.stop_string, called=bool(output.tool_calls))
        if output.notice:
            message["outworks"] = stopped(answer.id, output.notice, output.confirm)
        return _encode(message)

    @override
    def stream(self, head: Head) -> StreamWriter:
        return _Events(head)

    @override
    def problem(self, problem: Problem) -> bytes:
        return _encode(_error(problem))

    @override
    def models(self, names: Sequence[str], created: int) -> bytes:
        ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
        return _encode({"data": [_model(name, created) for name in names], "has_more": False, **ends})

    @override
    def model(self, name: str, created: int) -> bytes:
        return _encode(_model(name, created))


def _model(name: str, created: int) -> dict[str, Any]:
    at = datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")
    return {"type": "model", "id": name, "display_name": name, "created_at": at, "lifecycle": "active"}


class _Events(StreamWriter):
    """Events as server-sent events: blocks one after the other, each opened when it first has something to say."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._begun = False
        self._index = -1
        self._in_text = False
        self._called = False
        self._end: dict[str, Any] = {"delta": _stop(None, "", "", called=False)}

    @override
    def delta(self, delta: Delta) -> bytes:
        if delta.choice:
            return b""
        events: list[bytes] = []
        if delta.text:
            self._text(delta.text, events)
        if delta.tool_call is not None and not _cut_off(delta.tool_call.arguments, delta.finish):
            self._call(delta.tool_call, events)
        if delta.finish is not None:
            self._close_text(events)
            # How it ended travels with the counts, which come last.
            self._end = {"delta": _stop(delta.finish, delta.notice, delta.stop_string, called=self._called)}
            if delta.notice:
                self._end["outworks"] = stopped(self._head.id, delta.notice, delta.confirm)
        if not self._begun and (events or delta.finish is not None):
            events.insert(0, self._start())
        return b"".join(events)

    def _start(self) -> bytes:
        self._begun = True
        return _event("message_start", {"message": _message(self._head.id, self._head.model, None)})

    def _text(self, text: str, events: list[bytes]) -> None:
        if not self._in_text:
            self._open({"type": "text", "text": ""}, events)
            self._in_text = True
        # The event of every token: only its text and index differ, so only these are encoded.
        before = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,' % self._index
        events.append(before + b'"delta":{"type":"text_delta","text":' + _encode(text) + b"}}\n\n")

    def _call(self, piece: ToolCallPiece, events: list[bytes]) -> None:
        _check_arguments(piece.name, piece.arguments)
        self._close_text(events)
        self._called = True
        self._open({"type": "tool_use", "id": piece.id, "name": piece.name, "input": {}}, events)
        if piece.arguments.strip():
            delta = {"type": "input_json_delta", "partial_json": piece.arguments}
            events.append(_event("content_block_delta", {"index": self._index, "delta": delta}))
        events.append(_event("content_block_stop", {"index": self._index}))

    def _open(self, block: dict[str, Any], events: list[bytes]) -> None:
        self._index += 1
        events.append(_event("content_block_start", {"index": self._index, "content_block": block}))

    def _close_text(self, events: list[bytes]) -> None:
        if self._in_text:
            self._in_text = False
            events.append(_event("content_block_stop", {"index": self._index}))

    @override
    def end(self, usage: Usage | None) -> bytes:
        before = b"" if self._begun else self._start()
        ending = _event("message_delta", {**self._end, "usage": _usage(usage)})
        return before + ending + _event("message_stop", {})

    @override
    def problem(self, problem: Problem) -> bytes:
        return b"event: error\ndata: " + _encode(_error(problem)) + b"\n\n"


def _event(name: str, fields: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: ".encode() + _encode({"type": name, **fields}) + b"\n\n"


def _message(id: str, model: str, usage: Usage | None) -> dict[str, Any]:
    """A message that has said nothing yet. This vendor's clients need counts at once; unknown ones are 0."""
    return {
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": _usage(usage),
    }


def _content(output: Output) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = [{"type": "text", "text": output.text}] if output.text else []
    calls = output.tool_calls
    if calls and _cut_off(calls[-1].arguments, output.finish):
        calls = calls[:-1]
    for call in calls:
        _check_arguments(call.name, call.arguments)
        # The model's own characters, not a new encoding of what they mean: these were judged.
        arguments = msgspec.Raw(call.arguments.encode() if call.arguments.strip() else b"{}")
        content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
    return content


def _check_arguments(name: str, arguments: str) -> None:
    """On this wire arguments are an object. Others are refused whole, as to mend them would release what nobody judged;
    none at all is how some models call a function without arguments."""
    if not _is_object(arguments):
        why = f"the model called {name[:100]!r} with arguments that are no JSON object, so the call was not passed on"
        raise Problem(502, "upstream_garbage", why)


def _cut_off(arguments: str, finish: Finish | None) -> bool:
    """Whether the output ended within this call, its last: it is left out, and why is told by the stop reason."""
    return finish in (Finish.LENGTH, Finish.CONTENT_FILTER) and not _is_object(arguments)


def _is_object(arguments: str) -> bool:
    if not arguments.strip():
        return True
    try:
        _decode_object(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _stop(finish: Finish | None, notice: str, stop_string: str, *, called: bool) -> dict[str, Any]:
    reason = _FINISH[finish]
    if finish is Finish.STOP and called:
        # Some upstreams end a forced call with a plain stop; this vendor's clients run tools only on `tool_use`.
        reason, stop_string = "tool_use", ""
    elif stop_string:
        reason = "stop_sequence"
    details = {"type": "refusal", "category": None, "explanation": notice} if notice else None
    return {"stop_reason": reason, "stop_sequence": stop_string or None, "stop_details": details}


def _usage(usage: Usage | None) -> dict[str, int]:
    usage = usage or Usage()
    return {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}


def _error(problem: Problem) -> dict[str, Any]:
    status = problem.status
    kind = _TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")
    error = {
        "type": kind,
        "message": problem.message,
        "details": {"error_code": problem.code},
        "outworks": problem.outworks(),
    }
    return {"type": "error", "error": error, "request_id": problem.request_id or None}
