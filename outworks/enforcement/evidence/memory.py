"""Memory: the signals and texts of one account that its history needs, however many it left."""

from collections import OrderedDict, deque
from collections.abc import Iterable

from outworks.enforcement.evidence.traces import KEPT as TEXTS
from outworks.enforcement.evidence.traces import Probe, Trace, probe_of, trace_of
from outworks.enforcement.history import counts
from outworks.ledger.reader import Reader, Recorded
from outworks.ledger.signal import Signal

KEPT = 500
"""Signals kept of one kind, the latest. An expression counts no further than this; one that floods the ledger with one
kind of signal pushes none of another kind out."""
_MANY = 200
_ACCOUNTS = 32
_SLACK_S = 5.0


class Memory:
    """Reads an account's signals from the ledger, and keeps those of the accounts that have many: reading these again
    and again would let one account keep enforcement from all others. `add` keeps them up to date."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._kept: OrderedDict[str, _Signals] = OrderedDict()

    def add(self, signal: Signal) -> None:
        """Take in a signal that is new in the ledger. They come in order."""
        kept = self._kept.get(signal.account)
        if kept is not None:
            kept.add(signal)

    def recall(self, account: str, since: float) -> tuple[Signal, ...]:
        """The account's signals since that moment, in order."""
        kept = self._kept.get(account)
        if kept is not None and kept.since <= since:
            self._kept.move_to_end(account)
        else:
            kept = _Signals(self._reader.signals(account=account, since=since), since)
            if kept.read > _MANY:
                self._kept[account] = kept
                while len(self._kept) > _ACCOUNTS:
                    self._kept.popitem(last=False)
        return kept.in_order()


class _Signals:
    """Signals since a moment, by kind."""

    def __init__(self, signals: Iterable[Signal], since: float) -> None:
        self.since = since
        self.read = 0
        self._last = (0, 0)
        self._kinds: dict[tuple[str, str, str], deque[Signal]] = {}
        for signal in signals:
            self.add(signal)

    def add(self, signal: Signal) -> None:
        place = (signal.seq, signal.n)
        if place <= self._last:
            return
        self._last = place
        self.read += 1
        if counts(signal):
            kind = (signal.defense, signal.category, signal.mode)
            self._kinds.setdefault(kind, deque(maxlen=KEPT)).append(signal)

    def in_order(self) -> tuple[Signal, ...]:
        return tuple(sorted((s for kind in self._kinds.values() for s in kind), key=lambda s: (s.seq, s.n)))


class Texts:
    """What the latest requests of accounts said, as traces, and the parameters that they were refused: read once, kept
    for the accounts that were asked about last."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._kept: OrderedDict[str, _Texts] = OrderedDict()

    def recall(self, account: str, since: float) -> tuple[Trace, ...]:
        """The traces of the account's latest texts since that moment, in order."""
        kept = self._kept.get(account)
        if kept is None or kept.since > since:
            kept = self._kept[account] = _Texts(since)
        self._kept.move_to_end(account)
        # A worker may record a little later than another what happened a little before.
        moment = max(since, kept.until - _SLACK_S)
        for recorded in self._reader.latest_requests(account, moment, TEXTS):
            kept.add(recorded)
        while len(self._kept) > _ACCOUNTS:
            self._kept.popitem(last=False)
        return kept.in_order()

    def probes(self, signals: Iterable[Signal]) -> tuple[Probe, ...]:
        """The parameters refused in these signals of one account."""
        seqs = dict.fromkeys(s.seq for s in signals if s.defense == "parameter_lock" and s.category == "parameter")
        found = (self._reader.event(seq) for seq in list(seqs)[-TEXTS:])
        probes = (probe_of(recorded.seq, recorded.event) for recorded in found if recorded is not None)
        return tuple(probe for probe in probes if probe is not None)


class _Texts:
    def __init__(self, since: float) -> None:
        self.since = since
        self.until = 0.0
        self._traces: dict[int, Trace | None] = {}

    def add(self, recorded: Recorded) -> None:
        self.until = max(self.until, recorded.event.at)
        if recorded.seq not in self._traces:
            self._traces[recorded.seq] = trace_of(recorded.seq, recorded.event)

    def in_order(self) -> tuple[Trace, ...]:
        """The latest, by the number of their events."""
        for seq in sorted(self._traces)[:-TEXTS]:
            del self._traces[seq]
        return tuple(trace for _, trace in sorted(self._traces.items()) if trace is not None)
