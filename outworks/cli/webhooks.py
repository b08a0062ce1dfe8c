"""`outworks webhooks`: secrets for them, and what waits to be delivered."""

import base64
import secrets
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from outworks.cli.options import DEFAULT, PolicyFile, cell, changing, policy_at
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.telling.webhooks import undelivered

app = typer.Typer(no_args_is_help=True, help="Webhooks: how your product is told what was decided.")


@app.command()
def secret(
    size: Annotated[int, typer.Option("--bytes", min=24, max=64, help="How many random bytes.")] = 32,
) -> None:
    """Print a new signing secret, for the environment of the gateway and of the receiver. It is kept nowhere."""
    print("whsec_" + base64.b64encode(secrets.token_bytes(size)).decode())


@app.command("list")
def list_(policy: PolicyFile = DEFAULT) -> None:
    """List the policy's webhooks, and how many messages wait for each."""
    loaded = policy_at(policy)
    table = Table("webhook", "url", "messages", "waiting", box=None)
    with changing(policy) as ledger:
        desk = Desk(ledger, loaded.office)
        for hook in loaded.office.webhooks:
            told = (hook.name, hook.url, ", ".join(hook.types), str(undelivered(desk, hook)))
            table.add_row(*map(cell, told))
        desk.close()
    Console().print(table if loaded.office.webhooks else "The policy names no webhook.")
