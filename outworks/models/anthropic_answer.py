"""Answers of the Anthropic Messages API, whole or as events, as deltas."""

from collections.abc import Collection
from typing import Any

import msgspec

from outworks.message import Delta, Finish, ToolCallPiece, Usage
from outworks.model import UpstreamError
from outworks.models.call import MOST_CALLS, tokens
from outworks.models.refusal import broken_off


class _Block(msgspec.Struct):
    type: str = ""
    text: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")
    partial_json: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Message(msgspec.Struct):
    content: list[_Block] = []
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: _Usage = msgspec.field(default_factory=_Usage)
    type: str = ""
    error: Any = None


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Block | None = None
    usage: _Usage | None = None
    error: Any = None


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_FINISHES = {
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "tool_use": Finish.TOOL_CALLS,
    "refusal": Finish.CONTENT_FILTER,
}


class _Call(msgspec.Struct):
    place: int
    begun_with: bytes
    empty: bool = True


class Reading:
    """Reads one answer and holds it to its form. Blocks of other kinds (thinking, server tools) are not taken."""

    def __init__(self, choice: int, parameters: Collection[str]) -> None:
        self.done = False
        self._choice = choice
        self._parameters = parameters
        self._calls: dict[int, _Call] = {}
        self._counts = _Usage()
        self._finished = False

    def whole(self, body: bytes) -> list[Delta]:
        """The deltas of an answer that was not streamed: as few as hold it."""
        try:
            message = _decode_message(body)
            if message.error is not None:
                raise broken_off(message.error, self._parameters)
            if message.stop_reason is None:
                raise _garbage("a message without a stop_reason")
            text = "".join(block.text for block in message.content if block.type == "text")
            pieces = [
                ToolCallPiece(index=place, id=block.id, name=block.name, arguments=str(block.input, "utf-8"))
                for place, block in enumerate(block for block in message.content if block.type == "tool_use")
            ]
        except (ValueError, RecursionError):
            raise _garbage("something that is no message") from None
        if len(pieces) > MOST_CALLS:
            raise _garbage("more tool calls than are taken")
        self._count(message.usage)
        if not pieces:
            return [self._finish(message.stop_reason, message.stop_sequence, text)]
        deltas = [Delta(choice=self._choice, text=text)] if text else []
        deltas += [Delta(choice=self._choice, tool_call=piece) for piece in pieces]
        return [*deltas, self._finish(message.stop_reason, message.stop_sequence)]

    def event(self, data: bytes) -> list[Delta]:
        """The deltas of one event; none for a kind that is not known."""
        if self.done or not data:
            return []
        try:
            event = _decode_event(data)
        except (ValueError, RecursionError):
            raise _garbage("an event that is none of a message") from None
        if event.type == "content_block_delta" and event.delta is not None:
            return self._more(event.index, event.delta)
        if event.type == "content_block_start" and event.content_block is not None:
            return self._begin(event.index, event.content_block)
        if event.type == "content_block_stop":
            return self._stop(event.index)
        if event.type == "message_start" and event.message is not None:
            self._count(event.message.usage)
        elif event.type == "message_delta":
            if event.usage is not None:
                self._count(event.usage)
            if event.delta is not None and event.delta.stop_reason and not self._finished:
                return [self._finish(event.delta.stop_reason, event.delta.stop_sequence)]
        elif event.type == "message_stop":
            self.done = True
        elif event.type == "error" or event.error is not None:
            raise broken_off(event.error, self._parameters)
        return []

    def end(self) -> None:
        """Raises `UpstreamError` where the answer ended before the message did."""
        if not self._finished:
            raise UpstreamError("The upstream broke off its answer.", kind="broken")

    def _begin(self, index: int, block: _Block) -> list[Delta]:
        if block.type == "text":
            return self._text(block.text)
        if block.type != "tool_use":
            return []
        self._open()
        if len(self._calls) == MOST_CALLS:
            raise _garbage("more tool calls than are taken")
        call = self._calls[index] = _Call(len(self._calls), bytes(block.input))
        return [self._piece(ToolCallPiece(index=call.place, id=block.id, name=block.name))]

    def _more(self, index: int, delta: _Block) -> list[Delta]:
        if delta.type == "text_delta":
            return self._text(delta.text)
        if delta.type != "input_json_delta" or not delta.partial_json:
            return []
        self._open()
        call = self._calls.get(index)
        if call is None:
            raise _garbage("arguments for a tool call that it had not begun")
        call.empty = False
        return [self._piece(ToolCallPiece(index=call.place, arguments=delta.partial_json))]

    def _stop(self, index: int) -> list[Delta]:
        """A call without arguments streams none; they are then what its block began with."""
        call = self._calls.get(index)
        if call is None or not call.empty:
            return []
        self._open()
        call.empty = False
        try:
            return [self._piece(ToolCallPiece(index=call.place, arguments=call.begun_with.decode()))]
        except UnicodeDecodeError:
            raise _garbage("a tool call that is no text") from None

    def _text(self, text: str) -> list[Delta]:
        if not text:
            return []
        self._open()
        return [Delta(choice=self._choice, text=text)]

    def _piece(self, piece: ToolCallPiece) -> Delta:
        return Delta(choice=self._choice, tool_call=piece)

    def _open(self) -> None:
        if self._finished:
            raise _garbage("more of a message that it had finished")

    def _finish(self, reason: str, stop_string: str | None, text: str = "") -> Delta:
        self._finished = True
        counts = self._counts
        taken = (counts.input_tokens, counts.cache_creation_input_tokens, counts.cache_read_input_tokens)
        return Delta(
            choice=self._choice,
            text=text,
            refused=reason == "refusal",
            finish=_FINISHES.get(reason, Finish.STOP),
            stop_string=(stop_string or "") if reason == "stop_sequence" else "",
            usage=Usage(tokens(sum(map(tokens, taken))), tokens(counts.output_tokens)),
        )

    def _count(self, usage: _Usage) -> None:
        """Counts are cumulative: a later one replaces an earlier one."""
        for name in usage.__struct_fields__:
            count = getattr(usage, name)
            if count is not None:
                setattr(self._counts, name, count)


def _garbage(what: str) -> UpstreamError:
    return UpstreamError(f"The upstream sent {what}.", kind="garbage")
