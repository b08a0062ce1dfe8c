"""Watching: an exchange ends when its client leaves or its time is up, and nobody else's does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from outworks.gateway.http import LOOK_AFTER, Watch, Watches

Receive = Callable[[], Awaitable[dict[str, Any]]]


async def stays() -> dict[str, Any]:
    """A client that waits for its answer."""
    return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]


async def left() -> dict[str, Any]:
    """A client that is gone."""
    return {"type": "http.disconnect"}


async def exchange(watches: Watches, receive: Receive, seconds: float, limit: float = 60.0) -> str:
    """An exchange that takes so long; how it ended."""
    watch = Watch(receive, limit, watches)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError as why:
        assert watch.ended
        return str(why.args[0])
    finally:
        watch.stop()
    return "answered"


async def test_only_the_exchange_whose_client_left_ends() -> None:
    """Quick ones before it, slow ones beside it, and one that begins while others are being looked at."""
    watches = Watches()
    long = 4 * LOOK_AFTER

    async def later() -> str:
        await asyncio.sleep(LOOK_AFTER)
        return await exchange(watches, left, long)

    ended = await asyncio.gather(
        exchange(watches, left, 0),
        exchange(watches, stays, long),
        exchange(watches, left, long),
        exchange(watches, left, LOOK_AFTER / 10),
        later(),
    )

    assert ended == ["answered", "answered", "client_left", "answered", "client_left"]


@pytest.mark.parametrize("limit", [LOOK_AFTER / 2, 2 * LOOK_AFTER])
async def test_an_exchange_whose_time_is_up_ends(limit: float) -> None:
    """Whether or not its time is over before anybody would look at it."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    ended = await exchange(Watches(), stays, 60.0, limit)

    assert ended == "timed_out"
    assert limit - 0.01 <= loop.time() - began < limit + 5


def test_a_loop_that_ended_takes_its_exchanges_along() -> None:
    """What another loop left unfinished holds up nobody in the next."""
    watches = Watches()

    async def abandon() -> None:
        Watch(stays, 60.0, watches)

    asyncio.run(abandon())

    assert asyncio.run(exchange(watches, left, 4 * LOOK_AFTER)) == "client_left"


async def test_a_burst_of_exchanges_sets_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer an exchange would cost each as much as a defense."""
    loop, watches, timers = asyncio.get_running_loop(), Watches(), []
    original = loop.call_later
    monkeypatch.setattr(loop, "call_later", lambda *given: timers.append(given[0]) or original(*given))

    for _ in range(500):
        Watch(stays, 60.0, watches).stop()

    assert timers == [LOOK_AFTER]
