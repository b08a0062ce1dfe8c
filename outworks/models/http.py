"""HTTP to an upstream: pooled connections, limits of time and size, and retries only before the first byte."""

import asyncio
import random
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Annotated, TypeAlias

import aiohttp
import msgspec
from yarl import URL

from outworks import __version__
from outworks.model import UpstreamError

RETRIED = frozenset({429, 502, 503, 529})
"""Statuses with which a server says that it did not do the work."""


Seconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0)]
AtLeastOne: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
FromNought: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]

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

    __slots__ = ("_left", "_response", "status")

    def __init__(self, response: aiohttp.ClientResponse, limit: int) -> None:
        self._response = response
        self._left = limit
        self.status = response.status

    @property
    def media(self) -> str:
        """The content type, in lower case."""
        return self._response.headers.get("Content-Type", "").lower()

    @property
    def retry_after(self) -> float | None:
        """The seconds that the upstream asks to wait."""
        return retry_after(self._response.headers)

    async def more(self) -> bytes:
        """The next bytes of the body; none at its end. Raises `UpstreamError` where it breaks off or is too large."""
        try:
            data: bytes = await self._response.content.readany()
        except FAILURES as error:
            raise failure(error) from error
        self._left -= len(data)
        if self._left < 0:
            raise UpstreamError("The upstream's answer is larger than the policy admits.", kind="garbage")
        return data

    async def whole(self) -> bytes:
        """The rest of the body."""
        first = await self.more()
        second = await self.more() if first else b""
        if not second:
            return first
        parts = [first, second]
        while data := await self.more():
            parts.append(data)
        return b"".join(parts)

    async def drain(self) -> None:
        """Read what is left after the last word, briefly, so that the connection can be used again."""
        if self._response.content.at_eof():
            return
        with suppress(UpstreamError, TimeoutError):
            async with asyncio.timeout(0.05):
                while await self.more():
                    pass

    def close(self) -> None:
        """Give the connection back where the body was read to its end; else close it, so that the upstream stops."""
        self._response.release()


class Http:
    """One endpoint of an upstream."""

    def __init__(self, settings: HttpSettings, path: str, headers: Mapping[str, str]) -> None:
        for name, value in settings.headers.items():
            _check_header(name, value)
        self._settings = settings
        self._url = endpoint(settings.base_url, path)
        self._headers = {
            "User-Agent": f"outworks/{__version__}",
            "Content-Type": "application/json",
            # What is compressed must be unpacked before its size is known.
            "Accept-Encoding": "identity",
            **settings.headers,
            **headers,
        }
        self._timeout = self._times(settings.total_timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def post(self, body: bytes) -> Reply:
        """Send; the reply, whatever its status. Raises `UpstreamError` where there is none."""
        began = time.monotonic()
        tried = 0
        times = self._timeout
        while True:
            reply: Reply | None = None
            asked: float | None = None
            try:
                reply = await self._send(body, times)
                if reply.status not in RETRIED:
                    return reply
                asked = reply.retry_after
            except FAILURES as error:
                if not isinstance(error, UNANSWERED) or isinstance(error, aiohttp.ClientSSLError):
                    raise failure(error) from error
                lost = error
            pause = self._pause(tried, asked)
            left = self._settings.total_timeout_s - (time.monotonic() - began)
            if pause is None or pause >= left:
                if reply is not None:
                    return reply
                raise failure(lost) from lost
            if reply is not None:
                reply.close()
            await asyncio.sleep(pause)
            tried += 1
            times = self._times(left - pause)

    async def aclose(self) -> None:
        """Close every connection, for good."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _send(self, body: bytes, times: aiohttp.ClientTimeout) -> Reply:
        if self._closed:
            raise UpstreamError("The upstream's connections were closed.", kind="unreachable", status=503)
        session = self._session
        if session is None:
            # Only now: a session belongs to the event loop that it was made in.
            session = self._session = self._open()
        # A redirect would carry the key and the conversation to wherever the answer says.
        response = await session.post(self._url, data=body, timeout=times, allow_redirects=False)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            response.release()
            raise UpstreamError("The upstream compressed its answer unasked.", kind="garbage")
        return Reply(response, self._settings.max_response_bytes)

    def _open(self) -> aiohttp.ClientSession:
        settings = self._settings
        context = ssl.create_default_context()
        if settings.ca_file:
            context.load_verify_locations(settings.ca_file)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.max_connections, keepalive_timeout=settings.keepalive_s, ssl=context
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            auto_decompress=False,
            trust_env=settings.use_proxy_from_env,
        )

    def _times(self, total: float) -> aiohttp.ClientTimeout:
        settings = self._settings
        return aiohttp.ClientTimeout(
            total=total, connect=settings.connect_timeout_s, sock_read=min(settings.read_timeout_s, total)
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


FAILURES = (aiohttp.ClientError, TimeoutError, OSError)
UNANSWERED = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError, aiohttp.ConnectionTimeoutError)


def failure(error: Exception) -> UpstreamError:
    """What a failed transport means to the client; nothing of the error's own text, which may hold addresses."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return UpstreamError("The upstream could not be reached in time.", kind="timeout", status=504)
    if isinstance(error, TimeoutError):
        return UpstreamError("The upstream did not answer in time.", kind="timeout", status=504)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientSSLError):
        return UpstreamError("The upstream could not be reached.", kind="unreachable")
    if isinstance(error, aiohttp.ClientResponseError):
        return UpstreamError("The upstream's answer was not proper HTTP.", kind="garbage")
    return UpstreamError("The upstream broke off its answer.", kind="broken")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks to wait (RFC 9110, 10.2.3, or `retry-after-ms`); None where it does not say."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        with suppress(ValueError):
            seconds = float(text) * unit
            if 0 <= seconds < float("inf"):
                return seconds
    with suppress(ValueError, OverflowError):
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    return None


def endpoint(base_url: str, path: str) -> URL:
    """Where to send. Raises `ValueError` where the base cannot be one."""
    try:
        url = URL(base_url.rstrip("/") + path)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"base_url is {base_url!r}; expected http://HOST or https://HOST, with a path where needed")
    if url.user or url.password:
        raise ValueError("base_url holds a user or a password; secrets come from the environment (api_key_env)")
    return url


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
