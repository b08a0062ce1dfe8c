"""Telling: one event in words for people, without content, with the tone that it has."""

import msgspec

from outworks import event as events
from outworks.action import Standing
from outworks.console.show import kind, person, source, span
from outworks.event import Body
from outworks.ledger import Recorded
from outworks.plural import plural
from outworks.verdict import Decision

_SURE = 0.5


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event as a line of a timeline."""

    seq: int
    at: float
    title: str
    detail: str = ""
    tone: str = ""
    """`bad`, `warn`, `good`, `person` or none."""
    by: str = ""
    account: str = ""
    exchange: str = ""
    case: str = ""


def tell(recorded: Recorded) -> Told:
    """An event in words."""
    event = recorded.event
    body = event.body
    said = _said(body)
    return Told(
        seq=recorded.seq,
        at=event.at,
        title=said.title,
        detail=said.detail,
        tone=said.tone,
        by=person(str(getattr(body, "by", ""))),
        account=event.account,
        exchange=event.exchange,
        case=str(getattr(body, "case", "")),
    )


class _Said(msgspec.Struct, frozen=True):
    title: str
    detail: str = ""
    tone: str = ""


def _said(body: Body) -> _Said:
    match body:
        case events.Received():
            return _Said("Request received", f"{body.model}, {body.wire}" + (", streamed" if body.stream else ""))
        case events.Rejected():
            return _Said("Turned away before any line", f"{body.status} {body.code} {body.message}", "warn")
        case events.Judged():
            return _judged(body)
        case events.Released():
            calls = f", {body.tool_calls} tool calls" if body.tool_calls else ""
            return _Said("Released", f"{body.end - body.start} characters{calls} {body.finish}".rstrip(), "good")
        case events.UpstreamFailed():
            refused = body.error == "policy"
            return _Said("The provider refused" if refused else "The model failed", body.error, "warn")
        case events.Ended():
            return _Said("Ended", body.why.replace("_", " "))
        case events.Acted():
            return _acted(body)
        case events.Undone():
            return _Said("Action taken back", _joined(body.action, body.reason), "good")
        case events.Restored():
            return _Said("Action counts again", _joined(body.action, body.reason), "warn")
        case events.Erased():
            return _Said("Content erased", f"{len(body.events)} contents: {body.reason}")
        case events.Changed():
            said = ", ".join(f"{key} {value}" for key, value in body.detail.items() if _short(value))
            return _Said(f"{body.what.capitalize()} changed", _joined(body.name, said[:200]), "person")
        case _:
            return _desk(body)


def _desk(body: Body) -> _Said:
    """What people do at the desk."""
    match body:
        case events.CaseOpened():
            return _Said("Case opened", f"queue {body.queue}, by {source(body.source)}", "warn")
        case events.CaseJoined():
            return _Said("More evidence joined the case", source(body.source))
        case events.CaseClaimed():
            return _Said("Taken up", "", "person")
        case events.CaseMoved():
            return _Said(body.how.replace("_", " ").capitalize(), f"to {body.to}" if body.to else "", "person")
        case events.CaseNoted():
            return _Said("Note", "", "person")
        case events.CaseDecided():
            lasts = f" for {span(body.lasts)}" if body.lasts else ""
            waits = ", waits for a second person" if body.pending else ""
            confirmed = ", confirming another's" if body.confirms else ""
            title = f"Decided: {body.outcome}{lasts}{waits}{confirmed}"
            return _Said(title, _joined(body.policy, body.reason), "person")
        case events.CaseReopened():
            return _Said("Decision taken back, case open again", body.reason, "person")
        case events.Notified():
            return _Said(f"Account told: {body.code}", body.text.splitlines()[0][:200] if body.text else "")
        case events.Reported():
            return _Said("Reported", _joined(body.category, body.reporter), "warn")
        case events.Appealed():
            return _Said("The account appealed", f"against {body.action}", "warn")
        case events.Viewed():
            return _Said("Content viewed", _joined(f"{len(body.events)} contents", body.category), "person")
        case events.SignedIn():
            return _Said("Signed in", f"by {body.how}", "person")
        case events.BulkPlanned():
            return _Said(
                f"Bulk action planned: {body.outcome}", f"{plural(len(body.accounts), 'account')}, {body.id}", "person"
            )
        case events.BulkApplied():
            return _Said("Bulk action applied", body.id, "warn")
        case events.BulkUndone():
            return _Said("Bulk action undone", _joined(body.id, body.reason), "good")
        case events.GoldenSet():
            return _Said("Golden case set" if body.outcome else "Golden case unset", body.outcome, "person")
        case events.Delivered():
            state = "delivered" if body.ok else "given up"
            return _Said(f"Webhook {state}", f"{body.webhook}, {body.attempts} attempts", "" if body.ok else "bad")
        case _:
            return _Said(kind(body).capitalize())


def _judged(body: events.Judged) -> _Said:
    noted = []
    for one in body.judgements:
        found = list(dict.fromkeys(f"{each.category} {each.score:.2f}" for each in one.findings if each.score >= _SURE))
        if one.decision > Decision.ALLOW or found or one.error:
            shadow = " (shadow)" if one.mode != "live" else ""
            what = one.error or ", ".join(found) or one.reason
            noted.append(f"{one.defense}{shadow} {one.decision.name.lower()}" + (f": {what}" if what else ""))
    stage = "Request" if body.stage == "request" else "Answer"
    words = {0: "passed", 1: "altered", 2: "held for a person", 3: "stopped"}
    tone = "bad" if body.decision >= Decision.ESCALATE else "warn" if noted else ""
    return _Said(f"{stage} {words[int(body.decision)]}", "; ".join(noted), tone)


def _acted(body: events.Acted) -> _Said:
    action = body.action
    name = action.standing.name.lower()
    shadow = " (in shadow, not in force)" if action.shadow else ""
    title = f"{name.capitalize()} by {source(action.by)}{shadow}"
    tone = "" if action.shadow else "good" if action.standing is Standing.GOOD else "bad"
    return _Said(title, _joined(action.policy, action.reason), tone)


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _short(value: object) -> bool:
    return isinstance(value, str | int | float) and len(str(value)) <= 64
