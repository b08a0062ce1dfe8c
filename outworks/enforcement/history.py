"""An account's history, as the rules read it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

from outworks.action import Standing
from outworks.enforcement.evidence import scores
from outworks.enforcement.evidence.scores import Piece
from outworks.enforcement.evidence.traces import Probe, Trace
from outworks.enforcement.language.signals import BURST, decayed
from outworks.enforcement.language.words import ACTION_WORDS, OF_MINUTES, SURE, Call
from outworks.enforcement.rules import Compiled, Rules
from outworks.enforcement.taken import Taken, in_force, reinstated
from outworks.ledger.reader import BusyMinute
from outworks.ledger.signal import DEFENSE_FAILED, PROVIDER_REFUSAL, Signal
from outworks.verdict import Decision

# Being stopped for one's standing is no new misuse, or every suspension would lengthen itself; and a check of ours that
# failed says nothing about the account.
STANDING = "standing"
# A refusal is weak evidence, and a malformed request none: each counts only by a word of its own.
_APART = frozenset({"refusal", "upstream", "gateway"})


class Past(Protocol):
    """What is asked of an account's past besides what is given: of a ledger, or of a replay up to an event."""

    def first_seen(self, account: str) -> float | None:
        """When the account first appears (Unix seconds)."""
        ...

    def requests(self, account: str, since: float) -> int:
        """How many requests of the account were received at or after `since`."""
        ...

    def busy_minutes(self, account: str, since: float, least: int) -> Sequence[BusyMinute]:
        """The minutes since then with at least so many requests."""
        ...


class Restricted(msgspec.Struct, frozen=True):
    """An account linked to this one that was limited or stopped."""

    account: str
    at: float
    """When, in Unix seconds."""
    evidence: tuple[int, ...]
    """This account's events that show the link."""


class Said(msgspec.Struct, frozen=True):
    """What the rules read of an account besides signals and actions, where some rule asks."""

    traces: Sequence[Trace] = ()
    probes: Sequence[Probe] = ()
    linked: Sequence[Restricted] = ()


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
    minutes: Mapping[float, tuple[BusyMinute, ...]] = {}
    """The minutes with many requests since each moment that some rule asks about."""
    said: Said = Said()

    @property
    def age(self) -> float:
        """Seconds since the account was first seen."""
        return max(0.0, self.at - self.first_seen) if self.first_seen is not None else 0.0


class Count(msgspec.Struct, frozen=True):
    """How many, and the ledger events that show it."""

    number: float
    evidence: tuple[int, ...] = ()


class Spent(msgspec.Struct, frozen=True):
    """What does not count for a rule: it lies before a reinstatement, or the rule has acted on it already."""

    seq: int = 0
    """Signals up to this event."""
    at: float = 0.0
    """Requests up to this moment."""
    actions: frozenset[int] = frozenset()
    """Actions that an action of the rule rested on."""
    cleared: int = 0
    """Actions up to this event."""


def read(
    ledger: Past,
    account: str,
    rules: Rules,
    taken: Sequence[Taken],
    signals: Sequence[Signal],
    now: float,
    said: Said = Said(),  # noqa: B008
) -> History:
    """What these rules ask about the account, given its signals and every action on it, in the order of the ledger."""
    history = History(
        account=account,
        at=now,
        signals=tuple(signals),
        taken=tuple(taken),
        first_seen=ledger.first_seen(account),
        said=said,
    )
    requests: dict[float, int] = {}
    minutes: dict[float, tuple[BusyMinute, ...]] = {}
    for each in rules.compiled:
        before = spent(each, history)
        for call in each.condition.calls:
            moment = since(call, before, now)
            if call.word == "requests" and moment not in requests:
                requests[moment] = ledger.requests(account, moment)
            elif call.word in OF_MINUTES and moment not in minutes:
                minutes[moment] = tuple(ledger.busy_minutes(account, moment, BURST))
    return msgspec.structs.replace(history, requests=requests, minutes=minutes)


def spent(each: Compiled, history: History) -> Spent:
    """What no longer counts for a rule. Nobody is punished twice for the same thing: a rule starts afresh after each of
    its own actions, whether that expired or was undone, and every rule after a reinstatement."""
    cleared = reinstated(history.taken)
    cleared_at = max((one.action.at for one in history.taken if one.seq == cleared), default=0.0)
    own = [one for one in history.taken if each.made(one.action)]
    return Spent(
        seq=max((cleared, *(max(one.action.evidence, default=0) for one in own))),
        at=max((cleared_at, *(one.action.at for one in own))),
        actions=frozenset(seq for one in own for seq in one.action.evidence),
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
    if call.word in _ADDING_UP:
        return _ADDING_UP[call.word](call, history, before)
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
        and one.seq not in before.actions
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


def _insists(call: Call, history: History, before: Spent) -> Count:
    found = scores.variants(
        history.said.traces,
        history.signals,
        after=before.seq,
        origins_after=before.cleared,
        begin=history.at - call.window,
    )
    return Count(len(found), tuple(trace.seq for trace in found))


def _voices(call: Call, history: History, before: Spent) -> Count:
    found = scores.voices(_fresh(history.said.traces, call, history, before))
    return Count(len(found), tuple(trace.seq for trace in found))


def _probes(call: Call, history: History, before: Spent) -> Count:
    found = scores.tried(_fresh(history.said.probes, call, history, before))
    return Count(len(found), tuple(sorted({probe.seq for probe in found.values()})))


def _bursts(call: Call, history: History, before: Spent) -> Count:
    found = history.minutes[since(call, before, history.at)]
    return Count(len(found), tuple(minute.seq for minute in found))


def _score(call: Call, history: History, before: Spent) -> Count:
    pieces = [piece for piece in evidence(call, history, before) if not call.signal or piece.signal == call.signal]
    return _decayed(pieces, call, history)


def evidence(call: Call, history: History, before: Spent) -> list[Piece]:
    """Every piece of weak evidence that a score may count."""
    begin = history.at - call.window
    found = [*scores.of_signals([s for s in history.signals if s.at >= begin and s.seq > before.seq])]
    texts = scores.variants(
        history.said.traces, history.signals, after=before.seq, origins_after=before.cleared, begin=begin
    )
    found += scores.pieces_of(
        texts,
        _fresh(history.said.traces, call, history, before),
        _fresh(history.said.probes, call, history, before),
        history.minutes.get(since(call, before, history.at), ()),
    )
    return found


def _suspicion(call: Call, history: History, before: Spent) -> Count:
    best: dict[str, Piece] = {}
    for signal in history.signals:
        if signal.seq <= before.seq or signal.at < history.at - call.window or signal.category != call.category:
            continue
        where = signal.exchange or f"event {signal.seq}"
        if counts(signal) and (where not in best or signal.score > best[where].points):
            best[where] = Piece(signal.category, signal.at, signal.seq, signal.score)
    return _decayed(list(best.values()), call, history)


def _decayed(pieces: list[Piece], call: Call, history: History) -> Count:
    points = sum(decayed(piece.points, history.at - piece.at, call.half_life) for piece in pieces)
    return Count(points, tuple(sorted({piece.seq for piece in pieces})))


def _linked(call: Call, history: History, before: Spent) -> Count:
    begin = history.at - call.window
    found = [one for one in history.said.linked if one.at >= begin]
    return Count(len(found), tuple(sorted({seq for one in found for seq in one.evidence})))


_T = TypeVar("_T", Trace, Probe)


def _fresh(all: Sequence[_T], call: Call, history: History, before: Spent) -> list[_T]:
    begin = history.at - call.window
    return [one for one in all if one.at >= begin and one.seq > before.seq]


_ADDING_UP: Mapping[str, Callable[[Call, History, Spent], Count]] = {
    "insists": _insists,
    "voices": _voices,
    "probes": _probes,
    "bursts": _bursts,
    "score": _score,
    "suspicion": _suspicion,
    "linked": _linked,
}
"""Words that add up weak evidence, each with how."""


def standing(history: History) -> Standing:
    """What the account may do at the moment that the history was read."""
    return in_force(history.taken, history.at).action.standing
