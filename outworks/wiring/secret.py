"""secret: the gateway's key, and the names that accounts have outside it."""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable

from outworks.config import Policy


def secret(policy: Policy) -> bytes:
    """The key for hashing account ids: from the environment, else random, kept in a file only its owner can read."""
    given = os.environ.get(policy.gateway.secret_env, "") if policy.gateway.secret_env else ""
    if given:
        return given.encode()
    path = policy.ledger_path.with_suffix(".secret")
    with os.fdopen(os.open(path, os.O_CREAT | os.O_RDWR, 0o600), "r+b") as file:
        # Workers start together, and one may have died here: a file that is still empty holds no secret yet.
        fcntl.flock(file, fcntl.LOCK_EX)
        kept = file.read()
        if not kept:
            kept = secrets.token_hex(32).encode()
            file.write(kept)
            file.flush()
    return kept


def pseudonym(key: bytes) -> Callable[[str], str]:
    """What upstreams are told in place of an account's id: a keyed hash, the same for one account every time."""
    key = hashlib.blake2b(key).digest()

    def of(account: str) -> str:
        return "ow_" + hashlib.blake2b(account.encode("utf-8", "surrogatepass"), digest_size=20, key=key).hexdigest()

    return of
