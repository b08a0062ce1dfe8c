"""`outworks trial hijack`: flow control against AgentDojo with a hijacked agent."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from outworks.config.flow import load
from outworks.defense import Mode
from outworks.defenses.flow import Settings
from outworks.trials.hijack import (
    SUITES,
    Figures,
    Planner,
    Stand,
    Suite,
    SuiteFigures,
    Threat,
    as_json,
    defended,
    gateway,
    try_suite,
)


class Over(StrEnum):
    """Where the defense runs."""

    PROCESS = "process"
    HTTP = "http"


def hijack(
    policies: Annotated[
        Path, typer.Option("--policies", help="The folder with a flow policy for each suite: SUITE.toml.")
    ] = Path("examples/agentdojo"),
    suites: Annotated[
        list[str] | None, typer.Option("--suite", help=f"One of {', '.join(SUITES)}; may be given again.")
    ] = None,
    threats: Annotated[
        list[Threat] | None, typer.Option("--threat", help="One threat model; by default all of them.")
    ] = None,
    over: Annotated[Over, typer.Option(help="In this process, or over HTTP through a gateway.")] = Over.PROCESS,
    no_defense: Annotated[bool, typer.Option("--no-defense", help="With flow control off, for comparison.")] = False,
    no_plan: Annotated[
        bool, typer.Option("--no-plan", help="Nothing is declared: the policy alone authorises, by the user's words.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")] = False,
) -> None:
    """AgentDojo with a hijacked agent: no language model, no luck, and AgentDojo's own check of the state.

    It needs the extra: pip install 'outworks[agentdojo]'.
    """
    done: list[SuiteFigures] = []
    for name in suites or SUITES:
        suite = Suite(name)
        path = policies / f"{name}.toml"
        settings = load(path, offered=suite.tools)
        consequential = frozenset(tool for tool, policy in settings.tools.items() if policy.effect != "read")
        if no_defense:
            settings = msgspec.structs.replace(settings, mode=Mode.OFF)
        planner = Planner(consequential, declares=not no_plan)
        with _target(over, path, settings) as stand:
            figures = try_suite(suite, stand, planner, threats=tuple(threats or Threat), tell=_tell)
            done.append(asyncio.run(figures))
    target = "bare agent" if no_defense else f"flow over {over.value}"
    whole = Figures(target=target, suites=tuple(done))
    if json:
        print(as_json(whole).decode())
    else:
        _print(whole)


@contextmanager
def _target(over: Over, path: Path, settings: Settings) -> Iterator[Stand]:
    if over is Over.PROCESS:
        yield defended(settings)
        return
    policy = path.read_text(encoding="utf-8")
    if settings.mode is Mode.OFF:
        policy = '[defenses.flow]\nmode = "off"\n'
    with gateway(policy) as stand:
        yield stand


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print(figures: Figures) -> None:
    console = Console()
    users = Table("suite", "user tasks", "untouched", "done with confirmations", "confirmations a task", box=None)
    rows = [(suite.suite, suite.users) for suite in figures.suites]
    for name, each in [*rows, ("all", figures.users)]:
        counts = each.user_tasks, each.user_tasks_untouched, each.user_tasks_completed
        users.add_row(name, *map(str, counts), f"{each.confirmations_per_task:.2f}")
    attacks = Table(
        "threat", "suite", "by tool calls", "reached", "words only", "user task done under attack", box=None
    )
    for threat in figures.threats:
        found = [(s.suite, a) for s in figures.suites for a in s.attacks if a.threat is threat]
        for name, one in [*found, ("all", figures.attacks(threat))]:
            under = f"{one.user_tasks_completed} of {one.pairs}"
            attacks.add_row(
                threat.value,
                name,
                str(one.attacks_by_calls),
                str(one.attacks_reached),
                str(one.attacks_words_only),
                under,
            )
    console.print(f"Target: {figures.target}\n")
    console.print(users)
    console.print()
    console.print(attacks)
    for pair in (pair for threat in figures.threats for pair in figures.attacks(threat).reached):
        console.print(f"reached: {pair.suite} {pair.task} {pair.attack}")
    words = {pair.attack for threat in figures.threats for pair in figures.attacks(threat).words_only}
    if words:
        console.print(f"Words only, which no tool call carries and nothing here prevents: {', '.join(sorted(words))}")
