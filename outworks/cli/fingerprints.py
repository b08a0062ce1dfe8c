"""`outworks fingerprints`: the bank of known bad texts."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from outworks.cli.options import (
    DEFAULT,
    By,
    PolicyFile,
    cell,
    changing,
    check_writable,
    me,
    reading,
    utf8,
    words_of,
    writing,
)
from outworks.defenses.bank import Bank
from outworks.defenses.entry import Known, added, switched
from outworks.defenses.formats import Format, format_of, read_entries, written
from outworks.event import Changed, Event
from outworks.ledger import Ledger, Reader
from outworks.nearest import did_you_mean

app = typer.Typer(no_args_is_help=True, help="The bank of known bad texts. Running gateways follow within a second.")
Id = Annotated[str, typer.Argument(metavar="ID", help="The entry, as `list` shows it.")]
Reason = Annotated[str, typer.Option(help="Why; recorded.")]
FormatOption = Annotated[
    Format | None, typer.Option(help="Else the ending tells: .csv, .json for ThreatExchange, any other JSON lines.")
]
Words = Annotated[str, typer.Argument(help="The text; `-` reads it from standard input.")]


@app.command()
def add(
    text: Words,
    source: Annotated[str, typer.Option(help="Where it comes from: an incident, a feed, a paper.")],
    reason: Annotated[str, typer.Option(help="Why it is added.")],
    category: Annotated[str, typer.Option(help="The category that findings carry.")] = "known_bad",
    match: Annotated[Literal["exact", "near", "both"], typer.Option(help="How it matches.")] = "both",
    policy: PolicyFile = DEFAULT,
    by: By = "",
) -> None:
    """Add one text."""
    words = words_of(text)
    known = Known(text=words, source=source, reason=reason, category=category, match=match)
    with writing(policy) as ledger:
        body = added(known, by=me(by))
        ledger.append_now([_event(body, words)])
    print(f"{body.name} is in the bank.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The file, as `export` writes it; `-` is standard input.")],
    format: FormatOption = None,
    policy: PolicyFile = DEFAULT,
    by: By = "",
) -> None:
    """Add every entry of a file, or none of them if any is at fault."""
    text = utf8(file)
    try:
        read = read_entries(text, format or format_of(file))
    except ValueError as error:
        raise ValueError(f"{file}: nothing was imported:\n{error}") from None
    who = me(by)
    with writing(policy) as ledger:
        ledger.append_now([_event(added(known, by=who), known.text) for known in read])
    print(f"{len(read)} entries are in the bank.")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to; `-` is standard output.")] = Path("-"),
    format: FormatOption = None,
    policy: PolicyFile = DEFAULT,
) -> None:
    """Write the whole bank; entries that are switched off are marked so."""
    texts: dict[str, str] = {}
    bank = folded(reading(policy), texts)
    lines = written(bank.entries(), texts, format or format_of(file))
    if str(file) == "-":
        sys.stdout.write(lines)
    else:
        check_writable(file, policy=policy)
        # Texts in the bank come from people's conversations, too: the file is for its owner alone.
        with open(os.open(file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as written_to:
            written_to.write(lines)
        print(f"{len(bank)} entries are in {file}.")


@app.command("list")
def list_(policy: PolicyFile = DEFAULT) -> None:
    """List the entries: never their texts."""
    bank = folded(reading(policy))
    table = Table("id", "category", "match", "state", "source", "reason", box=None)
    for entry in bank.entries():
        state = "on" if entry.enabled else "off"
        said = (entry.id, entry.category, entry.match, state, entry.source, entry.reason)
        table.add_row(*map(cell, said))
    empty = "The bank is empty: outworks fingerprints add TEXT --source ... --reason ..."
    Console().print(table if len(bank) else empty)


@app.command()
def disable(id: Id, reason: Reason, policy: PolicyFile = DEFAULT, by: By = "") -> None:
    """Switch an entry off; it is kept, and can be switched on again."""
    _switch(id, False, reason, policy, by)


@app.command()
def enable(id: Id, reason: Reason, policy: PolicyFile = DEFAULT, by: By = "") -> None:
    """Switch an entry on again."""
    _switch(id, True, reason, policy, by)


@app.command()
def match(
    text: Words,
    policy: PolicyFile = DEFAULT,
) -> None:
    """Say which entries a text matches; status 1 where there is none."""
    words = words_of(text)
    hits = folded(reading(policy)).match(words)
    table = Table("id", "category", "how", "score", box=None)
    for hit in hits:
        how = "exact" if hit.score == 1 else "near"
        table.add_row(cell(hit.entry.id), cell(hit.entry.category), how, f"{hit.score:.2f}")
    Console().print(table if hits else "Nothing in the bank matches.")
    raise typer.Exit(0 if hits else 1)


def folded(ledger: Reader, texts: dict[str, str] | None = None) -> Bank:
    """The bank as the ledger has it; `texts` is filled with the texts that are not erased."""
    bank = Bank()
    for recorded in ledger.events(kinds=("changed",), with_content=True):
        body, content = recorded.event.body, recorded.event.content
        if isinstance(body, Changed) and body.what == "fingerprint":
            bank.apply(body, content)
            if texts is not None and content is not None:
                texts[body.name] = content
    return bank


def _switch(id: str, enabled: bool, reason: str, policy: Path, by: str) -> None:
    with changing(policy) as ledger:
        _known(ledger, id)
        ledger.append_now([_event(switched(id, enabled=enabled, by=me(by), reason=reason), None)])
    print(f"{id} is {'on' if enabled else 'off'}.")


def _known(ledger: Ledger, id: str) -> None:
    ids = [entry.id for entry in folded(ledger).entries()]
    if id not in ids:
        raise LookupError(f"there is no fingerprint {id!r}{did_you_mean(id, ids)}")


def _event(body: Changed, content: str | None) -> Event:
    return Event(body=body, at=time.time(), content=content)
