"""The endpoint of a wire, where no whole gateway is needed to see it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from outworks.action import GOOD, Action
from outworks.event import Ended, Rejected
from outworks.gateway import exchange
from outworks.gateway.exchange import Asking, Door, Doorway, Exchange, Ids, Who
from outworks.gateway.http import Limits
from outworks.gateway.keys import Keys
from outworks.gateway.problem import Problem
from outworks.gateway.wires import WIRES
from outworks.message import Delta, Request
from outworks.pipeline import DefendedModel
from tests.gateway.public import serving
from tests.kit import Says, Tape


def who(account: str, product: str = "shop") -> Who:
    made = Who()
    made.product, made.account = product, account
    return made


def test_no_end_user_fills_the_gateway_for_the_others() -> None:
    """Beyond his own limit one user is told 429, others are not; when one of his ends, he may begin another."""
    doorway = Doorway(None)  # type: ignore[arg-type]
    limits = Limits(in_flight_per_account=2)
    ann = who("shop:ann")
    for _ in range(2):
        doorway.enter(ann, limits)

    with pytest.raises(Problem) as caught:
        doorway.enter(ann, limits)
    doorway.enter(who("shop:bob"), limits)

    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (429, "too_many_in_flight", 1.0)
    doorway.leave(ann)
    doorway.enter(ann, limits)


async def test_an_exchange_that_cannot_be_watched_is_not_left_in_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails, each time in the same way: what it was counted as does not stay, or its user would be told 429."""

    def refuse(*given: object) -> None:
        raise RuntimeError("another loop's exchanges are under way")

    monkeypatch.setattr(exchange, "Watch", refuse)
    monkeypatch.setattr(exchange, "model_named", lambda door, name: None)
    asked = {"model": "m", "user": "ann", "messages": [{"role": "user", "content": "hello"}]}
    async with serving(tmp_path) as public:
        many = 2 * Limits().in_flight_per_account
        answers = [
            await public.http.post("/v1/chat/completions", json=asked, headers=public.authorised()) for _ in range(many)
        ]

    assert {answer.status_code for answer in answers} == {500}


async def test_refusals_leave_what_runs_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is told 429 is told so again: no refusal makes room that an exchange in flight takes."""
    ends = asyncio.Event()

    async def takes_long(*given: object) -> None:
        # One that is let in by mistake must answer, or nothing would.
        await asyncio.wait_for(ends.wait(), 10)

    monkeypatch.setattr(exchange.Exchange, "_whole", takes_long)
    monkeypatch.setattr(exchange, "model_named", lambda door, name: None)
    asked = {"model": "m", "user": "ann", "messages": [{"role": "user", "content": "hello"}]}
    async with serving(tmp_path) as public:

        def ask() -> Awaitable[httpx2.Response]:
            return public.http.post("/v1/chat/completions", json=asked, headers=public.authorised())

        running = [asyncio.ensure_future(ask()) for _ in range(Limits().in_flight_per_account)]
        async with asyncio.timeout(10):
            while public.doorway._of_account.get("shop:ann", 0) < len(running):
                await asyncio.sleep(0.01)
        refused = [(await ask()).status_code for _ in range(3)]
        counted = public.doorway._of_account["shop:ann"]
        ends.set()
        await asyncio.gather(*running, return_exceptions=True)

    assert refused == [429] * 3
    assert counted == len(running)
    assert public.doorway._of_account == {}


class _Nobody:
    """Standings of a gateway that restricts nobody."""

    def of(self, account: str, now: float) -> Action:
        return GOOD

    async def requests_since(self, account: str, since: float) -> int:
        return 0


async def _unread(tape: Tape, limits: Limits) -> Doorway:
    """A stream whose client reads nothing; it ends only when somebody ends it. The doorway that it came by."""
    model = DefendedModel(Says("one", "two"), (), tape)
    door = Door({"m": model}, tape, Keys(), _Nobody(), limits, Asking(require_key=False))
    doorway = Doorway(door)
    body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}'
    asked = [{"type": "http.request", "body": body}]

    async def receive() -> dict[str, Any]:
        return asked.pop() if asked else await asyncio.get_running_loop().create_future()

    told: list[bytes] = []

    async def send(message: Any) -> None:
        if message.get("more_body", True):
            told.append(message.get("body", b""))
            if len(told) > 1:
                await asyncio.get_running_loop().create_future()

    await Exchange(WIRES[0], doorway)({"headers": []}, receive, send)
    return doorway


async def test_an_exchange_that_is_ended_while_its_client_is_written_to_says_why() -> None:
    """Whose time is up is recorded as such; so is what the end of the process cuts off."""
    late, cut = Tape(), Tape()

    async with asyncio.timeout(5):
        doorway = await _unread(late, Limits(exchange_seconds=0.3))
        task = asyncio.create_task(_unread(cut, Limits()))
        await asyncio.sleep(0.1)
        task.cancel("the process ends")
        await task

    assert [end.why for end in late.bodies(Ended)] == ["timed_out"]
    assert not late.bodies(Rejected), "it was not turned away, so nothing of the kind counts against its account"
    assert doorway.in_flight == 0
    assert [end.why for end in cut.bodies(Ended)] == ["shut_down"]


@pytest.mark.parametrize("broken", [False, True])
async def test_whose_time_is_up_is_told_whether_it_is_recorded(broken: bool) -> None:
    """A ledger that cannot be written is told as such, also where what waited for it came to its end first."""
    tape = Tape()

    class Hangs(Says):
        async def generate(self, request: Request) -> AsyncIterator[Delta]:
            tape.broken = broken
            await asyncio.get_running_loop().create_future()
            yield Delta()

    model = DefendedModel(Hangs(), (), tape)
    limits = Limits(exchange_seconds=0.2)
    doorway = Doorway(Door({"m": model}, tape, Keys(), _Nobody(), limits, Asking(require_key=False)))
    asked = [{"type": "http.request", "body": b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'}]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return asked.pop() if asked else await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        sent.append(message)

    async with asyncio.timeout(5):
        await Exchange(WIRES[0], doorway)({"headers": []}, receive, send)

    assert sent[0]["status"] == (503 if broken else 504)
    assert bool(doorway.metrics.trouble) is broken


def test_requests_that_name_nobody_are_many_users() -> None:
    """Where requests count on the key itself, the limit of one user is not theirs."""
    doorway = Doorway(None)  # type: ignore[arg-type]

    for _ in range(10):
        doorway.enter(who("shop"), Limits(in_flight_per_account=1))
    doorway.leave(who("shop"))


def test_ids_are_never_given_twice_and_grow_with_time() -> None:
    """However many are taken at once; a later one, a moment apart, sorts behind."""
    ids = Ids()
    taken = [ids.take() for _ in range(2000)]
    time.sleep(0.002)

    assert len(set(taken)) == 2000
    assert {len(one) for one in taken} == {28}
    assert ids.take() > max(taken)
