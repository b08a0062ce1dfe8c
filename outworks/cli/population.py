"""`outworks trial population`: accounts over simulated weeks, before the policy's lines and rules."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from outworks.cli.options import policy_at
from outworks.config import Policy

if TYPE_CHECKING:
    from outworks.trials.lineup import Lineup
    from outworks.trials.population import Figures, Study
    from outworks.trials.population.figures import Figure

_EXTRA = "the population simulation needs the extra: pip install 'outworks[trials]'"


def population(
    config: Annotated[Path, typer.Option("--config", "-c", help="The policy whose lines and rules stand.")] = Path(
        "outworks.toml"
    ),
    suite: Annotated[str, typer.Option("--suite", help="The goals that people go after, and what others ask.")] = "all",
    assumptions: Annotated[
        Path | None, typer.Option("--assumptions", help="What is assumed of people, the model and reviewers (TOML).")
    ] = None,
    show_assumptions: Annotated[
        bool, typer.Option("--show-assumptions", help="Print the assumptions, with their comments, and end.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="The first of the seeds.")] = 0,
    no_vary: Annotated[
        bool, typer.Option("--no-vary", help="Leave out how the figures change with the assumed rates.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, with every figure.")] = False,
) -> None:
    """Accounts over simulated weeks: harm served, how soon who does it is stopped, and whom it hits wrongly."""
    try:
        from outworks.trials.population.assumptions import default_assumptions, read_assumptions, source
        from outworks.trials.population.study import study
        from outworks.trials.suites import suite as suite_of
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(_EXTRA) from error
    if show_assumptions:
        sys.stdout.write(source().decode() if assumptions is None else assumptions.read_text())
        return
    given = default_assumptions()
    if assumptions is not None:
        given = read_assumptions(assumptions.read_bytes(), str(assumptions))
    goals = suite_of(suite)
    policy = policy_at(config)
    with Bar(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("people live", total=None)
        found = asyncio.run(
            study(
                _lineup(policy, ruled=True),
                _lineup(policy, ruled=False),
                goals.goals,
                given,
                suite=f"{goals.name}@{goals.version}",
                seed=seed,
                vary=not no_vary,
                tell=lambda at: bar.update(task, completed=at.done, total=at.of, description=at.what),
            )
        )
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
    else:
        _show(found, Console())


def _lineup(policy: Policy, *, ruled: bool) -> "Lineup":
    from outworks.enforcement.rules import Rules
    from outworks.trials.lineup import Lineup, Stand

    return Lineup(Stand(settings=policy.defenses, rules=policy.compiled_rules if ruled else Rules()))


def _show(found: "Study", console: Console) -> None:
    console.print(_assumed(found))
    console.print(_lines(found))
    product = found.by["product"]
    console.print(_stops(found))
    console.print(_rules(product))
    if found.sensitivity:
        console.print(_sensitivity(found))
    people = ", ".join(f"{count} {kind}" for kind, count in product.people.items())
    exchanges = sum(each.exchanges for each in found.by.values())
    console.print(
        f"{exchanges:,} exchanges in the first table, by {people}; {found.exchanges_per_second:,.0f} a second on one "
        "core with every line live. Intervals are 95%, over accounts. The lines, rules and texts are real; people, the "
        "model and reviewers are as assumed above."
    )


def _assumed(found: "Study") -> Table:
    table = Table(title=f"Assumed ({found.suite}, seeds {found.seeds[0]} to {found.seeds[-1]})", title_justify="left")
    table.add_column("of")
    table.add_column("what is taken for granted")
    for name, part in msgspec.to_builtins(found.assumptions).items():
        said = ", ".join(f"{key} {value:g}" for key, value in part.items()) if isinstance(part, dict) else f"{part:g}"
        table.add_row(name, said)
    return table


def _lines(found: "Study") -> Table:
    table = Table(title="With and without each line", title_justify="left")
    for column in (
        "configuration", "exchanges", "harm served, of 10,000", "harm before stopped, an adversary",
        "adversaries stopped", "innocent exchanges stopped, of 10,000", "innocents suspended, of 1,000",
    ):  # fmt: skip
        table.add_column(column, justify="left" if column == "configuration" else "right")
    for name, each in found.by.items():
        table.add_row(
            name,
            f"{each.exchanges:,}",
            _cell(each.harm_per_10000),
            _cell(each.harm_before_stopped),
            _cell(each.adversaries_stopped, scale=100, unit="%"),
            _cell(each.innocent_exchanges_stopped),
            _cell(each.innocents_stopped),
        )
    return table


def _cell(figure: "Figure", *, scale: float = 1.0, unit: str = "") -> str:
    low, high = figure.interval.low * scale, figure.interval.high * scale
    return f"{figure.value * scale:.1f}{unit} ({low:.1f} to {high:.1f})"


def _stops(found: "Study") -> Table:
    table = Table(title="Until an adversary is stopped (Kaplan-Meier)", title_justify="left")
    for column in ("configuration", "still there after 5 tries", "20 tries", "median tries", "7 days", "median days"):
        table.add_column(column, justify="left" if column == "configuration" else "right")
    for name, each in found.by.items():
        tries, days = each.tries_until_stopped, each.days_until_stopped
        if tries is None or days is None:
            continue
        median_tries = "never, of most" if tries.median is None else f"{tries.median:g}"
        median_days = "never, of most" if days.median is None else f"{days.median:.1f}"
        table.add_row(name, f"{tries.at(5):.0%}", f"{tries.at(20):.0%}", median_tries, f"{days.at(7):.0%}", median_days)
    return table


def _rules(product: "Figures") -> Table:
    table = Table(title="Actions by rule, and appeals", title_justify="left")
    for column in ("rule", "actions", "on innocents"):
        table.add_column(column, justify="left" if column == "rule" else "right")
    for rule, counted in sorted(product.actions.items()):
        table.add_row(rule, str(counted["all"]), str(counted["innocent"]))
    appeals = product.appeals
    for who in ("innocent", "hostile"):
        table.add_row(f"appeals of the {who}: {appeals[f'{who} overturned']} overturned", str(appeals[who]), "")
    return table


def _sensitivity(found: "Study") -> Table:
    table = Table(title="If an assumption were another (one seed)", title_justify="left")
    for column in (
        "assumption", "times", "harm of 10,000: bare", "product", "adversaries stopped",
        "innocents suspended, of 1,000",
    ):  # fmt: skip
        table.add_column(column, justify="left" if column == "assumption" else "right")
    for one in found.sensitivity:
        table.add_row(
            one.assumption,
            f"{one.factor:g}",
            f"{one.bare.harm_per_10000.value:.1f}",
            f"{one.product.harm_per_10000.value:.1f}",
            f"{one.product.adversaries_stopped.value:.0%}",
            f"{one.product.innocents_stopped.value:.1f}",
        )
    return table
