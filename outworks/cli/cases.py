"""`outworks cases`: what waits for a person, from the command line; the console shows far more."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from outworks.cli.options import DEFAULT, MOST, By, PolicyFile, cell, changing, me, policy_at
from outworks.duration import seconds
from outworks.enforcement.desk import decisions, lookup
from outworks.enforcement.desk.cases import Outcome, State
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.roles import Reviewer, Role
from outworks.enforcement.telling.appeals import Tokens
from outworks.ledger import summary
from outworks.nearest import did_you_mean
from outworks.wiring import secret

app = typer.Typer(no_args_is_help=True, help="What waits for a person to decide, what was decided, and the way back.")
CaseId = Annotated[str, typer.Argument(metavar="CASE", help="Its id, as `list` prints it.")]


@app.command()
def queues(policy: PolicyFile = DEFAULT) -> None:
    """List the queues in which something waits."""
    table = Table("queue", "waiting", "under way", "second review", "escalated", "oldest", box=None)
    with _desk(policy) as desk:
        found = lookup.queues(desk)
    for one in found:
        counts = (one.waiting, one.leased, one.pending, one.escalated)
        table.add_row(cell(one.name), *map(str, counts), _age(one.oldest))
    Console().print(table if found else "Nothing waits.")


@app.command("list")
def list_(
    queue: Annotated[str | None, typer.Option(help="Of this queue alone.")] = None,
    state: Annotated[str, typer.Option(help="open, pending, closed, or all.")] = "open",
    account: Annotated[str | None, typer.Option(help="Of this account alone.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=MOST, help="How many, the latest first.")] = 50,
    policy: PolicyFile = DEFAULT,
) -> None:
    """List cases, the latest first."""
    wanted = None if state == "all" else State(_one_of(state, [each.value for each in State], "a state"))
    table = Table("case", "queue", "age", "account", "from", "state", box=None)
    with _desk(policy) as desk:
        found = lookup.cases(desk, queue=queue, state=wanted, account=account, limit=count)
        now = desk.clock()
        near = did_you_mean(queue, lookup.queue_names(desk)) if queue and not found else ""
    for case in found:
        who = case.leased_to(now)
        became = f"{case.outcome} by {case.decided_by}" if case.decision else f"with {who}" if who else case.state.value
        told = (case.id, case.queue, _age(case.opened_at), case.account, case.source, became)
        table.add_row(*map(cell, told))
    Console().print(table if found else f"There are none{near or '.'}")


@app.command()
def show(case: CaseId, policy: PolicyFile = DEFAULT) -> None:
    """Show a case: what it rests on, and what was done about it. What people said is shown in the console."""
    console = Console()
    with _desk(policy) as desk:
        found = lookup.case(desk, case)
        console.print(cell(f"{found.id}: {found.account}, from {found.source}, in {found.queue}, {found.state.value}"))
        for seq in found.evidence:
            console.print(cell(summary(desk.event(seq))), soft_wrap=True)
        console.print()
        for recorded in lookup.timeline(desk, case):
            console.print(cell(summary(recorded)), soft_wrap=True)


@app.command()
def decide(
    case: CaseId,
    outcome: Annotated[str, typer.Argument(help="dismiss, keep, warn, limit, suspend, ban, reinstate, uphold...")],
    reason: Annotated[str, typer.Option(help="What the account is told.")] = "",
    expires: Annotated[str | None, typer.Option(help="For how long: 7d, 12h...; `never` is for a ban.")] = None,
    rate: Annotated[float | None, typer.Option(help="With limit: requests a minute.")] = None,
    cites: Annotated[str, typer.Option(help="The passage of the usage policy that it rests on.")] = "",
    policy: PolicyFile = DEFAULT,
    by: By = "",
) -> None:
    """Decide a case, as a lead. A ban waits until another person decides the same."""
    given = Outcome(_one_of(outcome, [each.value for each in Outcome], "a decision"))
    lasts = None if expires in (None, "never") else seconds(expires)
    with _desk(policy) as desk:
        person = Reviewer(me(by), Role.LEAD)
        made = decisions.decide(
            desk, person, case, given, reason=reason, policy=cites, lasts=lasts, rate_per_minute=rate
        )
    waits = " It waits for another person to decide the same." if made.pending else ""
    print(f"{case}: {made.outcome.value}.{waits} To take it back: outworks cases undo {made.id} --reason ...")


@app.command()
def undo(
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="Its id.")],
    reason: Annotated[str, typer.Option(help="Why; recorded.")],
    policy: PolicyFile = DEFAULT,
    by: By = "",
) -> None:
    """Take a decision back, and all that it did: the account stands as before, and the case waits again."""
    with _desk(policy) as desk:
        made = decisions.undo(desk, Reviewer(me(by), Role.LEAD), decision, reason=reason)
    print(f"{made.id} is undone; {made.case} waits again.")


@app.command()
def link(
    action: Annotated[str, typer.Argument(metavar="ACTION", help="Its id, which is also the appeal reference.")],
    policy: PolicyFile = DEFAULT,
) -> None:
    """Print where an account can read and appeal an action, for whoever answers its mail."""
    loaded = policy_at(policy)
    with _desk(policy) as desk:
        lookup.action(desk, action)
    print(Tokens(secret(loaded)).path(action, loaded.office.appeals.url))


@contextmanager
def _desk(path: Path) -> Iterator[Desk]:
    with changing(path) as ledger:
        desk = Desk(ledger, policy_at(path).office)
        try:
            yield desk
        finally:
            desk.close()


def _one_of(given: str, names: list[str], what: str) -> str:
    if given not in names:
        hint = did_you_mean(given, names)
        raise ValueError(f"{what} is one of {', '.join(names)}, not {given!r}{hint}")
    return given


def _age(unix: float | None) -> str:
    if unix is None:
        return ""
    minutes = max(0, int((time.time() - unix) / 60))
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 6000 else datetime.fromtimestamp(unix).strftime("%Y-%m-%d")
