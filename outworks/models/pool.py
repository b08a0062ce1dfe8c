"""The pool: connections to one upstream, made when they are needed, kept while they are used."""

import asyncio
import base64
import socket
import ssl
from collections import deque
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from aiohappyeyeballs import start_connection
from typing_extensions import override

from outworks.model import UpstreamError
from outworks.models.connection import Connection, Unanswered

_ATTEMPT_SECONDS = 0.25
"""How long one address of a host may take before the next is tried beside it (RFC 8305)."""


class Address(NamedTuple):
    """Where an upstream is, and what is asked for there."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query."""

    @property
    def authority(self) -> str:
        """Host and port, the port only where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @override
    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


_PORTS = {"http": 80, "https": 443}
_PATH = "/%:@!$&'()*+,;=~"
_QUERY = _PATH + "?[]"


def address(url: str) -> Address:
    """The parts of a URL. Raises `ValueError` where it is none of `http` or `https`, or names a user."""
    parts = urlsplit(url)
    port = parts.port
    if parts.scheme not in _PORTS or not parts.hostname or parts.fragment:
        raise ValueError("not http://HOST or https://HOST")
    try:
        # As the resolver will: a label that is empty or too long is no name, in ASCII either.
        named = parts.hostname.encode("idna").decode()
    except UnicodeError:
        raise ValueError("not a host's name") from None
    host = parts.hostname if parts.hostname.isascii() else named
    target = quote(parts.path or "/", _PATH) + (f"?{quote(parts.query, _QUERY)}" if parts.query else "")
    return Address(parts.scheme, host, _PORTS[parts.scheme] if port is None else port, target)


class Proxy(NamedTuple):
    """A proxy that the environment names."""

    address: Address
    authorization: str
    """The value of `Proxy-Authorization`; empty where the proxy's URL names no user."""


def proxy_for(upstream: Address) -> Proxy | None:
    """The proxy between here and an upstream, as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say. Raises `ValueError` where
    it is not an HTTP proxy."""
    given = getproxies().get(upstream.scheme)
    if not given or proxy_bypass(upstream.host):
        return None
    given = given if "://" in given else f"http://{given}"
    parts = urlsplit(given)
    try:
        where = address(given)
        if where.scheme != "http":
            raise ValueError("not http://HOST:PORT")
    except ValueError:
        name = f"{upstream.scheme.upper()}_PROXY"
        raise ValueError(f"{name} is no proxy that can be used; expected http://HOST:PORT") from None
    if parts.username is None:
        return Proxy(where, "")
    secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(where, f"Basic {base64.b64encode(secret.encode()).decode()}")


class Pool:
    """Connections to one address, belonging to the event loop that they were first asked for in."""

    def __init__(
        self,
        upstream: Address,
        context: ssl.SSLContext | None,
        *,
        proxy: Proxy | None,
        most: int,
        connect_timeout_s: float,
        read_timeout_s: float,
        keepalive_s: float,
    ) -> None:
        self._upstream = upstream
        self._context = context
        self._proxy = proxy
        self._most = most
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._keepalive_s = keepalive_s
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._opening = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self.closed = False

    async def take(self, ends: float) -> Connection:
        """A connection that nobody else uses; give it back in any case. Raises `UpstreamError`, before `ends` (the
        loop's time)."""
        while self._idle:
            # The one used last: those on top stay warm, and those below grow old and are closed.
            connection = self._idle.pop()
            if not connection.stale:
                return connection
            connection.close()
        left = min(self._connect_timeout_s, ends - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(left):
                return await self._wait_or_open()
        except TimeoutError:
            raise Unanswered("The upstream could not be reached in time.", kind="timeout", status=504) from None
        except ssl.SSLError:
            raise UpstreamError("The upstream could not be reached.", kind="unreachable") from None
        except OSError:
            raise Unanswered("The upstream could not be reached.", kind="unreachable") from None

    def give(self, connection: Connection) -> None:
        """Give a connection back: for the next call, where its answer was read to the end."""
        if connection.release() and not self.closed:
            self._idle.append(connection)
            self._wake()
        else:
            connection.close()

    def close(self) -> None:
        """Close every connection, for good."""
        self.closed = True
        self._idle.clear()
        for connection in tuple(self._all):
            connection.close()
        while self._waiters:
            self._wake()

    async def _wait_or_open(self) -> Connection:
        while len(self._all) + self._opening >= self._most and not self.closed:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except BaseException:
                with suppress(ValueError):
                    self._waiters.remove(waiter)
                if waiter.done() and not waiter.cancelled():
                    self._wake()  # the turn was given to somebody who has gone
                raise
            if self._idle:
                return self._idle.pop()
        if self.closed:
            raise UpstreamError("The upstream's connections were closed.", kind="unreachable", status=503)
        self._opening += 1
        try:
            return await self._open()
        finally:
            self._opening -= 1
            if self._waiters:
                self._wake()

    async def _open(self) -> Connection:
        through = self._proxy.address if self._proxy is not None else self._upstream
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(through.host, through.port, type=socket.SOCK_STREAM)
        sock = await start_connection(found, happy_eyeballs_delay=_ATTEMPT_SECONDS, interleave=1)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self._proxy is not None and self._context is not None:
                connection = await self._tunnel(sock, self._proxy, self._context)
            else:
                host = None if self._context is None else self._upstream.host
                _, connection = await loop.create_connection(
                    self._connection, sock=sock, ssl=self._context, server_hostname=host
                )
        except BaseException:
            sock.close()
            raise
        if not connection.open:
            raise ConnectionResetError
        self._all.add(connection)
        if self.closed:
            connection.close()
        return connection

    async def _tunnel(self, sock: socket.socket, proxy: Proxy, context: ssl.SSLContext) -> Connection:
        """A connection through a proxy that is told no more than where it leads (RFC 9110, 9.3.6)."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(self._connection, sock=sock)
        try:
            where = f"{self._upstream.host}:{self._upstream.port}"
            auth = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
            ends = loop.time() + self._connect_timeout_s
            connection.send(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n{auth}\r\n".encode(), ends)
            await connection.head()
            if connection.status != 200:
                raise ConnectionRefusedError
            await connection.start_tls(context, self._upstream.host, self._connect_timeout_s)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connection(self) -> Connection:
        return Connection(self._lost, read_timeout_s=self._read_timeout_s, keepalive_s=self._keepalive_s)

    def _lost(self, connection: Connection) -> None:
        self._all.discard(connection)
        with suppress(ValueError):
            self._idle.remove(connection)
        self._wake()

    def _wake(self) -> None:
        """Give the turn to the first who waits."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
