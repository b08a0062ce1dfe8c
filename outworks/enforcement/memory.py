"""Memory: the signals of one account that its history needs, however many it left."""

from collections import OrderedDict, deque
from collections.abc import Iterable

from outworks.enforcement.history import counts
from outworks.ledger.reader import Reader
from outworks.ledger.signal import Signal

KEPT = 500
"""Signals kept of one kind, the latest. An expression counts no further than this; one that floods the ledger with one
kind of signal pushes none of another kind out."""
_MANY = 200
_ACCOUNTS = 32


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
