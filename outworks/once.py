"""Once: what may happen once, or so often a turn; the ledger's order of events decides between all workers."""

import time
from collections import OrderedDict, deque
from collections.abc import Iterable

import msgspec

from outworks.defenses.flow import Taken, Turn, rank
from outworks.event import Body, Confirmed, Counted, Event
from outworks.ledger import Ledger
from outworks.ledger.reader import Recorded
from outworks.message import Request

TURN_SECONDS = 300.0
"""How far back calls count towards the limits of a turn, whatever history the client sends."""
_PAGE = 2000


class Confirmations:
    """Confirmations that were taken. The ledger outlives them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seq = 0
        self._taken: dict[str, str] = {}

    async def spend(self, request: Request, nonce: str) -> bool:
        """Take one for a request; False where another request took it before."""
        self._refresh()
        if nonce in self._taken:
            return False
        await self._ledger.append([_event(request, Confirmed(nonce=nonce))])
        self._refresh()
        return self._taken.get(nonce) == request.id

    def _refresh(self) -> None:
        for recorded in self._ledger.events(self._seq, kinds=("confirmed",)):
            self._seq = recorded.seq
            if isinstance(recorded.event.body, Confirmed):
                self._taken.setdefault(recorded.event.body.nonce, recorded.event.exchange)


class Counts:
    """Calls a turn, of the last minutes. A call is recorded before it leaves, so that none leaves uncounted."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seq = -1
        self._taken: OrderedDict[tuple[str, str], deque[_Timed]] = OrderedDict()

    async def take(self, request: Request, taken: Taken) -> int:
        """Take a call; how many of its turn were taken before it."""
        body = Counted(tool=taken.tool, words=taken.turn.words, place=taken.turn.place, slot=taken.slot)
        if not any(each.taken.slot == taken.slot for each in self._of(request)):
            await self._ledger.append([_event(request, body)])
        return rank(deque(each.taken for each in self._of(request)), taken)

    def _of(self, request: Request) -> "deque[_Timed]":
        since = time.time() - TURN_SECONDS
        self._refresh(since)
        key = (request.account, request.conversation)
        return deque(each for each in self._taken.get(key, ()) if each.at >= since)

    def _refresh(self, since: float) -> None:
        for recorded in self._news(since):
            self._seq, event = recorded.seq, recorded.event
            if isinstance(event.body, Counted):
                body = event.body
                key = (event.account, event.conversation)
                taken = Taken(tool=body.tool, turn=Turn(body.words, body.place), slot=body.slot)
                known = self._taken.setdefault(key, deque())
                known.append(_Timed(event.at, taken))
                while known[0].at < since and len(known) > 1:
                    known.popleft()
                self._taken.move_to_end(key)
        while self._taken and next(iter(self._taken.values()))[-1].at < since:
            self._taken.popitem(last=False)

    def _news(self, since: float) -> Iterable[Recorded]:
        """What was counted since the last look; at first, since the time from which it matters."""
        if self._seq >= 0:
            return self._ledger.events(self._seq, kinds=("counted",))
        self._seq, size = 0, _PAGE
        while True:
            found = self._ledger.tail(size, kinds=("counted",))
            if len(found) < size or found[0].event.at < since:
                return found
            size *= 4


class _Timed(msgspec.Struct, frozen=True):
    at: float
    taken: Taken


def _event(request: Request, body: Body) -> Event:
    return Event(
        body=body,
        at=time.time(),
        exchange=request.id,
        account=request.account,
        product=request.product,
        conversation=request.conversation,
    )
