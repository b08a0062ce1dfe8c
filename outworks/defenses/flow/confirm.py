"""Confirmations: a held call, signed, so that a person can let go exactly this one, once, and in time."""

import base64
import binascii
import hmac
import secrets
import zlib
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any

import msgspec

from outworks.defenses.flow.seal import Seal, canonical
from outworks.message import Delta, Finish, Request, ToolCall, ToolCallPiece
from outworks.model import Model

_LARGEST = 65_536
"""Bytes of a call that a token may hold unpacked: a token comes from outside."""
MOST = 16
"""Tokens of a request that are looked at; the others let nothing go."""


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
    return f"{data}.{_ours(seal, request, data)}{_theirs(seal, request, data)}"


def _ours(seal: Seal, request: Request, data: str) -> str:
    """That it was made here, for this conversation: a model is not told whose it is."""
    return seal.signature(data, request.conversation)


def _theirs(seal: Seal, request: Request, data: str) -> str:
    return seal.signature(data, request.account, request.conversation)


def read(token: str) -> Confirmation | None:
    """What a token says, whoever made it; None where it is none."""
    data = token.partition(".")[0]
    try:
        packed = base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))
        unpacked = zlib.decompressobj().decompress(packed, _LARGEST)
        return msgspec.json.decode(unpacked, type=Confirmation)
    except (binascii.Error, zlib.error, ValueError):
        return None


def brought(seal: Seal, request: Request, *, account: bool = True) -> Sequence[Confirmation]:
    """What the request's tokens say, of those that were given in this conversation, and to this account (unless that is
    not known here). What nobody signed is not even unpacked: it may be anything, and much of it."""
    held = []
    for given in list(dict.fromkeys(request.confirmations))[:MOST]:
        data, _, signature = given.partition(".")
        signed = _ours(seal, request, data)
        if account:
            signed += _theirs(seal, request, data)
        else:
            signature = signature[: len(signed)]
        if signature.isascii() and hmac.compare_digest(signature, signed):
            held.append(read(given))
    return [each for each in held if each is not None]


def confirmed(
    brought: Sequence[Confirmation], call: ToolCall, arguments: dict[str, Any], now: float
) -> Confirmation | None:
    """The confirmation for this very call; None where none is for it, or in time."""
    for held in brought:
        if held.expires < now or held.name != call.name:
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

    It lets nothing go: what it says is judged like whatever a model says. And it says only what a model had
    said in this conversation, by the gateway's signature: every call that it says costs a judgement.
    """

    def __init__(self, model: Model, seal: Seal) -> None:
        """`seal` is the one of the defense that signed the tokens."""
        self.name = model.name
        self._model = model
        self._seal = seal

    async def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        """The confirmed calls, where the request brings tokens of its own; else the model's own output."""
        held = brought(self._seal, request, account=False)
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
