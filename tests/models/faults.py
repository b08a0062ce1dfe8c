"""An upstream on the loopback that does exactly what a test says, down to the byte."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from outworks.label import ASSISTANT, SYSTEM, TOOL, USER
from outworks.message import Message, Opaque, Request, Role, Text, Tool, ToolCall, ToolResult

Behaviour = Callable[["Call"], Awaitable[None]]

TINY_IMAGE = "data:image/png;base64,aGVsbG8="


class Call:
    """One request as the server got it, and the means to answer."""

    def __init__(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        self.head = head
        self.body = body
        self.peer: int = writer.get_extra_info("peername")[1]
        self.writer = writer

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


class Upstream:
    """What the server saw."""

    def __init__(self, base_url: str, behaviours: Sequence[Behaviour]) -> None:
        self.base_url = base_url
        self.behaviours = list(behaviours)
        self.calls: list[Call] = []
        self.left = asyncio.Event()
        """Set when a client closes its connection while it is being answered."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await _head(reader):
                length = int(Call(head, b"", writer).headers.get("content-length", "0"))
                call = Call(head, await reader.readexactly(length), writer)
                self.calls.append(call)
                behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
                answering = asyncio.ensure_future(behaviour(call))
                watching = asyncio.ensure_future(reader.read(1))
                await asyncio.wait([answering, watching], return_when=asyncio.FIRST_COMPLETED)
                if not answering.done():
                    answering.cancel()
                    self.left.set()
                    return
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
                if isinstance(answering.exception(), ConnectionError):
                    self.left.set()
                if answering.exception() is not None or writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            self.left.set()
        finally:
            writer.close()


async def _head(reader: asyncio.StreamReader) -> str:
    with suppress(asyncio.IncompleteReadError):
        return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    return ""


@asynccontextmanager
async def upstream(*behaviours: Behaviour) -> AsyncIterator[Upstream]:
    """A server that answers the calls in turn; the last behaviour repeats."""
    state = Upstream("", behaviours)
    server = await asyncio.start_server(state._serve, "127.0.0.1", 0)
    state.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield state
    finally:
        server.close()


def raw(data: bytes, *, close: bool = False) -> Behaviour:
    """Send these bytes; then, perhaps, hang up."""

    async def behave(call: Call) -> None:
        await call.send(data)
        if close:
            call.writer.close()

    return behave


def answer(body: Any, status: int = 200, media: str = "application/json", **headers: str) -> Behaviour:
    """A proper answer with its length."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} Said\r\ncontent-type: {media}\r\ncontent-length: {len(data)}\r\n{more}\r\n"
    return raw(head.encode() + data)


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def stream(*pieces: bytes, pause: float = 0.0, end: bool = True) -> Behaviour:
    """A chunked event stream; without its end it hangs after the last piece."""

    async def behave(call: Call) -> None:
        await call.send(STREAM_HEAD)
        for piece in pieces:
            await call.send(chunk(piece))
            if pause:
                await asyncio.sleep(pause)
        if end:
            await call.send(b"0\r\n\r\n")
        else:
            await asyncio.sleep(30)

    return behave


async def hang(call: Call) -> None:
    """Take the request and say nothing."""
    await asyncio.sleep(30)


async def hang_up(call: Call) -> None:
    """Take the request and close the connection without a word."""
    call.writer.close()


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + (e if isinstance(e, bytes) else json.dumps(e).encode()) + b"\n\n" for e in events)


def ask(*messages: Message | str, **fields: Any) -> Request:
    """A request; a bare string is a user's turn."""
    turns = tuple(user(message) if isinstance(message, str) else message for message in messages or ("hello",))
    return Request(id="ex_1", model="policy-name", messages=turns, **fields)


def system(text: str) -> Message:
    return Message(Role.SYSTEM, (Text(text),), SYSTEM)


def user(text: str, *more: Opaque) -> Message:
    return Message(Role.USER, (Text(text), *more), USER)


def assistant(text: str, *calls: ToolCall) -> Message:
    return Message(Role.ASSISTANT, ((Text(text),) if text else ()) + calls, ASSISTANT)


def result(call_id: str, text: str) -> Message:
    return Message(Role.TOOL, (ToolResult(call_id, text),), TOOL)


WEATHER = Tool(
    "weather", "Tells the weather.", {"type": "object", "properties": {"place": {"type": "string"}}}, strict=True
)


def replaced(request: Request, **fields: Any) -> Request:
    return msgspec.structs.replace(request, **fields)
