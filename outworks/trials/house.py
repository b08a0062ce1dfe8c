"""House: the record, the rules and the standing of a product that runs within a trial."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import msgspec
from typing_extensions import override

from outworks.action import Action, Standings
from outworks.enforcement.history import History, since, spent
from outworks.enforcement.propose import propose
from outworks.enforcement.rules import Rules
from outworks.enforcement.taken import Taken, in_force
from outworks.event import Body, Event, Judged, Received, Released, Undone
from outworks.ledger.signal import Signal, signals_of
from outworks.message import Request


class _Account:
    """What is kept of one account."""

    __slots__ = ("first_seen", "now", "received", "said", "signals", "taken")

    def __init__(self) -> None:
        self.now = 0.0
        self.first_seen: float | None = None
        self.received: list[float] = []
        self.signals: list[Signal] = []
        self.taken: list[Taken] = []
        self.said: dict[str, str] = {}


class Noted(msgspec.Struct, frozen=True):
    """What the record says of one exchange."""

    stopped_by: str = ""
    flagged: tuple[str, ...] = ()
    altered: bool = False
    checked_ms: float = 0.0


class House(Standings):
    """A ledger in memory with enforcement on it: the product's own rules, the product's own standing.

    Its clock is the trial's. How many queries an attacker sends in a minute must not depend on how fast the machine is,
    or a slow model would make every rule look mild.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._seq = 0
        self._accounts: dict[str, _Account] = defaultdict(_Account)
        self._bodies: dict[str, list[Body]] = defaultdict(list)

    def set_clock(self, account: str, now: float) -> None:
        """It is now so many seconds since the attack began."""
        self._accounts[account].now = now

    def append(self, events: Sequence[Event], *, within: float = 0.0) -> "asyncio.Future[None]":
        """See `Recorder`."""
        for event in events:
            self._seq += 1
            self._take(event)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def noted(self, exchange: str) -> Noted:
        """What was recorded of an exchange; it is kept no longer."""
        stopped, altered, us = "", False, 0
        flagged: dict[str, None] = {}
        for body in self._bodies.pop(exchange, ()):
            if not isinstance(body, Judged):
                continue
            for one in body.judgements:
                live = one.mode == "live"
                us += one.us
                stopped = stopped or (one.defense if live and one.decision >= 2 else "")
                altered = altered or (live and one.decision == 1 and body.stage == "output")
                flagged.update((f"{one.defense}:{finding.category}", None) for finding in one.findings)
                if one.decision and not one.findings:
                    flagged[f"{one.defense}:{one.defense}"] = None
        return Noted(stopped, tuple(flagged), altered, us / 1000)

    def forget(self, account: str) -> None:
        """Drop an account that will not come back."""
        self._accounts.pop(account, None)

    def taken(self, account: str) -> Sequence[Taken]:
        """Every action ever taken on an account, in order."""
        return tuple(self._accounts[account].taken)

    def undo(self, account: str, action: str, *, by: str) -> None:
        """Take an action back, if it is this account's."""
        found = self._accounts[account].taken
        for n, one in enumerate(found):
            if one.action.id == action:
                found[n] = msgspec.structs.replace(one, undone=Undone(action=action, by=by))

    @override
    def of(self, account: str, now: float) -> Action:
        found = self._accounts[account]
        return in_force(found.taken, found.now).action

    @override
    async def requests_since(self, account: str, since: float) -> int:
        # The defense asks with its own clock; it means the last minute, and the minute here is the trial's.
        found = self._accounts[account]
        return sum(1 for at in found.received if at > found.now - 60.0)

    async def released(self, request: Request, text: str) -> bool:
        """Whether this account was given just this text before."""
        said = self._accounts[request.account].said.values()
        return bool(text.strip()) and any(each.strip() == text.strip() for each in said)

    def _take(self, event: Event) -> None:
        account = self._accounts[event.account]
        self._bodies[event.exchange].append(event.body)
        if isinstance(event.body, Received):
            account.received.append(account.now)
            account.first_seen = account.now if account.first_seen is None else account.first_seen
        elif isinstance(event.body, Released):
            account.said[event.exchange] = account.said.get(event.exchange, "") + (event.content or "")
        signals = signals_of(msgspec.structs.replace(event, at=account.now), self._seq)
        if signals:
            account.signals += signals
            self._enforce(event.account, account)

    def _enforce(self, name: str, account: _Account) -> None:
        history = History(
            account=name,
            at=account.now,
            signals=tuple(account.signals),
            taken=tuple(account.taken),
            first_seen=account.first_seen,
        )
        moments = {
            since(call, spent(each, history), history.at)
            for each in self._rules.compiled
            for call in each.condition.calls
            if call.word == "requests"
        }
        requests = {moment: sum(1 for at in account.received if at >= moment) for moment in moments}
        proposed = propose(self._rules, msgspec.structs.replace(history, requests=requests))
        for action in proposed.actions:
            self._seq += 1
            account.taken.append(Taken(self._seq, action))
