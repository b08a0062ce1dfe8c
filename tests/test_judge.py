"""Judging: one check, bounded in time, failing closed, measured."""

import asyncio

import pytest

from outworks.defense import InForce, Mode
from outworks.judge import Judged, Pending, begin, bounded, judge, strictest
from outworks.message import Request
from outworks.verdict import ALLOW, Decision, Finding, Verdict
from tests.kit import asks, on_request

BLOCK = Verdict(decision=Decision.BLOCK, reason="no")


async def judged(each: InForce) -> Judged:
    return await judge(each, each.defense.check_request(asks()))


async def test_a_check_that_waits_for_nothing_ends_at_once() -> None:
    """Its verdict, whose it is and what it took are there without a turn of the loop."""
    one = begin(each := on_request(BLOCK, mode="shadow"), each.defense.check_request(asks()))

    assert isinstance(one, Judged)
    assert (one.name, one.mode, one.verdict, one.error) == ("made", Mode.SHADOW, BLOCK, "")


async def test_a_check_that_waits_is_waited_for() -> None:
    """What it waits for may be done or not when it begins to: both come to its verdict."""

    async def waits(request: Request) -> Verdict:
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        return BLOCK

    each = on_request(waits)
    one = begin(each, each.defense.check_request(asks()))
    assert isinstance(one, Pending)
    ended = await one.end()

    assert ended.verdict is BLOCK
    assert ended.us >= 10_000


@pytest.mark.parametrize("when", [0.0, 0.01], ids=["at once", "after a wait"])
@pytest.mark.parametrize(("on_error", "decision"), [("block", Decision.BLOCK), ("allow", Decision.ALLOW)])
async def test_a_check_that_raises_decides_as_the_policy_says(when: float, on_error: str, decision: Decision) -> None:
    """The failure is recorded either way, with where it was, and without its words: they may quote content."""

    async def raises(request: Request) -> Verdict:
        if when:
            await asyncio.sleep(when)
        raise KeyError("secret words")

    one = await judged(on_request(raises, on_error=on_error))

    assert (one.error, one.verdict.decision) == ("raised", decision)
    assert "KeyError in test_judge.py" in one.verdict.reason
    assert "secret" not in one.verdict.reason


@pytest.mark.parametrize("blocking", [True, False], ids=["without a pause", "waiting"])
async def test_a_check_that_overruns_its_time_blocks(blocking: bool) -> None:
    """Whether it lets go of the loop or not, its verdict comes too late to count."""

    async def slow(request: Request) -> Verdict:
        if blocking:
            asyncio.get_running_loop()
            end = asyncio.get_running_loop().time() + 0.03
            while asyncio.get_running_loop().time() < end:
                pass
        else:
            await asyncio.sleep(5)
        return ALLOW

    one = await judged(on_request(slow, time_limit_ms=10))

    assert (one.error, one.verdict.decision) == ("overran", Decision.BLOCK)
    assert one.us < 2_000_000


@pytest.mark.parametrize(
    ("verdict", "why"),
    [
        (None, "NoneType"),
        (Verdict(decision=Decision.MODIFY), "MODIFY"),
        (Verdict(findings=(Finding("x", float("nan")),)), "score"),
    ],
)
async def test_a_verdict_that_breaks_the_contract_blocks(verdict: Verdict, why: str) -> None:
    """No verdict, a change that says nothing, a score that is no number: each is a fault, and fails closed."""

    async def wrong(request: Request) -> Verdict:
        return verdict

    one = await judged(on_request(wrong))

    assert (one.error, one.verdict.decision) == ("raised", Decision.BLOCK)
    assert why in one.verdict.reason


async def test_whoever_leaves_is_no_fault_of_the_check() -> None:
    """Cancelling goes through, and is not taken for a failure."""

    async def waits(request: Request) -> Verdict:
        await asyncio.sleep(5)
        return ALLOW

    task = asyncio.create_task(judged(on_request(waits)))
    await asyncio.sleep(0.01)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_strictest_live_decision_counts() -> None:
    """A shadow's block is none."""
    shadow = Judged("a", Mode.SHADOW, BLOCK)
    live = Judged("b", Mode.LIVE, Verdict(decision=Decision.MODIFY))

    assert strictest([]) is Decision.ALLOW
    assert strictest([shadow]) is Decision.ALLOW
    assert strictest([shadow, live]) is Decision.MODIFY


async def test_bounded_work_ends_in_time() -> None:
    """A result, or `TimeoutError` after so many seconds."""

    async def quick() -> int:
        return 7

    assert await bounded(quick(), 1.0) == 7
    with pytest.raises(TimeoutError):
        await bounded(asyncio.sleep(5), 0.01)
