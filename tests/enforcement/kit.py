"""What enforcement's tests are built from: rules in few words, and exchanges as the gateway would record them."""

from collections.abc import Sequence
from itertools import count

import msgspec

from outworks.action import Action, Standing
from outworks.enforcement.rules import Rule, Rules, compile_rules
from outworks.event import Acted, Body, Event, Judged, Judgement, Received, Undone, UpstreamFailed
from outworks.ledger import Signal
from outworks.verdict import Decision, Finding

NOW = 1_800_000_000.0
ANN = "shop:ann"
_ids = count(1)


def rule(when: str, action: str = "suspend", *, name: str = "repeat", **fields: object) -> Rule:
    """A rule with whatever its action needs besides."""
    needed: dict[str, object] = {"expires": "1d"} if action != "ban" else {}
    if action == "limit":
        needed["rate_per_minute"] = 10.0
    whole = {"name": name, "description": "For tests.", "when": when, "action": action, **needed, **fields}
    return msgspec.convert(whole, Rule)


def rules(*each: Rule) -> Rules:
    return compile_rules(each)


def signal(seq: int = 1, *, ago: float = 10.0, **fields: object) -> Signal:
    """A block by the fingerprint bank, an exchange of its own."""
    whole: dict[str, object] = {
        "seq": seq,
        "at": NOW - ago,
        "account": ANN,
        "product": "shop",
        "exchange": f"ex_{seq}",
        "conversation": f"c_{seq}",
        "defense": "fingerprint",
        "category": "known_bad",
        "decision": Decision.BLOCK,
        "mode": "live",
        "score": 1.0,
    }
    return Signal(**{**whole, **fields})  # type: ignore[arg-type]


def action(standing: Standing, *, account: str = ANN, at: float = NOW, **fields: object) -> Action:
    whole: dict[str, object] = {
        "id": f"act_{next(_ids)}",
        "account": account,
        "standing": standing,
        "by": "person:eva",
        "reason": "Because.",
        "at": at,
    }
    if standing is Standing.LIMITED:
        whole["rate_per_minute"] = 10.0
    return Action(**{**whole, **fields})  # type: ignore[arg-type]


def acted(one: Action) -> Event:
    return Event(body=Acted(action=one), at=one.at, account=one.account)


def undone(one: Action, *, by: str = "person:eva", at: float = NOW) -> Event:
    return Event(body=Undone(action=one.id, by=by, reason="A mistake."), at=at, account=one.account)


def received(*, account: str = ANN, at: float = NOW) -> Event:
    return _event(Received(wire="openai", model="m"), account, at, f"ex_{next(_ids)}")


def exchange(
    defense: str = "fingerprint",
    decision: Decision = Decision.BLOCK,
    *,
    account: str = ANN,
    at: float = NOW,
    mode: str = "live",
    error: str = "",
    findings: Sequence[Finding] = (),
) -> list[Event]:
    """A request and a verdict on it."""
    name = f"ex_{next(_ids)}"
    one = Judgement(defense=defense, decision=decision, mode=mode, error=error, findings=tuple(findings))
    live = decision if mode == "live" else Decision.ALLOW
    judged = Judged(stage="request", judgements=(one,), decision=live)
    return [_event(Received(wire="openai", model="m"), account, at, name), _event(judged, account, at, name)]


def provider_refused(*, account: str = ANN, at: float = NOW) -> Event:
    return _event(UpstreamFailed(error="policy", message="no", status=400), account, at, f"ex_{next(_ids)}")


def _event(body: Body, account: str, at: float, name: str) -> Event:
    return Event(body=body, at=at, exchange=name, account=account, product="shop", conversation=f"c_{name}")
