"""Protection: what every answer of the console carries, and whom it answers at all."""

from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
"""No script and no style but our files, no request anywhere else: what got past the escaping could do nothing."""

_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


class Protected:
    """Sets the headers, and answers only requests for a host of its own: a page elsewhere may make its own name point
    here (DNS rebinding)."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], secure: bool) -> None:
        """`hosts` are names without ports."""
        self._app = app
        self._hosts = frozenset(hosts)
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        kept = scope["path"].startswith("/static/")

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                if self._secure:
                    headers["strict-transport-security"] = "max-age=31536000"
                # What reviewers read must not stay in a browser that the next person uses. Scripts may, but of another
                # version they would not fit its pages: the browser asks whether they are the same.
                headers["cache-control"] = "public, no-cache" if kept else "no-store"
            await send(message)

        host = Headers(scope=scope).get("host", "")
        if _name(host) not in self._hosts:
            why = f"This console does not answer for the host {host[:100]!r}; set [console] url to what people open.\n"
            await PlainTextResponse(why, 421)(scope, receive, send_protected)
            return
        await self._app(scope, receive, send_protected)


def hosts_of(addresses: Iterable[str]) -> frozenset[str]:
    """The names in `HOST:PORT`s and URLs; a loopback address stands for all of them."""
    names = {_name(urlsplit(each).netloc if "://" in each else each) for each in addresses if each}
    if names & _LOOPBACK:
        names |= _LOOPBACK
    return frozenset(names)


_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


def _name(host: str) -> str:
    name, _, port = host.rpartition(":")
    return (name if name and port.isdigit() else host).lower()
