"""Answers of OpenAI Chat Completions, whole or in chunks, as deltas."""

from typing import Any

import msgspec

from outworks.message import Delta, Finish, Request, ToolCallPiece, Usage
from outworks.model import UpstreamError
from outworks.models.call import MOST_CALLS, tokens
from outworks.models.refusal import broken_off


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Said(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Answer).decode
_NOTHING = _Said()
_FINISHES = {
    "length": Finish.LENGTH,
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "content_filter": Finish.CONTENT_FILTER,
}


class Reading:
    """Reads one answer, whole or in chunks, and holds it to its form: what is not of it is garbage."""

    def __init__(self, request: Request) -> None:
        n = request.parameters.get("n", 1)
        self.done = False
        self._parameters = request.parameters
        self._choices = n if isinstance(n, int) else 1
        self._finished: dict[int, bool] = {}
        self._calls: dict[int, list[_Known]] = {}

    def whole(self, body: bytes) -> list[Delta]:
        """The deltas of an answer that was not streamed: as few as hold it, the last with the finish."""
        answer = self._read(body)
        deltas: list[Delta] = []
        for choice in answer.choices or ():
            if choice.finish_reason is None:
                raise _garbage("a choice without a finish")
            deltas += self._choice(choice, choice.message or _NOTHING)
        self.end()
        if answer.usage is not None:
            deltas[-1] = msgspec.structs.replace(deltas[-1], usage=_usage(answer.usage))
        return deltas

    def event(self, event: bytes) -> list[Delta]:
        """The deltas of one event of a stream."""
        if self.done or not event:
            return []
        if event == b"[DONE]":
            self.done = True
            return []
        answer = self._read(event)
        deltas: list[Delta] = []
        for choice in answer.choices or ():
            deltas += self._choice(choice, choice.delta or _NOTHING)
        if answer.usage is not None:
            deltas.append(Delta(usage=_usage(answer.usage)))
        return deltas

    def end(self) -> None:
        """Raises `UpstreamError` where the answer ended before its choices did."""
        if not self._finished or not all(self._finished.values()):
            raise UpstreamError("The upstream broke off its answer.", kind="broken")

    def _read(self, body: bytes) -> _Answer:
        try:
            answer = _decode(body)
        except (ValueError, RecursionError):
            raise _garbage("something that is no chat completion") from None
        if answer.error is not None:
            raise broken_off(answer.error, self._parameters)
        return answer

    def _choice(self, choice: _Choice, said: _Said) -> list[Delta]:
        index = choice.index
        text = said.content or ""
        refused = bool(said.refusal) or choice.finish_reason == "content_filter"
        if not 0 <= index < self._choices:
            raise _garbage("a choice that was not asked for")
        ended = self._finished.setdefault(index, False)
        if ended:
            if text or said.refusal or said.tool_calls:
                raise _garbage("more of a choice that it had finished")
            return []
        if not choice.finish_reason:
            if said.tool_calls:
                return self._pieces(choice, said, text)
            if said.refusal:
                return [Delta(choice=index, text=text + said.refusal, refused=True, as_refusal=not text)]
            return [Delta(choice=index, text=text)] if text else []
        self._finished[index] = True
        deltas = self._pieces(choice, said, text) if said.tool_calls else []
        finish = _FINISHES.get(choice.finish_reason, Finish.STOP)
        if finish is Finish.STOP and index in self._calls:
            # OpenAI says `stop` where one function was demanded; the calls are there all the same.
            finish = Finish.TOOL_CALLS
        rest = (said.refusal or "") if deltas else text + (said.refusal or "")
        as_refusal = bool(said.refusal) and not text
        deltas.append(Delta(choice=index, text=rest, refused=refused, as_refusal=as_refusal, finish=finish))
        return deltas

    def _pieces(self, choice: _Choice, said: _Said, text: str) -> list[Delta]:
        deltas = [Delta(choice=choice.index, text=text)] if text else []
        known = self._calls.setdefault(choice.index, [])
        for call in said.tool_calls or ():
            function = call.function or _Function()
            place = None if choice.message is not None else _place(known, call)
            if place is None:
                place = len(known)
                if place == MOST_CALLS:
                    raise _garbage("more tool calls than are taken")
                known.append(_Known(call.index))
            call_known = known[place]
            piece = ToolCallPiece(
                index=place,
                id="" if call_known.id else call.id or "",
                # A name is said once; some servers repeat it with every piece.
                name="" if call_known.name else function.name or "",
                arguments=function.arguments or "",
            )
            call_known.id, call_known.name = call_known.id or piece.id, call_known.name or piece.name
            deltas.append(Delta(choice=choice.index, tool_call=piece))
        return deltas


class _Known(msgspec.Struct):
    index: int | None
    id: str = ""
    name: str = ""


def _place(known: list[_Known], call: _Call) -> int | None:
    """The call that a streamed piece belongs to; None begins one. Some servers give no index, or index 0 to every call:
    then a new id is a new call."""
    for place in range(len(known) - 1, -1, -1):
        same = call.index is None or known[place].index == call.index
        if same and (not call.id or known[place].id in ("", call.id)):
            return place
    return None


def _usage(usage: _Usage) -> Usage:
    return Usage(tokens(usage.prompt_tokens), tokens(usage.completion_tokens))


def _garbage(what: str) -> UpstreamError:
    return UpstreamError(f"The upstream sent {what}.", kind="garbage")
