"""Signing: messages to webhooks, as Standard Webhooks 1.0 signs them."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one webhook is to be told."""

    id: str
    """The same at every attempt: a receiver that has seen it has it."""
    type: str
    account: str
    body: bytes


def key(secret: str) -> bytes:
    """The signing key in a `whsec_` secret. Raises ValueError where it is none: 24 to 64 bytes in base64."""
    try:
        given = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        given = b""
    if not secret.startswith("whsec_") or not 24 <= len(given) <= 64:
        raise ValueError("a webhook's secret is `whsec_` and 24 to 64 random bytes in base64")
    return given


def signed(message: Message, signing_key: bytes, now: float) -> Mapping[str, str]:
    """The headers of a delivery: Standard Webhooks 1.0, HMAC-SHA256 over id, timestamp and body."""
    at = str(int(now))
    content = b".".join((message.id.encode(), at.encode(), message.body))
    signature = base64.b64encode(hmac.new(signing_key, content, hashlib.sha256).digest()).decode()
    return {
        "content-type": "application/json",
        "user-agent": "outworks",
        "webhook-id": message.id,
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{signature}",
    }
