"""The console's HTTP application."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from outworks.console.console import Console
from outworks.console.pages import PAGES
from outworks.console.protection import Protected, hosts_of
from outworks.console.web import FORM_BYTES, refuse_unknown, routes

_STATIC = Path(__file__).parent / "static"


def application(console: Console, *, hosts: tuple[str, ...] = ()) -> ASGIApp:
    """Every page, behind its permission. `hosts` are further addresses that it answers for."""
    said = console.setup().settings
    app = Starlette(
        routes=[
            *routes(PAGES, console),
            Route("/healthz", _healthz),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        middleware=[Middleware(RequestBodyLimitMiddleware, max_body_size=2 * FORM_BYTES)],
        exception_handlers={404: refuse_unknown(console), 405: refuse_unknown(console)},
    )
    return Protected(app, hosts=hosts_of((said.listen, said.url, *hosts)), secure=console.secure)


async def _healthz(request: Request) -> Response:
    return PlainTextResponse("ok")
