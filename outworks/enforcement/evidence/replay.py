"""Replay: one account's past, told event by event, so that rules read at each moment what they would have read then."""

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Iterable, Sequence

import msgspec

from outworks.action import Action
from outworks.enforcement.evidence.memory import KEPT
from outworks.enforcement.evidence.traces import KEPT as TEXTS
from outworks.enforcement.evidence.traces import Probe, Trace, probe_of, trace_of
from outworks.enforcement.history import History, Restricted, Said, counts, read
from outworks.enforcement.language.words import OF_PARAMETERS, OF_TEXTS
from outworks.enforcement.rules import Rules
from outworks.enforcement.taken import Taken
from outworks.event import Acted, Event, Received, Restored, Undone
from outworks.ledger.reader import BusyMinute
from outworks.ledger.signal import Signal


class Step(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event of the account, with what the rules may read of it."""

    seq: int
    event: Event
    signals: tuple[Signal, ...] = ()

    @property
    def noted(self) -> bool:
        """Whether some defense noted something that counts."""
        return any(map(counts, self.signals))


class Replay:
    """What is known of an account up to the last event that it was told.

    The bounds are those of the enforcer's memory: the latest signals of a kind, and the latest texts.
    """

    def __init__(self, account: str, *, without: str = "") -> None:
        """Actions signed `without` are left out: those of the rule that is tried, which acts anew."""
        self.account = account
        self._without = without
        self._kinds: dict[tuple[str, str, str], deque[Signal]] = {}
        self._times: list[float] = []
        self._requests: deque[Step] = deque(maxlen=TEXTS)
        self._traces: dict[int, Trace | None] = {}
        self._probes: dict[int, Probe | None] = {}
        self._minutes: Counter[int] = Counter()
        self._last_of: dict[int, int] = {}
        self._taken: dict[str, Taken] = {}
        self._first: float | None = None

    def tell(self, step: Step) -> None:
        """Go on by one event. They come in the order of the ledger."""
        at = step.event.at
        self._first = at if self._first is None else min(self._first, at)
        for signal in step.signals:
            if counts(signal):
                kind = (signal.defense, signal.category, signal.mode)
                self._kinds.setdefault(kind, deque(maxlen=KEPT)).append(signal)
                if signal.category == "parameter":
                    self._probes.setdefault(step.seq, probe_of(step.seq, step.event))
        body = step.event.body
        if isinstance(body, Received):
            self._requested(step)
        elif isinstance(body, Acted):
            if body.action.by != self._without:
                self._taken[body.action.id] = Taken(step.seq, body.action)
        elif isinstance(body, Undone) and body.action in self._taken:
            if self._taken[body.action].undone is None:
                self._taken[body.action] = msgspec.structs.replace(self._taken[body.action], undone=body)
        elif isinstance(body, Restored) and body.action in self._taken:
            self._taken[body.action] = msgspec.structs.replace(self._taken[body.action], undone=None)

    def _requested(self, step: Step) -> None:
        at = step.event.at
        insort(self._times, at)
        self._minutes[int(at / 60)] += 1
        self._last_of[int(at / 60)] = step.seq
        if len(self._requests) == TEXTS:
            self._traces.pop(self._requests[0].seq, None)
        self._requests.append(step)

    def act(self, seq: int, action: Action) -> None:
        """The rule that is tried acts after the event `seq`."""
        self._taken[action.id] = Taken(seq, action)

    @property
    def taken(self) -> tuple[Taken, ...]:
        """Every action so far, in order."""
        return tuple(self._taken.values())

    def history(self, rules: Rules, now: float, linked: Sequence[Restricted] = ()) -> History:
        """What these rules read of the account now."""
        since = now - rules.longest
        signals = sorted(
            (s for kind in self._kinds.values() for s in kind if s.at >= since), key=lambda s: (s.seq, s.n)
        )
        said = Said(
            self._texts() if rules.reads(OF_TEXTS) else (),
            self._tried(signals) if rules.reads(OF_PARAMETERS) else (),
            linked,
        )
        return read(self, self.account, rules, self.taken, signals, now, said)

    def _texts(self) -> tuple[Trace, ...]:
        for step in self._requests:
            if step.seq not in self._traces:
                self._traces[step.seq] = trace_of(step.seq, step.event)
        found = (self._traces[step.seq] for step in self._requests)
        return tuple(trace for trace in found if trace is not None)

    def _tried(self, signals: Iterable[Signal]) -> tuple[Probe, ...]:
        seqs = dict.fromkeys(s.seq for s in signals if s.defense == "parameter_lock" and s.category == "parameter")
        found = (self._probes.get(seq) for seq in list(seqs)[-TEXTS:])
        return tuple(probe for probe in found if probe is not None)

    def latest_requests(self, count: int) -> tuple[int, ...]:
        """The numbers of the last requests."""
        return tuple(step.seq for step in list(self._requests)[-count:])

    def first_seen(self, account: str) -> float | None:
        """When it first appears."""
        return self._first

    def requests(self, account: str, since: float) -> int:
        """How many requests came at or after `since`."""
        return len(self._times) - bisect_left(self._times, since)

    def busy_minutes(self, account: str, since: float, least: int) -> list[BusyMinute]:
        """The minutes with at least so many requests, of those that came at or after `since`."""
        found = []
        for minute, count in sorted(self._minutes.items()):
            if minute == int(since / 60):
                count = bisect_left(self._times, minute * 60.0 + 60.0) - bisect_left(self._times, since)
            if minute >= int(since / 60) and count >= least:
                found.append(BusyMinute(minute * 60.0, count, self._last_of[minute]))
        return found
