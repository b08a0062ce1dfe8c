"""Appeals: links that only who was told of an action can have, and the appeals that come back over them."""

import hashlib
import hmac
import re

from outworks.action import Action, Standing
from outworks.enforcement.ids import ALPHABET, new_id
from outworks.event import Appealed, Event

_MAC_CHARS = 24
_TOKEN = re.compile(f"[{ALPHABET}]{{12}}[{ALPHABET}]{{{_MAC_CHARS}}}")
_PREFIX = "act_"


class Tokens:
    """Makes and reads the tokens of appeal links. Nothing is stored: a token is the action's id and a keyed hash of it,
    120 bits, so that who knows an id from a screen or a log cannot appeal for the account."""

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.blake2b(secret, person=b"outworks-appeal").digest()

    def token(self, action_id: str) -> str:
        """The token of an action; empty for an id that is not of our own making."""
        body = action_id.removeprefix(_PREFIX)
        token = body + self._mac(body)
        return token if action_id.startswith(_PREFIX) and _TOKEN.fullmatch(token) else ""

    def action(self, token: str) -> str | None:
        """The action's id; None for a token that is not one of ours."""
        if not _TOKEN.fullmatch(token):
            return None
        body, mac = token[:12], token[12:]
        return _PREFIX + body if hmac.compare_digest(mac, self._mac(body)) else None

    def path(self, action_id: str, base: str = "") -> str:
        """Where the action can be appealed: a path, or a whole address behind `base`."""
        token = self.token(action_id)
        return f"{base.rstrip('/')}/v1/appeals/{token}" if token else ""

    def _mac(self, body: str) -> str:
        digest = hashlib.blake2b(body.encode(), key=self._key, digest_size=15, person=b"token").digest()
        number = int.from_bytes(digest, "big")
        return "".join(ALPHABET[(number >> 5 * n) & 31] for n in range(_MAC_CHARS))


def appealed(action: Action, text: str, at: float) -> Event:
    """The event of an appeal; what the account wrote is its content."""
    body = Appealed(id=new_id("apl"), action=action.id)
    return Event(
        body=body, at=at, account=action.account, product=action.account.partition(":")[0], content=text.strip()
    )


def appealable(action: Action, now: float, within: float) -> str:
    """Why an action cannot be appealed; nothing where it can."""
    if action.shadow or action.standing is Standing.GOOD:
        return "This decision does not restrict the account."
    if now > action.at + within:
        return "The time to appeal this decision has passed."
    return ""
