"""Proposing: which actions the rules call for, given an account's history."""

from collections.abc import Callable, Mapping

import msgspec

from outworks.action import Action
from outworks.enforcement.history import Count, History, Spent, count, spent, standing
from outworks.enforcement.ids import new_id
from outworks.enforcement.language.expression import EvaluationError, Values
from outworks.enforcement.language.words import ACTION_WORDS, INNOCENT, Call
from outworks.enforcement.rules import STANDINGS, Compiled, Rules

_CITED = 100


def action_id() -> str:
    """A new action's id, which is also what to quote in an appeal."""
    return new_id("act")


class RuleFailed(msgspec.Struct, frozen=True):
    """A rule that came to no answer about an account. It takes no action."""

    rule: str
    account: str
    error: str


class Proposed(msgspec.Struct, frozen=True):
    """What the rules call for."""

    actions: tuple[Action, ...] = ()
    failed: tuple[RuleFailed, ...] = ()


def propose(rules: Rules, history: History, *, new_id: Callable[[], str] = action_id) -> Proposed:
    """The action of each rule that holds and is not in force already. Where several hold, all are recorded, and the
    strictest decides the standing. Pure but for the ids."""
    actions: list[Action] = []
    failed: list[RuleFailed] = []
    counted: dict[_Asked, Count] = {}
    now = standing(history)
    for each in rules.compiled:
        before = spent(each, history)
        if _acting(each, history, before):
            continue
        counts: dict[Call, Count] = {}
        for call in each.condition.calls:
            asked = _Asked(call, before)
            if asked not in counted:
                counted[asked] = count(call, history, before)
            counts[call] = counted[asked]
        values = Values({call: each.number for call, each in counts.items()}, history.age, now)
        try:
            holds = each.condition.holds(values)
        except EvaluationError as error:
            failed.append(RuleFailed(each.rule.name, history.account, str(error)))
            continue
        if holds and _by_link_alone(each, values):
            failed.append(RuleFailed(each.rule.name, history.account, BY_LINK_ALONE))
            continue
        if holds:
            actions.append(_action(each, history, _evidence(counts), new_id()))
    return Proposed(tuple(actions), tuple(failed))


BY_LINK_ALONE = "it would act on a link alone: nothing that the account itself did is needed for it to hold"


def _by_link_alone(each: Compiled, values: Values) -> bool:
    """Whether a rule that reads links would hold of an account that did nothing: a link is no ground."""
    if not any(call.word == "linked" for call in each.condition.calls):
        return False
    clean = {call: number if call.word in INNOCENT else 0 for call, number in values.counts.items()}
    try:
        return each.condition.holds(msgspec.structs.replace(values, counts=clean))
    except EvaluationError:
        return True


class _Asked(msgspec.Struct, frozen=True):
    call: Call
    before: Spent


def _evidence(counts: Mapping[Call, Count]) -> tuple[int, ...]:
    """The events to cite: the latest of what the account did, and every earlier action."""
    did = sorted({seq for call, each in counts.items() if call.word not in ACTION_WORDS for seq in each.evidence})
    earlier = {seq for call, each in counts.items() if call.word in ACTION_WORDS for seq in each.evidence}
    return tuple(sorted({*did[-_CITED:], *earlier}))


def _acting(each: Compiled, history: History, before: Spent) -> bool:
    """Whether an earlier action of the rule still counts: it does not act again until that is over."""
    return any(
        each.made(one.action)
        and one.seq > before.cleared
        and one.counts(history.at)
        and one.action.standing is STANDINGS[each.rule.action]
        for one in history.taken
    )


def _action(each: Compiled, history: History, evidence: tuple[int, ...], new_id: str) -> Action:
    rule = each.rule
    return Action(
        id=new_id,
        account=history.account,
        standing=STANDINGS[rule.action],
        by=each.by,
        reason=rule.told,
        policy=rule.policy,
        evidence=evidence,
        at=history.at,
        expires=None if rule.lasts is None else history.at + rule.lasts,
        rate_per_minute=rule.rate_per_minute,
        shadow=each.shadow,
        case=each.queue,
    )
