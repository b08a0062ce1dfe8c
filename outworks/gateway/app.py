"""The gateway's HTTP application: the wires, the list of models, health and metrics."""

import time
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from outworks.gateway import moderations
from outworks.gateway.exchange import Doorway, Exchange, model_named
from outworks.gateway.http import named
from outworks.gateway.problem import Problem
from outworks.gateway.wires import WIRES, Wire
from outworks.nearest import did_you_mean


def application(
    doorway: Doorway, *, ready: Callable[[], str], registry: CollectorRegistry, more: Sequence[Route] = ()
) -> ASGIApp:
    """The whole data plane. `ready` says what is not ready yet, or nothing; `more` is what it serves besides."""
    began = int(time.time())

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> Response:
        why = ready()
        return JSONResponse({"status": why or "ok"}, 503 if why else 200)

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def models(request: Request) -> Response:
        """All of them, or the one that the path names."""
        wire = _wire_of(request)
        door = doorway.door
        name = request.path_params.get("model")
        try:
            exchange.product(door, dict(request.headers))
            if name is not None:
                model_named(door, name)
        except Problem as problem:
            # Whoever tries keys here is seen as at any other door.
            id = doorway.ids.take()
            told = await exchange.rejected(door, id, wire, problem)
            told.request_id = id
            headers = {name.decode(): value.decode() for name, value in named(id)} | told.headers()
            return Response(wire.problem(told), told.status, headers, "application/json")
        body = wire.models(sorted(door.models), began) if name is None else wire.model(name, began)
        return Response(body, media_type="application/json")

    async def unknown(request: Request, error: Exception) -> Response:
        path = request.url.path[:200]
        served = [*sorted(wire.path for wire in WIRES), "/v1/models", moderations.PATH, *(each.path for each in more)]
        known = f"known: {', '.join(served)}"
        if isinstance(error, HTTPException) and error.status_code == 405:
            headers = dict(error.headers or {})
            why = f"{path} is asked with {headers.get('Allow', 'another method')}, not with {request.method}; {known}"
            problem = Problem(405, "method_not_allowed", why)
        else:
            headers = {}
            why = f"{request.method} {path} is not served here; {known}{did_you_mean(path, served)}"
            problem = Problem(404, "not_found", why)
        wire = _wire_of(request)
        return Response(wire.problem(problem), problem.status, headers, "application/json")

    exchanges = [Exchange(wire, doorway) for wire in WIRES]
    exchange = exchanges[0]
    openai = next(wire for wire in WIRES if wire.name == "openai")
    moderate = moderations.Moderations(openai, exchanges[WIRES.index(openai)], doorway)
    routes = [
        *(Route(wire.path, each, methods=["POST"]) for wire, each in zip(WIRES, exchanges, strict=True)),
        Route(moderations.PATH, moderate, methods=["POST"]),
        Route("/v1/models", models),
        Route("/v1/models/{model:path}", models),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        *more,
    ]
    return _Quick(
        {wire.path: each for wire, each in zip(WIRES, exchanges, strict=True)},
        Starlette(routes=routes, exception_handlers={404: unknown, 405: unknown}),
    )


class _Quick:
    """Sends a wire's POST straight to its endpoint. Routing and middleware cost as much as three defenses."""

    def __init__(self, exchanges: dict[str, Exchange], rest: ASGIApp) -> None:
        self._exchanges = exchanges
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            exchange = self._exchanges.get(scope["path"])
            if exchange is not None:
                await exchange(scope, receive, send)
                return
        await self._rest(scope, receive, send)


def _wire_of(request: Request) -> Wire:
    """Whose words to answer in, where the path does not say: Anthropic's clients always name their API version."""
    name = "anthropic" if "anthropic-version" in request.headers or "messages" in request.url.path else "openai"
    return next(wire for wire in WIRES if wire.name == name)
