"""Serving: one listening socket, one worker or several, reload on SIGHUP, shutdown that loses nothing."""

import asyncio
import contextlib
import gc
import ipaddress
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import uvicorn
import uvloop
from starlette.types import ASGIApp
from typing_extensions import override

from outworks.gateway.protocol import HEAD_BYTES, Guarded

_UNSTARTED = 3
"""Exit status of a worker that could not start."""
_FILES = 65_536
"""Open files that are asked for: what the connections of many thousand exchanges take."""


class Worker(Protocol):
    """What a worker process runs."""

    app: ASGIApp

    async def start(self) -> None:
        """Open everything; called once, in the worker's own loop."""
        ...

    def reload(self) -> None:
        """Load the policy anew; a bad one is refused, and said so."""
        ...

    async def stop(self) -> None:
        """Drain and close everything."""
        ...


def listen(address: str) -> socket.socket:
    """A listening socket at `HOST:PORT`.

    Raises ValueError for an address of another form, OSError where it cannot be had.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit():
        raise ValueError(f"cannot listen on {address!r}: expected HOST:PORT, such as 127.0.0.1:8600")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, int(port)))
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"cannot listen on {address}: {os.strerror(error.errno or 0).lower()}") from None
    listener.listen(1024)
    listener.setblocking(False)
    return listener


def is_loopback(address: str) -> bool:
    """Whether nobody but this machine can reach `HOST:PORT`."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Hangups:
    """Notes a SIGHUP that comes before anybody can act on it, where it would end the process."""

    def __init__(self) -> None:
        self.came = False
        signal.signal(signal.SIGHUP, self._note)

    def _note(self, *_: object) -> None:
        self.came = True


def run(
    make: Callable[[], Worker],
    listener: socket.socket,
    *,
    workers: int,
    shutdown_seconds: int,
    reload: Callable[[], None],
    early: Hangups,
) -> int:
    """Serve until SIGTERM or SIGINT; the exit status. `make` builds a worker in the process that will run it; `reload`
    is called at SIGHUP where that is not the process that called this, so that `make` knows what was loaded anew.
    `early` are the SIGHUPs of before."""
    _allow_files()
    if workers == 1:
        uvloop.run(_work(make(), listener, shutdown_seconds, early))
        return 0
    return _Supervisor(make, listener, workers, shutdown_seconds, reload).run(early)


def _allow_files() -> None:
    """As many open files as this process may ask for. An exchange holds two connections, so that the limit that most
    systems begin with would be reached before our own limits are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # Some systems allow fewer than they say.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _work(
    worker: Worker,
    listener: socket.socket,
    shutdown_seconds: int,
    early: Hangups,
    *,
    started: Callable[[], None] = lambda: None,
    alive: int | None = None,
) -> None:
    """Run one worker until it is told to leave. `started` is called once it has; `alive` is a pipe that ends with the
    supervisor."""
    await worker.start()
    started()
    # What is there now stays: the collector need not go through it again and again, nor through every 700 objects.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)
    config = uvicorn.Config(
        worker.app,
        http=Guarded,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=shutdown_seconds,
        h11_max_incomplete_event_size=HEAD_BYTES,
    )
    server = _Embedded(config)
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, server.leave)
    loop.add_signal_handler(signal.SIGHUP, worker.reload)
    if early.came:
        worker.reload()
    if alive is not None:

        def orphaned() -> None:
            # Nobody could stop or reload it any more, and it would keep the address from its successors.
            loop.remove_reader(alive)
            print(f"outworks: worker {os.getpid()} leaves: its supervisor is gone", file=sys.stderr, flush=True)
            server.leave()

        loop.add_reader(alive, orphaned)
    try:
        await server.serve(sockets=[listener])
    finally:
        await worker.stop()


class _Embedded(uvicorn.Server):
    """Uvicorn's server under our own signal handling: its own would end the process before the ledger is drained."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def leave(self) -> None:
        self.should_exit = True


class _Supervisor:
    """Keeps a number of workers on one socket: passes signals on, starts anew what dies."""

    RESTART_SECONDS = 1.0
    """How long a worker must have lived for its successor to start at once."""

    def __init__(
        self,
        make: Callable[[], Worker],
        listener: socket.socket,
        workers: int,
        shutdown_seconds: int,
        reload: Callable[[], None],
    ) -> None:
        self._make = make
        self._reload = reload
        self._listener = listener
        self._workers = workers
        self._shutdown_seconds = shutdown_seconds
        self._born: dict[int, float] = {}
        self._leaving = False
        self._alive = os.pipe()
        """Nobody writes to it. Its other end is closed when this process ends, however it ends."""
        self._started = os.pipe()
        """Each worker that has started says so."""
        os.set_blocking(self._started[0], False)

    def run(self, early: Hangups) -> int:
        """Supervise until told to leave; 0, or 1 where no worker could start."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: self._leave())
        signal.signal(signal.SIGHUP, lambda *_: self._load_anew())
        if early.came:
            self._load_anew()
        for _ in range(self._workers):
            self._spawn()
        first, result = set(self._born), 0
        while self._born:
            try:
                pid, status = os.wait()
            except InterruptedError:
                continue
            except ChildProcessError:
                break
            if pid not in self._born:
                continue  # the console's process, which whoever started it looks after
            lived = time.monotonic() - self._born.pop(pid)
            if os.waitstatus_to_exitcode(status) == _UNSTARTED and pid in first:
                first.remove(pid)
                if not (first or self._leaving or self._has_started()):
                    # What kept all of them from starting will not pass by itself, and nobody would be answered.
                    print("outworks: no worker could start", file=sys.stderr, flush=True)
                    result = 1
                    self._leave()
            if not self._leaving:
                print(f"outworks: worker {pid} died after {lived:.0f} s; starting another", file=sys.stderr, flush=True)
                time.sleep(0.0 if lived > self.RESTART_SECONDS else self.RESTART_SECONDS)
                self._spawn()
        return result

    def _spawn(self) -> None:
        if self._leaving:
            return
        pid = os.fork()
        if pid:
            self._born[pid] = time.monotonic()
            return
        status = _UNSTARTED

        def started() -> None:
            nonlocal status
            status = 1
            os.write(self._started[1], b".")

        try:
            for signum in (signal.SIGTERM, signal.SIGINT):
                signal.signal(signum, signal.SIG_DFL)
            alive, held = self._alive
            os.close(held)
            early = Hangups()
            work = _work(self._make(), self._listener, self._shutdown_seconds, early, started=started, alive=alive)
            uvloop.run(work)
            status = 0
        except Exception as error:
            print(f"outworks: worker {os.getpid()}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)

    def _has_started(self) -> bool:
        """Whether any worker ever has: one that took a dead one's place, too."""
        try:
            return bool(os.read(self._started[0], 1))
        except BlockingIOError:
            return False

    def _leave(self) -> None:
        self._leaving = True
        self._pass_on(signal.SIGTERM)

    def _load_anew(self) -> None:
        """Take up the policy here first: a worker that starts later starts with it."""
        self._reload()
        self._pass_on(signal.SIGHUP)

    def _pass_on(self, signum: int) -> None:
        for pid in tuple(self._born):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)


def address(listener: socket.socket) -> str:
    """Where the socket really listens, for printing: port 0 is filled in."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
