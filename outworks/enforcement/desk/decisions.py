"""Decisions: what a reviewer decides of a case, what follows from it at once, and the way back."""

from collections.abc import Sequence

import msgspec

from outworks.action import Action, Standing
from outworks.enforcement.actions import check_act
from outworks.enforcement.desk import lookup
from outworks.enforcement.desk.cases import ANSWERS, LETS_BE, Case, Decision, Outcome, TakenAction
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.queues import about, held
from outworks.enforcement.desk.reviewed import ALONE, against, barred, deciders
from outworks.enforcement.desk.roles import Forbidden, Operation, Reviewer, check_may, may
from outworks.enforcement.ids import new_id
from outworks.event import Acted, Body, CaseDecided, CaseReopened, Event, Restored, Undone
from outworks.nearest import did_you_mean

STANDINGS = {
    Outcome.WARN: Standing.WARNED,
    Outcome.LIMIT: Standing.LIMITED,
    Outcome.SUSPEND: Standing.SUSPENDED,
    Outcome.BAN: Standing.BANNED,
    Outcome.REINSTATE: Standing.GOOD,
}
"""What a decision sets; the others set nothing of their own."""

_TOLD = frozenset({*STANDINGS, *ANSWERS})
"""Outcomes of which the account is told, so that they need words."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer asks for, checked."""

    outcome: Outcome
    reason: str = ""
    policy: str = ""
    lasts: float | None = None
    rate_per_minute: float | None = None


def choices(desk: Desk, reviewer: Reviewer, case: Case) -> tuple[Outcome, ...]:
    """What the reviewer can decide of this case."""
    if case.appeal:
        return (Outcome.UPHOLD, Outcome.OVERTURN) if may(reviewer, Operation.ANSWER_APPEAL) else ()
    if not may(reviewer, Operation.DECIDE):
        return ()
    keeps = (Outcome.KEEP,) if any(map(_stands, _reviewed(desk, case))) else ()
    return (Outcome.DISMISS, *keeps, *STANDINGS)


def decide(
    desk: Desk,
    reviewer: Reviewer,
    case_id: str,
    outcome: Outcome,
    *,
    reason: str = "",
    policy: str = "",
    lasts: float | None = None,
    rate_per_minute: float | None = None,
) -> Decision:
    """Decide a case, and do what follows, in one transaction.

    The action under review stays with `keep`, and gives way to every other decision but a reinstatement, which lifts it
    with all the rest. A ban waits for another person, who confirms it by deciding the same; whatever else he decides
    takes its place. `reason` is what the account is told. Raises ValueError, LookupError, `Held` or `Forbidden`.
    """
    asked = Asked(outcome=outcome, reason=reason.strip(), policy=policy, lasts=lasts, rate_per_minute=rate_per_minute)
    check_may(reviewer, Operation.ANSWER_APPEAL if outcome in ANSWERS else Operation.DECIDE)
    with desk.change():
        case = held(desk, reviewer, case_id)
        proposed = lookup.decision(desk, case.pending) if case.pending else None
        confirming = proposed if proposed is not None and outcome is Outcome.BAN else None
        if confirming is not None:
            check_may(reviewer, Operation.CONFIRM)
            asked = msgspec.structs.replace(
                asked,
                reason=asked.reason or confirming.reason,
                policy=asked.policy or confirming.policy,
                lasts=asked.lasts if asked.lasts is not None else confirming.lasts,
            )
        _check(desk, reviewer, case, asked)
        events = _golden(reviewer, case, asked) if case.golden else _following(desk, reviewer, case, asked, confirming)
        at = desk.clock()
        desk.record([about(case, body, at) for body in events])
        decided = next(body for body in events if isinstance(body, CaseDecided))
        return lookup.decision(desk, decided.id)


def _check(desk: Desk, reviewer: Reviewer, case: Case, asked: Asked) -> None:
    fits = choices(desk, reviewer, case)
    if asked.outcome not in fits:
        names = ", ".join(each.value for each in fits)
        raise ValueError(f"{case.id} cannot be decided by {asked.outcome.value!r}; expected one of: {names}")
    told = asked.outcome in _TOLD
    if told and not asked.reason:
        raise ValueError("give a reason: the account is told it")
    standing = STANDINGS.get(asked.outcome)
    if standing is not None:
        check_act(standing, reviewer.name, asked.reason, asked.lasts, asked.rate_per_minute)
    elif asked.lasts is not None or asked.rate_per_minute is not None:
        raise ValueError(f"{asked.outcome.value!r} has neither an expiry nor a rate")
    check_policy(desk, asked.policy, needed=standing is not None and standing is not Standing.GOOD)


def check_policy(desk: Desk, policy: str, *, needed: bool) -> None:
    """Raises ValueError for a passage that the policy does not have, and for none where one must be cited."""
    ids = [each.id for each in desk.office.policies]
    if not ids:
        return
    if not policy and needed:
        raise ValueError(f"cite the passage of the usage policy that it rests on; there are: {', '.join(ids)}")
    if policy and policy not in ids:
        hint = did_you_mean(policy, ids, f"there are: {', '.join(ids)}")
        raise ValueError(f"the usage policy has no passage {policy!r}{hint}")


def _golden(reviewer: Reviewer, case: Case, asked: Asked) -> Sequence[Body]:
    """The answer to a copy: measured, and nothing follows."""
    return [_decided(reviewer, case, asked, golden=case.golden)]


def _following(desk: Desk, reviewer: Reviewer, case: Case, asked: Asked, confirming: Decision | None) -> Sequence[Body]:
    """The decision and all that it does."""
    if asked.outcome is Outcome.BAN and confirming is None:
        return [_decided(reviewer, case, asked, pending=True)]
    reviewed = _reviewed(desk, case)
    made: Action | None = None
    if asked.outcome in STANDINGS:
        made = _action(desk, case, asked, confirming.by if confirming is not None else reviewer.name)
    undid: tuple[str, ...] = ()
    if asked.outcome not in LETS_BE:
        undid = tuple(each.id for each in reviewed if _stands(each))
    judged = _judged(desk, reviewed, asked.outcome)
    decided = _decided(
        reviewer,
        case,
        asked,
        action=made.id if made is not None else "",
        undid=undid,
        confirms=confirming.id if confirming is not None else "",
        rule=judged.rule,
        holds=judged.holds,
    )
    by = f"person:{reviewer.name}"
    said = asked.reason or f"{asked.outcome.value}: {case.id}"
    taken_back = [Undone(action=id, by=by, reason=said, decision=decided.id) for id in undid]
    acted = [Acted(action=made, decision=decided.id)] if made is not None else []
    return [decided, *taken_back, *acted]


class _Judged(msgspec.Struct, frozen=True):
    rule: str
    holds: bool | None


def _judged(desk: Desk, reviewed: Sequence[TakenAction], outcome: Outcome) -> _Judged:
    """Which rule's evidence was looked at, and whether it holds: it does not where nothing is left of it. A
    reinstatement is mercy, and says nothing of the evidence."""
    rule = next(filter(None, (_rule(desk, each) for each in reviewed)), "")
    if not rule or outcome is Outcome.REINSTATE:
        return _Judged(rule, None)
    return _Judged(rule, outcome not in (Outcome.DISMISS, Outcome.OVERTURN))


def _rule(desk: Desk, reviewed: TakenAction) -> str:
    """The rule behind an action: its own, or the one whose case led a person to it."""
    if reviewed.by.startswith("rule:"):
        return reviewed.by.removeprefix("rule:")
    return lookup.decision(desk, reviewed.decision).rule if reviewed.decision else ""


def _decided(reviewer: Reviewer, case: Case, asked: Asked, **more: object) -> CaseDecided:
    return CaseDecided(
        id=new_id("dec"),
        case=case.id,
        by=reviewer.name,
        outcome=asked.outcome.value,
        policy=asked.policy,
        reason=asked.reason,
        lasts=asked.lasts,
        rate_per_minute=asked.rate_per_minute,
        **more,  # type: ignore[arg-type]
    )


def _action(desk: Desk, case: Case, asked: Asked, by: str) -> Action:
    now = desk.clock()
    return Action(
        id=new_id("act"),
        account=case.account,
        standing=STANDINGS[asked.outcome],
        by=f"person:{by}",
        reason=asked.reason,
        policy=asked.policy,
        evidence=case.evidence,
        at=now,
        expires=None if asked.lasts is None else now + asked.lasts,
        rate_per_minute=asked.rate_per_minute,
    )


def _reviewed(desk: Desk, case: Case) -> tuple[TakenAction, ...]:
    return tuple(lookup.action(desk, each) for each in case.actions)


def _stands(reviewed: TakenAction) -> bool:
    """Whether the action under review was ever in force, and was not taken back."""
    return not reviewed.shadow and not reviewed.undone


def undo(desk: Desk, reviewer: Reviewer, decision_id: str, *, reason: str) -> Decision:
    """Take a decision back, and exactly what it did: its action is undone, and what it alone kept taken back counts
    again. The case waits as before: for a reviewer, or for the second person where a ban had been proposed. Raises
    ValueError where it is not the last word on its case, and where it answers an appeal against what the reviewer
    himself had a part in."""
    if not reason.strip():
        raise ValueError("say why it is taken back")
    with desk.change():
        made = lookup.decision(desk, decision_id)
        case = lookup.case(desk, made.case)
        signed = [made.by] if not made.confirms else [made.by, lookup.decision(desk, made.confirms).by]
        own = reviewer.name in signed
        check_may(reviewer, Operation.UNDO_OWN if own else Operation.UNDO)
        if case.appeal and not own and reviewer.name in barred(desk, case):
            raise ValueError(f"{reviewer.name} made the decision that {case.id} is about; somebody else has to undo it")
        if made.golden:
            raise ValueError(f"{decision_id} measured {made.by}; nothing followed from it")
        if made.undone:
            raise ValueError(f"{decision_id} was already undone")
        if decision_id not in (case.decision, case.pending):
            last = case.decision or case.pending
            raise ValueError(f"{decision_id} is not the last word on {case.id}; that is {last}: undo it first")
        by = f"person:{reviewer.name}"
        bodies: list[Body] = [CaseReopened(case=case.id, decision=decision_id, by=reviewer.name, reason=reason.strip())]
        if made.action and not lookup.action(desk, made.action).undone:
            bodies.append(Undone(action=made.action, by=by, reason=reason.strip(), decision=decision_id))
        back = _freed(desk, made, case)
        bodies += [Restored(action=id, by=by, reason=reason.strip(), decision=decision_id) for id in back]
        at = desk.clock()
        desk.record([about(case, body, at) for body in bodies])
        return lookup.decision(desk, decision_id)


def _freed(desk: Desk, made: Decision, case: Case) -> Sequence[str]:
    """The actions that count again once the decision is undone: those against which nothing else stands."""
    if made.pending or made.outcome in LETS_BE:
        return ()
    named = dict.fromkeys((*made.undid, *case.actions))
    taken = (lookup.action(desk, id) for id in named)
    return [each.id for each in taken if each.undone and against(desk, each) <= {made.id}]


def undo_action(desk: Desk, reviewer: Reviewer, action_id: str, *, reason: str) -> TakenAction:
    """Take back an action that no case's decision led to: a rule's, one from the command line, one of many in bulk."""
    return _flip(desk, reviewer, action_id, reason, undone=True)


def restore_action(desk: Desk, reviewer: Reviewer, action_id: str, *, reason: str) -> TakenAction:
    """Let an action count again that was taken back by `undo_action`, or at the command line. Raises ValueError where a
    decision or a bulk action that stands took it back, too."""
    return _flip(desk, reviewer, action_id, reason, undone=False)


def _flip(desk: Desk, reviewer: Reviewer, action_id: str, reason: str, *, undone: bool) -> TakenAction:
    check_may(reviewer, Operation.UNDO)
    if not reason.strip():
        raise ValueError("give a reason: the account is told it")
    with desk.change():
        found = lookup.action(desk, action_id)
        if found.shadow:
            raise ValueError(f"{action_id} was proposed by {found.by} and never in force")
        if found.decision:
            raise ValueError(f"{action_id} was decided in a case; undo the decision {found.decision}")
        if found.undone is undone:
            raise ValueError(f"{action_id} {'was already undone' if undone else 'counts already'}")
        others = () if undone else sorted(against(desk, found) - {ALONE})
        if others:
            raise ValueError(f"{action_id} was taken back by {', '.join(others)}; undo that, if it was wrong")
        by, said = f"person:{reviewer.name}", reason.strip()
        body: Body = (
            Undone(action=action_id, by=by, reason=said, notify=True)
            if undone
            else Restored(action=action_id, by=by, reason=said)
        )
        desk.record([Event(body=body, at=desk.clock(), account=found.account)])
        return lookup.action(desk, action_id)


__all__ = ["Forbidden", "choices", "decide", "deciders", "restore_action", "undo", "undo_action"]
