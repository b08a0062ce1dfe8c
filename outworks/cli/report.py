"""`outworks report`: what happened, in numbers."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from outworks.cli.options import DEFAULT, By, PolicyFile, changing, check_writable, me, reading
from outworks.duration import seconds
from outworks.enforcement.desk.sample import draw
from outworks.enforcement.reports.numbers import DAY, Numbers
from outworks.enforcement.reports.transparency import as_csv, as_page
from outworks.enforcement.reports.transparency import report as reported
from outworks.ledger import Reader

app = typer.Typer(no_args_is_help=True, help="What happened, in numbers.")
_SLICE = 50_000


@app.command()
def transparency(
    since: Annotated[str, typer.Option(help="The first day, such as 2026-01-31 (UTC).")],
    until: Annotated[str, typer.Option(help="The last day; today by default.")] = "",
    out: Annotated[Path, typer.Option(help="The folder to write into.")] = Path(),
    policy: PolicyFile = DEFAULT,
) -> None:
    """Write a period's counts as CSV, and as a page to publish."""
    first, last = _day(since, "--since"), _day(until, "--until") if until else time.time()
    if last < first:
        raise ValueError(f"--until: {until} comes before {since}")
    name = f"transparency-{since}-{datetime.fromtimestamp(last, UTC):%Y-%m-%d}"
    files = {ending: out / f"{name}.{ending}" for ending in ("csv", "html")}
    check_writable(*files.values(), policy=policy)
    numbers = followed(reading(policy))
    made = reported(numbers, first, last - last % DAY + DAY - 1)
    out.mkdir(parents=True, exist_ok=True)
    for path, text in zip(files.values(), (as_csv(made), as_page(made)), strict=True):
        path.write_text(text, "utf-8")
        print(f"{path} is written.")


@app.command()
def sample(
    count: Annotated[int, typer.Argument(min=1, help="How many answers.")],
    last: Annotated[str, typer.Option(help="Of how far back: 7d, 24h...")] = "7d",
    policy: PolicyFile = DEFAULT,
    by: By = "",
) -> None:
    """Draw answers at random for reviewers to label: from them the share that goes against the policy is estimated."""
    now = time.time()
    with changing(policy) as ledger:
        drawn = draw(ledger, count, since=now - seconds(last), until=now, by=me(by))
    print(f"{drawn} answers were drawn; reviewers label them in the console.")


def followed(reader: Reader) -> Numbers:
    """The numbers, up to now: the first time over a large ledger takes minutes, and goes on where it was stopped."""
    numbers = Numbers(reader)
    head = reader.head().seq
    with Progress(transient=True, disable=not sys.stderr.isatty(), console=Console(stderr=True)) as bar:
        task = bar.add_task("counting", total=head, completed=numbers.seq)
        while numbers.follow(most=_SLICE):
            bar.update(task, completed=numbers.seq)
    return numbers


def _day(text: str, option: str) -> float:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise ValueError(f"{option}: {text!r} is no day; expected one such as 2026-01-31") from None
