"""Summaries: one printable line an event, for people who watch a ledger."""

from outworks.event import (
    Acted,
    Appealed,
    Begun,
    Body,
    BulkApplied,
    BulkPlanned,
    BulkRestored,
    BulkUndone,
    CaseClaimed,
    CaseDecided,
    CaseJoined,
    CaseMoved,
    CaseNoted,
    CaseOpened,
    CaseReopened,
    Changed,
    Confirmed,
    Counted,
    Delivered,
    Ended,
    Erased,
    GoldenSet,
    Judged,
    Notified,
    Received,
    Rejected,
    Released,
    Reported,
    Restored,
    Undone,
    UpstreamFailed,
    Viewed,
)
from outworks.ledger.chain import kind_of
from outworks.ledger.reader import Recorded
from outworks.moment import moment
from outworks.plural import plural
from outworks.verdict import Decision


def summary(recorded: Recorded) -> str:
    """Number, time, kind, whose it is, and what it says; without content, and with nothing that a terminal obeys."""
    event = recorded.event
    when = moment(event.at, "%Y-%m-%d %H:%M:%S", None)
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
        case Counted():
            return f"{body.tool} {body.slot}"
        case CaseOpened():
            return f"{body.case} in {body.queue}, from {body.source}"
        case CaseJoined():
            return f"{body.case}, from {body.source}"
        case CaseClaimed() | CaseNoted():
            return f"{body.case} by {body.by}"
        case CaseMoved():
            return f"{body.case} {body.how} by {body.by}" + (f" to {body.to}" if body.to else "")
        case CaseDecided():
            waits = " (waits for another)" if body.pending else ""
            return f"{body.case}: {body.outcome} by {body.by}{waits}, {body.id}"
        case CaseReopened():
            return f"{body.case}: {body.decision} taken back by {body.by}: {body.reason}"
        case Restored():
            return f"{body.action} by {body.by}: {body.reason}"
        case Notified():
            return f"{body.code}, about {body.about}"
        case Reported():
            return f"{body.id} {body.category}".rstrip()
        case Appealed():
            return f"{body.id} against {body.action}"
        case Viewed():
            return f"{len(body.events)} contents by {body.by}"
        case BulkPlanned():
            return f"{body.id}: {body.outcome} of {plural(len(body.accounts), 'account')} by {body.by}: {body.reason}"
        case BulkApplied():
            return f"{body.id} by {body.by}"
        case BulkUndone() | BulkRestored():
            return f"{body.id} by {body.by}: {body.reason}"
        case GoldenSet():
            return f"{body.case} by {body.by}"
        case Delivered():
            return f"{body.message} to {body.webhook}: {'taken' if body.ok else 'given up'} after {body.attempts}"
        case Begun():
            return body.what
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
