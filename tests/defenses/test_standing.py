"""standing: accounts that may not go on stop here, and are told why, until when, and how to appeal."""

import msgspec
import pytest

from outworks.action import GOOD, Action, Standings
from outworks.action import Standing as Level
from outworks.defenses.standing import Settings, Standing
from outworks.verdict import ALLOW, Decision, Finding, Notice, Verdict
from tests.defenses.contract import DefenseContract, Row
from tests.kit import asks

NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC


class Fixed(Standings):
    """The standing of three kinds of account, and the moments of their requests."""

    def __init__(self, *actions: Action, requests: tuple[float, ...] = ()) -> None:
        self._actions = {action.account: action for action in actions}
        self.requests = requests
        self.asked = 0

    def of(self, account: str, now: float) -> Action:
        return self._actions.get(account, GOOD)

    async def requests_since(self, account: str, since: float) -> int:
        self.asked += 1
        return sum(at >= since for at in self.requests)


def action(level: Level, **fields: object) -> Action:
    whole = {"id": "act_1", "account": "shop:ann", "standing": level, "by": "rule:x", "reason": "Three times."}
    return Action(**{**whole, **fields})  # type: ignore[arg-type]


async def check(one: Action, *, requests: tuple[float, ...] = (), appeals: str = "") -> Verdict:
    defense = Standing(Settings(appeals=appeals), Fixed(one, requests=requests), clock=lambda: NOW)
    return await defense.check_request(asks())


class TestStanding(DefenseContract):
    """The contract."""

    rows = (
        Row("an account nobody acted on", asks(account="shop:zoe"), Decision.ALLOW),
        Row("no account at all", asks(account=""), Decision.ALLOW),
        Row("reinstated", asks(account="shop:good"), Decision.ALLOW),
        Row("warned", asks(account="shop:warned"), Decision.ALLOW),
        Row("limited, within its rate", asks(account="shop:limited"), Decision.ALLOW),
        Row("limited, above its rate", asks(account="shop:busy"), Decision.BLOCK),
        Row("limited, with no rate that says how much", asks(account="shop:none"), Decision.BLOCK),
        Row("suspended", asks(account="shop:suspended"), Decision.BLOCK),
        Row("banned", asks(account="shop:banned"), Decision.BLOCK),
    )

    def make(self) -> Standing:
        levels = {"good": 0, "warned": 1, "limited": 2, "busy": 2, "none": 2, "suspended": 3, "banned": 4}
        rates = {"limited": 10.0, "busy": 5.0}
        actions = [
            action(Level(level), account=f"shop:{name}", rate_per_minute=rates.get(name))
            for name, level in levels.items()
        ]
        return Standing(Settings(), Fixed(*actions, requests=(NOW - 1,) * 5), clock=lambda: NOW)


async def test_good_accounts_cost_nothing() -> None:
    """For an account in good standing nothing is built and nothing is counted."""
    standings = Fixed()

    verdict = await Standing(Settings(), standings, clock=lambda: NOW).check_request(asks())

    assert verdict is ALLOW
    assert standings.asked == 0


@pytest.mark.parametrize(
    ("level", "expires", "code", "message"),
    [
        (Level.SUSPENDED, NOW + 3600, "account_suspended", "This account is suspended until 2027-01-15 09:00 UTC. "),
        (Level.BANNED, None, "account_banned", "This account is banned. "),
        (Level.BANNED, NOW + 60, "account_banned", "This account is banned until 2027-01-15 08:01 UTC. "),
    ],
)
async def test_a_stopped_account_is_told(level: Level, expires: float | None, code: str, message: str) -> None:
    """A suspended or banned account reads why, until when, the reference for an appeal, and where to send it."""
    verdict = await check(action(level, expires=expires), appeals="Appeals: appeals@example.com")

    assert verdict.decision is Decision.BLOCK
    assert verdict.notice == Notice(
        code=code, status=403, message=f"{message}Three times. Appeals: appeals@example.com", appeal="act_1"
    )
    assert verdict.findings == (Finding("standing", 1.0, detail="act_1"),)


async def test_a_warned_account_goes_on_and_leaves_a_finding() -> None:
    """A warned account is not held up; the ledger notes that it was warned."""
    verdict = await check(action(Level.WARNED))

    assert verdict.decision is Decision.ALLOW
    assert verdict.findings == (Finding("standing", 1.0, detail="act_1"),)
    assert verdict.notice is None


@pytest.mark.parametrize(
    ("requests", "decision"),
    [
        ((), Decision.ALLOW),
        ((NOW - 5,) * 9, Decision.ALLOW),
        ((NOW - 5,) * 10, Decision.BLOCK),
        ((NOW - 60.5,) * 100, Decision.ALLOW),
    ],
)
async def test_a_limited_account_meets_its_rate(requests: tuple[float, ...], decision: Decision) -> None:
    """With ten requests a minute, the tenth passes and the eleventh does not; what is older than a minute is over."""
    verdict = await check(action(Level.LIMITED, rate_per_minute=10.0), requests=requests)

    assert verdict.decision is decision


@pytest.mark.parametrize("ages", [(0.5,) * 10, (59.0,) * 10, (1.0, *(30.0,) * 9), tuple(6.0 * n for n in range(10))])
async def test_retry_after_is_kept(ages: tuple[float, ...]) -> None:
    """Whoever waits as long as told is admitted, and is not told to wait a second more than that."""
    limited = action(Level.LIMITED, rate_per_minute=10.0, expires=NOW + 9000)
    requests = tuple(NOW - age for age in ages)

    notice = (await check(limited, requests=requests)).notice

    assert notice is not None
    assert (notice.code, notice.status, notice.appeal) == ("account_limited", 429, "act_1")
    assert notice.message.startswith(
        "This account is limited to 10 requests a minute until 2027-01-15 10:30 UTC. Three"
    )
    wait = notice.retry_after
    assert wait is not None
    assert sum(at >= NOW + wait - 60 for at in requests) < 10
    assert wait == 1.0 or sum(at >= NOW + wait - 1 - 60 for at in requests) >= 10


async def test_whoever_hammers_waits_the_whole_minute() -> None:
    """Far above the rate the wait is the minute, after which a request is surely admitted, and one count is made."""
    standings = Fixed(action(Level.LIMITED, rate_per_minute=10.0), requests=(NOW - 59,) * 500)

    verdict = await Standing(Settings(), standings, clock=lambda: NOW).check_request(asks())

    assert verdict.notice is not None
    assert verdict.notice.retry_after == 60.0
    assert standings.asked == 1


async def test_shadow_and_settings_are_of_the_policy() -> None:
    """What the policy can say of it is checked: a misspelt setting is refused."""
    with pytest.raises(msgspec.ValidationError, match="appeal_to"):
        msgspec.convert({"appeal_to": "x"}, Settings)


async def test_a_burst_is_counted_before_the_ledger_has_any_of_it() -> None:
    """Requests that come at once are each counted for the next, though none is recorded yet; a minute later they are
    forgotten."""
    now = [NOW]
    limited = action(Level.LIMITED, rate_per_minute=3.0)
    defense = Standing(Settings(), Fixed(limited), clock=lambda: now[0])

    burst = [(await defense.check_request(asks())).decision for _ in range(6)]
    other = (await defense.check_request(asks(account="shop:zoe"))).decision
    now[0] += 61
    later = (await defense.check_request(asks())).decision

    assert burst == [Decision.ALLOW] * 3 + [Decision.BLOCK] * 3
    assert (other, later) == (Decision.ALLOW, Decision.ALLOW)
