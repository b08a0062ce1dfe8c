"""`outworks rules`: the policy's rules, tried on the past and judged by what reviewers found."""

import sys
import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from outworks.cli.hunt import rule_called
from outworks.cli.options import DEFAULT, PolicyFile, cell, policy_at, reading
from outworks.duration import seconds
from outworks.enforcement.evidence.backtest import Backtest, backtest
from outworks.enforcement.reports.numbers import Numbers
from outworks.plural import plural

app = typer.Typer(no_args_is_help=True, help="Rules: tried on the past, and how often reviewers found them right.")
_SHOWN = 20


@app.command("backtest")
def backtest_(
    rule: Annotated[str, typer.Argument(help="A rule of the policy by its name, or a TOML file with one [[rules]].")],
    last: Annotated[str, typer.Option(help="How far back: 7d, 24h...")] = "30d",
    policy: PolicyFile = DEFAULT,
) -> None:
    """Say whom a rule would have met, when, how many, on what, and beside which other rules; whatever its mode."""
    tried = rule_called(rule, policy)
    reader = reading(policy)
    with Progress(transient=True, disable=not sys.stderr.isatty(), console=Console(stderr=True)) as bar:
        task = bar.add_task("accounts")
        found = backtest(
            reader,
            tried,
            since=time.time() - seconds(last),
            progress=lambda done, all: bar.update(task, completed=done, total=all),
        )
    _show(found)


@app.command("list")
def list_(policy: PolicyFile = DEFAULT) -> None:
    """List the rules: mode, condition, and of the actions that reviewers looked at how many held."""
    numbers = Numbers(reading(policy))
    while numbers.follow(most=50_000):
        pass
    table = Table("rule", "mode", "does", "when", "held", "precision", box=None)
    for rule in policy_at(policy).rules:
        judged = numbers.precision(rule.name)
        whole = judged.held + judged.failed
        share = f"{judged.share:.0%} ({judged.low:.0%} to {judged.high:.0%})" if judged.share is not None else ""
        held = f"{judged.held} of {whole}" if whole else ""
        table.add_row(cell(rule.name), rule.mode.value, rule.action.value, cell(rule.when), held, share)
    Console().print(table)


def _show(found: Backtest) -> None:
    rule = found.rule
    print(
        f"{rule.name} ({rule.mode.value}, {rule.action.value}): {found.accounts} of {plural(found.looked, 'account')} "
        f"looked at, {plural(len(found.hits), 'action')}."
    )
    table = Table("account", "when", "evidence", "already stricter", box=None)
    for hit in found.hits[:_SHOWN]:
        evidence = " ".join(map(str, hit.action.evidence[-6:]))
        table.add_row(cell(hit.account), _moment(hit.action.at), evidence, cell(hit.outweighed_by))
    if found.hits:
        Console().print(table)
    if len(found.hits) > _SHOWN:
        print(f"... and {len(found.hits) - _SHOWN} more.")
    if found.dropped:
        print(f"{len(found.dropped)} of them would have changed nothing: something stricter was in force.")
    for overlap in found.overlaps:
        print(
            f"Beside {overlap.rule}: {plural(overlap.both, 'account')} by both, {overlap.only_this} by this rule "
            f"alone, {overlap.only_that} by {overlap.rule} alone."
        )
    for failed in found.failed[:3]:
        print(f"It came to no answer about {failed.account}: {failed.error}")
    if found.erased:
        print(f"{found.erased} requests were not read: their content is erased.")


def _moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M")
