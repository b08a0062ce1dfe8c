"""Scores: what an account's weak evidence comes to, piece by piece, and how much of it is left."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from outworks.enforcement.evidence.traces import ALIKE, Probe, Trace, resemblance
from outworks.enforcement.language.signals import SIGNALS, decayed
from outworks.enforcement.language.words import SURE
from outworks.ledger.reader import BusyMinute
from outworks.ledger.signal import DEFENSE_FAILED, PROVIDER_REFUSAL, Signal
from outworks.verdict import Decision

_ORIGINS = 20
"""Stopped requests that later ones are compared with, the latest."""
_AGGRAVATES = 2
"""Voices that many an innocent text has; each further one counts."""


class Piece(msgspec.Struct, frozen=True):
    """A piece of evidence: what it weighed when it was new, when that was, and the event that shows it."""

    signal: str
    at: float
    seq: int
    points: float


def of_signals(signals: Sequence[Signal]) -> Iterator[Piece]:
    """What verdicts and refusals come to: of each exchange its weightiest piece."""
    strongest: dict[str, Piece] = {}
    for signal in signals:
        piece = _piece(signal)
        if piece is None:
            continue
        where = signal.exchange or f"event {signal.seq}"
        if where not in strongest or piece.points > strongest[where].points:
            strongest[where] = piece
    yield from strongest.values()


def _piece(signal: Signal) -> Piece | None:
    if signal.defense in ("standing", "gateway") or signal.category == DEFENSE_FAILED:
        return None
    name, share = "", signal.score
    if signal.defense == "refusal" or signal.category == PROVIDER_REFUSAL:
        name, share = ("refused", 1.0) if signal.score >= SURE else ("suspected", signal.score)
    elif signal.mode == "shadow":
        name = "suspected"
    elif signal.defense == "fingerprint" and signal.score < 1:
        # A near-duplicate is told by its own name, stopped or not, so that a reviewer sees whom the attacks come from.
        name, share = ("stopped", 1.0) if signal.decision >= Decision.ESCALATE else ("resembles", signal.score)
    elif signal.decision >= Decision.ESCALATE:
        name, share = "stopped", 1.0
    elif signal.score >= SURE:
        name = "flagged"
    else:
        name = "suspected"
    return Piece(name, signal.at, signal.seq, SIGNALS[name].weight * share)


def variants(
    traces: Sequence[Trace],
    signals: Iterable[Signal],
    *,
    after: int = 0,
    origins_after: int = 0,
    begin: float = 0.0,
) -> list[Trace]:
    """The different texts, later than event `after` and than `begin`, that are variants of one that was stopped or
    refused before, later than event `origins_after`.

    The same words again are no variant: a client that tries again does not insist.
    """
    stopped = {s.exchange for s in signals if s.seq > origins_after and _stopped(s)}
    origins: list[Trace] = []
    seen: set[int] = set()
    found: list[Trace] = []
    for trace in traces:
        counts = trace.seq > after and trace.at >= begin and trace.digest not in seen
        if counts and any(resemblance(origin, trace) >= ALIKE for origin in origins):
            found.append(trace)
        seen.add(trace.digest)
        if trace.exchange in stopped:
            origins = [*origins[1 - _ORIGINS :], trace]
    return found


def _stopped(signal: Signal) -> bool:
    if signal.mode != "live" or signal.defense in ("standing", "gateway") or signal.category == DEFENSE_FAILED:
        return False
    refused = signal.category == PROVIDER_REFUSAL or (signal.defense == "refusal" and signal.score >= SURE)
    return refused or signal.decision >= Decision.ESCALATE


def voices(traces: Iterable[Trace]) -> tuple[Trace, ...]:
    """The voices in which words against one target were asked for, of the target with the most: the first of each."""
    by_target: dict[str, dict[str, Trace]] = defaultdict(dict)
    for trace in traces:
        for target in trace.targets:
            by_target[target].setdefault(trace.voice, trace)
    return tuple(max(by_target.values(), key=len, default={}).values())


def tried(probes: Iterable[Probe]) -> dict[str, Probe]:
    """The different parameters that were tried and refused, each with the first request that did."""
    first: dict[str, Probe] = {}
    for probe in probes:
        for name in probe.names:
            first.setdefault(name, probe)
    return first


def pieces_of(
    insisting: Iterable[Trace], traces: Iterable[Trace], probes: Iterable[Probe], minutes: Iterable[BusyMinute]
) -> Iterator[Piece]:
    """What texts, parameters and requests come to; `insisting` are the variants among the texts."""
    for trace in insisting:
        yield Piece("insists", trace.at, trace.seq, SIGNALS["insists"].weight)
    for probe in tried(probes).values():
        yield Piece("probes", probe.at, probe.seq, SIGNALS["probes"].weight)
    for minute in minutes:
        yield Piece("bursts", minute.at, minute.seq, SIGNALS["bursts"].weight)
    for trace in voices(traces)[_AGGRAVATES:]:
        yield Piece("voices", trace.at, trace.seq, SIGNALS["voices"].weight)


class Scored(msgspec.Struct, frozen=True):
    """What one signal comes to in an account's score."""

    signal: str
    says: str
    points: float
    half_life: float
    """Seconds."""
    evidence: tuple[int, ...]
    """Events, the latest last."""


def summed(found: Iterable[Piece], now: float, *, half_life: float | None = None) -> tuple[Scored, ...]:
    """Points by signal, the most first; each signal decays at its own rate unless one is given."""
    by_signal: dict[str, list[Piece]] = defaultdict(list)
    for piece in found:
        by_signal[piece.signal].append(piece)
    scored = []
    for name, each in by_signal.items():
        weak = SIGNALS[name]
        rate = half_life or weak.half_life
        points = sum(decayed(piece.points, now - piece.at, rate) for piece in each)
        evidence = tuple(sorted({piece.seq for piece in each}))
        scored.append(Scored(name, weak.says, points, rate, evidence))
    return tuple(sorted(scored, key=lambda one: -one.points))
