"""What tests are built from: a recorder that remembers, models that say what they are told, defenses to order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

import msgspec

from outworks import label
from outworks.defense import Defense, InForce, Settings
from outworks.event import Body, Event, RecordError
from outworks.message import Delta, Finish, Message, Output, Request, Role, Text, Tool, Usage
from outworks.model import UpstreamError
from outworks.verdict import ALLOW, Verdict

B = TypeVar("B", bound=Body)


class Tape:
    """A recorder that keeps events in a list; with `broken` nothing can be recorded."""

    def __init__(self, *, broken: bool = False) -> None:
        self.events: list[Event] = []
        self.broken = broken

    def append(self, events: Sequence[Event], *, within: float = 0.0) -> "asyncio.Future[None]":
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.broken:
            future.set_exception(RecordError("the disk is full"))
            future.exception()
        else:
            self.events += events
            future.set_result(None)
        return future

    def bodies(self, kind: type[B]) -> list[B]:
        return [event.body for event in self.events if isinstance(event.body, kind)]

    @property
    def released(self) -> str:
        """Every character that the record says has left."""
        return "".join(e.content or "" for e in self.events if type(e.body).__name__ == "Released")


class Says:
    """A model that says the given pieces, then ends."""

    name = "says"

    def __init__(self, *pieces: str | Delta | Exception, finish: Finish | None = Finish.STOP) -> None:
        self._pieces = pieces
        self._finish = finish
        self.requests: list[Request] = []
        self.closed = False

    async def generate(self, request: Request) -> AsyncIterator[Delta]:
        self.requests.append(request)
        try:
            for piece in self._pieces:
                if isinstance(piece, Exception):
                    raise piece
                await asyncio.sleep(0)
                yield piece if isinstance(piece, Delta) else Delta(text=piece)
            if self._finish is not None:
                yield Delta(finish=self._finish)
                yield Delta(usage=Usage(3, 5))
        finally:
            self.closed = True


def asks(text: str = "What is the capital of France?", **changes: object) -> Request:
    """A request with one user message, streamed: a gate looks at every piece of such an answer."""
    fields: dict[str, object] = {
        "id": "ex_1",
        "model": "says",
        "messages": (Message(Role.USER, (Text(text),), label.USER),),
        "account": "shop:ann",
        "product": "shop",
        "stream": True,
    }
    return Request(**{**fields, **changes})  # type: ignore[arg-type]


def offers(*names: str) -> tuple[Tool, ...]:
    return tuple(Tool(name) for name in names)


def on_request(check: Callable[[Request], Awaitable[Verdict]] | Verdict, **settings: object) -> InForce:
    """A defense that checks requests so, or always says that."""

    class Made(Defense):
        name = "made"

        async def check_request(self, request: Request) -> Verdict:
            return check if isinstance(check, Verdict) else await check(request)

    return InForce(Made(), msgspec.convert(settings, Settings))


def on_output(check: Callable[[Request, Output], Awaitable[Verdict]] | Verdict, **settings: object) -> InForce:
    """A defense that checks outputs so, or always says that."""

    class Made(Defense):
        name = "made"

        async def check_output(self, request: Request, output: Output) -> Verdict:
            return check if isinstance(check, Verdict) else await check(request, output)

    return InForce(Made(), msgspec.convert(settings, Settings))


def forbids(word: str, **settings: object) -> InForce:
    """An output defense that blocks at a word, and holds what may become one: the smallest honest stream check."""

    async def check(request: Request, output: Output) -> Verdict:
        from outworks.verdict import Decision

        at = output.text.find(word)
        if at >= 0:
            return Verdict(decision=Decision.BLOCK, reason="the word", covered=at)
        held = 0 if output.done else longest_overlap(output.text, word)
        return Verdict(covered=len(output.text) - held) if held else ALLOW

    return on_output(check, **settings)


def longest_overlap(text: str, word: str) -> int:
    """How many last characters of the text are a beginning of the word."""
    return next((n for n in range(min(len(text), len(word) - 1), 0, -1) if text.endswith(word[:n])), 0)


def cut(text: str, at: Iterable[int]) -> list[str]:
    """The text in pieces, cut at the given places."""
    places = [0, *sorted({min(place, len(text)) for place in at}), len(text)]
    return [text[a:b] for a, b in pairwise(places) if b > a]


UPSTREAM_DOWN = UpstreamError("the model cannot be reached", kind="unreachable")
