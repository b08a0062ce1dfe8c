"""`outworks console`: the reviewers' web application; and how `serve` runs it beside the gateway."""

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from outworks.cli.options import DEFAULT, me
from outworks.config import Policy, load_policy
from outworks.config.checks import check_console_address
from outworks.console.reviewers import Reviewers, add
from outworks.console.sessions import Sessions
from outworks.console.setup import Line, Setup
from outworks.console.store import Store
from outworks.console.store import beside as place
from outworks.defenses import DEFENSES
from outworks.enforcement.desk.roles import Role
from outworks.event import Event
from outworks.gateway import keys, server
from outworks.ledger import Ledger

File = Annotated[Path, typer.Argument(metavar="POLICY", envvar="OUTWORKS_POLICY", help="The policy file.")]
_PARTS = ("argon2", "authlib", "httpx2", "jinja2", "python_multipart")
_PLAYGROUND = "playground"
_LOOK_SECONDS = 1.0
_AGAIN_SECONDS = 2.0


def serve_console(
    policy: File = DEFAULT,
    listen: Annotated[str, typer.Option(help="HOST:PORT, instead of what the policy says.")] = "",
) -> None:
    """Serve the console by itself, until SIGTERM or Ctrl-C: `outworks serve` does so beside the gateway."""
    check_installed()
    loaded = load_policy(policy, environ=None)
    if listen:
        check_console_address(listen, loaded.console.url)
        loaded = replace(loaded, console=replace(loaded.console, listen=listen))
    listener = server.listen(loaded.console.listen)
    url = server.address(listener)
    print(f"The console of {policy} is on {loaded.console.url or url}.", flush=True)
    link = _welcome(loaded, url)
    if link:
        print(link, flush=True)
    _serve(policy, listener, (url,))


def is_installed() -> bool:
    """Whether the extra is there."""
    return all(find_spec(part) is not None for part in _PARTS)


def check_installed() -> None:
    """Raises `ModuleNotFoundError` naming the extra."""
    if not is_installed():
        raise ModuleNotFoundError("the console is not installed: pip install 'outworks[console]'")


@contextlib.contextmanager
def beside(policy: Path, loaded: Policy) -> Iterator[str]:
    """The console in a process of its own while the gateway runs; yields what to tell the person who started it.

    It has its own memory and its own connection to the ledger: nothing that a page does holds up an exchange.
    """
    if not loaded.console.enabled:
        yield ""
        return
    if not is_installed():
        yield "The console is not installed: pip install 'outworks[console]'."
        return
    try:
        listener = server.listen(loaded.console.listen)
    except OSError as error:
        yield f"The console is not running: {error}."
        return
    url = server.address(listener)
    said = _welcome(loaded, url) or f"The console: {loaded.console.url or url}"
    parent = os.getpid()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        _look_after(lambda: _serve(policy, listener, (url,), parent=os.getppid()), parent)
    listener.close()
    try:
        yield said
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)


def _look_after(run: Callable[[], None], parent: int) -> None:
    """Run the console in a child, and start it anew when it dies; leave with the gateway. Never returns."""
    child = 0
    leaving = False

    def leave(*_: object) -> None:
        nonlocal leaving
        leaving = True
        if child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, leave)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    while not leaving:
        child = os.fork()
        if not child:
            for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(signum, signal.SIG_DFL)
            _end_with(run)
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if os.getppid() != parent:
                leave()
            time.sleep(_LOOK_SECONDS / 4)
        if not leaving:
            print("outworks: the console's process died; starting another", file=sys.stderr, flush=True)
            time.sleep(_AGAIN_SECONDS)
    os._exit(0)


def _end_with(run: Callable[[], None]) -> None:
    status = 1
    try:
        run()
        status = 0
    except Exception as error:
        print(f"outworks: console: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def _serve(policy: Path, listener: socket.socket, hosts: tuple[str, ...], *, parent: int = 0) -> None:
    """Serve until told to leave. With `parent`, leave as well when that process is gone."""
    from outworks.console.serving import serve

    key = keys.make()
    latest = _Latest(policy, key)
    loaded = latest.policy
    with Ledger.open(loaded.ledger_path, synchronous=loaded.ledger.synchronous) as ledger:
        by = f"process:{os.getpid()}"
        # The playground asks with a key that only this process knows; one that a crash leaves behind nobody knows.
        ledger.append_now([Event(body=keys.added(_PLAYGROUND, key, by), at=time.time())])
        try:
            secret = os.environ.get(loaded.console.openid.client_secret_env, "")
            serve(ledger, latest.setup, listener, hosts=hosts, openid_secret=secret, parent=parent)
        finally:
            gone = keys.revoked(_PLAYGROUND, by, sha256=keys.digest(key))
            ledger.append_now([Event(body=gone, at=time.time())])


class _Latest:
    """What the policy file says, looked at again when it changes; a bad one changes nothing."""

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        self._stamp = self._stamped()
        self._looked = time.monotonic()
        self.policy = load_policy(path, environ=None)
        self._setup = setup_of(self.policy, key)

    def setup(self) -> Setup:
        """The policy as the console shows it."""
        now = time.monotonic()
        if now - self._looked > _LOOK_SECONDS:
            self._looked = now
            stamp = self._stamped()
            if stamp != self._stamp:
                self._stamp = stamp
                with contextlib.suppress(ValueError, OSError):
                    self.policy = load_policy(self._path, environ=None)
                    self._setup = setup_of(self.policy, self._key)
        return self._setup

    def _stamped(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return (0, 0)
        return (found.st_mtime_ns, found.st_size)


def setup_of(policy: Policy, key: str) -> Setup:
    """What the console is told of a policy."""
    lines = [
        Line(
            line.name,
            policy.defenses[line.name].mode.value,
            _says(line.defense),
            line.defense.checks_request,
            line.defense.checks_output,
        )
        for line in DEFENSES
    ]
    return Setup(
        settings=policy.console,
        gateway_url=policy.console.gateway_url or _reachable(policy.gateway.listen),
        models=tuple(entry.name for entry in policy.models),
        lines=tuple(lines),
        rules=policy.rules,
        office=policy.office,
        defenses=tuple(line.name for line in DEFENSES),
        digest=policy.digest,
        key=key,
    )


def _says(defense: type) -> str:
    """What a defense does, as its module says it."""
    says = (sys.modules[defense.__module__].__doc__ or "").strip().splitlines()
    first = says[0] if says else ""
    return first.partition(": ")[2] or first


def _reachable(listen: str) -> str:
    """Where this machine reaches an address that the gateway listens on."""
    host, _, port = listen.rpartition(":")
    return f"http://{'127.0.0.1' if host in ('0.0.0.0', '[::]') else host}:{port}"  # noqa: S104


def _welcome(policy: Policy, url: str) -> str:
    """The way in, while nobody else was let in: whoever can start the gateway may also open its ledger."""
    if not server.is_loopback(policy.console.listen) or policy.console.openid.issuer:
        return ""
    with Ledger.open(policy.ledger_path, synchronous=policy.ledger.synchronous) as ledger:
        known = Reviewers(ledger)
        name = me("")
        people = [person.name for person in known if person.enabled]
        with opened(policy) as store:
            has_password = bool(store.rows("SELECT 1 FROM password WHERE name = ?", (name,)))
            if has_password or people not in ([], [name]):
                return ""
            if not people:
                add(ledger, known, name, Role.ADMIN, by=name)
            link = link_for(store, name)
    said = "The console, with a playground to chat in (the link signs you in once, within the hour):"
    return f"{said}\n\n  {url}/start/{link}"


@contextlib.contextmanager
def opened(policy: Policy) -> Iterator[Store]:
    """The console's own file."""
    store = Store(place(policy.ledger_path))
    try:
        yield store
    finally:
        store.close()


def link_for(store: Store, name: str) -> str:
    """A token that signs somebody in once."""
    return Sessions(store, lasts=1.0, idle=1.0).link(name)
