"""Notices: what an account is told of a decision, after Art. 17 of the EU's Digital Services Act, exactly once."""

import hashlib
from collections.abc import Sequence

import msgspec

from outworks.action import Action, Standing
from outworks.enforcement.desk import lookup
from outworks.enforcement.desk.cases import Outcome
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.settings import Office
from outworks.enforcement.taken import Taken, in_force, reinstated
from outworks.event import (
    Acted,
    Body,
    CaseDecided,
    CaseReopened,
    Event,
    Judged,
    Notified,
    Restored,
    Undone,
)
from outworks.moment import moment
from outworks.plural import plural

_CODES = {
    Standing.GOOD: "reinstated",
    Standing.WARNED: "warned",
    Standing.LIMITED: "limited",
    Standing.SUSPENDED: "suspended",
    Standing.BANNED: "banned",
}

_SAYS = {
    "reinstated": "This account is reinstated: every restriction before is lifted.",
    "warned": "This account is warned. Nothing is restricted.",
    "limited": "This account is limited to {rate} a minute.",
    "suspended": "This account is suspended: its requests are not answered.",
    "banned": "This account is banned: its requests are not answered.",
    "lifted": "A decision on this account was taken back. What it restricted is lifted.",
    "restored": "A decision on this account that was taken back holds again.",
    "upheld": "Your appeal was looked at by a person who had no part in the decision. The decision stays.",
    "overturned": "Your appeal was looked at by a person who had no part in the decision. The decision is taken back.",
}

_SINCE = {
    "reinstated": "This account was reinstated. That was taken back since.",
    "warned": "This account was warned. That holds no longer.",
    "limited": "This account was limited to {rate} a minute. That holds no longer.",
    "suspended": "This account was suspended. That holds no longer.",
    "banned": "This account was banned. That holds no longer.",
    "lifted": "A decision on this account was taken back. It holds again since.",
    "restored": "A decision on this account that was taken back was to hold again. It does not hold now.",
    "upheld": "A person who had no part in the decision let it stay when you appealed. It was taken back since.",
    "overturned": "A person who had no part in it took it back when you appealed. That answer was undone since.",
}
"""The same, of what is no longer so when it is told: many notices take a while, and are owed all the same."""

_TOGETHER = "This account was looked at together with others that did the same."

_APPEALABLE = frozenset({"warned", "limited", "suspended", "banned", "restored"})


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What an account is told, in the parts that Art. 17(3) asks for."""

    code: str
    decision: str
    """What is restricted (a), in a sentence."""
    until: str
    """For how long (a); empty where nothing is restricted."""
    beside: str
    """What another decision restricts, now that this one was made or taken back (a)."""
    reason: str
    """The words of the rule or the reviewer (b, e)."""
    facts: str
    """What it rests on (b)."""
    policy: str
    """The passage of the terms, and why (e)."""
    automated: str
    """Whether it was found, and decided, by machine (c)."""
    redress: str
    """How to appeal, and what else there is (f)."""

    @property
    def text(self) -> str:
        """All of it, a paragraph a part."""
        parts = (
            self.decision,
            self.until,
            self.beside,
            self.reason,
            self.facts,
            self.policy,
            self.automated,
            self.redress,
        )
        return "\n\n".join(part for part in parts if part)


def statement(
    office: Office,
    code: str,
    action: Action | None,
    *,
    reason: str,
    policy: str,
    facts: str,
    automated: bool,
    reported: bool = False,
    beside: Action | None = None,
    so: bool = True,
    undone: bool = False,
) -> Statement:
    """The statement of reasons, in parts; also what a reviewer sees before deciding. `beside` is the action in force
    where it is another one; `so` whether what the code says is still so, `undone` whether the action was taken back."""
    restricts = code in _APPEALABLE and action is not None
    appealable = restricts and not undone
    found = "after a report by another person" if reported else "by automated checks of this account's own requests"
    how = (
        "The decision was taken by automated means, on a rule of ours."
        if automated
        else "The decision was taken by a person."
    )
    days = office.appeals.within_seconds / 86_400
    redress = [office.appeals.redress]
    if appealable:
        redress.insert(0, f"You can appeal this decision within {days:g} days; somebody who had no part in it answers.")
    return Statement(
        code=code,
        decision=_says(code, action, beside) if so else _SINCE[code].format(rate=_rate(action)),
        until=_until(action.expires) if restricts and so and action is not None else "",
        beside=f"Another decision holds. {_restricts(beside)}" if beside is not None else "",
        reason=reason,
        facts=facts,
        policy=_cited(office, policy),
        automated=f"What it rests on was found {found}. {how}" if restricts else "",
        redress=" ".join(part for part in redress if part) if appealable or code == "upheld" else "",
    )


def _says(code: str, action: Action | None, beside: Action | None = None) -> str:
    if code == "warned" and beside is not None:
        return "This account is warned."
    if code == "lifted" and action is not None and action.standing is Standing.GOOD:
        return "The reinstatement of this account was taken back. What was decided before it counts again."
    if code == "restored" and action is not None:
        return f"{_SAYS[code]} {_says(_CODES[action.standing], action, beside)}"
    return _SAYS[code].format(rate=_rate(action))


def _rate(action: Action | None) -> str:
    return plural((action.rate_per_minute if action is not None else None) or 0.0, "request")


def _restricts(action: Action) -> str:
    return f"{_says(_CODES[action.standing], action)} {_until(action.expires)}"


def _until(expires: float | None) -> str:
    return "It has no end date." if expires is None else f"It ends on {moment(expires)}."


def _cited(office: Office, policy: str) -> str:
    if not policy:
        return ""
    passage = office.policy(policy)
    if passage is None:
        return f"It rests on: {policy}"
    return f"It rests on our usage policy, {passage.id}, {passage.title}" + (
        f": {passage.text}" if passage.text else "."
    )


def facts(desk: Desk, evidence: Sequence[int]) -> str:
    """How many events a decision rests on, when they were, and what was found in them; never what was said."""
    found = [recorded for seq in evidence[:200] if (recorded := desk.ledger.event(seq)) is not None]
    if not found:
        return ""
    times = [recorded.event.at for recorded in found]
    categories: dict[str, None] = {}
    for recorded in found:
        body = recorded.event.body
        if isinstance(body, Judged):
            named = (finding.category for one in body.judgements for finding in one.findings)
            categories.update(dict.fromkeys(named))
    exchanges = {recorded.event.exchange for recorded in found} - {""}
    what = f"{len(exchanges)} of this account's requests" if exchanges else f"{len(found)} recorded events"
    when = (
        f"on {moment(min(times))}"
        if max(times) - min(times) < 60
        else f"from {moment(min(times))} to {moment(max(times))}"
    )
    which = f", in which we found: {', '.join(categories)}" if categories else ""
    return f"The facts: {what}, {when}{which}."


def send(desk: Desk, *, most: int = 100) -> int:
    """Record the notices that are due, each with its decision's own id: who dies in between has sent it or not, and it
    is never sent twice. Returns how many."""
    if not desk.rows("SELECT 1 FROM owed LIMIT 1"):
        return 0
    with desk.change():
        rows = desk.rows("SELECT about, seq FROM owed ORDER BY seq LIMIT ?", (most,))
        now = desk.clock()
        events = []
        for about, seq in rows:
            recorded = desk.event(seq)
            body = _notified(desk, about, recorded.event.body)
            account = recorded.event.account
            events.append(Event(body=body, at=now, account=account, product=account.partition(":")[0]))
        desk.record(events)
        return len(events)


def _notified(desk: Desk, about: str, body: Body) -> Notified:
    match body:
        case Acted(action=action):
            return _of_action(desk, about, action, _CODES[action.standing])
        case Undone():
            return _of_action(desk, about, _action(desk, body.action), "lifted", by=body.by, reason=body.reason)
        case Restored():
            return _of_action(desk, about, _action(desk, body.action), "restored", by=body.by, reason=body.reason)
        case CaseDecided():
            return _of_decision(desk, about, body)
        case CaseReopened():
            made = lookup.decision(desk, body.decision)
            code = "lifted" if made.action else "restored"
            action = _action(desk, made.action or made.undid[0])
            return _of_action(desk, about, action, code, by=f"person:{body.by}", reason=body.reason)
    raise TypeError(f"no notice is due for {type(body).__name__}")


def _of_decision(desk: Desk, about: str, body: CaseDecided) -> Notified:
    case = lookup.case(desk, body.case)
    if body.action:
        action = _action(desk, body.action)
        return _of_action(desk, about, action, _CODES[action.standing], reported=bool(case.reports))
    code = {Outcome.UPHOLD: "upheld", Outcome.OVERTURN: "overturned"}.get(Outcome(body.outcome), "lifted")
    action = _action(desk, case.action)
    reason = body.reason or "Somebody looked at it, and found nothing that should be held against this account."
    return _of_action(desk, about, action, code, by=f"person:{body.by}", reason=reason)


def _of_action(
    desk: Desk, about: str, action: Action, code: str, *, by: str = "", reason: str = "", reported: bool = False
) -> Notified:
    automated = (by or action.by).startswith("rule:")
    undone = lookup.action(desk, action.id).undone
    rests_on = f"The decision was that of {moment(action.at)}."
    if code in _APPEALABLE:
        # The evidence of a bulk action is its plan, with the names of all the others.
        bulk = lookup.action(desk, action.id).bulk
        rests_on = _TOGETHER if bulk else facts(desk, action.evidence)
    made = statement(
        desk.office,
        code,
        action,
        reason=reason or action.reason,
        policy=action.policy,
        facts=rests_on,
        automated=automated,
        reported=reported,
        beside=_beside(desk, action),
        so=_so(desk, code, action, undone),
        undone=undone,
    )
    return Notified(
        id="ntc_" + hashlib.blake2b(about.encode(), digest_size=10).hexdigest(),
        about=about,
        code=code,
        text=made.text,
        action=action.id if code in _APPEALABLE else "",
        policy=action.policy,
        automated=automated,
        expires=action.expires if code in _APPEALABLE else None,
    )


def _so(desk: Desk, code: str, action: Action, undone: bool) -> bool:
    """Whether what a code says of an action is so now: between a decision and its notice others may have come."""
    if code in ("upheld", "overturned"):
        return undone is (code == "overturned")
    return holds(desk, action) is (code != "lifted")


def holds(desk: Desk, action: Action) -> bool:
    """Whether an action says what the account may do now: it is neither taken back nor expired, and no reinstatement
    came after it."""
    counting = _counting(desk, action.account)
    own = next((each for each in counting if each.action.id == action.id), None)
    return own is not None and own.state(desk.clock(), reinstated(counting)) == "in force"


def _beside(desk: Desk, action: Action) -> Action | None:
    """The action in force on the account, where it restricts something and is not the one that the notice tells."""
    found = in_force(_counting(desk, action.account), desk.clock()).action
    return found if found.standing >= Standing.LIMITED and found.id != action.id else None


def _counting(desk: Desk, account: str) -> Sequence[Taken]:
    """The actions on an account that were not taken back, in order; they may have expired."""
    counting = (each for each in lookup.actions(desk, account) if not each.undone and not each.shadow)
    return [Taken(each.seq, _action(desk, each.id)) for each in counting]


def _action(desk: Desk, id: str) -> Action:
    body = desk.event(lookup.action(desk, id).seq).event.body
    assert isinstance(body, Acted)
    return body.action
