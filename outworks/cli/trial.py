"""`outworks trial`: what the lines of defense are worth against adversaries."""

import typer

from outworks.cli.hijack import hijack
from outworks.cli.population import population
from outworks.cli.trial_run import report, run

app = typer.Typer(no_args_is_help=True, help="Adversaries against a target, and tables of which line stops whom.")

app.command()(hijack)
app.command()(run)
app.command()(report)
app.command()(population)


@app.callback()
def trial() -> None:
    """Adversaries against a target, and tables of which line stops whom."""
