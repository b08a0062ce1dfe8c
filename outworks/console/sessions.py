"""Sessions: who has signed in, kept on the server; the browser holds only a random token."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

import msgspec

from outworks.console.store import Store

LINK_SECONDS = 3600.0


class Session(msgspec.Struct, frozen=True):
    """One sign-in."""

    name: str
    """Who signed in."""
    token: str
    """What the browser holds; only its hash is stored."""
    how: str
    """`password`, `openid` or `link`."""

    @property
    def csrf(self) -> str:
        """What every form of this session carries. It follows from the token, which no other site can read."""
        return hashlib.blake2b(self.token.encode(), digest_size=24, person=b"outworks-csrf").hexdigest()

    def matches(self, csrf: str) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode("utf-8", "surrogatepass"))


class Sessions:
    """The sessions that are open."""

    def __init__(self, store: Store, *, lasts: float, idle: float, clock: Callable[[], float] = time.time) -> None:
        """Both in seconds: how long a session lasts at most, and how long without a request."""
        self._store = store
        self._lasts = lasts
        self._idle = idle
        self._clock = clock

    def begin(self, name: str, how: str) -> Session:
        """A new session, with a token that nobody had before: signing in never takes up an old one."""
        token = secrets.token_urlsafe(32)
        now = self._clock()
        with self._store.transaction() as do:
            do("DELETE FROM session WHERE began < ? OR seen < ?", (now - self._lasts, now - self._idle))
            do("INSERT INTO session VALUES (?, ?, ?, ?, ?)", (_digest(token), name, how, now, now))
        return Session(name, token, how)

    def find(self, token: str) -> Session | None:
        """The session of that token, if it is open."""
        now = self._clock()
        digest = _digest(token)
        rows = self._store.rows(
            "SELECT name, how, seen FROM session WHERE digest = ? AND began >= ? AND seen >= ?",
            (digest, now - self._lasts, now - self._idle),
        )
        if not rows:
            return None
        name, how, seen = rows[0]
        if now - seen > min(60.0, self._idle / 4):
            self._store.change("UPDATE session SET seen = ? WHERE digest = ?", (now, digest))
        return Session(name, token, how)

    def end(self, token: str) -> None:
        """Sign out."""
        self._store.change("DELETE FROM session WHERE digest = ?", (_digest(token),))

    def end_all(self, name: str, *, but: str = "") -> None:
        """Sign a person out everywhere, except in the session of the token `but`."""
        self._store.change("DELETE FROM session WHERE name = ? AND digest <> ?", (name, _digest(but)))

    def link(self, name: str) -> str:
        """A token that signs this person in once, within the hour."""
        token = secrets.token_urlsafe(24)
        now = self._clock()
        with self._store.transaction() as do:
            do("DELETE FROM link WHERE expires < ?", (now,))
            do("INSERT INTO link VALUES (?, ?, ?)", (_digest(token), name, now + LINK_SECONDS))
        return token

    def take_link(self, token: str) -> str | None:
        """Whom a one-time link is for; it is used up by this."""
        with self._store.transaction() as do:
            row = do("DELETE FROM link WHERE digest = ? RETURNING name, expires", (_digest(token),)).fetchone()
        return row[0] if row is not None and row[1] >= self._clock() else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
