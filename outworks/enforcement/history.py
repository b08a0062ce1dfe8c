"""An account's history, as the rules read it."""

from collections.abc import Mapping, Sequence

import msgspec

from outworks.action import Standing
from outworks.enforcement.rules import Compiled, RuleMode, Rules
from outworks.enforcement.taken import Taken, in_force, reinstated
from outworks.enforcement.words import ACTION_WORDS, SURE, Call
from outworks.ledger.reader import Reader
from outworks.ledger.signal import DEFENSE_FAILED, PROVIDER_REFUSAL, Signal
from outworks.verdict import Decision

# Being stopped for one's standing is no new misuse, or every suspension would lengthen itself; and a check of ours that
# failed says nothing about the account.
STANDING = "standing"
# A refusal is weak evidence, and a malformed request none: each counts only by a word of its own.
_APART = frozenset({"refusal", "upstream", "gateway"})


class History(msgspec.Struct, frozen=True, kw_only=True):
    """All that the rules read of one account: data, read once."""

    account: str
    at: float
    """The moment it was read, in Unix seconds; windows end here."""
    signals: tuple[Signal, ...] = ()
    taken: tuple[Taken, ...] = ()
    """Every action ever taken on it, in the order of the ledger."""
    first_seen: float | None = None
    requests: Mapping[float, int] = {}
    """How many requests since each moment that some rule asks about."""

    @property
    def age(self) -> float:
        """Seconds since the account was first seen."""
        return max(0.0, self.at - self.first_seen) if self.first_seen is not None else 0.0


class Count(msgspec.Struct, frozen=True):
    """How many, and the ledger events that show it."""

    number: int
    evidence: tuple[int, ...] = ()


class Spent(msgspec.Struct, frozen=True):
    """What does not count for a rule: it lies before a reinstatement, or the rule has acted on it already."""

    seq: int = 0
    """Signals up to this event."""
    at: float = 0.0
    """Requests up to this moment."""
    undone: frozenset[int] = frozenset()
    """Actions that an undone action of the rule rested on."""
    cleared: int = 0
    """Actions up to this event."""


def read(
    ledger: Reader, account: str, rules: Rules, taken: Sequence[Taken], signals: Sequence[Signal], now: float
) -> History:
    """What these rules ask about the account, given its signals and every action on it, in the order of the ledger."""
    history = History(
        account=account,
        at=now,
        signals=tuple(signals),
        taken=tuple(taken),
        first_seen=ledger.first_seen(account),
    )
    asked = {since(call, spent(each, history), now) for each in rules.compiled for call in _request_calls(each)}
    return msgspec.structs.replace(history, requests={moment: ledger.requests(account, moment) for moment in asked})


def spent(each: Compiled, history: History) -> Spent:
    """What no longer counts for a rule. Nobody is punished twice for the same thing: a rule starts afresh after each of
    its own actions, whether that expired or was undone, and every rule after a reinstatement."""
    shadow = each.rule.mode is RuleMode.SHADOW
    cleared = reinstated(history.taken)
    cleared_at = max((one.action.at for one in history.taken if one.seq == cleared), default=0.0)
    own = [one for one in history.taken if one.action.by == each.by and one.action.shadow == shadow]
    return Spent(
        seq=max((cleared, *(max(one.action.evidence, default=0) for one in own))),
        at=max((cleared_at, *(one.action.at for one in own))),
        undone=frozenset(seq for one in own if one.undone is not None for seq in one.action.evidence),
        cleared=cleared,
    )


def since(call: Call, before: Spent, now: float) -> float:
    """The moment from which a word counts requests."""
    return max(now - call.window, before.at)


def count(call: Call, history: History, before: Spent) -> Count:
    """What a word counts. An exchange counts once, however many signals it left."""
    if call.word == "requests":
        return Count(history.requests[since(call, before, history.at)])
    if call.word in ACTION_WORDS:
        return _actions(ACTION_WORDS[call.word], call, history, before)
    begin = history.at - call.window
    latest: dict[str, int] = {}
    conversations: set[str] = set()
    for signal in history.signals:
        if signal.at >= begin and signal.seq > before.seq and _matches(call, signal):
            latest[signal.exchange or f"event {signal.seq}"] = signal.seq
            conversations.add(signal.conversation or signal.exchange)
    number = len(conversations) if call.word == "conversations" else len(latest)
    return Count(number, tuple(latest.values()))


def _actions(standing: Standing, call: Call, history: History, before: Spent) -> Count:
    evidence = tuple(
        one.seq
        for one in history.taken
        if one.action.standing is standing
        and one.undone is None
        and not one.action.shadow
        and one.seq > before.cleared
        and one.seq not in before.undone
        and one.action.at >= history.at - call.window
    )
    return Count(len(evidence), evidence)


def counts(signal: Signal) -> bool:
    """Whether any word counts such a signal."""
    return signal.defense != STANDING and signal.category != DEFENSE_FAILED


def _matches(call: Call, signal: Signal) -> bool:
    if not counts(signal):
        return False
    if (signal.mode == "shadow") != (call.word == "shadow"):
        return False
    if call.word == "found":
        return signal.category == call.category and signal.score >= call.score
    if signal.decision is Decision.ALLOW and signal.score < SURE:
        return False
    match call.word:
        case "refusals":
            return _refusal(signal)
        case "conversations":
            return signal.defense not in _APART or _refusal(signal)
        case "blocked" if signal.decision < Decision.ESCALATE:
            return False
    return signal.defense == call.defense if call.defense else signal.defense not in _APART


def _refusal(signal: Signal) -> bool:
    return signal.defense == "refusal" or signal.category == PROVIDER_REFUSAL


def _request_calls(each: Compiled) -> tuple[Call, ...]:
    return tuple(call for call in each.condition.calls if call.word == "requests")


def standing(history: History) -> Standing:
    """What the account may do at the moment that the history was read."""
    return in_force(history.taken, history.at).action.standing
