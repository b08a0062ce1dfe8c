"""Seal: ids of tool calls that vouch for themselves, and tokens that nobody else can have made."""

import base64
import hashlib
import hmac
import json
import math
import secrets
from collections.abc import Iterator
from typing import Any

import msgspec

from outworks.defenses.flow.count import Turn
from outworks.message import Message, Request, Role, Text, ToolCall

_PREFIX = "call_"
_NONCE, _MAC = 10, 16
"""Bytes: with the prefix 40 characters, which is the longest id that every provider takes."""


class Seal:
    """Signs with the gateway's secret. Which calls it issued, and to whom, can thus be told without a look into the
    ledger, by every worker and after every restart."""

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.blake2b(secret, person=b"outworks-flow").digest()

    @staticmethod
    def random() -> "Seal":
        """One that lasts as long as the process: for trials and tests."""
        return Seal(secrets.token_bytes(32))

    def issue(self, request: Request, call: ToolCall) -> str:
        """An id for a call that is released to this account, in this conversation."""
        head = secrets.token_bytes(_NONCE)
        body = head + self._mac(request, head, call.name, call.arguments)
        return _PREFIX + base64.urlsafe_b64encode(body).decode().rstrip("=")

    def issued(self, request: Request, call: ToolCall) -> bool:
        """Whether this call, by its name and what its arguments mean, was released in the request's conversation."""
        body = _unpacked(call.id)
        if len(body) != _NONCE + _MAC:
            return False
        head = body[:_NONCE]
        return hmac.compare_digest(body[_NONCE:], self._mac(request, head, call.name, call.arguments))

    def turn(self, request: Request) -> Turn:
        """The turn that the request is in, by the user's last words and how often they had said the same before."""
        said = ["\0".join(_texts(message)) for message in request.messages if speaks(message)]
        last = said[-1] if said else ""
        words = hashlib.blake2b(_joined((last,)), digest_size=16, key=self._key, person=b"turn").hexdigest()
        return Turn(words, max(0, said.count(last) - 1))

    def signature(self, *parts: str) -> str:
        """A signature over these parts together."""
        return hashlib.blake2b(_joined(parts), digest_size=24, key=self._key, person=b"token").hexdigest()

    def _mac(self, request: Request, head: bytes, name: str, arguments: str) -> bytes:
        try:
            meant = canonical(msgspec.json.decode(arguments) if arguments.strip() else {})
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            meant = arguments
        signed = head + _joined((request.account, request.conversation, name, meant))
        return hashlib.blake2b(signed, digest_size=_MAC, key=self._key, person=b"call").digest()


def speaks(message: Message) -> bool:
    """Whether the user says something in a message: an empty one begins no turn."""
    if message.role is not Role.USER or not message.label.trusted:
        return False
    return any(text.strip() for text in _texts(message))


def _texts(message: Message) -> Iterator[str]:
    return (part.text for part in message.parts if isinstance(part, Text))


def canonical(value: Any) -> str:
    """JSON that is the same for the same meaning: clients write arguments anew, in their own order and spacing."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _unpacked(call_id: str) -> bytes:
    try:
        return base64.b64decode(call_id.removeprefix(_PREFIX) + "=", altchars=b"-_", validate=True)
    except ValueError:
        return b""


def _joined(parts: tuple[str, ...]) -> bytes:
    """No two lists of parts are joined to the same bytes."""
    data = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(len(each).to_bytes(8, "big") + each for each in data)
