"""Watch: reads what is new in the ledger and finds the actions that the rules call for."""

import time
from collections.abc import Callable

import msgspec

from outworks.action import Action
from outworks.enforcement.evidence.linked import Links
from outworks.enforcement.evidence.memory import Memory, Texts
from outworks.enforcement.history import History, Said, counts, read
from outworks.enforcement.language.words import OF_PARAMETERS, OF_TEXTS
from outworks.enforcement.propose import Proposed, propose
from outworks.enforcement.rules import Rules
from outworks.enforcement.standings import StandingTable
from outworks.enforcement.turn import Place
from outworks.event import Acted, Event
from outworks.ledger.reader import Reader
from outworks.ledger.schema import LedgerError

_TURN_S = 0.05
"""How long one look may evaluate: whoever serves requests shares the interpreter with it."""
_REST = 10
"""An account rests for so many times what its evaluation took: nobody makes the gateway busy with his own history."""
_REQUESTS_S = 1.0
"""How often, in seconds, an account is evaluated for nothing but its requests."""
CITED = 20
"""Requests that an action cites which rests on requests alone."""
_LINKED = 500
"""Events that one look reads for the index of links."""


class Looked(msgspec.Struct, frozen=True):
    """What one look came to."""

    accounts: tuple[str, ...]
    """Those that were evaluated."""
    events: tuple[Event, ...]
    """The actions called for, to be recorded; `done` then says so."""
    failures: tuple[str, ...]
    """What went wrong, for the log. It leads to no action."""
    more: bool
    """Some accounts still wait."""


class Watch:
    """Follows one ledger. Used by one thread at a time.

    An account waits from its first unevaluated event until `done`; `place` is before the first of those, so whoever
    goes on from there misses nothing. Going over the same events again does no harm: a rule does not act twice on the
    same evidence.
    """

    def __init__(
        self,
        reader: Reader,
        rules: Rules,
        *,
        place: Place | None,
        clock: Callable[[], float],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """Goes on from `place`; without one that belongs to this ledger, everything in the rules' windows is read.
        `ticks` are seconds by a clock that nobody sets back: accounts rest by it."""
        self._reader = reader
        self._clock = clock
        self._ticks = ticks
        self._table = StandingTable(reader)
        self._waiting: dict[str, _Waiting] = {}
        self._resting: dict[str, float] = {}
        self._memory = Memory(reader)
        self._texts = Texts(reader)
        self._links: Links | None = None
        found = reader.event(place.seq) if place is not None else None
        if place is not None and found is not None and found.hash == place.hash:
            self._seq = place.seq
            return
        self._seq = reader.head().seq
        if rules.longest:
            self._note_signals(after=0, since=clock() - rules.longest)
        if rules.longest_of_requests:
            for account in reader.accounts(since=clock() - rules.longest_of_requests):
                self._waiting.setdefault(account, _Waiting(1, noted=False))

    def look(self, rules: Rules) -> Looked:
        """Read on, and evaluate the accounts that are due."""
        self._table.refresh()
        self._read_on(rules)
        self._follow_links(rules)
        now, tick = self._clock(), self._ticks()
        began = time.perf_counter()
        self._resting = {account: until for account, until in self._resting.items() if until > tick}
        due = [account for account in self._waiting if account not in self._resting]
        accounts: list[str] = []
        events: list[Event] = []
        failures: list[str] = []
        for account in due:
            started = time.perf_counter()
            if started - began > _TURN_S:
                break
            accounts.append(account)
            asked = rules if self._waiting[account].noted else rules.counting_requests
            try:
                history = self._read(account, asked, now)
                proposed = propose(asked, history)
            except LedgerError:
                raise
            except Exception as error:
                # A fault of ours on one account's history must not keep all others from being looked at.
                failures.append(f"an account could not be evaluated: {type(error).__name__}: {error}")
                continue
            failures += (f"rule {each.rule!r} came to no answer: {each.error}" for each in proposed.failed)
            events += self._events(proposed, history)
            rest = max(_REST * (time.perf_counter() - started), 0.0 if self._waiting[account].noted else _REQUESTS_S)
            self._resting[account] = tick + rest
        return Looked(tuple(accounts), tuple(events), tuple(failures), len(accounts) < len(due))

    def done(self, looked: Looked) -> Place | None:
        """Its actions are recorded: the accounts wait no more. Returns the place from which another could go on."""
        for account in looked.accounts:
            del self._waiting[account]
        seq = min((each.seq - 1 for each in self._waiting.values()), default=self._seq)
        found = self._reader.event(seq)
        return Place(seq, found.hash) if found is not None else None

    def _read(self, account: str, asked: Rules, now: float) -> History:
        signals = self._memory.recall(account, now - asked.longest) if asked.longest else ()
        said = Said(
            self._texts.recall(account, now - asked.longest_of_texts) if asked.reads(OF_TEXTS) else (),
            self._texts.probes(signals) if asked.reads(OF_PARAMETERS) else (),
            self._links.restricted(account, self._table.taken) if asked.reads({"linked"}) and self._links else (),
        )
        return read(self._reader, account, asked, self._table.taken(account), signals, now, said)

    def _read_on(self, rules: Rules) -> None:
        head = self._reader.head().seq
        if head == self._seq:
            return
        # What comes meanwhile may be seen by one reading and not by the other: the next look begins at this head.
        self._note_signals(after=self._seq)
        if rules.counting_requests.compiled:
            for recorded in self._reader.events(self._seq, kinds=("received",)):
                if recorded.event.account:
                    self._waiting.setdefault(recorded.event.account, _Waiting(recorded.seq, noted=False))
        self._seq = head

    def _follow_links(self, rules: Rules) -> None:
        """Where a rule reads links, keep their index up to date: a little at each look, for it may have far to go."""
        if not rules.reads({"linked"}):
            return
        if self._links is None:
            self._links = Links(self._reader)
        self._links.follow(most=_LINKED)

    def _note_signals(self, *, after: int, since: float | None = None) -> None:
        for signal in self._reader.signals(after=after, since=since):
            self._memory.add(signal)
            if signal.account and counts(signal):
                waiting = self._waiting.get(signal.account)
                if waiting is None or not waiting.noted:
                    seq = waiting.seq if waiting is not None else signal.seq
                    self._waiting[signal.account] = _Waiting(seq, noted=True)

    def _events(self, proposed: Proposed, history: History) -> list[Event]:
        product = history.signals[-1].product if history.signals else ""
        return [
            Event(
                body=Acted(action=self._cite(action), notify=not action.shadow),
                at=action.at,
                account=action.account,
                product=product,
            )
            for action in proposed.actions
        ]

    def _cite(self, action: Action) -> Action:
        """An action that rests on requests alone cites the last of them."""
        if action.evidence:
            return action
        received = self._reader.tail(CITED, kinds=("received",), account=action.account)
        return msgspec.structs.replace(action, evidence=tuple(recorded.seq for recorded in received))


class _Waiting(msgspec.Struct, frozen=True):
    """Since which event an account waits, and whether some defense noted it, rather than only counted a request."""

    seq: int
    noted: bool
