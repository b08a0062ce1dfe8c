"""Confirmations: a held call, signed, so that a person can let go exactly this one, once, and in time."""

import base64
import binascii
import hmac
import secrets
import zlib
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec

from outworks.defenses.flow.seal import Seal, canonical
from outworks.message import Delta, Finish, Request, ToolCall, ToolCallPiece
from outworks.model import Model

_LARGEST = 65_536
"""Bytes of a call that a token may hold unpacked: a token comes from outside."""


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """What a person is asked to let go."""

    name: Annotated[str, msgspec.Meta(max_length=256)]
    arguments: str
    """As the model wrote them."""
    expires: float
    """Unix seconds."""
    nonce: str


def token(seal: Seal, request: Request, call: ToolCall, *, expires: float) -> str:
    """A token for this call, of this account, in this conversation. It holds the call itself: who confirms sees what is
    confirmed, and the model need not be asked to say it again."""
    held = Confirmation(name=call.name, arguments=call.arguments, expires=expires, nonce=secrets.token_hex(12))
    data = base64.urlsafe_b64encode(zlib.compress(msgspec.json.encode(held))).decode().rstrip("=")
    return f"{data}.{seal.signature(data, request.account, request.conversation)}"


def read(token: str) -> Confirmation | None:
    """What a token says, whoever made it; None where it is none."""
    data = token.partition(".")[0]
    try:
        packed = base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))
        unpacked = zlib.decompressobj().decompress(packed, _LARGEST)
        return msgspec.json.decode(unpacked, type=Confirmation)
    except (binascii.Error, zlib.error, ValueError):
        return None


def confirmed(
    seal: Seal, request: Request, call: ToolCall, arguments: dict[str, Any], now: float
) -> Confirmation | None:
    """The confirmation that the request brings for this very call; None where it brings none that is good."""
    for given in request.confirmations:
        data, _, signature = given.partition(".")
        signed = seal.signature(data, request.account, request.conversation)
        if not signature.isascii() or not hmac.compare_digest(signature, signed):
            continue
        held = read(given)
        if held is None or held.expires < now or held.name != call.name:
            continue
        try:
            meant = msgspec.json.decode(held.arguments or "{}")
        except msgspec.DecodeError:
            continue
        if canonical(meant) == canonical(arguments):
            return held
    return None


class Confirmable:
    """A model that says again what a person confirmed, and is asked itself for everything else.

    It trusts no token: what it says is judged like whatever a model says, and a token that is not good lets nothing go.
    """

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self._model = model

    async def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        """The confirmed calls, where the request brings tokens that can be read; else the model's own output."""
        held = [each for each in map(read, request.confirmations) if each is not None]
        if not held:
            deltas = self._model.generate(request)
            try:
                async for delta in deltas:
                    yield delta
            finally:
                if isinstance(deltas, AsyncGenerator):
                    await deltas.aclose()
            return
        for index, each in enumerate(held):
            yield Delta(tool_call=ToolCallPiece(index, f"confirmed_{index}", each.name, each.arguments))
        yield Delta(finish=Finish.TOOL_CALLS)
