"""`outworks reviewers`: who may sign in to the console."""

import sys
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from outworks.cli.console import link_for, opened
from outworks.cli.options import DEFAULT, By, PolicyFile, cell, changing, me, policy_at, reading, writing
from outworks.console import reviewers
from outworks.console.reviewers import Reviewers
from outworks.enforcement.desk.roles import Role
from outworks.nearest import did_you_mean

app = typer.Typer(no_args_is_help=True, help="Who may sign in to the console, and in which role.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The reviewer; with OpenID Connect, what the claim says.")]
RoleName = Annotated[str, typer.Argument(metavar="ROLE", help="reviewer, lead, admin or auditor.")]


@app.command()
def add(name: Name, role: RoleName = "reviewer", policy: PolicyFile = DEFAULT, by: By = "") -> None:
    """Let somebody in. They get a password with `password`, or a one-time link with `link`."""
    with writing(policy) as ledger:
        reviewers.add(ledger, Reviewers(ledger), name, _role(role), by=me(by))
    print(f"{name} may sign in as {role}. A first way in: outworks reviewers link {name}")


@app.command("list")
def list_(policy: PolicyFile = DEFAULT) -> None:
    """List everybody who was ever let in."""
    people = list(Reviewers(reading(policy)))
    with opened(policy_at(policy)) as store:
        passwords = {name for (name,) in store.rows("SELECT name FROM password")}
    table = Table("name", "role", "state", "password", "since", box=None)
    for one in people:
        since = datetime.fromtimestamp(one.since).strftime("%Y-%m-%d %H:%M")
        state = "may sign in" if one.enabled else "shut out"
        table.add_row(cell(one.name), one.role.value, state, "yes" if one.name in passwords else "no", since)
    Console().print(table if people else "Nobody yet: outworks reviewers add NAME ROLE")


@app.command()
def role(name: Name, role: RoleName, policy: PolicyFile = DEFAULT, by: By = "") -> None:
    """Give somebody another role; it holds from the next page on."""
    with changing(policy) as ledger:
        reviewers.give_role(ledger, Reviewers(ledger), name, _role(role), by=me(by))
    print(f"{name} is {role}.")


@app.command()
def disable(name: Name, policy: PolicyFile = DEFAULT, by: By = "") -> None:
    """Shut somebody out, at once."""
    with changing(policy) as ledger:
        reviewers.switch(ledger, Reviewers(ledger), name, enabled=False, by=me(by))
    with opened(policy_at(policy)) as store:
        store.change("DELETE FROM session WHERE name = ?", (name,))
        store.change("DELETE FROM link WHERE name = ?", (name,))
    print(f"{name} is shut out.")


@app.command()
def enable(name: Name, policy: PolicyFile = DEFAULT, by: By = "") -> None:
    """Let somebody in again who was shut out."""
    with changing(policy) as ledger:
        reviewers.switch(ledger, Reviewers(ledger), name, enabled=True, by=me(by))
    print(f"{name} may sign in.")


@app.command()
def link(name: Name, policy: PolicyFile = DEFAULT) -> None:
    """Print a link that signs somebody in once, within the hour: for the first time, or after a password was lost."""
    loaded = policy_at(policy)
    _known(Reviewers(reading(policy)), name)
    with opened(loaded) as store:
        token = link_for(store, name)
    print(f"{(loaded.console.url or f'http://{loaded.console.listen}').rstrip('/')}/start/{token}")


@app.command()
def password(name: Name, policy: PolicyFile = DEFAULT) -> None:
    """Set somebody's password: asked for at a terminal, else the first line of standard input."""
    from outworks.console.passwords import Passwords

    _known(Reviewers(reading(policy)), name)
    if sys.stdin.isatty():
        said = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        said = sys.stdin.readline().rstrip("\n")
    with opened(policy_at(policy)) as store:
        Passwords(store).set(name, said)
        store.change("DELETE FROM session WHERE name = ?", (name,))
    print(f"{name} has a new password, and is signed out everywhere.")


def _known(people: Reviewers, name: str) -> None:
    if people.find(name) is None:
        added = [one.name for one in people]
        hint = did_you_mean(name, added, "add them first: outworks reviewers add NAME ROLE")
        raise LookupError(f"there is no reviewer {name!r}{hint}")


def _role(name: str) -> Role:
    roles = [each.value for each in Role]
    if name not in roles:
        hint = did_you_mean(name, roles)
        raise ValueError(f"a role is one of {', '.join(roles)}, not {name!r}{hint}")
    return Role(name)
