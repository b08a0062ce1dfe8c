"""What `outworks lab` shows while it works and when it is done."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from outworks.lab.attempt import Attacked
from outworks.lab.backend import MemoryShort, check_installed
from outworks.lab.page import Report, document, show
from outworks.lab.progress import Tell
from outworks.statistics import rate

if TYPE_CHECKING:
    from outworks.lab.pretrain import Pretrained
    from outworks.lab.pretrain.result import Spread


def publish(found: Report, html: Path | None, json: Path | None) -> None:
    """The tables in the terminal, and where it was asked for the page and the figures."""
    show(found, Console())
    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(document(found), encoding="utf-8")
        say(f"The page is {html}.")
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")


def show_attack(found: Attacked) -> None:
    """What each setting reached, and all of them together."""
    table = Table(title=Text(f"{found.attack} on {found.checkpoint}"), title_justify="left")
    table.add_column("setting")
    table.add_column("gone along with", justify="right")
    fell = found.union
    for setting, reached in [*found.by_setting().items(), ("any of these", list(fell.values()))]:
        one = rate(sum(reached), len(reached))
        ends = f"{100 * one.interval.low:.0f}-{100 * one.interval.high:.0f}"
        table.add_row(Text(setting), Text(f"{sum(reached)}/{len(reached)} = {one.value:.0%} ({ends})"))
    Console().print(table)
    for name, value in found.figures.items():
        print(f"{name}: {value:.4g}")
    print(f"{found.queries} queries a request, {found.seconds:.0f} s")


def show_pretrained(found: "Pretrained") -> None:
    """Both arms, figure by figure, over the seeds."""
    table = Table(title=Text(found.data), title_justify="left")
    for n, head in enumerate(("figure", "with the toxic part", "without", "difference")):
        table.add_column(head, justify="left" if n == 0 else "right")
    for one in found.compared:
        spreads = (one.with_toxic, one.without, one.difference)
        table.add_row(Text(one.figure.replace("_", " ")), *(Text(_spread(each)) for each in spreads))
    Console().print(table)


def _spread(found: "Spread") -> str:
    if found.interval is None:
        return f"{found.mean:.3g} (one seed)"
    return f"{found.mean:.3g} ({found.interval.low:.3g} to {found.interval.high:.3g})"


@contextmanager
def mendable() -> Iterator[None]:
    """What the user can mend, in the words that `main` prints."""
    check_installed()
    # Of its own deprecations transformers tells whoever uses it; nobody who reads this can do anything about them.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    try:
        yield
    except (MemoryShort, ArithmeticError) as error:
        raise ValueError(str(error)) from error


@contextmanager
def bars() -> Iterator[Tell]:
    """Progress with loss and time left, on stderr, where a person looks at it."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=None, loss="", visible=False)
        doing_now = ""

        def tell(doing: str, done: int, total: int, loss: float | None = None) -> None:
            nonlocal doing_now
            if doing != doing_now:
                progress.reset(bar)
                doing_now = doing
            said = "" if loss is None else f"loss {loss:.3f}"
            progress.update(bar, description=doing, completed=done, total=total, loss=said, visible=True)

        yield tell


def named(tell: Tell, checkpoint: str) -> Tell:
    """The same watcher, told which checkpoint it is about."""

    def told(doing: str, done: int, total: int, loss: float | None = None) -> None:
        tell(f"{Path(checkpoint).name}: {doing}", done, total, loss)

    return told


def say(line: str) -> None:
    """To people, beside what is put out."""
    print(line, file=sys.stderr, flush=True)
