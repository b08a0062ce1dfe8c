"""What people's work costs on a large ledger: claiming, deciding, looking up, and making the index anew."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from outworks.action import Action, Standing
from outworks.enforcement.desk import decisions, lookup, queues
from outworks.enforcement.desk.cases import Outcome
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.openings import Findings
from outworks.enforcement.desk.roles import Reviewer, Role
from outworks.enforcement.ids import new_id
from outworks.enforcement.telling import notices
from outworks.enforcement.telling.clerk import step
from outworks.event import Acted, CaseOpened, Event, Judged, Judgement, Received
from outworks.ledger import Ledger
from outworks.verdict import Decision

_GROUP = 5000
_T0 = 1_790_000_000.0


def run(console: Console, *, events: int = 1_000_000, cases: int = 20_000) -> dict[str, object]:
    """Print the table; the figures as data, in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        made = _fill(path, events, cases)
        with Ledger.open(path) as ledger:
            began = time.perf_counter()
            desk = Desk(ledger)
            desk.refresh()
            rebuilt = time.perf_counter() - began
            figures = _measure(desk)
            desk.close()
    table = Table(
        title=f"The desk on {made:,} events, {cases:,} of them open cases: index made anew in {rebuilt:.1f} s"
    )
    for name in ("", "median ms", "p95 ms"):
        table.add_column(name, justify="left" if not name else "right")
    for name, (median, high) in figures.items():
        table.add_row(name, f"{median:.2f}", f"{high:.2f}")
    console.print(table)
    return {"events": made, "cases": cases, "rebuilt_s": rebuilt, "ms": figures}


def _fill(path: Path, events: int, cases: int) -> int:
    with Ledger.open(path) as ledger:
        made = 0
        while made < events:
            ledger.append_now([each for n in range(made, made + _GROUP, 2) for each in _exchange(n)])
            made += _GROUP
        for start in range(0, cases, _GROUP // 2):
            group = range(start, min(cases, start + _GROUP // 2))
            ledger.append_now([each for n in group for each in _opened(n)])
        return ledger.head().seq


def _exchange(n: int) -> list[Event]:
    account, exchange = f"shop:user-{n % 50_000}", f"ex_{n:012d}"
    blocked = n % 20 == 0
    decision = Decision.BLOCK if blocked else Decision.ALLOW
    judged = Judged(stage="request", judgements=(Judgement(defense="leak", decision=decision),), decision=decision)
    shared = {"at": _T0 + n / 10, "account": account, "product": "shop", "exchange": exchange}
    return [
        Event(body=Received(wire="openai", model="m"), content="What is the capital of France?", **shared),  # type: ignore[arg-type]
        Event(body=judged, **shared),  # type: ignore[arg-type]
    ]


def _opened(n: int) -> list[Event]:
    account, at = f"shop:user-{n}", _T0 + 200_000 + n
    action = Action(
        id=new_id("act"), account=account, standing=Standing.SUSPENDED, by="rule:r", reason="x", at=at, expires=at + 9e8
    )
    opened = CaseOpened(case=new_id("case"), queue=f"q{n % 5}", source="rule:r", action=action.id, evidence=(n + 1,))
    return [
        Event(body=Acted(action=action), at=at, account=account, product="shop"),
        Event(body=opened, at=at, account=account, product="shop"),
    ]


def _measure(desk: Desk) -> dict[str, tuple[float, float]]:
    eva = Reviewer("eva", Role.LEAD)
    findings = Findings(desk)

    def decide() -> None:
        case = queues.claim(desk, eva)
        assert case is not None
        decisions.decide(desk, eva, case.id, Outcome.SUSPEND, reason="x", lasts=3600.0)

    def undo() -> None:
        made = next(each for each in lookup.decisions(desk, by="eva", limit=100) if not each.undone)
        decisions.undo(desk, eva, made.id, reason="x")

    some = lookup.cases(desk, limit=200)
    turn = iter(range(10**9))

    def each() -> str:
        return some[next(turn) % len(some)].id

    def account() -> str:
        return some[next(turn) % len(some)].account

    return {
        "claim the next case and decide it": _timed(decide, 100),
        "undo a decision": _timed(undo, 20),
        "every queue": _timed(lambda: lookup.queues(desk), 50),
        "50 cases of a queue": _timed(lambda: lookup.cases(desk, queue="q1"), 50),
        "a case with its timeline": _timed(lambda: lookup.timeline(desk, each()), 200),
        "an account's actions and decisions": _timed(
            lambda: (lookup.actions(desk, account()), lookup.decisions(desk, account=account())), 200
        ),
        "50 entries of the trail": _timed(lambda: lookup.trail(desk), 100),
        "a notice": _timed(lambda: notices.send(desk, most=1), 80),
        "the clerk, where nothing is due": _timed(lambda: step(desk, findings), 200),
    }


def _timed(do: Callable[[], object], count: int) -> tuple[float, float]:
    """Median and 95th percentile, in milliseconds."""
    took: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        do()
        took.append((time.perf_counter() - began) * 1000)
    return _at(took, 0.5), _at(took, 0.95)


def _at(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


if __name__ == "__main__":
    run(Console())
