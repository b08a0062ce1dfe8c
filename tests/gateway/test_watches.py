"""Watching: an exchange ends when its client leaves or its time is up, and nobody else's does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
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
    monkeypatch.setattr(loop, "call_later", lambda *given, **how: timers.append(given[0]) or original(*given, **how))

    for _ in range(500):
        Watch(stays, 60.0, watches).stop()

    assert timers == [LOOK_AFTER]


async def test_an_exchange_is_looked_at_in_its_own_context() -> None:
    """Not in that of whoever happened to come first."""
    watches = Watches()
    seen: list[str] = []

    async def receive() -> dict[str, Any]:
        seen.append(_WHOSE.get())
        return {"type": "http.disconnect"}

    async def asks(name: str) -> str:
        _WHOSE.set(name)
        return await exchange(watches, receive, 4 * LOOK_AFTER)

    assert await asyncio.gather(asks("first"), asks("second")) == ["client_left", "client_left"]
    assert seen == ["first", "second"]


_WHOSE: ContextVar[str] = ContextVar("whose", default="nobody's")


async def test_a_look_that_fails_leaves_the_others_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """One timer serves them all, and must not end with one of them."""
    watches, look = Watches(), Watch.look

    def fails_once(watch: Watch) -> None:
        monkeypatch.setattr(Watch, "look", look)
        raise MemoryError

    monkeypatch.setattr(Watch, "look", fails_once)
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))

    ended = await asyncio.gather(*(exchange(watches, left, 4 * LOOK_AFTER) for _ in range(3)))

    assert sorted(ended) == ["answered", "client_left", "client_left"]
    assert [type(error) for error in told] == [MemoryError]


async def test_two_loops_at_once_are_refused() -> None:
    """Better than to forget the exchanges of one of them."""
    watches = Watches()
    watch = Watch(stays, 60.0, watches)

    def another() -> None:
        with pytest.raises(RuntimeError, match="one event loop"):
            asyncio.run(exchange(watches, left, 0))

    await asyncio.to_thread(another)
    watch.stop()
    assert await asyncio.to_thread(lambda: asyncio.run(exchange(watches, left, 0))) == "answered"
