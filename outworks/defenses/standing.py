"""standing: stops suspended and banned accounts, and holds limited ones to their rate."""

import math
import time
from collections import deque
from collections.abc import Callable

from typing_extensions import override

from outworks import defense
from outworks.action import GOOD, Action, Standings
from outworks.action import Standing as Level
from outworks.message import Request
from outworks.moment import moment
from outworks.plural import plural
from outworks.verdict import ALLOW, Decision, Finding, Notice, Verdict

_WINDOW = 60.0
_HAMMERING = 100
_MOST = 10_000
"""Limited accounts whose requests are counted here."""


class Settings(defense.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How accounts that may not go on are told."""

    appeals: str = ""
    """Where an account can appeal, put after the reason: `Appeals: https://example.com/appeals`."""


class Standing(defense.Defense):
    """Reads what the account may do now; who decides that, and why, is told by the ledger."""

    name = "standing"

    def __init__(self, settings: Settings, standings: Standings, *, clock: Callable[[], float] = time.time) -> None:
        self._appeals = settings.appeals
        self._standings = standings
        self._clock = clock
        self._seen: dict[str, deque[float]] = {}
        """When limited accounts sent requests to this worker, the one seen last at the end."""

    @override
    async def check_request(self, request: Request) -> Verdict:
        account = request.account
        now = self._clock()
        action = self._standings.of(account, now)
        if action is GOOD or action.standing is Level.GOOD:
            return ALLOW
        if action.standing is Level.WARNED:
            return Verdict(reason="the account is warned", findings=_findings(action))
        if action.standing is Level.LIMITED:
            return await self._within_rate(action, account, now)
        what = "banned" if action.standing is Level.BANNED else "suspended"
        return self._block(action, Notice(code=f"account_{what}", status=403, appeal=action.id, message=""), what)

    async def _within_rate(self, action: Action, account: str, now: float) -> Verdict:
        # An action that says LIMITED without a rate admits nothing: no match means deny.
        rate = action.rate_per_minute or 0.0
        sent = max(await self._standings.requests_since(account, now - _WINDOW), self._count(account, rate, now))
        if sent < rate:
            return Verdict(reason="the account is limited", findings=_findings(action))
        # Whoever hammers is told the whole minute: working out less for him would cost more than his request.
        wait = await self._wait(account, now, rate) if sent < rate + _HAMMERING else _WINDOW
        notice = Notice(code="account_limited", status=429, appeal=action.id, retry_after=wait, message="")
        return self._block(action, notice, f"limited to {plural(rate, 'request')} a minute")

    def _count(self, account: str, rate: float, now: float) -> int:
        """How many requests this worker has seen before this one: of a burst, the ledger has none yet."""
        seen = self._seen.pop(account, None) or deque(maxlen=math.ceil(rate) + _HAMMERING + 1)
        self._seen[account] = seen
        if len(self._seen) > _MOST:
            del self._seen[next(iter(self._seen))]
        while seen and seen[0] < now - _WINDOW:
            seen.popleft()
        seen.append(now)
        return len(seen) - 1

    async def _wait(self, account: str, now: float, rate: float) -> float:
        """Whole seconds after which a request would be admitted, if none is sent before."""
        low, high = 0, math.ceil(_WINDOW)
        while high - low > 1:
            middle = (low + high) // 2
            busy = await self._standings.requests_since(account, now - _WINDOW + middle) >= rate
            low, high = (middle, high) if busy else (low, middle)
        return float(high)

    def _block(self, action: Action, notice: Notice, what: str) -> Verdict:
        until = f" until {moment(action.expires)}" if action.expires is not None else ""
        message = " ".join(filter(None, (f"This account is {what}{until}.", action.reason, self._appeals)))
        return Verdict(
            decision=Decision.BLOCK,
            reason=f"the account is {what} by {action.by}",
            findings=_findings(action),
            notice=Notice(
                code=notice.code,
                message=message,
                status=notice.status,
                retry_after=notice.retry_after,
                appeal=notice.appeal,
            ),
        )


def _findings(action: Action) -> tuple[Finding, ...]:
    return (Finding("standing", 1.0, detail=action.id),)
