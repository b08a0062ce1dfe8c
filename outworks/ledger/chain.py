"""The chain: how an event becomes columns, and how each event's hash commits to it and to all before it."""

import os
from hashlib import sha256
from typing import Any, Union, cast

import msgspec
from typing_extensions import override

from outworks.event import Body, Event
from outworks.ledger.signal import Signal, signals_of

GENESIS = bytes(32)
"""What stands for the hash before the first event."""

SALT_BYTES = 16

_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode


class Head(msgspec.Struct, frozen=True):
    """The last event's place and hash: keep it elsewhere, and a ledger that was cut short or replaced can't pass."""

    seq: int
    hash: str
    """Hexadecimal."""

    @override
    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


class Sealed(msgspec.Struct, frozen=True, gc=False):
    """An event as it will be stored; only its place in the chain is still open."""

    columns: tuple[Any, ...]
    """From `at` to `content`, in the order of the table."""
    canonical: bytes
    """What the hash covers, after the previous hash and the sequence number."""
    signals: tuple[Signal, ...]


def canonical(columns: tuple[Any, ...]) -> bytes:
    """At, kind, exchange, account, product, conversation, body and commitment as MessagePack in shortest form:
    each behind its type and length, so that no two different events have the same bytes.

    Raises `UnicodeEncodeError` for text that is none.
    """
    return _pack(columns)


def link(previous: bytes, seq: int, event: bytes) -> bytes:
    """The hash of an event: over the hash before it, its place, and its canonical bytes."""
    return sha256(b"".join((previous, seq.to_bytes(8, "big"), event))).digest()


def commit(salt: bytes, content: bytes) -> bytes:
    """The commitment that the chain holds in place of content. The salt goes with the content: without it, what was
    erased can't be guessed from the commitment."""
    return sha256(salt + content).digest()


class Salts:
    """Fresh salts, drawn from the system many at a time: drawing gives up the interpreter lock each time."""

    def __init__(self) -> None:
        self._pool = b""
        self._next = 0

    def take(self) -> bytes:
        """A salt that was never given before."""
        if self._next >= len(self._pool):
            self._pool, self._next = os.urandom(256 * SALT_BYTES), 0
        start, self._next = self._next, self._next + SALT_BYTES
        return self._pool[start : self._next]


def seal(event: Event, salts: Salts) -> Sealed:
    """The event's columns, canonical bytes and signals. Characters that are no Unicode text (lone surrogates) are
    written as their escapes. Raises `ValueError` or `TypeError` for an event that can't be stored as it is."""
    try:
        return _seal(event, salts)
    except UnicodeEncodeError:
        return _seal(_speakable(event), salts)


def _seal(event: Event, salts: Salts) -> Sealed:
    body = event.body
    kind = kind_of(type(body))
    at = float(event.at) + 0.0  # SQLite keeps no negative zero
    if not -1e15 < at < 1e15:
        raise ValueError(f"an event is dated {event.at}; expected Unix seconds")
    content = event.content
    salt = commitment = None
    if content is not None:
        salt = salts.take()
        commitment = commit(salt, content.encode())
    said = _encode(body).decode()
    linked = (at, kind, event.exchange, event.account, event.product, event.conversation, said, commitment)
    return Sealed((*linked, salt, content), canonical(linked), signals_of(event))


def kind_of(body: type[Body]) -> str:
    """The kind's name in the ledger."""
    return cast(str, body.__struct_config__.tag)


def kinds() -> tuple[str, ...]:
    """The name of every kind of event that this version knows."""
    return tuple(kind_of(body) for body in Body.__subclasses__())


def body_decoder() -> msgspec.json.Decoder[Body]:
    """Reads a body back from the ledger."""
    return msgspec.json.Decoder(cast("type[Body]", Union[tuple(Body.__subclasses__())]))  # noqa: UP007


def _speakable(event: Event) -> Event:
    return msgspec.structs.replace(
        event,
        body=body_decoder().decode(_encode(_escaped(msgspec.to_builtins(event.body)))),
        **{
            name: _escaped(getattr(event, name))
            for name in ("exchange", "account", "product", "conversation", "content")
        },
    )


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_escaped(key): _escaped(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(one) for one in value]
    return value
