"""Webhooks: signed as the standard says, in order for each account, tried until taken, and nobody waits for them."""

import asyncio
import base64
import contextlib
import functools
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from outworks.action import Standing
from outworks.enforcement.desk import decisions, lookup
from outworks.enforcement.desk.cases import Outcome
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.index import open_index
from outworks.enforcement.desk.openings import open_due
from outworks.enforcement.settings import AppealSettings, Office, Webhook
from outworks.enforcement.telling import notices
from outworks.enforcement.telling.appeals import Tokens, appealed
from outworks.enforcement.telling.clerk import Clerk
from outworks.enforcement.telling.signing import Message, key, signed
from outworks.enforcement.telling.webhooks import Courier, undelivered
from outworks.event import Delivered, Event, RecordError, Reported
from tests.enforcement.desk_kit import EVA, Clock, by_rule, opened, record_action, standing, work
from tests.enforcement.kit import ANN, NOW, action, received
from tests.enforcement.test_enforcer import until

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
TOKENS = Tokens(b"secret")


class Receiver:
    """A product's endpoint, that answers as it is told."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[dict[str, Any]], int | str] = lambda said: 204
        self.slow: dict[str, float] = {}
        """Seconds that an account's messages take."""

    @property
    def said(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, body))
        await asyncio.sleep(self.slow.get(json.loads(body)["data"]["account"], 0.0))
        answer = self.answer(json.loads(body))
        if isinstance(answer, str):
            raise web.HTTPFound(answer)
        return web.Response(status=answer)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    yield made
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    office = Office(appeals=AppealSettings(url="https://shop.example"))
    with opened(tmp_path, office, clock=Clock()) as desk:
        yield desk


def courier(desk: Desk, receiver: Receiver, **fields: Any) -> Courier:
    """A courier that has begun: what comes from now on is told."""
    ticks = fields.pop("ticks", time.monotonic)
    hook = Webhook(name="shop", url=receiver.url, secret_env="HOOK", **fields)
    made = Courier(desk, hook, SECRET, TOKENS, ticks=ticks, first_wait=0.01)
    made._due()
    return made


async def deliver(each: Courier, session: aiohttp.ClientSession, seconds: float = 5.0) -> None:
    """Until nothing waits."""
    end = time.monotonic() + seconds
    while undelivered(each._desk, each._webhook):
        assert time.monotonic() < end
        await each.step(session)
        await asyncio.sleep(0.005)


def test_the_signature_is_the_standards() -> None:
    """A message of the standard's own test is signed as there."""
    message = Message(id="msg_p5jXN8AQM9LWM0D4loKWxJek", type="x", account="", body=b'{"test": 2432232314}')
    given = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    headers = signed(message, given, 1614265330.9)

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


@pytest.mark.parametrize("secret", ["", "abc", "whsec_", "whsec_AAAA", "whsec_!!!!", SECRET[6:]])
def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    """A webhook is never signed with something that can be guessed."""
    with pytest.raises(ValueError, match="24 to 64 random bytes"):
        key(secret)


async def test_a_receiver_can_verify_what_it_gets(
    desk: Desk, receiver: Receiver, session: aiohttp.ClientSession
) -> None:
    """The standard's own library takes the message for genuine, and nothing that was changed on the way."""
    standardwebhooks = pytest.importorskip("standardwebhooks", reason="the receiver's library is not installed")
    each = courier(desk, receiver)
    by_rule(desk, case="")
    notices.send(desk)
    await deliver(each, session)

    headers, body = receiver.got[0]
    assert standardwebhooks.Webhook(SECRET).verify(body, headers)["type"] == "notice"
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(body.replace(b"ann", b"bob"), headers)


async def test_a_notice_tells_all_that_the_product_needs(
    desk: Desk, receiver: Receiver, session: aiohttp.ClientSession
) -> None:
    """Whom it is about, what was decided, the words for him, until when, and where he can appeal."""
    each = courier(desk, receiver)
    made = by_rule(desk, case="")
    notices.send(desk)
    await deliver(each, session)

    (said,) = receiver.said
    data = said["data"]
    assert said["type"] == "notice"
    assert (data["account"], data["decision"], data["automated"], data["action"]) == (ANN, "suspended", True, made.id)
    assert data["expires"] == "2027-01-16T08:00:00Z"
    assert "This account is suspended" in data["text"]
    assert data["appeal"] == f"https://shop.example/v1/appeals/{TOKENS.token(made.id)}"


async def test_appeals_and_reports_are_told(desk: Desk, receiver: Receiver, session: aiohttp.ClientSession) -> None:
    """The product learns of an appeal, and what became of a report that it sent; never what was written."""
    each = courier(desk, receiver)
    by_rule(desk, case="")
    desk.ledger.append_now([appealed(standing(desk), "marzipan", NOW)])
    body = Reported(id="rep_7k3mq9tzxw4p", reporter="kim")
    desk.ledger.append_now([Event(body=body, at=NOW, account=ANN, product="shop", content="marzipan")])
    work(desk)
    decisions.decide(desk, EVA, lookup.cases(desk, queue="reports")[0].id, Outcome.DISMISS)
    await deliver(each, session)

    told = {said["type"]: said["data"] for said in receiver.said}
    assert told["report.decided"] == {"account": ANN, "report": "rep_7k3mq9tzxw4p", "outcome": "dismissed"}
    assert told["appeal.received"]["action"] == standing(desk).id
    assert b"marzipan" not in b"".join(body for _, body in receiver.got)


async def test_messages_of_an_account_come_in_order(
    desk: Desk, receiver: Receiver, session: aiohttp.ClientSession
) -> None:
    """However often each is refused, an account's messages arrive in order, while others' are not held up."""
    refusals = {"n": 0}

    def answer(said: dict[str, Any]) -> int:
        refusals["n"] += 1
        return 503 if said["data"]["account"] == ANN and refusals["n"] % 3 else 200

    receiver.answer = answer
    each = courier(desk, receiver)
    for n in range(4):
        by_rule(desk, case="", expires=NOW + n + 1)
    notices.send(desk)
    for _ in range(2):
        by_rule(desk, case="", account="shop:bob")
    notices.send(desk)
    await deliver(each, session)

    taken = [each.event.body for each in desk.ledger.events(kinds={"delivered"}, account=ANN)]
    ids = [body.message for body in taken if isinstance(body, Delivered)]
    assert ids == [f"msg_{notice.id}" for notice in reversed(lookup.notices(desk, account=ANN))]
    bobs = [n for n, said in enumerate(receiver.said) if said["data"]["account"] == "shop:bob"]
    assert bobs[-1] < len(receiver.said) - 4


async def test_a_message_is_tried_again_under_the_same_id(
    desk: Desk, receiver: Receiver, session: aiohttp.ClientSession
) -> None:
    """Whatever the receiver answers but success, it gets the very same message again; taken once, never again."""
    answers = iter([500, 429, 400, 302, 200])
    receiver.answer = lambda said: next(answers)
    each = courier(desk, receiver)
    by_rule(desk, case="")
    notices.send(desk)
    await deliver(each, session)
    await each.step(session)

    assert len(receiver.got) == 5
    assert len({(headers["webhook-id"], body) for headers, body in receiver.got}) == 1
    (recorded,) = desk.ledger.events(kinds={"delivered"})
    assert isinstance(recorded.event.body, Delivered)
    assert (recorded.event.body.ok, recorded.event.body.attempts, recorded.event.body.status) == (True, 5, 200)


async def test_a_redirect_is_not_followed(desk: Desk, receiver: Receiver, session: aiohttp.ClientSession) -> None:
    """Only the policy says where messages go: who receives them cannot send us on to an address inside."""
    receiver.answer = lambda said: receiver.url.replace("/hooks", "/inside")
    each = courier(desk, receiver)
    by_rule(desk, case="")
    notices.send(desk)

    assert await each.step(session) == 0
    assert len(receiver.got) == 1


async def test_a_message_is_given_up_and_that_is_recorded(
    desk: Desk, receiver: Receiver, session: aiohttp.ClientSession
) -> None:
    """After the policy's time a message that nobody takes is given up, and the next of the account has its turn."""
    clock = Clock()
    receiver.answer = lambda said: 200 if said["data"]["decision"] == "lifted" else 500
    each = courier(desk, receiver, ticks=clock, give_up_after="1h")
    made = by_rule(desk, case="")
    notices.send(desk)
    assert await each.step(session) == 0
    clock.now += 3601
    assert await each.step(session) == 1
    from outworks.enforcement.actions import undo

    undo(desk.ledger, made.id, by="eva", reason="x")
    notices.send(desk)
    assert await each.step(session) == 1

    bodies = [each.event.body for each in desk.ledger.events(kinds={"delivered"})]
    assert [(b.ok, b.status) for b in bodies if isinstance(b, Delivered)] == [(False, 500), (True, 200)]


async def test_what_was_taken_is_not_sent_again_while_it_cannot_be_recorded(
    desk: Desk, receiver: Receiver, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk is full, a product that took a message is not told again and again; then the record is made up
    for."""
    each = courier(desk, receiver)
    by_rule(desk, case="")
    notices.send(desk)
    with monkeypatch.context() as full:
        full.setattr(desk.ledger, "append_now", _cannot_record)
        for _ in range(5):
            with contextlib.suppress(RecordError):
                await each.step(session)
            await asyncio.sleep(0.02)
    await deliver(each, session)

    assert len(receiver.got) == 1
    assert len(list(desk.ledger.events(kinds={"delivered"}))) == 1


async def test_nothing_is_sent_twice_at_once(
    desk: Desk, receiver: Receiver, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delivery that cannot be recorded leaves no other under way behind, which the next turn would begin again."""
    receiver.slow = {"shop:bob": 0.3}
    each = courier(desk, receiver)
    by_rule(desk, case="")
    by_rule(desk, case="", account="shop:bob")
    notices.send(desk)
    with monkeypatch.context() as full:
        full.setattr(desk.ledger, "append_now", _cannot_record)
        with pytest.raises(RecordError):
            await each.step(session)
    await deliver(each, session)

    assert [said["data"]["account"] for said in receiver.said] == [ANN, "shop:bob"]


async def test_a_clock_that_is_set_changes_no_patience(
    desk: Desk, receiver: Receiver, session: aiohttp.ClientSession
) -> None:
    """Set ahead by a week, it has no message given up at the first refusal; set back, none waits for a week."""
    answers = iter([500, 500, 200])
    receiver.answer = lambda said: next(answers)
    clock = Clock()
    each = Courier(
        desk, Webhook(name="shop", url=receiver.url, secret_env="HOOK"), SECRET, TOKENS, clock=clock, first_wait=0.01
    )
    each._due()
    by_rule(desk, case="")
    notices.send(desk)
    await each.step(session)
    clock.now += 7 * 86_400
    await asyncio.sleep(0.02)
    await each.step(session)
    clock.now -= 14 * 86_400
    await deliver(each, session)

    (recorded,) = desk.ledger.events(kinds={"delivered"})
    assert isinstance(recorded.event.body, Delivered)
    assert (recorded.event.body.ok, recorded.event.body.attempts) == (True, 3)


def _cannot_record(events: object) -> list[int]:
    raise RecordError("the disk is full")


async def test_what_came_before_the_webhook_is_not_sent(
    desk: Desk, receiver: Receiver, session: aiohttp.ClientSession
) -> None:
    """A webhook that is added today is not told of years past; one that begins again is told what it missed."""
    by_rule(desk, case="")
    notices.send(desk)
    each = courier(desk, receiver)
    assert await each.step(session) == 0
    by_rule(desk, case="")
    notices.send(desk)

    await deliver(courier(desk, receiver), session)

    assert len(receiver.got) == 1


async def test_only_the_types_that_it_asks_for(desk: Desk, receiver: Receiver, session: aiohttp.ClientSession) -> None:
    """A webhook gets the messages that the policy lists for it."""
    each = courier(desk, receiver, types=("appeal.received",))
    by_rule(desk, case="")
    notices.send(desk)
    desk.ledger.append_now([appealed(standing(desk), "x", NOW)])
    open_due(desk)
    await deliver(each, session)

    assert [said["type"] for said in receiver.said] == ["appeal.received"]


async def test_nobody_there_holds_up_nothing(desk: Desk, tmp_path: Path) -> None:
    """With one webhook dead and one hanging, cases open, notices go out, and a third webhook is told at once."""
    hung: list[asyncio.StreamWriter] = []

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hung.append(writer)

    told = asyncio.Event()

    async def take(request: web.Request) -> web.Response:
        told.set()
        return web.Response()

    silent = await asyncio.start_server(hang, "127.0.0.1", 0)
    runner = web.AppRunner(web.Application())
    runner.app.router.add_post("/", take)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ports = (1, silent.sockets[0].getsockname()[1], runner.addresses[0][1])
    hooks = tuple(
        Webhook(name=f"w{n}", url=f"http://127.0.0.1:{port}/", secret_env="HOOK") for n, port in enumerate(ports)
    )
    clerk = Clerk(desk.ledger, Office(webhooks=hooks), TOKENS, environ={"HOOK": SECRET}, interval=0.01)
    task = asyncio.create_task(clerk.run())
    await until(lambda: len(list(desk.ledger.events(kinds={"begun"}))) == 3)
    by_rule(desk)

    await asyncio.wait_for(told.wait(), 5)
    await until(lambda: lookup.cases(desk) and lookup.notices(desk))

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for writer in hung:
        writer.close()
    silent.close()
    await runner.cleanup()


async def test_one_clerk_works_and_another_takes_over(desk: Desk) -> None:
    """Of two clerks at one ledger one works; when it is gone the other goes on, and nothing is done twice."""
    clerks = [asyncio.create_task(Clerk(desk.ledger, Office(), TOKENS, interval=0.01).run()) for _ in range(2)]
    by_rule(desk)
    await until(lambda: lookup.notices(desk))
    clerks[0].cancel()
    await asyncio.gather(clerks[0], return_exceptions=True)
    by_rule(desk, account="shop:bob")
    await until(lambda: lookup.notices(desk, account="shop:bob"))
    clerks[1].cancel()
    await asyncio.gather(clerks[1], return_exceptions=True)

    assert len(list(desk.ledger.events(kinds={"notified"}))) == 2
    assert len(list(desk.ledger.events(kinds={"case_opened"}))) == 2


async def test_a_removed_turn_has_nothing_sent_twice(desk: Desk, receiver: Receiver) -> None:
    """The clerk's lock may be lost while two run: the first leaves the work, and its couriers, to who takes over."""
    office = Office(webhooks=(Webhook(name="w", url=receiver.url, secret_env="HOOK"),))
    clerks = [
        asyncio.create_task(Clerk(desk.ledger, office, TOKENS, environ={"HOOK": SECRET}, interval=0.01).run())
        for _ in range(2)
    ]
    await until(lambda: list(desk.ledger.events(kinds={"begun"})))
    desk.ledger.path.with_name(f"{desk.ledger.path.name}.clerk").unlink()
    await asyncio.sleep(0.3)
    receiver.slow = {ANN: 0.3}
    by_rule(desk, case="")

    await until(lambda: list(desk.ledger.events(kinds={"delivered"})))
    await asyncio.sleep(0.5)

    for clerk in clerks:
        clerk.cancel()
    await asyncio.gather(*clerks, return_exceptions=True)
    assert len(receiver.got) == 1


async def test_an_index_that_another_keeps_locked_holds_up_no_exchange(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped while it had the index makes the clerk wait for it: neither the event loop,
    nor the threads of the lines of defense."""
    monkeypatch.setattr("outworks.enforcement.desk.desk.open_index", functools.partial(open_index, busy_timeout_s=0.5))
    hooks = tuple(Webhook(name=f"w{n}", url="http://127.0.0.1:1/", secret_env="HOOK") for n in range(3))
    clerk = Clerk(desk.ledger, Office(webhooks=hooks), TOKENS, environ={"HOOK": SECRET}, interval=0.01)
    task = asyncio.create_task(clerk.run())
    await until(lambda: len(list(desk.ledger.events(kinds={"begun"}))) == 3)
    other = sqlite3.connect(desk.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await desk.ledger.append([received()])
    record_action(desk, action(Standing.WARNED))

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))

    longest, end = 0.0, time.monotonic() + 4.0
    while time.monotonic() < end:
        began = time.monotonic()
        await asyncio.sleep(0.01)
        await asyncio.to_thread(int)
        longest = max(longest, time.monotonic() - began)

    assert longest < 0.4
    other.execute("ROLLBACK")
    other.close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_new_policy_is_taken_up(desk: Desk, receiver: Receiver) -> None:
    """A webhook that a reload adds is told what comes after."""
    clerk = Clerk(desk.ledger, Office(), TOKENS, environ={"HOOK": SECRET}, interval=0.01)
    task = asyncio.create_task(clerk.run())
    await asyncio.sleep(0.1)
    clerk.replace_office(Office(webhooks=(Webhook(name="w", url=receiver.url, secret_env="HOOK"),)))
    await until(lambda: list(desk.ledger.events(kinds={"begun"})))
    desk.ledger.append_now([received()])
    by_rule(desk, case="")

    await until(lambda: receiver.got)

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
