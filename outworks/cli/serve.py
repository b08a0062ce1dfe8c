"""`outworks serve`, `check` and `fetch`."""

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from typing_extensions import override

from outworks.cli import keys
from outworks.cli.console import beside
from outworks.cli.options import DEFAULT
from outworks.config import Policy, load_policy
from outworks.defense import Mode
from outworks.gateway import server
from outworks.ledger import Ledger
from outworks.models import gguf, local
from outworks.wiring import Gateway, reloaded

File = Annotated[Path, typer.Argument(metavar="POLICY", envvar="OUTWORKS_POLICY", help="The policy file.")]


def serve(policy: File = DEFAULT) -> None:
    """Serve the gateway until SIGTERM or Ctrl-C. SIGHUP loads the policy anew; a bad one is refused."""
    early = server.Hangups()
    _log_plainly()
    loaded = load_policy(policy)
    _check_exposure(loaded)
    # A model with a file of its own needs nothing fetched.
    if any(isinstance(entry.settings, local.Settings) and not entry.settings.path for entry in loaded.models):
        _fetch()
    listener = server.listen(loaded.gateway.listen)
    workers = loaded.gateway.workers
    latest = _Latest(policy, loaded)
    with TemporaryDirectory(prefix="outworks-") as folder, beside(policy, loaded) as told:
        _greet(loaded, policy, server.address(listener), told)
        status = server.run(
            lambda: Gateway(policy, latest.policy, metrics_folder=Path(folder) if workers > 1 else None),
            listener,
            workers=workers,
            shutdown_seconds=loaded.gateway.shutdown_seconds,
            reload=latest.reload,
            early=early,
        )
    raise typer.Exit(status)


def check(policy: File = DEFAULT) -> None:
    """Check a policy file: every error at once, each with its line. Status 1 if there is any."""
    loaded = load_policy(policy)
    modes = [f"{name} {settings.mode.value}" for name, settings in loaded.defenses.items()]
    names = ", ".join(entry.name for entry in loaded.models)
    print(f"{policy}: correct.\nModels: {names}.\nDefenses: {', '.join(modes)}.")


def fetch() -> None:
    """Fetch the embedded model into the cache folder, where `serve` would otherwise do it."""
    print(_fetch())


def _log_plainly() -> None:
    """What goes wrong inside is a line as the gateway's own are; a traceback may quote content."""
    shown = logging.StreamHandler()
    shown.setFormatter(_Plain("outworks: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[shown])


class _Plain(logging.Formatter):
    @override
    def formatException(self, ei: object) -> str:
        return ""


class _Latest:
    """The policy that a worker begins with: the last good one, whenever it begins."""

    def __init__(self, path: Path, policy: Policy) -> None:
        self._path = path
        self.policy = policy

    def reload(self) -> None:
        """Take up the file as it is now, unless it is refused; the workers say which."""
        with suppress(ValueError, OSError):
            self.policy = reloaded(self._path, self.policy)


def _check_exposure(policy: Policy) -> None:
    """Whoever can reach the port can use the model: beyond this machine, only with a key."""
    if server.is_loopback(policy.gateway.listen):
        return
    with Ledger.open(policy.ledger_path) as ledger:
        if not policy.gateway.asking.require_key or not keys.folded(ledger).products:
            raise ValueError(
                f"it will not listen on {policy.gateway.listen}, beyond this machine, while no key is needed: "
                "set require_key = true and add one with `outworks keys add PRODUCT`"
            )


def _fetch() -> Path:
    with _progress() as tell:
        return gguf.fetch(tell)


@contextmanager
def _progress() -> Iterator[gguf.Progress]:
    """A bar on a terminal, a line every tenth elsewhere."""
    if sys.stderr.isatty():
        columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
        with Progress(*columns, console=Console(stderr=True)) as bar:
            tasks = {}

            def draw(step: gguf.Step) -> None:
                if step.doing not in tasks:
                    tasks[step.doing] = bar.add_task(step.doing, total=step.total)
                bar.update(tasks[step.doing], completed=step.done)

            yield draw
        return
    told: set[tuple[str, int]] = set()

    def say(step: gguf.Step) -> None:
        tenth = 10 * step.done // max(1, step.total)
        if (step.doing, tenth) not in told:
            told.add((step.doing, tenth))
            print(f"{step.doing}: {tenth * 10}%", file=sys.stderr, flush=True)

    yield say


def _greet(policy: Policy, path: Path, url: str, told: str) -> None:
    """What a newcomer needs next: two requests that work as printed."""
    if policy.gateway.log != "pretty":
        if told:
            print(told, flush=True)
        return
    key = ' -H "authorization: Bearer $OUTWORKS_KEY"' if policy.gateway.require_key else ""
    question = [{"role": "user", "content": "Write one sentence about the sea."}]
    ask: dict[str, object] = {"model": policy.models[0].name, "messages": question}
    print(f"Outworks serves {path} on {url} (process {os.getpid()}). Ask it something ordinary:\n")
    print(_curl(url, key, ask))
    lock = policy.defenses.get("parameter_lock")
    if lock is not None and lock.mode is Mode.LIVE:
        print("\nand something that a line of defense stops (decoding settings far outside the ordinary):\n")
        print(_curl(url, key, {**ask, "temperature": 1.9}))
    if told:
        print(f"\n{told}")
    print("\nOne line an exchange follows. Stop with Ctrl-C.\n", flush=True)


def _curl(url: str, key: str, body: Mapping[str, object]) -> str:
    said = json.dumps(body)
    return f"  curl -s {url}/v1/chat/completions{key} -H 'content-type: application/json' -d '{said}'"
