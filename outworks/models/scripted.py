"""Upstream: answers from a table or a function, for tests and trials."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Annotated, TypeAlias

import msgspec

from outworks.message import Delta, Finish, Request, Role, Usage
from outworks.model import UpstreamError

Answer: TypeAlias = str | UpstreamError | Sequence[Delta] | AsyncIterator[Delta]
"""A text; an error to raise; the very deltas."""


class Settings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="scripted", tag_field="provider"
):
    """A model that says what the policy says it says."""

    answers: dict[str, str] = {}
    """The last user turn, exactly, and what is answered to it."""
    default: str = "This is a scripted answer."
    """The answer to anything else."""
    chunk_chars: tuple[Annotated[int, msgspec.Meta(ge=1)], ...] = ()
    """Cut the answer into pieces of these many characters, over and over; empty means one piece."""
    delay_ms: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Milliseconds before each piece."""


class Scripted:
    """A model that answers by rote. `requests` keeps what it was asked, so that a test can see what the model saw.

    Its tokens are words: what stands between spaces.
    """

    def __init__(
        self,
        name: str = "scripted",
        answers: Mapping[str, Answer] | Callable[[Request], Answer] | None = None,
        *,
        default: Answer = "This is a scripted answer.",
        chunk_chars: Sequence[int] = (),
        delay_s: float = 0.0,
        keep: int | None = None,
    ) -> None:
        """`keep` bounds the requests that are kept; None keeps all. Raises `ValueError` for chunks without length."""
        if any(size < 1 for size in chunk_chars):
            raise ValueError(f"chunk_chars is {tuple(chunk_chars)}; expected lengths of 1 or more")
        self.name = name
        self.requests: deque[Request] = deque(maxlen=keep)
        self._answers = answers if answers is not None else {}
        self._default = default
        self._chunk_chars = tuple(chunk_chars)
        self._delay_s = delay_s

    @classmethod
    def of(cls, name: str, settings: Settings) -> "Scripted":
        """The model that the policy describes; it keeps no requests."""
        return cls(
            name,
            settings.answers,
            default=settings.default,
            chunk_chars=settings.chunk_chars,
            delay_s=settings.delay_ms / 1000,
            keep=0,
        )

    async def generate(self, request: Request) -> AsyncIterator[Delta]:
        """The answer, once for each choice that is asked for; see `Model`."""
        self.requests.append(request)
        answer = self._answer(request)
        if isinstance(answer, UpstreamError):
            raise answer
        if isinstance(answer, str):
            n = request.parameters.get("n", 1)
            for delta in self._say(answer, request, n if isinstance(n, int) else 1):
                await self._wait()
                yield delta
        elif isinstance(answer, AsyncIterator):
            async for delta in answer:
                await self._wait()
                yield delta
        else:
            for delta in answer:
                await self._wait()
                yield delta

    async def aclose(self) -> None:
        """Nothing to close."""

    def _answer(self, request: Request) -> Answer:
        if not isinstance(self._answers, Mapping):
            return self._answers(request)
        asked = next((m.text for m in reversed(request.messages) if m.role is Role.USER), "")
        return self._answers.get(asked, self._default)

    def _say(self, text: str, request: Request, n: int) -> Iterator[Delta]:
        heard = sum(len(message.text.split()) for message in request.messages)
        usage = Usage(heard, n * len(text.split()))
        pieces = list(_cut(text, self._chunk_chars))
        for choice in range(n):
            last = usage if choice == n - 1 else None
            for piece in pieces[:-1]:
                yield Delta(choice=choice, text=piece)
            yield Delta(choice=choice, text=pieces[-1], finish=Finish.STOP, usage=last)

    async def _wait(self) -> None:
        if self._delay_s:
            await asyncio.sleep(self._delay_s)


def _cut(text: str, sizes: Sequence[int]) -> Iterator[str]:
    start = 0
    for size in cycle(sizes):
        if start + size >= len(text):
            break
        yield text[start : start + size]
        start += size
    yield text[start:]
