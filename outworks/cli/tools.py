"""`outworks tools`: the policy of flow control, drafted and tried."""

import asyncio
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from outworks.cli.options import DEFAULT
from outworks.config import load_policy
from outworks.config.flow import load
from outworks.defenses.flow import Settings
from outworks.defenses.flow.draft import Listed, listed
from outworks.defenses.flow.draft import draft as drafted
from outworks.defenses.flow.policy import faults
from outworks.defenses.flow.rows import tried, unsaid, untried
from outworks.message import Tool

app = typer.Typer(
    no_args_is_help=True, help="The policy of flow control: what each tool does, and what may flow into it."
)
File = Annotated[Path, typer.Argument(metavar="POLICY", help="The policy file, or one with [defenses.flow] alone.")]
Tools = Annotated[
    Path | None, typer.Option("--tools", help="The tools that the product offers, as `draft` reads them: checks names.")
]


@app.command()
def draft(
    source: Annotated[
        Path,
        typer.Option(
            "--from", help="JSON: `tools` of OpenAI or Anthropic, or an MCP server's tools/list; `-` is stdin."
        ),
    ],
) -> None:
    """Print a first policy for these tools, to be corrected by a person: add it to the policy file."""
    print(drafted(_listed(source)), end="")


@app.command("test")
def try_rows(
    policy: File = DEFAULT,
    tools: Tools = None,
    strict: Annotated[bool, typer.Option("--strict", help="What it warns of is an error too.")] = False,
) -> None:
    """Judge the allow and deny rows of a policy. Status 1 if one fails. It warns of a branch without one of each, and
    of a tool that takes free text while nothing says who receives it."""
    offered = {each.name: each for each in _offered(tools)}
    settings = _settings(policy, list(offered.values()))
    results = asyncio.run(tried(settings, offered))
    wrong = [each for each in results if each.wrong]
    for each in wrong:
        print(f"{policy}: tools.{each.tool}.{each.side}[{each.place}]: {each.wrong}")
    bare = list(untried(settings, results))
    for missing in bare:
        print(f"{policy}: tools.{missing.tool}: {missing.branch}: no {missing.side} row", file=sys.stderr)
    silent = list(unsaid(settings))
    for tool in silent:
        print(
            f"{policy}: tools.{tool}: who receives its free text? mark an `audience`, or set [] for nobody",
            file=sys.stderr,
        )
    print(f"{len(results) - len(wrong)} of {len(results)} rows hold; {len(bare)} branches want a row.")
    if wrong or (strict and (bare or silent)):
        raise typer.Exit(1)


def _settings(path: Path, offered: list[Tool]) -> Settings:
    """The flow policy of a whole policy file, or of a file of its own."""
    with path.open("rb") as file:
        whole = "models" in tomllib.load(file)
    if not whole:
        return load(path, offered=offered)
    settings = load_policy(path, environ=None).defenses["flow"]
    assert isinstance(settings, Settings)
    wrong = list(faults(settings.tools, offered=offered))
    if wrong:
        raise ValueError("\n".join(f"{path}: {fault}" for fault in wrong))
    return settings


def _offered(path: Path | None) -> list[Tool]:
    return [each.tool for each in _listed(path)] if path is not None else []


def _listed(path: Path) -> Sequence[Listed]:
    try:
        return listed(sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
