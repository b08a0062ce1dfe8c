"""Wire: one vendor's HTTP format, between its bytes and the canonical request and output."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from outworks.gateway.problem import Problem
from outworks.message import Delta, Message, Output, Tool, Usage


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a request body asks."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    parameters: dict[str, Any] = {}
    """Every other field under its canonical name; a field that the wire does not know keeps its own."""
    stream: bool = False
    include_usage: bool = False
    """Whether the client wants token counts inside its stream."""
    user: str = ""
    """The product's end user, raw; empty where the body names none."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer, to be put into one body."""

    id: str
    """The exchange's id. No id of the upstream's reaches a client."""
    model: str
    created: int
    """Unix seconds."""
    outputs: tuple[Output, ...]
    usage: Usage | None = None


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream says of itself before its first word."""

    id: str
    model: str
    created: int
    """Unix seconds."""
    include_usage: bool = False


class StreamWriter(Protocol):
    """Encodes one stream. It holds no text back: a delta's words are in the bytes returned for that delta."""

    def delta(self, delta: Delta) -> bytes:
        """The events for one delta; empty where it adds nothing that this wire shows.

        A tool call comes whole, in one piece, and the last one with the choice's finish. Raises `Problem` 502 where it
        cannot be said on this wire.
        """
        ...

    def end(self, usage: Usage | None) -> bytes:
        """The events that end a complete stream."""
        ...

    def problem(self, problem: Problem) -> bytes:
        """The event that ends a stream which cannot be completed; nothing may follow it."""
        ...


class Wire(Protocol):
    """A vendor's format. It is pure: no state, no I/O."""

    name: str
    path: str
    """Where clients POST their requests."""

    def read(self, body: bytes) -> Asked:
        """Decode a request. Raises `Problem` 400 with the path of the field, what was given and what is expected."""
        ...

    def key(self, headers: Mapping[str, str]) -> str:
        """The product's key; empty where there is none. Header names are in lower case, as ASGI gives them."""
        ...

    def whole(self, answer: Answer) -> bytes:
        """The body of an answer that is not streamed. Raises `Problem` 502 where it cannot be said on this wire."""
        ...

    def stream(self, head: Head) -> StreamWriter:
        """A writer for one streamed answer."""
        ...

    def problem(self, problem: Problem) -> bytes:
        """The body of an error."""
        ...

    def models(self, names: Sequence[str], created: int) -> bytes:
        """The body of `GET /v1/models`."""
        ...

    def model(self, name: str, created: int) -> bytes:
        """The body of `GET /v1/models/NAME`."""
        ...


def bearer(headers: Mapping[str, str]) -> str:
    """The token of `Authorization: Bearer TOKEN`, or nothing."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def stopped(id: str, notice: str, confirm: Sequence[str] = ()) -> dict[str, Any]:
    """The `outworks` object of an output that a line of defense ended. With the tokens in `confirm`, which come back in
    the header `X-Outworks-Confirm`, a person can let go what was held."""
    if confirm:
        return {"code": "confirmation_required", "request_id": id, "message": notice, "confirm": confirm}
    return {"code": "blocked_by_policy", "request_id": id, "message": notice}
