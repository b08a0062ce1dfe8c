"""House: the record, the rules and the standing of a product that runs within a trial."""

import asyncio
import math
from collections import defaultdict
from collections.abc import Sequence

import msgspec
from typing_extensions import override

from outworks.action import Action, Standings
from outworks.enforcement.evidence.replay import Replay, Step
from outworks.enforcement.propose import propose
from outworks.enforcement.rules import Rules
from outworks.enforcement.taken import Taken, in_force
from outworks.event import Body, Event, Judged, Received, Released, Undone
from outworks.ledger.signal import signals_of
from outworks.message import Asked, Request, asked_of


class _Account:
    """What is kept of one account."""

    __slots__ = ("asked", "now", "replay", "said")

    def __init__(self, name: str) -> None:
        self.now = 0.0
        self.replay = Replay(name)
        self.asked: dict[str, Asked] = {}
        """What was asked in each exchange."""
        self.said: dict[str, str] = {}
        """What was answered in it."""


class _Accounts(dict[str, _Account]):
    def __missing__(self, name: str) -> _Account:
        return self.setdefault(name, _Account(name))


class Noted(msgspec.Struct, frozen=True):
    """What the record says of one exchange."""

    stopped_by: str = ""
    flagged: tuple[str, ...] = ()
    altered: bool = False
    checked_ms: float = 0.0


class House(Standings):
    """A ledger in memory with enforcement on it: the product's own rules, the product's own standing.

    Its clock is the trial's. How many queries an attacker sends in a minute must not depend on how fast the machine is,
    or a slow model would make every rule look mild. No account of a trial is linked to another.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._seq = 0
        self._accounts = _Accounts()
        self._bodies: dict[str, list[Body]] = defaultdict(list)

    def set_clock(self, account: str, now: float) -> None:
        """It is now so many seconds since the attack began."""
        self._accounts[account].now = now

    def append(self, events: Sequence[Event], *, within: float = 0.0) -> "asyncio.Future[None]":
        """See `Recorder`."""
        noted: dict[str, bool] = {}
        for event in events:
            noted[event.account] = self._take(event) or noted.get(event.account, False)
        for account, something in noted.items():
            self._enforce(self._accounts[account], self._rules if something else self._rules.counting_requests)
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
        return self._accounts[account].replay.taken

    def undo(self, account: str, action: str, *, by: str) -> None:
        """Take an action back, if it is this account's."""
        self._take(Event(body=Undone(action=action, by=by), at=0.0, account=account))

    @override
    def of(self, account: str, now: float) -> Action:
        found = self._accounts[account]
        return in_force(found.replay.taken, found.now).action

    @override
    async def requests_since(self, account: str, since: float) -> int:
        # The defense asks with its own clock; it means the last minute, and the minute here is the trial's.
        found = self._accounts[account]
        return found.replay.requests(account, math.nextafter(found.now - 60.0, math.inf))

    async def released(self, request: Request, text: str) -> bool:
        """Whether this account was given just this text before, as the answer to the same turns."""
        account = self._accounts[request.account]
        exchanges = [exchange for exchange, said in account.said.items() if said.strip() == text.strip()]
        return bool(text.strip()) and any(account.asked[exchange].is_of(request) for exchange in exchanges)

    def _take(self, event: Event) -> bool:
        """Take an event in; whether some defense noted something that counts."""
        account = self._accounts[event.account]
        self._seq += 1
        event = msgspec.structs.replace(event, at=account.now)
        if event.exchange:
            self._bodies[event.exchange].append(event.body)
        if isinstance(event.body, Received):
            account.asked[event.exchange] = asked_of(event.content or "{}")
        elif isinstance(event.body, Released):
            account.said[event.exchange] = account.said.get(event.exchange, "") + (event.content or "")
        step = Step(seq=self._seq, event=event, signals=signals_of(event, self._seq))
        account.replay.tell(step)
        return step.noted

    def _enforce(self, account: _Account, rules: Rules) -> None:
        if not rules.compiled:
            return
        for action in propose(rules, account.replay.history(rules, account.now)).actions:
            self._seq += 1
            account.replay.act(self._seq, action)
