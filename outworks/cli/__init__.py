"""The command line: `outworks`."""

import sys
from pathlib import Path

import typer

from outworks.cli import (
    accounts,
    cases,
    detectors,
    fingerprints,
    hunt,
    keys,
    lab,
    ledger,
    report,
    reviewers,
    rules,
    tools,
    trial,
    webhooks,
)
from outworks.cli.console import serve_console
from outworks.cli.scan import scan_file
from outworks.cli.serve import check, fetch, serve
from outworks.config import PolicyError
from outworks.event import RecordError
from outworks.ledger import LedgerError
from outworks.models.gguf import FetchError
from outworks.nearest import did_you_mean

app = typer.Typer(
    name="outworks",
    help="Lines of defense outside the model: a gateway, its ledger, and action on the accounts that misuse it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(serve)
app.command("console")(serve_console)
app.command()(check)
app.command()(fetch)
app.command("scan")(scan_file)
app.add_typer(keys.app, name="keys")
app.add_typer(fingerprints.app, name="fingerprints")
app.add_typer(detectors.app, name="detectors")
app.add_typer(ledger.app, name="ledger")
app.add_typer(accounts.app, name="accounts")
app.add_typer(cases.app, name="cases")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(reviewers.app, name="reviewers")
app.add_typer(tools.app, name="tools")
app.add_typer(trial.app, name="trial")
app.add_typer(hunt.app, name="hunt")
app.add_typer(rules.app, name="rules")
app.add_typer(report.app, name="report")
app.add_typer(lab.app, name="lab")


def main() -> None:
    """Run a command. What the user can mend is one message and status 1; a broken invocation is status 2."""
    try:
        app()
    except (PolicyError, LedgerError, RecordError, FetchError, ValueError, LookupError, OSError, ImportError) as error:
        print(f"outworks: {_said(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _said(error: Exception) -> object:
    """An error's message, without the marks that Python puts around some."""
    match error:
        case LookupError() if error.args:
            return error.args[0]
        case FileNotFoundError(filename=str(name), strerror=says):
            path = Path(name)
            beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
            return f"{name}: {says}{did_you_mean(path.name, beside)}"
        case OSError(filename=str(name), strerror=says):
            return f"{name}: {says}"
    return error
