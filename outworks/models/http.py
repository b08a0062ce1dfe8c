"""HTTP to an upstream: pooled connections, limits of time and size, and retries only before the first byte."""

import asyncio
import random
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Annotated, TypeAlias

import msgspec

from outworks import __version__
from outworks.model import UpstreamError
from outworks.models.connection import Connection, Unanswered
from outworks.models.pool import Address, Pool, address, proxy_for

RETRIED = frozenset({429, 502, 503, 529})
"""Statuses with which a server says that it did not do the work."""


Seconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0)]
AtLeastOne: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
FromNought: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]

_LONGEST_WAIT_S = 86_400.0
"""What a server may ask to wait: whoever says more counts in another unit, or none."""
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "cookie"})


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the policy can say of any upstream behind HTTP; each vendor adds its own."""

    base_url: str
    """Where the vendor's API begins, with `http://` or `https://`."""
    model: str = ""
    """The model's name upstream; empty means the name that the policy gives it."""
    api_key_env: str = ""
    """The NAME of the environment variable that holds the key. The key itself never stands in the policy, and the
    client's own key never goes upstream."""
    headers: dict[str, str] = {}
    """Headers to add to every call. They are no place for secrets."""
    connect_timeout_s: Seconds = 5.0
    """Seconds to get a connection, the wait for a free one included."""
    read_timeout_s: Seconds = 120.0
    """Seconds without a byte from the upstream. An answer that is not streamed sends none until it is whole."""
    total_timeout_s: Seconds = 600.0
    """Seconds for the whole call, its retries included; a stream that never ends is cut off here."""
    max_retries: FromNought = 2
    """Further tries, only before the first byte: when no connection could be made, when the upstream hung up without a
    word, and on 429, 502, 503 and 529. A call changes nothing upstream: the worst of a retry is a second bill."""
    max_retry_wait_s: Seconds = 8.0
    """The longest wait before a retry. Where the upstream asks for more (Retry-After), the client is told instead."""
    max_response_bytes: AtLeastOne = 33_554_432
    """The largest answer, streamed or not; a larger one is cut off."""
    max_connections: AtLeastOne = 512
    """Connections at once, to this upstream, in one worker."""
    keepalive_s: Seconds = 30.0
    """Seconds that an idle connection is kept."""
    use_proxy_from_env: bool = False
    """Honour HTTP_PROXY, HTTPS_PROXY and NO_PROXY."""
    ca_file: str = ""
    """A PEM file of further certificate authorities, for an upstream inside the house."""


class Reply:
    """An answer whose body is still to be read; `close` it in any case."""

    __slots__ = ("_connection", "_left", "_pool", "status")

    def __init__(self, connection: Connection, pool: Pool, limit: int) -> None:
        self._connection: Connection | None = connection
        self._pool = pool
        self._left = limit
        self.status = connection.status

    @property
    def media(self) -> str:
        """The content type, in lower case."""
        return self._open.headers.get("content-type", "").lower()

    @property
    def retry_after(self) -> float | None:
        """The seconds that the upstream asks to wait."""
        return retry_after(self._open.headers)

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise UpstreamError("The upstream broke off its answer.", kind="broken")
        return self._connection

    async def more(self) -> bytes:
        """The next bytes of the body; none at its end. Raises `UpstreamError` where it breaks off or is too large."""
        data = await self._open.more()
        self._left -= len(data)
        if self._left < 0:
            raise UpstreamError("The upstream's answer is larger than the policy admits.", kind="garbage")
        return data

    async def whole(self) -> bytes:
        """The rest of the body."""
        first = await self.more()
        second = await self.more() if first and not self._open.complete else b""
        if not second:
            return first
        parts = [first, second]
        while data := await self.more():
            parts.append(data)
        return b"".join(parts)

    async def drain(self) -> None:
        """Read what is left after the last word, briefly, so that the connection can be used again."""
        if self._open.complete:
            return
        with suppress(UpstreamError, TimeoutError):
            async with asyncio.timeout(0.05):
                while await self.more():
                    pass

    def close(self) -> None:
        """Give the connection back where the body was read to its end; else close it, so that the upstream stops."""
        if self._connection is not None:
            self._pool.give(self._connection)
            self._connection = None


class Http:
    """One endpoint of an upstream."""

    def __init__(self, settings: HttpSettings, path: str, headers: Mapping[str, str]) -> None:
        """Raises `ValueError` for an address, a header or a proxy that cannot be used."""
        for name, value in settings.headers.items():
            _check_header(name, value)
        self._settings = settings
        self._address = endpoint(settings.base_url, path)
        self._pool: Pool | None = None
        self._closed = False
        proxy = proxy_for(self._address) if settings.use_proxy_from_env else None
        sent = {
            "Host": self._address.authority,
            "User-Agent": f"outworks/{__version__}",
            "Content-Type": "application/json",
            "Accept": "*/*",
            # What is compressed must be unpacked before its size is known.
            "Accept-Encoding": "identity",
            **settings.headers,
            **headers,
        }
        target = self._address.target
        if proxy is not None and self._address.scheme == "http":
            target = str(self._address)
            sent |= {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        self._head = f"POST {target} HTTP/1.1\r\n{lines}Content-Length: ".encode("ascii")
        self._proxy = proxy

    async def post(self, body: bytes) -> Reply:
        """Send; the reply, whatever its status. Raises `UpstreamError` where there is none."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._settings.total_timeout_s
        tried = 0
        while True:
            reply: Reply | None = None
            asked: float | None = None
            try:
                reply = await self._send(body, ends)
                if reply.status not in RETRIED:
                    return reply
                asked = reply.retry_after
            except Unanswered as error:
                lost = error
            pause = self._pause(tried, asked)
            if pause is None or pause >= ends - loop.time():
                if reply is not None:
                    return reply
                raise lost
            if reply is not None:
                reply.close()
            await asyncio.sleep(pause)
            tried += 1

    async def aclose(self) -> None:
        """Close every connection, for good."""
        self._closed = True
        if self._pool is not None:
            self._pool.close()

    async def _send(self, body: bytes, ends: float) -> Reply:
        if self._closed:
            raise UpstreamError("The upstream's connections were closed.", kind="unreachable", status=503)
        pool = self._pool
        if pool is None:
            # Only now: connections belong to the event loop that they were made in.
            try:
                pool = self._pool = self._open()
            except OSError:
                # The file of authorities was there when the policy was checked.
                raise UpstreamError("The upstream could not be reached.", kind="unreachable") from None
        connection = await pool.take(ends)
        try:
            connection.send(b"%b%d\r\n\r\n%b" % (self._head, len(body), body), ends)
            await connection.head()
            if connection.headers.get("content-encoding", "identity").lower() != "identity":
                raise UpstreamError("The upstream compressed its answer unasked.", kind="garbage")
        except BaseException:
            connection.close()
            raise
        return Reply(connection, pool, self._settings.max_response_bytes)

    def _open(self) -> Pool:
        settings = self._settings
        context = None
        if self._address.scheme == "https":
            context = ssl.create_default_context()
            context.set_alpn_protocols(["http/1.1"])
            if settings.ca_file:
                context.load_verify_locations(settings.ca_file)
        return Pool(
            self._address,
            context,
            proxy=self._proxy,
            most=settings.max_connections,
            connect_timeout_s=settings.connect_timeout_s,
            read_timeout_s=settings.read_timeout_s,
            keepalive_s=settings.keepalive_s,
        )

    def _pause(self, tried: int, asked: float | None) -> float | None:
        """Seconds before the next try; None for no further try."""
        most = self._settings.max_retry_wait_s
        if tried >= self._settings.max_retries or (asked is not None and asked > most):
            return None
        if asked is not None:
            return asked
        # Full jitter, so that clients that failed together do not come back together.
        return random.uniform(0.05, min(most, 0.25 * 2**tried))  # noqa: S311


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks to wait (RFC 9110, 10.2.3, or `retry-after-ms`); None where it does not say."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        with suppress(ValueError):
            seconds = float(text) * unit
            if 0 <= seconds < float("inf"):
                return min(seconds, _LONGEST_WAIT_S)
    with suppress(ValueError, OverflowError):
        seconds = parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time()
        return min(max(0.0, seconds), _LONGEST_WAIT_S)
    return None


def endpoint(base_url: str, path: str) -> Address:
    """Where to send. Raises `ValueError` where the base cannot be one."""
    if "@" in base_url.partition("://")[2].partition("/")[0]:
        raise ValueError("base_url holds a user or a password; secrets come from the environment (api_key_env)")
    try:
        return address(base_url.rstrip("/") + path)
    except ValueError:
        raise ValueError(
            f"base_url is {base_url!r}; expected http://HOST or https://HOST, with a path where needed"
        ) from None


def _check_header(name: str, value: str) -> None:
    if name.lower() in _SECRET_HEADERS:
        raise ValueError(f"headers holds {name!r}; secrets come from the environment (api_key_env)")
    if not name or not f"{name}{value}".isascii() or not f"{name}{value}".isprintable() or set(" :") & set(name):
        raise ValueError(f"headers holds {name!r}, which cannot be sent with its value; expected plain ASCII")


def api_key(settings: HttpSettings, environ: Mapping[str, str]) -> str:
    """The key from the environment, empty where the policy names none. Raises `ValueError` where it is missing."""
    if not settings.api_key_env:
        return ""
    key = environ.get(settings.api_key_env, "").strip()
    if not key:
        raise ValueError(f"api_key_env names {settings.api_key_env}, which is not set in the environment")
    if not key.isascii() or not key.isprintable():
        raise ValueError(f"the key in {settings.api_key_env} holds characters that no header can carry")
    return key
