"""One call over HTTP: what was sent, and the vendor's reading of what came back."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from outworks.message import Delta, Request
from outworks.model import UpstreamError
from outworks.models.http import Http
from outworks.models.refusal import refused
from outworks.models.sse import Events

MOST_CALLS = 256
"""Tool calls in one choice of an answer: more than any model makes. Whatever reads an answer looks at each."""
_IN_A_ROW = 64
"""Events that are read before others have their turn."""
_MOST_TOKENS = 2**53
"""The greatest number that every reader of JSON holds exactly."""


def tokens(count: int | None) -> int:
    """A count of tokens as an upstream tells it: 0 where it tells none, or one that cannot be."""
    return count if count is not None and 0 <= count <= _MOST_TOKENS else 0


class Reading(Protocol):
    """Reads one answer. Raises `UpstreamError` where it is not of the vendor's form."""

    done: bool
    """The stream said its last word."""

    def whole(self, body: bytes) -> list[Delta]:
        """The deltas of an answer that was not streamed."""
        ...

    def event(self, data: bytes) -> list[Delta]:
        """The deltas of one event of a stream."""
        ...

    def end(self) -> None:
        """Raises `UpstreamError` where the answer ended before its choices did."""
        ...


async def call(
    http: Http, request: Request, body: Callable[[], bytes], reading: Reading
) -> AsyncGenerator[Delta, None]:
    """Send, and read the answer as the server chose to give it, streamed or whole. Closing it closes the connection."""
    reply = await http.post(body())
    try:
        if reply.status != 200:
            raise await refused(reply, request.parameters)
        if "json" in reply.media:
            for delta in reading.whole(await reply.whole()):
                yield delta
            return
        if "event-stream" not in reply.media:
            raise UpstreamError("The upstream's answer is neither JSON nor an event stream.", kind="garbage")
        events = Events()
        while not reading.done:
            data = await reply.more()
            for count, event in enumerate(events.feed(data) if data else events.end(), 1):
                if count % _IN_A_ROW == 0:
                    await asyncio.sleep(0)  # one read may hold thousands of events, and others wait for their turn
                for delta in reading.event(event):
                    yield delta
            if not data:
                break
        reading.end()
        await reply.drain()
    finally:
        reply.close()
