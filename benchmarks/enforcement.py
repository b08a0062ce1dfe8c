"""What standing costs on each request, and what rules cost beside it: `python -m benchmarks.enforcement`."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from outworks.action import Action
from outworks.action import Standing as Level
from outworks.defenses.standing import Settings, Standing
from outworks.enforcement.evidence.memory import Memory
from outworks.enforcement.history import read
from outworks.enforcement.propose import propose
from outworks.enforcement.rules import Measure, Rule, Rules, compile_rules
from outworks.enforcement.standings import StandingTable
from outworks.enforcement.watch import Watch
from outworks.event import Acted, Event, Judged, Judgement, Received
from outworks.ledger import Ledger
from outworks.message import Request
from outworks.verdict import Decision

_CONDITIONS = (
    'blocked("1h") >= 2000',
    'warnings("7d") >= 1 && blocked("1h") >= 6',
    'warnings("7d") >= 1 && blocked("1d") >= 10',
    'flagged("fingerprint", "7d") >= 5000 && conversations("7d") >= 3',
    'suspensions("90d") >= 3',
    'refusals("1d") >= 10 && conversations("1d") >= 3',
)


def _rules() -> Rules:
    return compile_rules(
        [
            Rule(name=f"r{n}", description="x", when=when, action=Measure.WARN, expires="1d")
            for n, when in enumerate(_CONDITIONS)
        ]
    )


def _microseconds(work: Callable[[], object], times: int) -> float:
    """The best mean of five runs."""
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(times):
            work()
        best = min(best, (time.perf_counter() - began) / times)
    return best * 1e6


def _print(what: str, work: Callable[[], object], times: int) -> None:
    print(f"{what:<62}{_microseconds(work, times):>10.2f} us")


def _misuse(account: str, count: int) -> list[Event]:
    one = Judgement(defense="fingerprint", decision=Decision.BLOCK)
    judged = Judged(stage="request", judgements=(one,), decision=Decision.BLOCK)
    bodies = (Received(wire="openai", model="m"), judged)
    return [
        Event(body=body, at=time.time(), exchange=f"{account}{n}", account=account, conversation=f"c{n}")
        for n in range(count)
        for body in bodies
    ]


def _acted(account: str, level: Level) -> Event:
    rate = 20.0 if level is Level.LIMITED else None
    action = Action(id=f"act_{account}", account=account, standing=level, by="x", reason="x", rate_per_minute=rate)
    return Event(body=Acted(action=action), at=time.time(), account=account)


def _check(defense: Standing, account: str) -> Callable[[], None]:
    request = Request(id="ex", model="m", messages=(), account=account)

    def check() -> None:
        try:
            defense.check_request(request).send(None)
        except StopIteration:
            return

    return check


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "l.db") as ledger:
        for account, count in (("one", 1), ("ten", 10), ("hammers", 3000)):
            ledger.append_now(_misuse(account, count))
        ledger.append_now([_acted(f"bad{n}", Level.SUSPENDED) for n in range(10_000)])
        ledger.append_now([_acted(account, Level.LIMITED) for account in ("ten", "hammers")])
        table = StandingTable(ledger)
        table.refresh()
        defense = Standing(Settings(), table)
        now = time.time()
        _print("standing of a good account, the table alone", lambda: table.of("good", now), 50_000)
        _print("standing of a suspended account, the table alone", lambda: table.of("bad7", now), 50_000)
        for name, account in (("good", "good"), ("suspended", "bad7"), ("limited", "ten"), ("hammering", "hammers")):
            _print(f"the whole check: {name}", _check(defense, account), 1000)
        _print("refreshing the table, nothing new", table.refresh, 2000)
        rules = _rules()
        _print("compiling a rule", lambda: compile_rules([rules.compiled[0].rule]), 50)
        memory = Memory(ledger)
        for account, count in (("one", 1), ("ten", 10)):
            history = read(ledger, account, rules, (), memory.recall(account, 0.0), now)
            _print(f"six rules on an account with {count} signals", lambda: propose(rules, history), 500)  # noqa: B023
            _print("  reading its history", lambda: _read(ledger, memory, rules, account, now), 500)  # noqa: B023
        _print("reading 3,000 signals", lambda: Memory(ledger).recall("hammers", 0.0), 1)
        memory.recall("hammers", 0.0)
        _print("recalling 3,000 signals", lambda: memory.recall("hammers", 0.0), 500)
        watch = Watch(ledger, rules, place=None, clock=time.time)
        while (looked := watch.look(rules)).accounts:
            watch.done(looked)
        _print("a look at the ledger, nothing new", lambda: watch.look(rules), 1000)


def _read(ledger: Ledger, memory: Memory, rules: Rules, account: str, now: float) -> None:
    read(ledger, account, rules, (), memory.recall(account, 0.0), now)


if __name__ == "__main__":
    main()
