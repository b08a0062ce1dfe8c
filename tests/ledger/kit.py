"""What the ledger's tests are built from: small events, and a ledger's file opened behind its back."""

import sqlite3
from pathlib import Path

from outworks.action import Action, Standing
from outworks.event import Acted, Event, Judged, Judgement, Received, Released
from outworks.verdict import Decision, Finding


def received(exchange: str = "x1", account: str = "ann", at: float = 1000.0, said: str | None = "hello") -> Event:
    body = Received(wire="openai", model="small")
    return Event(body=body, at=at, exchange=exchange, account=account, product="shop", conversation="c1", content=said)


def judged(*judgements: Judgement, exchange: str = "x1", account: str = "ann", at: float = 1000.5) -> Event:
    decision = max((one.decision for one in judgements if one.mode == "live"), default=Decision.ALLOW)
    body = Judged(stage="request", judgements=judgements, decision=decision)
    return Event(body=body, at=at, exchange=exchange, account=account, product="shop", conversation="c1")


def released(exchange: str = "x1", account: str = "ann", at: float = 1001.0, said: str = "good day") -> Event:
    body = Released(choice=0, start=0, end=len(said), finish="stop")
    return Event(body=body, at=at, exchange=exchange, account=account, product="shop", conversation="c1", content=said)


def acted(account: str = "ann", at: float = 1002.0) -> Event:
    action = Action(id="a1", account=account, standing=Standing.WARNED, by="rule:first", reason="a reason", at=at)
    return Event(body=Acted(action=action), at=at, account=account)


def blocked(category: str = "canary", defense: str = "fingerprint", score: float = 0.5) -> Judgement:
    return Judgement(defense=defense, decision=Decision.BLOCK, findings=(Finding(category, score),))


def conversation() -> list[Event]:
    """A little of everything: content, a signal, an event without an exchange."""
    return [received(), judged(blocked(), Judgement(defense="standing", decision=Decision.ALLOW)), released(), acted()]


def behind(path: Path) -> sqlite3.Connection:
    """The ledger's file, opened without asking the ledger."""
    return sqlite3.connect(path, isolation_level=None)
