"""What the desk's tests are built from: a desk with a clock of its own, people, and cases in few words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outworks.action import Action, Standing
from outworks.enforcement.desk import queues
from outworks.enforcement.desk.cases import Case
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.openings import Findings
from outworks.enforcement.desk.roles import Reviewer, Role
from outworks.enforcement.ids import new_id
from outworks.enforcement.settings import Office
from outworks.enforcement.standings import StandingTable
from outworks.enforcement.telling.clerk import step
from outworks.event import Acted, Event
from outworks.ledger import Ledger
from tests.enforcement.kit import ANN, NOW, action, received

EVA = Reviewer("eva", Role.REVIEWER)
BEN = Reviewer("ben", Role.REVIEWER)
LEA = Reviewer("lea", Role.LEAD)
ADA = Reviewer("ada", Role.ADMIN)
AUD = Reviewer("aud", Role.AUDITOR)


class Clock:
    """Stands still until it is told."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@contextmanager
def opened(folder: Path, office: Office | None = None, *, clock: Clock | None = None) -> Iterator[Desk]:
    """A desk at the folder's ledger, which knows the account ann."""
    with Ledger.open(folder / "ledger.db") as ledger:
        if ledger.head().seq == 0:
            ledger.append_now([received(at=NOW - 100), received(account="shop:bob", at=NOW - 100)])
        desk = Desk(ledger, office, clock=clock or Clock())
        try:
            yield desk
        finally:
            desk.close()


def by_rule(desk: Desk, *, account: str = ANN, standing: Standing = Standing.SUSPENDED, **fields: object) -> Action:
    """An action by the rule `repeat`, which opens a case."""
    whole: dict[str, object] = {
        "id": new_id("act"),
        "by": "rule:repeat",
        "case": "rules",
        "reason": "Again and again.",
        "evidence": (1,),
        "expires": desk.clock() + 86_400,
        "at": desk.clock(),
    }
    made = action(standing, account=account, **{**whole, **fields})
    record_action(desk, made)
    return made


def record_action(desk: Desk, made: Action) -> None:
    desk.ledger.append_now(
        [Event(body=Acted(action=made, notify=not made.shadow), at=made.at, account=made.account, product="shop")]
    )


def work(desk: Desk) -> None:
    """What the clerk does, until nothing is due."""
    findings = Findings(desk)
    while step(desk, findings):
        pass


def a_case(desk: Desk, account: str = ANN, **fields: object) -> Case:
    """An open case about a rule's suspension."""
    made = by_rule(desk, account=account, **fields)  # type: ignore[arg-type]
    work(desk)
    return next(each for each in _cases(desk) if made.id in each.actions)


def _cases(desk: Desk) -> tuple[Case, ...]:
    from outworks.enforcement.desk import lookup

    return lookup.cases(desk, limit=100_000)


def by_hand(desk: Desk, account: str = ANN, **fields: object) -> Case:
    return queues.open_case(desk, EVA, account, why="It looks odd.", **fields)  # type: ignore[arg-type]


def standing(desk: Desk, account: str = ANN) -> Action:
    """The action in force, as the gateway would read it."""
    table = StandingTable(desk.ledger)
    table.refresh()
    return table.of(account, desk.clock())
