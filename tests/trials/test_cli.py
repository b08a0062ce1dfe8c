"""outworks trial: what it prints, and what it says where something is missing."""

import importlib.util
import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from outworks.cli import app, hijack, main
from outworks.trials.hijack import Figures, Planner, Threat, defended, try_suite
from tests.trials.hijack.world import SETTINGS, World


def said(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["trial", "hijack", *arguments])


@pytest.mark.skipif(importlib.util.find_spec("agentdojo") is not None, reason="the extra is installed")
def test_without_the_extra_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing package is one line that names the extra, and status 1."""
    monkeypatch.setattr(sys, "argv", ["outworks", "trial", "hijack", "--suite", "slack"])

    with pytest.raises(SystemExit, match="1"):
        main()

    assert "pip install 'outworks[agentdojo]'" in capsys.readouterr().err


def test_an_unknown_threat_is_a_broken_invocation() -> None:
    """The threat models are known by name."""
    done = said("--threat", "bored")

    assert done.exit_code == 2
    assert "compromised" in done.output


async def test_the_tables_tell_totals_and_what_nothing_prevents(capsys: pytest.CaptureFixture[str]) -> None:
    """Users, attacks in each threat model, and the goals that are words only."""
    world = await try_suite(World(), defended(SETTINGS), Planner(frozenset({"send"})))  # type: ignore[arg-type]

    hijack._print(Figures(target="flow over process", suites=(world,)))

    printed = capsys.readouterr().out
    assert all(threat.value in printed for threat in Threat)
    assert "injection_task_1" in printed.splitlines()[-1]
