"""Summaries: one printable line an event, for people who watch a ledger."""

from datetime import datetime

from outworks.event import (
    Acted,
    Body,
    Changed,
    Confirmed,
    Ended,
    Erased,
    Judged,
    Received,
    Rejected,
    Released,
    Undone,
    UpstreamFailed,
)
from outworks.ledger.chain import kind_of
from outworks.ledger.reader import Recorded
from outworks.verdict import Decision


def summary(recorded: Recorded) -> str:
    """Number, time, kind, whose it is, and what it says; without content, and with nothing that a terminal obeys."""
    event = recorded.event
    when = datetime.fromtimestamp(event.at).strftime("%Y-%m-%d %H:%M:%S")
    whose = " ".join(part for part in (event.exchange, event.account and f"account={event.account}") if part)
    erased = "(content erased)" if recorded.erased else ""
    parts = (f"{recorded.seq:>8}", when, f"{kind_of(type(event.body)):<15}", whose, _said(event.body), erased)
    return _printable("  ".join(part for part in parts if part))


def _said(body: Body) -> str:
    match body:
        case Received():
            return f"{body.wire} {body.model}" + (" streamed" if body.stream else "")
        case Rejected():
            return f"{body.status} {body.code}: {body.message}"
        case Judged():
            return f"{body.stage} {body.decision.name}{_noteworthy(body)}"
        case Released():
            return f"choice {body.choice}, characters {body.start}-{body.end}" + (
                f", {body.finish}" if body.finish else ""
            )
        case UpstreamFailed():
            return f"{body.status} {body.error}: {body.message}"
        case Ended():
            return body.why
        case Acted(action=action):
            shadow = " (shadow)" if action.shadow else ""
            return f"{action.standing.name} by {action.by}{shadow}, {action.id}: {action.reason}"
        case Undone():
            return f"{body.action} by {body.by}: {body.reason}"
        case Erased():
            return f"{len(body.events)} contents by {body.by}: {body.reason}"
        case Confirmed():
            return body.nonce
        case Changed():
            return f"{body.what} {body.name}" + (f" by {body.by}" if body.by else "")
        case _:
            return ""


def _noteworthy(body: Judged) -> str:
    said = []
    for one in body.judgements:
        if one.decision > Decision.ALLOW or one.findings or one.error:
            categories = ", ".join(dict.fromkeys(finding.category for finding in one.findings))
            mode = "" if one.mode == "live" else f" {one.mode}"
            why = one.error or categories or one.reason
            said.append(f"{one.defense}{mode} {one.decision.name}" + (f" ({why})" if why else ""))
    return f": {'; '.join(said)}" if said else ""


def _printable(text: str) -> str:
    """Other people chose the words in it: control and formatting characters appear as their escapes."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
