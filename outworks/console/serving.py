"""Serving: the console's own process, its socket and its end."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
import uvloop
from typing_extensions import override

from outworks.console.app import application
from outworks.console.console import Console
from outworks.console.setup import Setup
from outworks.ledger import Ledger

_LOOK_SECONDS = 1.0
_HEAD_BYTES = 65_536


def serve(
    ledger: Ledger,
    setup: Callable[[], Setup],
    listener: socket.socket,
    *,
    hosts: tuple[str, ...] = (),
    openid_secret: str = "",
    parent: int = 0,
) -> None:
    """Serve until SIGTERM or SIGINT; with `parent`, also until that process is gone."""
    console = Console(ledger, setup, openid_secret=openid_secret)
    try:
        uvloop.run(_serve(console, listener, hosts, parent))
    finally:
        console.close()


async def _serve(console: Console, listener: socket.socket, hosts: tuple[str, ...], parent: int) -> None:
    behind = console.secure
    config = uvicorn.Config(
        application(console, hosts=hosts),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Only a proxy on this machine is believed about who asks, and only where the policy says that there is one.
        proxy_headers=behind,
        forwarded_allow_ips="127.0.0.1,::1" if behind else "",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        limit_concurrency=200,
        h11_max_incomplete_event_size=_HEAD_BYTES,
    )
    server = _Embedded(config)
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, server.leave)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    watching = asyncio.create_task(_until_gone(parent, server)) if parent else None
    background = asyncio.create_task(console.follow())
    try:
        await server.serve(sockets=[listener])
    finally:
        background.cancel()
        if watching is not None:
            watching.cancel()


async def _until_gone(parent: int, server: "_Embedded") -> None:
    while os.getppid() == parent:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_SECONDS)
    server.leave()


class _Embedded(uvicorn.Server):
    """Uvicorn's server under our own signal handling."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def leave(self) -> None:
        self.should_exit = True
