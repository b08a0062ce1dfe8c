"""`outworks hunt`: a new fingerprint, rule or detector over the past."""

import hashlib
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from glob import glob
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from outworks.cli.fingerprints import folded
from outworks.cli.options import DEFAULT, PolicyFile, cell, check_writable, policy_at, utf8, words_of
from outworks.config.rule import load_rule
from outworks.defenses.entry import Known
from outworks.defenses.formats import Format, format_of, read_entries
from outworks.enforcement.rules import Rule
from outworks.hunt.cluster import DaftLook
from outworks.hunt.detections import Detections
from outworks.hunt.fingerprints import Fingerprints
from outworks.hunt.found import Hunter, Unit, by_account
from outworks.hunt.hunt import Checkpoint, Look, LookFor, hunt, write
from outworks.hunt.rules import RuleOverFiles, RuleOverLedger
from outworks.hunt.sources import LedgerSource, ParquetSource
from outworks.ledger import Reader
from outworks.nearest import did_you_mean
from outworks.plural import plural

app = typer.Typer(
    no_args_is_help=True,
    help="A new fingerprint, rule or detector over the past: who would have been found. A hunt that is stopped goes on "
    "where it was when the same command is given again.",
)
Over = Annotated[
    list[str] | None,
    typer.Option(help="Parquet that `ledger export` wrote; may be given again. The policy's ledger where it is not."),
]
Out = Annotated[Path, typer.Option(help="Where to write everything found, as JSON lines.")]
Jobs = Annotated[int, typer.Option(min=1, max=256, help="Processes at once.")]
Engine = Annotated[
    Literal["duckdb", "daft"],
    typer.Option(help="What reads Parquet: duckdb here; daft (outworks[cluster]) also from object stores."),
]
Ray = Annotated[str, typer.Option(help="With daft: the Ray cluster's address, or auto; empty, and it runs here.")]
_OUT = Path("found.jsonl")
_SHOWN = 20


@app.command()
def fingerprint(
    text: Annotated[str, typer.Argument(help="The text to look for; `-` reads it from standard input.")] = "",
    file: Annotated[
        Path | None, typer.Option(help="Entries to look for, as `fingerprints export` writes them.")
    ] = None,
    entry: Annotated[
        list[str] | None, typer.Option(help="An entry of the bank, by its id; may be given again.")
    ] = None,
    match: Annotated[Literal["exact", "near", "both"], typer.Option(help="How the text matches.")] = "both",
    format: Annotated[Format | None, typer.Option(help="Of the file; else its ending tells.")] = None,
    over: Over = None,
    out: Out = _OUT,
    jobs: Jobs = 1,
    engine: Engine = "duckdb",
    ray: Ray = "",
    policy: PolicyFile = DEFAULT,
) -> None:
    """Look for texts, exactly and nearly, in everything that was asked and answered."""
    entries: list[Known] = []
    if text:
        words = words_of(text)
        digest = hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        entries.append(Known(id=f"hunt_{digest}", text=words, source="hunt", reason="hunt", match=match))
    if file is not None:
        entries += read_entries(utf8(file), format or format_of(file))
    if entry:
        entries += _of_the_bank(policy, entry)
    if not entries:
        raise ValueError("look for what? expected a TEXT, --file or --entry")
    check_writable(out, read=[] if file is None else [file])
    what = msgspec.json.encode(entries).decode()
    _hunt(Fingerprints(entries), what, over, out, jobs, engine, ray, policy)


@app.command()
def detector(
    category: Annotated[str, typer.Argument(help="A detector's category, such as jailbreak; all is every one.")],
    false_positive_rate: Annotated[
        float, typer.Option(min=0, max=0.1, help="The share of ordinary texts that may be over the threshold.")
    ] = 0.001,
    over: Over = None,
    out: Out = _OUT,
    jobs: Jobs = 1,
    engine: Engine = "duckdb",
    ray: Ray = "",
    policy: PolicyFile = DEFAULT,
) -> None:
    """Judge everything that was asked, read and answered with a detector of today."""
    hunter = Detections(category, false_positive_rate=false_positive_rate)
    _hunt(hunter, f"detector {category} {false_positive_rate}", over, out, jobs, engine, ray, policy)


@app.command("rule")
def rule_(
    rule: Annotated[str, typer.Argument(help="A rule of the policy by its name, or a TOML file with one [[rules]].")],
    over: Over = None,
    out: Out = _OUT,
    jobs: Jobs = 1,
    policy: PolicyFile = DEFAULT,
) -> None:
    """Try a rule on every account: whom it would have met. `outworks rules backtest` says more of one ledger."""
    tried = rule_called(rule, policy)
    read = _here(over)
    check_writable(out, policy=policy, read=[*read, Path(rule)])
    look = RuleOverFiles(read, tried) if read else RuleOverLedger(policy_at(policy).ledger_path, tried)
    _run(look, look.units, f"rule {msgspec.json.encode(tried).decode()} {read}", out, jobs, policy, said=False)


def rule_called(name: str, policy: Path) -> Rule:
    """The rule of the policy with that name, or the one in that file."""
    path = Path(name)
    if path.suffix == ".toml":
        return load_rule(path)
    rules = {rule.name: rule for rule in policy_at(policy).rules}
    if name not in rules:
        known = f"its rules are {', '.join(sorted(rules))}" if rules else "it has no rules"
        raise LookupError(f"no rule of the policy is called {name!r}; {known}{did_you_mean(name, rules)}")
    return rules[name]


def _of_the_bank(policy: Path, ids: Sequence[str]) -> list[Known]:
    texts: dict[str, str] = {}
    bank = folded(Reader(policy_at(policy).ledger_path), texts)
    found = [bank.get(name) for name in ids]
    return [
        Known(
            id=each.id,
            text=texts.get(each.id),
            source=each.source,
            reason=each.reason,
            category=each.category,
            match=each.match,
            print=None if each.id in texts else each.print,
        )
        for each in found
    ]


def _hunt(
    hunter: Hunter, what: str, over: list[str] | None, out: Path, jobs: int, engine: str, ray: str, policy: Path
) -> None:
    if engine == "daft":
        if not over:
            raise ValueError("daft reads Parquet: say which with --over; `outworks ledger export` writes it")
        check_writable(out, read=[Path(path) for each in over for path in (each, *glob(each))])
        daft = DaftLook(hunter, over, ray=ray)
        _run(daft, daft.units, f"{what} {over}", out, 1, policy)
        return
    read = _here(over)
    check_writable(out, read=read)
    source = ParquetSource(read) if read else LedgerSource(policy_at(policy).ledger_path)
    _run(LookFor(hunter, source), source.units, f"{what} {read}", out, jobs, policy)


def _here(over: list[str] | None) -> list[Path]:
    """The files, wherever the same command is given again from; each once."""
    return list(dict.fromkeys(Path(path).absolute() for path in over or ()))


def _run(
    look: Look,
    units: Callable[[], Sequence[Unit]],
    what: str,
    out: Path,
    jobs: int,
    policy: Path,
    *,
    said: bool = True,
) -> None:
    """With `said` the hunt is for words, and finds nobody where there are none."""
    check_writable(out, policy=policy, whole=True)
    job = f"{what} {policy.absolute()}"
    stderr = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Checkpoint(out.with_name(f"{out.name}.checkpoint"), job, units) as checkpoint:
        if checkpoint.done:
            stderr.print(f"Going on: {len(checkpoint.done)} of {len(checkpoint.units)} parts are done already.")
        with Progress(*columns, transient=True, disable=not sys.stderr.isatty(), console=stderr) as bar:
            task = bar.add_task("hunting", completed=len(checkpoint.done), total=len(checkpoint.units))
            found = hunt(
                look,
                checkpoint,
                jobs=jobs,
                progress=lambda done, all, size: bar.update(
                    task, completed=done, total=all, description=f"hunting, {size / 1e6:,.0f} MB"
                ),
            )
        write(found, out)
        checkpoint.finish()
        if said and not any(looked.bytes for looked in checkpoint.done.values()):
            stderr.print("Nothing was said there: it was erased, or exported with --no-content.")
    people = by_account(found)
    if people:
        table = Table("account", "exchanges", "first", "last", "score", "what", "events to read", box=None)
        for one in people[:_SHOWN]:
            what_ = ", ".join(one.what[:3]) + (" ..." if len(one.what) > 3 else "")
            seqs = " ".join(map(str, one.seqs))
            row = (cell(one.account), str(one.times), _day(one.first), _day(one.last), f"{one.score:.2f}", cell(what_))
            table.add_row(*row, seqs)
        Console().print(table)
        if len(people) > _SHOWN:
            print(f"... and {len(people) - _SHOWN} more.")
    print(f"{plural(len(people), 'account')}, {plural(len(found), 'finding')}; everything is in {out}.")


def _day(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d")
