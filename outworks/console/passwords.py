"""Passwords: argon2id hashes, checked in the same time whether or not the person exists."""

import contextlib
import secrets
import threading
import time

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from outworks.console.store import Store

SHORTEST = 12
"""Characters. NIST SP 800-63B (rev. 4) asks for length, and for no particular kinds of characters."""
LONGEST = 256
_AT_ONCE = 2
"""Checks at once: each takes 64 MiB, and nobody fills the memory by trying passwords."""


class Passwords:
    """Who knows what, as hashes in the console's own file."""

    def __init__(self, store: Store, hasher: PasswordHasher | None = None) -> None:
        """The defaults of argon2-cffi are RFC 9106's second recommended option."""
        self._store = store
        self._hasher = hasher or PasswordHasher()
        # Somebody unknown costs a check of this one, so that the time tells nobody who exists.
        self._nobody = self._hasher.hash(secrets.token_urlsafe(32))
        self._room = threading.BoundedSemaphore(_AT_ONCE)

    def set(self, name: str, password: str) -> None:
        """Give somebody a password. Raises `ValueError` for one that is too short or too long."""
        check_password(password, name)
        said = self._hasher.hash(password)
        self._store.change("INSERT OR REPLACE INTO password VALUES (?, ?, ?)", (name, said, time.time()))

    def remove(self, name: str) -> None:
        """Nobody signs in as this person with a password any more."""
        self._store.change("DELETE FROM password WHERE name = ?", (name,))

    def has(self, name: str) -> bool:
        """Whether this person has one."""
        return bool(self._store.rows("SELECT 1 FROM password WHERE name = ?", (name,)))

    def holds(self, name: str, password: str, *, may: bool) -> bool:
        """Whether that is the person's password; never where the person may not sign in (`may`), at the same cost."""
        rows = self._store.rows("SELECT hash FROM password WHERE name = ?", (name,))
        known: str = rows[0][0] if rows and may else self._nobody
        with self._room:
            right = False
            with contextlib.suppress(VerificationError, InvalidHashError):
                right = bool(self._hasher.verify(known, password[: LONGEST + 1]))
        if right and rows and may and self._hasher.check_needs_rehash(known):
            self._store.change("UPDATE password SET hash = ? WHERE name = ?", (self._hasher.hash(password), name))
        return right and bool(rows) and may


def check_password(password: str, name: str) -> None:
    """Raises `ValueError` for a password that nobody should have."""
    if len(password) < SHORTEST:
        raise ValueError(f"a password has at least {SHORTEST} characters; this one has {len(password)}")
    if len(password) > LONGEST:
        raise ValueError(f"a password has at most {LONGEST} characters; this one has {len(password)}")
    if len(set(password)) < 5 or password.lower() in (name.lower() * 20, "outworksoutworks"):
        raise ValueError("this password is too easy to guess: use several words")
