"""The console's pages on a generated ledger of 10 million events: the 95th percentile of each."""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console as Screen
from rich.table import Table

from outworks import label
from outworks.action import Action, Standing
from outworks.console.reviewers import Reviewers, add
from outworks.enforcement.desk import decisions, lookup, queues
from outworks.enforcement.desk.cases import Outcome
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.openings import Findings
from outworks.enforcement.desk.roles import Reviewer, Role
from outworks.enforcement.ids import new_id
from outworks.enforcement.reports.numbers import Numbers
from outworks.enforcement.telling.clerk import step
from outworks.event import Acted, Event, Judged, Judgement, Received, Released
from outworks.ledger import Ledger
from outworks.ledger.chain import Salts, Sealed, canonical, commit
from outworks.ledger.journal import Journal
from outworks.ledger.signal import signals_of
from outworks.message import Message, Text, Usage
from outworks.message import Role as Speaker
from outworks.verdict import Decision, Finding, Span

EVENTS = 10_000_000
SECONDS = 600.0
"""The generation stops after so long, with what it has, and says so."""
ACCOUNTS = 200_000
DAYS = 365
CASES = 3000
LIMIT_MS = 300.0
_GROUP = 40_000
_LINES = ("standing", "parameter_lock", "adversarial_string", "fingerprint", "leak", "links", "flow", "refusal")
_WITH_CONTENT = 0.02
"""The share of exchanges whose content is still kept, the latest."""


def run(screen: Screen, *, events: int = EVENTS, folder: Path | None = None, times: int = 40) -> dict[str, object]:
    """Print the table; the figures as data, in milliseconds."""
    try:
        import argon2  # noqa: F401
        import jinja2  # noqa: F401
    except ModuleNotFoundError:
        screen.print("missing: pip install 'outworks[console]'", style="yellow")
        return {"missing": "the extra console"}
    with tempfile.TemporaryDirectory() as made:
        path = (folder or Path(made)) / "ledger.db"
        began = time.perf_counter()
        if not path.exists():
            generate(path, events)
        generated = time.perf_counter() - began
        return _measure(screen, path, generated, times)


def generate(path: Path, events: int, *, seconds: float = SECONDS, seed: int = 1) -> int:
    """A ledger of about so many events, or of as many as can be written in that time; how many there are."""
    chance = random.Random(seed)
    Ledger.open(path).close_now()
    journal = Journal(path, synchronous="normal")
    journal._connection.execute("PRAGMA cache_size = -2000000")
    end = time.time() - 60
    start = end - DAYS * 86_400
    deadline = time.monotonic() + seconds
    written = 0
    source = _exchanges(chance, start, end, events)
    while written < events and time.monotonic() < deadline:
        group: list[Sealed] = []
        while len(group) < _GROUP and written + len(group) < events:
            group += next(source)
        journal.transact(lambda group=group: journal.insert(group))
        written += len(group)
        if journal.unmoved > 200_000:
            journal.checkpoint(restart=True)
            journal.unmoved = 0
    journal.truncate()
    journal.close()
    return written


_encode = msgspec.json.encode
_ALLOWED = tuple(Judgement(defense=line, decision=Decision.ALLOW, us=18) for line in _LINES)


def _exchanges(chance: random.Random, start: float, end: float, events: int) -> Iterator[list[Sealed]]:
    """Exchanges, one after the other in time, of accounts of which a few are far busier than the rest."""
    salts = Salts()
    passed = Judged(stage="request", judgements=_ALLOWED, decision=Decision.ALLOW)
    covered = Judged(stage="output", judgements=_ALLOWED[3:6], decision=Decision.ALLOW, length=120)
    left = Released(choice=0, start=0, end=120, finish="stop", usage=Usage(input_tokens=40, output_tokens=30))
    came = Received(wire="openai", model="assistant-1", stream=True)
    found = Finding("known_bad", 0.97, Span(0, 40))
    stops = Judgement(defense="fingerprint", decision=Decision.BLOCK, findings=(found,), us=300)
    stopped = Judged(stage="request", judgements=(*_ALLOWED[:3], stops), decision=Decision.BLOCK)
    texts = {id(body): (_kind(body), _encode(body).decode()) for body in (passed, covered, left, came, stopped)}
    message = Message(
        Speaker.USER, (Text("Please look up the order with the blue lamp, and say when it comes."),), label.USER
    )
    asked = _encode({"messages": [message], "tools": [], "parameters": {}}).decode()
    answer = (
        "It left our warehouse yesterday and should arrive on Thursday; you will be told the hour on the day itself."
    )
    n = 0
    gap = (end - start) / (events / 3.97)
    while True:
        n += 1
        at = start + n * gap
        number = int(ACCOUNTS * chance.random() ** 3)
        product = ("shop", "tutor", "helpdesk")[number % 3]
        account = f"{product}:u{number:06}"
        where = (f"ex_{int(at * 1000):011x}{n:014x}", account, product, f"c{number}-{n % 7}")
        keeps = at > end - (end - start) * _WITH_CONTENT

        def sealed(body: Any, content: str | None, where: tuple[str, ...] = where, at: float = at) -> Sealed:
            kind, text = texts[id(body)]
            salt = commitment = None
            if content is not None:
                salt = salts.take()
                commitment = commit(salt, content.encode())
            linked = (at, kind, *where, text, commitment)
            signals = ()
            if body is stopped:
                event = Event(
                    body=body, at=at, exchange=where[0], account=where[1], product=where[2], conversation=where[3]
                )
                signals = signals_of(event)
            return Sealed((*linked, salt, content), canonical(linked), signals)

        if chance.random() < 0.015:
            yield [sealed(came, asked if keeps else None), sealed(stopped, None)]
        else:
            yield [
                sealed(came, asked if keeps else None),
                sealed(passed, None),
                sealed(covered, None),
                sealed(left, answer if keeps else None),
            ]


def _kind(body: object) -> str:
    return str(type(body).__struct_config__.tag)  # type: ignore[attr-defined]


def staffed(ledger: Ledger, desk: Desk) -> None:
    """Rules that acted, the cases of it, and what people decided."""
    people = Reviewers(ledger)
    for name, role in (("lena", Role.LEAD), ("eva", Role.REVIEWER), ("ada", Role.ADMIN)):
        add(ledger, people, name, role, by="benchmark")
    noted = list(
        dict.fromkeys(signal.account for signal in ledger.signals(after=max(0, ledger.head().seq - 2_000_000)))
    )
    now = time.time()
    events = []
    for n, account in enumerate(noted[:CASES]):
        evidence = tuple(one.seq for one in list(ledger.signals(account=account))[-5:])
        action = Action(
            id=new_id("act"),
            account=account,
            standing=(Standing.LIMITED, Standing.SUSPENDED)[n % 2],
            by=("rule:limit", "rule:suspend")[n % 2],
            reason="Your requests were stopped by our usage policy.",
            evidence=evidence,
            at=now - 3600,
            expires=now + 86_400 * 7,
            rate_per_minute=4.0 if n % 2 == 0 else None,
            case="rules",
        )
        events.append(
            Event(body=Acted(action=action), at=now - 3600, account=account, product=account.partition(":")[0])
        )
    ledger.append_now(events)
    findings = Findings(desk)
    while step(desk, findings):
        pass
    eva = Reviewer("eva", Role.REVIEWER)
    for _ in range(min(300, len(events) // 3)):
        case = queues.claim(desk, eva)
        if case is None:
            break
        decisions.decide(desk, eva, case.id, Outcome.KEEP)


def _measure(screen: Screen, path: Path, generated: float, times: int) -> dict[str, object]:
    from starlette.testclient import TestClient

    from outworks.console.app import application
    from outworks.console.console import Console
    from outworks.console.setup import Setup

    figures: dict[str, object] = {}
    with Ledger.open(path) as ledger:
        head = ledger.head().seq
        began = time.perf_counter()
        console = Console(ledger, lambda: Setup(models=("scripted",)))
        if not list(console.reviewers):
            staffed(ledger, console.desk)
        desk_s = time.perf_counter() - began
        began = time.perf_counter()
        numbers = Numbers(ledger)
        while numbers.follow(most=50_000):
            pass
        numbers.close()
        numbers_s = time.perf_counter() - began
        began = time.perf_counter()
        while console.follow_once():
            pass
        links_s = time.perf_counter() - began
        client = TestClient(application(console), base_url="http://127.0.0.1:8601", follow_redirects=False)
        session = console.sessions.begin("lena", "link")
        client.cookies.set(console.cookie, session.token)
        rows = []
        for name, ask in _pages(console, client, session.csrf):
            took = []
            for _ in range(times):
                began = time.perf_counter()
                status = ask()
                took.append((time.perf_counter() - began) * 1000)
                assert status < 400, (name, status)
            took.sort()
            rows.append((name, took[len(took) // 2], took[min(len(took) - 1, int(len(took) * 0.95))]))
        console.close()
    table = Table(title=f"The console on a ledger of {head:,} events, {path.stat().st_size / 1e9:.1f} GB")
    for column in ("page", "p50 ms", "p95 ms"):
        table.add_column(column, justify="left" if column == "page" else "right")
    for name, p50, p95 in rows:
        table.add_row(name, f"{p50:.1f}", f"{p95:.1f}", style="red" if p95 > LIMIT_MS else "")
        figures[name] = {"p50": round(p50, 1), "p95": round(p95, 1)}
    screen.print(table)
    first = f"first reading: cases {desk_s:.0f} s, numbers {numbers_s:.0f} s, links {links_s:.0f} s"
    said = f"generated in {generated:.0f} s; {first}. The aim is {LIMIT_MS:.0f} ms at the 95th percentile."
    screen.print(said, style="dim")
    return {"events": head, "generated_s": round(generated), "pages": figures}


def _pages(console: Any, client: Any, csrf: str) -> Iterator[tuple[str, Callable[[], int]]]:
    chance = random.Random(2)
    desk = console.desk
    open_cases = [case.id for case in lookup.cases(desk, queue="rules", limit=200)]
    noted = console.search.noted(limit=50)
    busy = [f"shop:u{n:06}" for n in range(0, 60, 3)]
    exchanges = [row.exchange for name in noted[:20] for row in console.search.exchanges(name, limit=3)]

    def get(path: Callable[[], str]) -> Callable[[], int]:
        return lambda: client.get(path()).status_code

    def post(path: Callable[[], str]) -> Callable[[], int]:
        return lambda: client.post(path(), data={"csrf": csrf}, headers={"hx-request": "true"}).status_code

    yield "queues", get(lambda: "/")
    yield "one queue", get(lambda: "/queues/rules")
    yield "case", get(lambda: f"/cases/{chance.choice(open_cases)}")
    yield "case, its content", post(lambda: f"/cases/{chance.choice(open_cases)}/content")
    yield "account", get(lambda: f"/account?name={chance.choice(noted)}")
    yield "account, the busiest", get(lambda: f"/account?name={chance.choice(busy)}")
    yield "account, its signs", get(lambda: f"/account/signs?name={chance.choice(noted)}")
    yield "account, its content", post(lambda: f"/account/content?name={chance.choice(busy)}")
    yield "accounts", get(lambda: "/accounts")
    yield "accounts, search", get(lambda: f"/accounts?q=u{chance.randrange(100):03}")
    yield "exchange", get(lambda: f"/exchanges/{chance.choice(exchanges)}")
    yield "event", get(lambda: f"/events/{chance.randrange(1, 100_000)}")
    yield "appeals", get(lambda: "/appeals")
    yield "numbers, 30 days", get(lambda: "/numbers")
    yield "numbers, a year", get(lambda: "/numbers?days=365")
    yield "audit", get(lambda: "/audit")
    yield "audit, one person", get(lambda: "/audit?by=eva")
    yield "rules", get(lambda: "/rules")
    yield "fingerprints", get(lambda: "/fingerprints")
    yield "bulk actions", get(lambda: "/bulk")
    yield "reviewers", get(lambda: "/reviewers")
    yield "sample", get(lambda: "/samples")
    yield "settings", get(lambda: "/settings")
    yield "playground", get(lambda: "/playground")


if __name__ == "__main__":
    run(Screen())
