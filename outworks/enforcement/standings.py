"""Standings: every account's standing, folded from the ledger and quick to ask on each request."""

from collections.abc import Iterator, Mapping

import msgspec
from typing_extensions import override

from outworks.action import GOOD, Action, Standings
from outworks.enforcement.taken import Taken, in_force
from outworks.event import Acted, Event, Restored, Undone
from outworks.ledger.reader import Reader

STANDING_KINDS = ("acted", "undone", "restored")
_BUSY_S = 0.25
"""How long, in seconds, a count above an account's rate holds: nobody makes us count by hammering."""


class StandingTable(Standings):
    """Who may do what now, as far as this table has read the ledger; `refresh` reads on.

    It holds the accounts on which some action was ever taken, and no others.
    """

    def __init__(self, ledger: Reader) -> None:
        self._ledger = ledger
        self._seq = 0
        self._accounts: dict[str, _Account] = {}
        self._by_id: dict[str, str] = {}

    @property
    def seq(self) -> int:
        """How far the ledger has been read."""
        return self._seq

    def refresh(self, *, most: int | None = None) -> int:
        """Take in what was recorded since, at most so many events; returns how many that was."""
        head = self._ledger.head().seq
        if head == self._seq:
            return 0
        count = 0
        for recorded in self._ledger.events(self._seq, kinds=STANDING_KINDS, limit=most):
            self.apply(recorded.seq, recorded.event)
            count += 1
        if count != most:
            # The ledger's index of changes holds fingerprints, too: they would be passed over anew each time.
            self._seq = max(self._seq, head)
        return count

    def apply(self, seq: int, event: Event) -> None:
        """Take in one event; those that change no standing, and those taken in before, leave it as it is."""
        if seq <= self._seq:
            return
        self._seq = seq
        body = event.body
        if isinstance(body, Acted):
            account = self._accounts.setdefault(body.action.account, _Account())
            account.taken[body.action.id] = Taken(seq, body.action)
            account.stale = True
            self._by_id[body.action.id] = body.action.account
        elif isinstance(body, Undone) and body.action in self._by_id:
            account = self._accounts[self._by_id[body.action]]
            found = account.taken[body.action]
            if found.undone is None:
                account.taken[body.action] = msgspec.structs.replace(found, undone=body)
                account.stale = True
        elif isinstance(body, Restored) and body.action in self._by_id:
            account = self._accounts[self._by_id[body.action]]
            account.taken[body.action] = msgspec.structs.replace(account.taken[body.action], undone=None)
            account.stale = True

    @override
    def of(self, account: str, now: float) -> Action:
        found = self._accounts.get(account)
        if found is None:
            return GOOD
        return found.action if not found.stale and found.since <= now < found.until else found.look(now)

    @override
    async def requests_since(self, account: str, since: float) -> int:
        found = self._accounts.get(account)
        if found is None:
            return self._ledger.requests(account, since)
        if found.busy_since <= since <= found.busy_since + _BUSY_S and found.busy >= (
            found.action.rate_per_minute or 0
        ):
            return found.busy
        # An indexed count of a minute: handing it to a thread would cost more than the count.
        found.busy, found.busy_since = self._ledger.requests(account, since), since
        return found.busy

    def taken(self, account: str) -> tuple[Taken, ...]:
        """Every action ever taken on an account, in the order of the ledger."""
        found = self._accounts.get(account)
        return tuple(found.taken.values()) if found else ()

    def find(self, action_id: str) -> Taken | None:
        """The action of that id."""
        account = self._by_id.get(action_id)
        return self._accounts[account].taken[action_id] if account is not None else None

    @property
    def actions(self) -> Mapping[str, str]:
        """The account of every action, by the action's id."""
        return self._by_id

    def __iter__(self) -> Iterator[str]:
        """The accounts on which some action was ever taken."""
        return iter(self._accounts)


class _Account:
    """The actions on one account by id, with the one in force at `since` and until `until`."""

    __slots__ = ("action", "busy", "busy_since", "since", "stale", "taken", "until")

    def __init__(self) -> None:
        self.taken: dict[str, Taken] = {}
        self.action = GOOD
        self.since = self.until = 0.0
        self.stale = True
        self.busy = 0
        self.busy_since = 0.0

    def look(self, now: float) -> Action:
        force = in_force(tuple(self.taken.values()), now)
        self.action, self.since, self.until, self.stale = force.action, now, force.until, False
        return force.action
