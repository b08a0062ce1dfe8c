"""Case: everything that a decision rests on, and the decision."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from outworks.console.pages.queues import next_case
from outworks.console.reveal import reveal
from outworks.console.reviewers import Person
from outworks.console.tell import Told, tell
from outworks.console.web import Ask, Page, Refused
from outworks.duration import lasting
from outworks.enforcement.desk import decisions, golden, lookup, queues
from outworks.enforcement.desk.cases import Case, Outcome, State
from outworks.enforcement.desk.reviewed import barred
from outworks.enforcement.desk.roles import Operation, may
from outworks.enforcement.settings import PolicyText
from outworks.enforcement.taken import reinstated
from outworks.enforcement.telling import templates
from outworks.event import Acted, Judged
from outworks.ledger import Recorded
from outworks.moment import moment

_EVIDENCE = 80
"""The latest events of the evidence that the page reads."""
_HISTORY = 12

KEYS = {
    Outcome.DISMISS: "d",
    Outcome.KEEP: "k",
    Outcome.WARN: "w",
    Outcome.LIMIT: "l",
    Outcome.SUSPEND: "s",
    Outcome.BAN: "b",
    Outcome.REINSTATE: "r",
    Outcome.UPHOLD: "u",
    Outcome.OVERTURN: "o",
}
USUAL = {Outcome.WARN: "30d", Outcome.LIMIT: "7d", Outcome.SUSPEND: "7d"}
"""How long a decision lasts where the reviewer says nothing else; a ban has no end."""
_RATE = 4.0
_WORDS = {
    Outcome.WARN: "Some of your requests were against our usage policy. If this goes on, your access will be limited.",
    Outcome.LIMIT: "Your requests were repeatedly against our usage policy. Your access is limited for a while.",
    Outcome.SUSPEND: "Your access is suspended because your requests were repeatedly against our usage policy.",
    Outcome.BAN: "Your access has ended because of serious or repeated misuse.",
    Outcome.REINSTATE: "We looked at your case again. You can use the product as before.",
    Outcome.UPHOLD: "Somebody who had not decided before looked at your appeal. The decision stays.",
    Outcome.OVERTURN: "You were right to appeal. The decision was taken back, and you can use the product as before.",
}
"""What an account is told where neither the reviewer nor a template says it."""


class _Where(msgspec.Struct, frozen=True):
    queue: str = ""


class _Decided(msgspec.Struct, frozen=True, kw_only=True):
    outcome: Outcome
    policy: str = ""
    reason: Annotated[str, Meta(max_length=5000)] = ""
    lasts: str = ""
    rate: str = ""
    queue: str = ""
    shown: str = ""
    """What the page said was under review, and waited for a second person."""


class _Why(msgspec.Struct, frozen=True):
    why: Annotated[str, Meta(max_length=5000)] = ""
    queue: str = ""
    to: str = ""


class _Text(msgspec.Struct, frozen=True):
    text: Annotated[str, Meta(max_length=10_000)]


class _Reason(msgspec.Struct, frozen=True):
    reason: Annotated[str, Meta(max_length=2000)] = ""


class _Right(msgspec.Struct, frozen=True):
    outcome: str = ""


def show(ask: Ask) -> Response:
    """The case. Content comes only when asked for."""
    case = lookup.case(ask.console.desk, ask.path("case"))
    return _page(ask, case)


def _page(ask: Ask, case: Case, *, status: int = 200, **more: Any) -> Response:
    desk = ask.console.desk
    evidence = _evidence(ask, case)
    mine = case.leased_to(ask.now) == ask.name and case.state is not State.CLOSED
    may_take = ask.may(Operation.CLAIM) and case.state is not State.CLOSED and not case.leased_to(ask.now)
    now = case.as_of if case.as_of is not None else ask.now
    taken = [each for each in ask.console.taken(case.account) if each.action.at <= now]
    reviewed = next((each.action for each in reversed(taken) if each.action.id == case.action), None)
    rule_name = case.source.removeprefix("rule:") if case.source.startswith("rule:") else ""
    rule = next((each for each in ask.console.rules() if each.name == rule_name), None)
    pending = lookup.decision(desk, case.pending) if case.pending else None
    cited = (pending.policy if pending else "") or (reviewed.policy if reviewed else (rule.policy if rule else ""))
    context: dict[str, Any] = {
        "case": case,
        "mine": mine,
        "may_take": may_take and ask.name not in barred(desk, case),
        "choices": decisions.choices(desk, ask.who, case) if mine else (),
        "keys": KEYS,
        "usual": USUAL,
        "shown": _under_review(case),
        "reviewed": reviewed,
        "rule": rule,
        "policies": desk.office.policies,
        "policy": _policy(ask, case, cited),
        "cited": cited,
        "templates": list(desk.office.templates),
        "timeline": _timeline(ask, case, evidence),
        "since": reinstated(taken),
        "history": list(reversed(taken))[:_HISTORY],
        "decided": [each for each in lookup.decisions(desk, account=case.account, limit=_HISTORY) if each.at <= now],
        "pending": pending,
        "exchanges": _exchanges(case, evidence),
        "action": ask.console.standing_at(case.account, now),
        "people": [p.name for p in ask.console.reviewers if _may_take(p) and p.name != ask.name] if mine else [],
        "where": ask.query(_Where).queue if ask.request.method == "GET" else "",
        "reveal_at": f"/cases/{case.id}/content",
        "as_of": now,
        "revealed": None,
    }
    return ask.page("case.html", status, **{**context, **more})


def content(ask: Ask) -> Response:
    """What was said: recorded as seen, then shown."""
    case = lookup.case(ask.console.desk, ask.path("case"))
    evidence = _evidence(ask, case)
    shown = reveal(ask, _exchanges(case, evidence), case=case.id, besides=_written(ask, case))
    return ask.part("part/revealed.html", revealed=shown) if ask.partial else _page(ask, case, revealed=shown)


def _written(ask: Ask, case: Case) -> list[Recorded]:
    """What was written besides: the appeal, the reports."""
    desk = ask.console.desk
    seqs = [each.seq for each in lookup.reports(desk, case=case.id)]
    seqs += [each.seq for each in lookup.appeals(desk, account=case.account) if each.id == case.appeal]
    return [desk.event(seq) for seq in sorted(seqs)]


def _evidence(ask: Ask, case: Case) -> list[Recorded]:
    found = [ask.console.ledger.event(seq) for seq in case.evidence[-_EVIDENCE:]]
    return [each for each in found if each is not None]


def _exchanges(case: Case, evidence: list[Recorded]) -> list[str]:
    named = [each.event.exchange for each in evidence if each.event.exchange]
    return list(dict.fromkeys([*([case.exchange] if case.exchange else []), *named]))


def _timeline(ask: Ask, case: Case, evidence: list[Recorded]) -> list[Told]:
    """What the account did, what was done about it, and what happened to the case, in the order of the ledger."""
    told = {each.seq: tell(each) for each in evidence if isinstance(each.event.body, Judged | Acted)}
    for each in lookup.timeline(ask.console.desk, case.id):
        said = tell(each)
        note = each.event.content if ask.may(Operation.SEE_CASES) and said.title in _STAFF else None
        told[each.seq] = msgspec.structs.replace(said, detail=note) if note else said
    return [told[seq] for seq in sorted(told)]


_STAFF = frozenset({"Note", "Escalated", "Handed over", "Skipped", "Returned", "Queued"})
"""Events whose content reviewers wrote for each other; that of others is what accounts wrote."""


def _policy(ask: Ask, case: Case, cited: str) -> PolicyText | None:
    office = ask.console.desk.office
    if cited or case.appeal:
        return office.policy(cited)
    return office.policies[0] if office.policies else None


def decide(ask: Ask) -> Response:
    """Decide, and go on to the next case. The notice there takes the decision back with one key."""
    said = ask.read(_Decided)
    desk = ask.console.desk
    lasts = _lasts(said)
    # Whether a ban is confirmed must still be so when it is decided: the usual words never replace those proposed.
    with desk.change():
        case = lookup.case(desk, ask.path("case"))
        if said.shown not in ("", _under_review(case)):
            why = "Since you opened this case its rule acted again, or somebody decided. Look at it again, then decide."
            raise Refused(409, why)
        confirms = said.outcome is Outcome.BAN and bool(case.pending)
        made = decisions.decide(
            desk,
            ask.who,
            case.id,
            said.outcome,
            reason=said.reason.strip() or ("" if confirms else _reason(ask, case, said, lasts)),
            policy=said.policy if said.outcome in _CITES else "",
            lasts=lasts,
            rate_per_minute=_rate(said),
        )
    done = {
        Outcome.DISMISS: "dismissed",
        Outcome.KEEP: "kept as it is",
        Outcome.UPHOLD: "appeal upheld",
        Outcome.OVERTURN: "appeal overturned",
    }.get(said.outcome, said.outcome.value)
    waits = " (waits for a second person)" if made.pending else ""
    return next_case(ask, queue=said.queue, notice=f"{case.account}: {done}{waits}.", undo=made.id)


def _under_review(case: Case) -> str:
    return f"{case.action}/{case.pending}"


_CITES = frozenset({Outcome.WARN, Outcome.LIMIT, Outcome.SUSPEND, Outcome.BAN, Outcome.REINSTATE})


def _lasts(said: _Decided) -> float | None:
    if said.outcome not in USUAL and said.outcome is not Outcome.BAN:
        return None
    given = said.lasts.strip() or USUAL.get(said.outcome, "")
    return lasting(given) if given else None


def _rate(said: _Decided) -> float | None:
    if said.outcome is not Outcome.LIMIT:
        return None
    try:
        return float(said.rate) if said.rate.strip() else _RATE
    except ValueError:
        raise Refused(422, f"A rate is a number of requests a minute, not {said.rate[:40]!r}.") from None


def _reason(ask: Ask, case: Case, said: _Decided, lasts: float | None) -> str:
    if said.outcome not in _WORDS:
        return ""
    office = ask.console.desk.office
    made = next((each for each in office.templates if each.outcome is said.outcome), None)
    if made is None:
        return _WORDS[said.outcome]
    cited = office.policy(said.policy)
    return templates.render(
        made,
        {
            "account": case.account.partition(":")[2] or case.account,
            "policy": said.policy,
            "policy_title": cited.title if cited else said.policy,
            "until": moment(ask.now + lasts) if lasts else "for good",
        },
    )


def claim(ask: Ask) -> Response:
    """Take this very case."""
    case = queues.claim_this(ask.console.desk, ask.who, ask.path("case"))
    return ask.go(f"/cases/{case.id}")


def renew(ask: Ask) -> Response:
    """Keep a case while its page is open."""
    queues.renew(ask.console.desk, ask.who, ask.path("case"))
    return Response(status_code=204)


def skip(ask: Ask) -> Response:
    """Leave it to others, and go on."""
    said = ask.read(_Why)
    queues.skip(ask.console.desk, ask.who, ask.path("case"), why=said.why)
    return next_case(ask, queue=said.queue, notice="Skipped.")


def give_back(ask: Ask) -> Response:
    """Put it back, and stop."""
    queues.give_back(ask.console.desk, ask.who, ask.path("case"), why=ask.read(_Why).why)
    return ask.go("/", notice="The case is back in its queue.")


def escalate(ask: Ask) -> Response:
    """Leave it to a lead."""
    said = ask.read(_Why)
    queues.escalate(ask.console.desk, ask.who, ask.path("case"), why=said.why)
    return next_case(ask, queue=said.queue, notice="Escalated to a lead.")


def hand_over(ask: Ask) -> Response:
    """Give it to somebody."""
    said = ask.read(_Why)
    person = ask.console.reviewers.find(said.to)
    if person is None or not _may_take(person):
        raise Refused(422, f"There is no reviewer {said.to[:100]!r} who takes cases.")
    queues.hand_over(ask.console.desk, ask.who, ask.path("case"), to=said.to, why=said.why)
    return next_case(ask, queue=said.queue, notice=f"Handed over to {said.to}.")


def _may_take(person: Person) -> bool:
    return person.enabled and may(person.reviewer, Operation.CLAIM)


def move(ask: Ask) -> Response:
    """Put it into another queue."""
    said = ask.read(_Why)
    queues.move(ask.console.desk, ask.who, ask.path("case"), queue=said.to, why=said.why)
    return next_case(ask, queue=said.queue, notice=f"Moved to {said.to}.")


def note(ask: Ask) -> Response:
    """Write something down for whoever reads the case."""
    queues.note(ask.console.desk, ask.who, ask.path("case"), ask.read(_Text).text)
    return ask.go(f"/cases/{ask.path('case')}", notice="Noted.")


def undo(ask: Ask) -> Response:
    """Take a decision back: its case is open again."""
    made = lookup.decision(ask.console.desk, ask.path("decision"))
    reason = ask.read(_Reason).reason.strip() or "Taken back by the reviewer."
    decisions.undo(ask.console.desk, ask.who, made.id, reason=reason)
    return ask.go(f"/cases/{made.case}", notice="The decision is taken back, and all that followed from it.")


def set_golden(ask: Ask) -> Response:
    """Measure reviewers by this case, or no longer."""
    outcome = ask.read(_Right).outcome
    case = ask.path("case")
    if outcome:
        if outcome not in list(Outcome):
            raise Refused(422, f"{outcome[:40]!r} is no decision.")
        golden.set_golden(ask.console.desk, ask.who, case, Outcome(outcome))
        return ask.go(f"/cases/{case}", notice=f"Reviewers are measured by this case; {outcome} is right.")
    golden.unset_golden(ask.console.desk, ask.who, case)
    return ask.go(f"/cases/{case}", notice="Nobody is measured by this case any more.")


PAGES = (
    Page("GET", "/cases/{case}", show, Operation.SEE_CASES),
    Page("POST", "/cases/{case}/content", content, Operation.SEE_CONTENT),
    Page("POST", "/cases/{case}/decide", decide, Operation.DECIDE),
    Page("POST", "/cases/{case}/claim", claim, Operation.CLAIM),
    Page("POST", "/cases/{case}/renew", renew, Operation.CLAIM),
    Page("POST", "/cases/{case}/skip", skip, Operation.CLAIM),
    Page("POST", "/cases/{case}/return", give_back, Operation.CLAIM),
    Page("POST", "/cases/{case}/escalate", escalate, Operation.CLAIM),
    Page("POST", "/cases/{case}/hand-over", hand_over, Operation.CLAIM),
    Page("POST", "/cases/{case}/move", move, Operation.MOVE_QUEUE),
    Page("POST", "/cases/{case}/note", note, Operation.NOTE),
    Page("POST", "/cases/{case}/golden", set_golden, Operation.SET_GOLDEN),
    Page("POST", "/decisions/{decision}/undo", undo, Operation.UNDO_OWN),
)
