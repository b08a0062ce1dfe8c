"""`outworks accounts`: who may do what, why, and the way back."""

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outworks.action import Action, Standing
from outworks.cli.options import DEFAULT, By, PolicyFile, cell, changing, me, reading, writing
from outworks.duration import seconds
from outworks.enforcement import actions
from outworks.enforcement.taken import reinstated
from outworks.moment import moment
from outworks.nearest import did_you_mean

app = typer.Typer(no_args_is_help=True, help="Who may do what, why, and the way back.")
Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="PRODUCT:USER, as the ledger has it.")]
_SHORT = "%Y-%m-%d %H:%M"


@app.command("list")
def list_(policy: PolicyFile = DEFAULT) -> None:
    """List the accounts with an action in force, the strictest first."""
    table = Table("account", "standing", "until", "by", "action", "reason", box=None)
    found = actions.standings(reading(policy), time.time())
    for one in found:
        table.add_row(cell(one.account), *_cells(one.action))
    Console().print(table if found else "Every account is in good standing.")


@app.command()
def show(account: Account, policy: PolicyFile = DEFAULT) -> None:
    """Show an account: its standing, and every action ever taken on it with its evidence."""
    record = actions.account_record(reading(policy), account, time.time())
    console = Console()
    seen = moment(record.first_seen, _SHORT, None) if record.first_seen is not None else "never"
    console.print(cell(f"{account}: {record.action.standing.name.lower()}; first seen {seen}"))
    table = Table("standing", "until", "by", "action", "reason", "state", "evidence (events)", box=None)
    since = reinstated(record.taken)
    for taken in record.taken:
        evidence = ", ".join(map(str, taken.action.evidence[:8])) + ("..." if len(taken.action.evidence) > 8 else "")
        table.add_row(*_cells(taken.action), cell(taken.state(time.time(), since)), cell(evidence))
    if record.taken:
        console.print(table)


@app.command()
def act(
    account: Account,
    standing: Annotated[str, typer.Argument(help="good, warned, limited, suspended or banned.")],
    reason: Annotated[str, typer.Option(help="What the account is told.")],
    expires: Annotated[str | None, typer.Option(help="For how long: 7d, 12h...; `never` is for a ban.")] = None,
    rate: Annotated[float | None, typer.Option(help="With limited: requests a minute.")] = None,
    cites: Annotated[str, typer.Option(help="The passage of the usage policy that it rests on.")] = "",
    unseen: Annotated[bool, typer.Option("--unseen", help="Also if it never sent a request.")] = False,
    policy: PolicyFile = DEFAULT,
    by: By = "",
) -> None:
    """Set an account's standing. Running gateways follow within a second."""
    lasts = None if expires in (None, "never") else seconds(expires)
    # An account may be barred before the product's first request.
    with writing(policy) if unseen else changing(policy) as ledger:
        done = actions.act(
            ledger,
            account,
            _standing(standing),
            by=me(by),
            reason=reason,
            policy=cites,
            lasts=lasts,
            rate_per_minute=rate,
            unseen=unseen,
        )
        now = actions.account_record(ledger, account, time.time()).action.standing
    wanted, is_ = done.standing.name.lower(), now.name.lower()
    said = "" if now is done.standing else f": of the actions in force the strictest holds, {wanted} waits behind it"
    print(f"{account} is {is_}{said}. To take it back: outworks accounts undo {done.id} --reason ...")


@app.command()
def undo(
    action: Annotated[str, typer.Argument(metavar="ACTION", help="Its id, which is also the appeal reference.")],
    reason: Annotated[str, typer.Option(help="Why; recorded.")],
    policy: PolicyFile = DEFAULT,
    by: By = "",
) -> None:
    """Take an action back: the account is then as its other actions say."""
    with changing(policy) as ledger:
        undone = actions.undo(ledger, action, by=me(by), reason=reason)
        now = actions.account_record(ledger, undone.account, time.time())
    print(f"{undone.id} is undone; {undone.account} is {now.action.standing.name.lower()}.")


def _standing(name: str) -> Standing:
    names = [each.name.lower() for each in Standing]
    if name.lower() not in names:
        hint = did_you_mean(name.lower(), names)
        raise ValueError(f"a standing is one of {', '.join(names)}, not {name!r}{hint}")
    return Standing[name.upper()]


def _cells(action: Action) -> list[Text]:
    until = "" if action.expires is None else moment(action.expires, _SHORT, None)
    shadow = " (shadow)" if action.shadow else ""
    return [cell(each) for each in (action.standing.name.lower() + shadow, until, action.by, action.id, action.reason)]
