"""Model: anything that answers a request, be it an upstream, the defended product, a remote product or a script."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Protocol

from outworks.message import Delta, Finish, Output, Request, ToolCall, ToolCallPiece, Usage
from outworks.verdict import Notice


class Model(Protocol):
    """What can be asked, attacked and compared."""

    name: str

    def generate(self, request: Request) -> AsyncIterator[Delta]:
        """The output, piece by piece. Each choice ends with a delta that has `finish`; closing the iterator cancels.

        Raises `UpstreamError` where the model cannot answer.
        """
        ...


class UpstreamError(Exception):
    """A model did not answer: refused, hung, broke off, or said something that is no answer."""

    def __init__(
        self,
        message: str,
        *,
        kind: str = "upstream_error",
        status: int = 502,
        retry_after: float | None = None,
        param: str = "",
    ) -> None:
        """`kind` is one of `unreachable`, `timeout`, `broken`, `garbage`, `rate_limited`, `rejected`, `policy`
        (the provider refused on policy grounds), `unsupported`; `status` is what the client should see."""
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.status = status
        self.retry_after = retry_after
        self.param = param


class Blocked(Exception):
    """A line of defense stopped the request; nothing was released."""

    def __init__(self, notice: Notice, *, exchange: str = "", defense: str = "") -> None:
        super().__init__(notice.message)
        self.notice = notice
        self.exchange = exchange
        self.defense = defense


class _Call:
    """A tool call as far as it has come."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


class Draft:
    """Grows one choice of an output from its deltas."""

    def __init__(self, choice: int = 0) -> None:
        self.choice = choice
        self.refused = False
        self.as_refusal = False
        self.finish: Finish | None = None
        self.stop_string = ""
        self.notice = ""
        self.confirm: tuple[str, ...] = ()
        self.length = 0
        self._texts: list[str] = []
        self._calls: dict[int, _Call] = {}

    def add(self, delta: Delta) -> None:
        """Take in one delta of this choice."""
        if delta.text:
            if not self.length:
                self.as_refusal = delta.as_refusal
            self._texts.append(delta.text)
            self.length += len(delta.text)
        if delta.tool_call is not None:
            self._add_piece(delta.tool_call)
        self.refused = self.refused or delta.refused
        self.finish = delta.finish or self.finish
        self.stop_string = delta.stop_string or self.stop_string
        self.notice = delta.notice or self.notice
        self.confirm = delta.confirm or self.confirm

    def _add_piece(self, piece: ToolCallPiece) -> None:
        call = self._calls.setdefault(piece.index, _Call())
        call.id = call.id or piece.id
        call.name += piece.name
        # Joined only once it is complete: long arguments in small pieces must not cost quadratic time.
        call.arguments.append(piece.arguments)

    @property
    def text(self) -> str:
        if len(self._texts) > 1:
            self._texts = ["".join(self._texts)]
        return self._texts[0] if self._texts else ""

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Every call begun so far, in the order of their indices; complete only once the choice is finished."""
        calls = (self._calls[index] for index in sorted(self._calls))
        return tuple(ToolCall(call.id, call.name, "".join(call.arguments)) for call in calls)

    def output(self, *, released: int = 0) -> Output:
        """The choice so far. Tool calls are withheld until it is finished: half a call means nothing."""
        done = self.finish is not None
        return Output(
            choice=self.choice,
            text=self.text,
            tool_calls=self.tool_calls if done and self._calls else (),
            refused=self.refused,
            as_refusal=self.as_refusal,
            finish=self.finish,
            stop_string=self.stop_string,
            done=done,
            released=released,
            notice=self.notice,
            confirm=self.confirm,
        )


class Joined:
    """A whole answer, joined from its stream: synchronous callers and non-streaming clients read this."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._drafts: dict[int, Draft] = {}

    def add(self, delta: Delta) -> None:
        """Take in one delta of any choice."""
        draft = self._drafts.get(delta.choice)
        if draft is None:
            draft = self._drafts[delta.choice] = Draft(delta.choice)
        draft.add(delta)
        self.usage = delta.usage or self.usage

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The choices, in order."""
        return tuple(self._drafts[choice].output() for choice in sorted(self._drafts))


async def join(deltas: AsyncIterable[Delta]) -> Joined:
    """Read a stream to its end."""
    joined = Joined()
    async for delta in deltas:
        joined.add(delta)
    return joined
