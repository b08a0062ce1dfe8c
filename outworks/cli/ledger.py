"""`outworks ledger`: what happened."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.progress import Progress

from outworks.cli.options import DEFAULT, MOST, By, PolicyFile, changing, check_writable, me, policy_at, reading
from outworks.duration import seconds
from outworks.enforcement.evidence import linked
from outworks.gateway.observe import printable
from outworks.ledger import Reader, Recorded, erase, export, json_line, summary, verify
from outworks.nearest import did_you_mean
from outworks.plural import plural

app = typer.Typer(no_args_is_help=True, help="What happened: watched, shown, verified, exported, erased.")
Account = Annotated[str | None, typer.Option(help="Of this account alone.")]
Exchange = Annotated[str | None, typer.Option(help="Of this exchange alone.")]
_RECENT = 1_000
"""Events in which a name like a mistyped one is looked for."""


@app.command()
def tail(
    count: Annotated[int, typer.Option("--count", "-n", min=0, max=MOST, help="How many of the last events.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as events come.")] = False,
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind; may be given again.")] = None,
    account: Account = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, without content.")] = False,
    policy: PolicyFile = DEFAULT,
) -> None:
    """Show the last events, a line each; never their content."""
    ledger = reading(policy)
    last = 0
    for recorded in ledger.tail(count, kinds=kind, account=account):
        _print(recorded, as_json)
        last = recorded.seq
    if account and not last and next(ledger.events(account=account, limit=1), None) is None:
        print(_nothing_of(ledger, "account", account), file=sys.stderr)
    last = last or ledger.head().seq
    while follow:
        for recorded in ledger.events(last, kinds=kind, account=account):
            _print(recorded, as_json)
            last = recorded.seq
        time.sleep(0.3)


@app.command()
def show(
    what: Annotated[str, typer.Argument(metavar="EXCHANGE|SEQ", help="An exchange's id, or an event's number.")],
    content: Annotated[bool, typer.Option("--content", help="Also what was said.")] = False,
    policy: PolicyFile = DEFAULT,
) -> None:
    """Show one exchange, or one event, whole: every verdict with its findings and microseconds."""
    ledger = reading(policy)
    if what.isascii() and what.isdigit() and int(what) <= MOST:
        found = [each for each in (ledger.event(int(what)),) if each is not None]
    else:
        found = list(ledger.events(exchange=what, with_content=True))
    if not found:
        raise LookupError(f"the ledger holds no exchange or event {what!r}; `outworks ledger tail` shows the latest")
    console = Console()
    for recorded in found:
        line = msgspec.to_builtins(msgspec.json.decode(json_line(recorded)))
        if not content:
            line["content"] = "(there is content; --content shows it)" if line["content"] is not None else None
        said = {key: value for key, value in line.items() if value not in ("", None, False)}
        shown = msgspec.json.format(msgspec.json.encode(said), indent=2).decode()
        console.print(JSONHighlighter()(_escaped(shown)), soft_wrap=True)


@app.command("verify")
def verify_(
    head: Annotated[str | None, typer.Option(help="SEQ:HASH kept elsewhere; shows if the ledger was cut.")] = None,
    file: Annotated[Path | None, typer.Option("--ledger", help="This file, a backup say, not the policy's.")] = None,
    policy: PolicyFile = DEFAULT,
) -> None:
    """Check every byte that the ledger vouches for; status 1 if anything was changed."""
    path = file or policy_at(policy).ledger_path
    with Progress(transient=True, disable=not sys.stderr.isatty(), console=Console(stderr=True)) as bar:
        task = bar.add_task("verifying")
        found = verify(path, head=head, progress=lambda done, all: bar.update(task, completed=done, total=all))
    for fault in found.faults:
        print(printable(f"event {fault.seq}: {fault}" if fault.seq is not None else str(fault)))
    if not found.ok:
        print(f"{path}: {plural(len(found.faults), 'fault')} in {plural(found.events, 'event')}")
        raise typer.Exit(1)
    print(f"{path}: {plural(found.events, 'event')}, nothing changed.")
    print(f"The head, to keep elsewhere: {found.head.seq}:{found.head.hash}")


@app.command("export")
def export_(
    file: Annotated[Path, typer.Argument(help="Where to.")],
    format: Annotated[
        Literal["jsonl", "parquet"] | None, typer.Option(help="Else the ending tells: .parquet, any other JSON lines.")
    ] = None,
    after: Annotated[int, typer.Option(min=0, max=MOST, help="Only events after this number.")] = 0,
    content: Annotated[bool, typer.Option("--content/--no-content", help="With what was said.")] = True,
    policy: PolicyFile = DEFAULT,
) -> None:
    """Write events to a file for other tools: JSON lines, or Parquet (extra: outworks[parquet])."""
    check_writable(file, policy=policy, whole=True)
    if not file.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {file.parent}: create it, or name another file")
    written = export(
        reading(policy),
        file,
        format or ("parquet" if file.suffix == ".parquet" else "jsonl"),
        after=after,
        with_content=content,
    )
    print(f"Written to {written.path}: {plural(written.events, 'event')}.")


@app.command("erase")
def erase_(
    reason: Annotated[str, typer.Option(help="Why; recorded.")],
    account: Account = None,
    exchange: Exchange = None,
    older: Annotated[str | None, typer.Option(help="Everything older than this: 30d, 12h...")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    policy: PolicyFile = DEFAULT,
    by: By = "",
) -> None:
    """Erase what was said, for good. The chain stays whole, and says that it was erased."""
    if account is exchange is older is None:
        raise ValueError("erase what? expected --account, --exchange or --older")
    before = None if older is None else time.time() - seconds(older)
    with changing(policy) as ledger:
        for what, named in (("account", account), ("exchange", exchange)):
            # Who mistypes a name must not believe that somebody was forgotten.
            if named == "":
                raise ValueError(f"--{what} is empty: name one, or leave the option out")
            if named and next(ledger.events(account=account, exchange=exchange, limit=1), None) is None:
                raise LookupError(_nothing_of(ledger, what, named))
        if not yes:
            typer.confirm(f"Erase {_told(account, exchange, older)}? This cannot be undone.", abort=True)
        try:
            erased = erase(ledger, account=account, exchange=exchange, before=before, by=me(by), reason=reason)
        finally:
            linked.forget(ledger)
    print(f"Erased: the content of {plural(len(erased), 'event')}.")


def _nothing_of(ledger: Reader, what: str, named: str) -> str:
    """What is said to whoever may have mistyped a name."""
    recent = {getattr(recorded.event, what) for recorded in ledger.tail(_RECENT)} - {""}
    return f"the ledger holds nothing of the {what} {named!r}{did_you_mean(named, recent)}"


def _told(account: str | None, exchange: str | None, older: str | None) -> str:
    """What is to be erased, in words."""
    whose = f" of the account {account!r}" if account else ""
    where = f" in the exchange {exchange!r}" if exchange else ""
    return f"what was said{whose}{where}{f', older than {older}' if older else ''}"


def _print(recorded: Recorded, as_json: bool) -> None:
    print(_escaped(json_line(recorded).decode()) if as_json else summary(recorded), flush=True)


def _escaped(text: str) -> str:
    """JSON that means the same, without the characters that a terminal obeys or hides."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text)
