"""One exchange over HTTP: bytes in, the defended model, bytes out."""

import asyncio
import hashlib
import logging
import secrets
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from typing import cast

import msgspec
from starlette.types import Receive, Scope, Send

from outworks.action import Standings
from outworks.event import Event, Recorder, RecordError, Rejected
from outworks.gateway.http import Limits, Reply, Watch, Watches, read_body, told
from outworks.gateway.keys import OPEN, Keys
from outworks.gateway.metrics import Metrics
from outworks.gateway.moderator import Moderator
from outworks.gateway.problem import Problem
from outworks.gateway.wires import Answer, Asked, Head, Wire
from outworks.gateway.wires.reading import check_user
from outworks.message import Delta, Request
from outworks.model import Blocked, Joined, Model, UpstreamError
from outworks.nearest import did_you_mean

_log = logging.getLogger(__name__)


class Asking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the gateway tells who is asking."""

    require_key: bool = True
    """Refuse requests without a key. Without it, keyless requests count as the product `open`."""
    require_account: bool = False
    """Refuse requests that name no end user. Without it they count on the key itself."""


def _hashed(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


class Door(msgspec.Struct, frozen=True):
    """All that an exchange needs, replaced whole when the policy is loaded anew."""

    models: Mapping[str, Model]
    recorder: Recorder
    keys: Keys
    standings: Standings
    limits: Limits
    asking: Asking
    blind: Callable[[str], str] = _hashed
    """Makes ids of content. With a secret in it, nobody can try out what an erased text may have been."""
    moderator: Moderator | None = None
    """Answers `/v1/moderations`; None where that is switched off."""


class Exchange:
    """The ASGI endpoint of one wire."""

    def __init__(self, wire: Wire, door: "Doorway") -> None:
        self._wire = wire
        self._doorway = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = self._doorway.door
        id = self._doorway.ids.take()
        reply = Reply(send, id)
        who = Who()
        try:
            if self._doorway.fault:
                raise Problem(503, "not_ready", self._doorway.fault, retry_after=1.0)
            if self._doorway.in_flight >= door.limits.in_flight:
                raise Problem(503, "overloaded", "the gateway is at its limit of exchanges in flight", retry_after=1.0)
            self._doorway.in_flight += 1
            try:
                await self._exchange(door, scope, receive, reply, who)
            finally:
                self._doorway.in_flight -= 1
        except Blocked as stop:
            await reply.problem(self._wire, _blocked(stop, self._doorway.appeal_url))
        except UpstreamError as error:
            await reply.problem(self._wire, _upstream(error))
        except RecordError:
            self._doorway.metrics.unrecorded()
            why = "the exchange could not be recorded, so nothing was released"
            await reply.problem(self._wire, Problem(503, "ledger_unavailable", why, retry_after=5.0))
        except Problem as problem:
            if who.entered:
                await reply.problem(self._wire, problem)  # the exchange has its own events
            else:
                await self._reject(door, reply, problem, who)
        except asyncio.CancelledError:
            # Only the end of the process gets here. It is recorded where it happened; whoever waits is told as well.
            why = "the gateway is being shut down"
            await reply.problem(self._wire, Problem(503, "shutting_down", why, retry_after=1.0))
        except Exception as error:
            # Where it happened, never with what: an error's message may quote content.
            where = traceback.extract_tb(error.__traceback__)[-1]
            _log.error("%s: %s in %s:%d", id, type(error).__name__, where.filename, where.lineno or 0)
            ours = Problem(500, "internal_error", "the gateway is at fault")
            if who.entered:
                await reply.problem(self._wire, ours)
            else:
                await self._reject(door, reply, ours, who)

    async def _exchange(self, door: Door, scope: Scope, receive: Receive, reply: Reply, who: "Who") -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        who.product = self.product(door, headers)
        body = await read_body(receive, headers, door.limits)
        asked = self._wire.read(body)
        who.account = self.account(door, scope, headers, who.product, asked.user)
        reply.headers = told(door.standings.of(who.account, time.time()), self._doorway.appeal_url)
        model = model_named(door, asked.model)
        request = _request(reply.id, asked, self._wire.name, who, headers, door.blind)
        self._doorway.enter(who, door.limits)
        who.entered = True
        try:
            watch = Watch(receive, door.limits.exchange_seconds, self._doorway.watches)
            try:
                if asked.stream:
                    await self._stream(model, request, asked, reply)
                else:
                    await self._whole(model, request, reply)
            except asyncio.CancelledError:
                if not watch.ended:
                    raise
                if watch.late:
                    raise Problem(504, "exchange_timeout", "the exchange took too long") from None
            finally:
                watch.stop()
        finally:
            self._doorway.leave(who)

    def product(self, door: Door, headers: Mapping[str, str]) -> str:
        """The product that the request's key belongs to; raises `Problem` 401 where there is none."""
        key = self._wire.key(headers)
        product = door.keys.product(key) if key else None
        if product is not None:
            return product
        if not door.asking.require_key:
            return OPEN
        how = "send it as `Authorization: Bearer KEY` or `x-api-key: KEY`"
        why = "this key is unknown or was revoked" if key else f"no key was given: {how}"
        raise Problem(401, "invalid_api_key", why)

    def account(self, door: Door, scope: Scope, headers: Mapping[str, str], product: str, user: str) -> str:
        """The account that a request counts on; `user` is the end user that its body names. Raises `Problem` 400 where
        it must name one and does not."""
        user = (_named_account(scope) if "x-outworks-account" in headers else "") or user
        if not user and door.asking.require_account:
            names = "`user` or `safety_identifier`" if self._wire.name == "openai" else "`metadata.user_id`"
            why = f"this product must name its end user: {names}, or the header X-Outworks-Account"
            raise Problem(400, "account_missing", why, param="user")
        return f"{product}:{user}" if user else product

    async def _whole(self, model: Model, request: Request, reply: Reply) -> None:
        joined = Joined()
        async for delta in model.generate(request):
            joined.add(delta)
        answer = Answer(
            id=request.id, model=request.model, created=int(time.time()), outputs=joined.outputs, usage=joined.usage
        )
        await reply.whole(200, self._wire.whole(answer))

    async def _stream(self, model: Model, request: Request, asked: Asked, reply: Reply) -> None:
        """Headers leave only with the first delta, so that whatever stops the request has its proper status."""
        head = Head(id=request.id, model=request.model, created=int(time.time()), include_usage=asked.include_usage)
        writer = self._wire.stream(head)
        usage = None
        async with aclosing(_generator(model, request)) as deltas:
            try:
                async for delta in deltas:
                    usage = delta.usage or usage
                    if not reply.started:
                        reply.writer = writer
                        await reply.start(200, b"text/event-stream; charset=utf-8")
                    data = writer.delta(delta)
                    if data:
                        await reply.more(data)
            except asyncio.CancelledError as ended:
                # While a client is written to, the exchange does not see that it is ended, nor why: it records that.
                with suppress(asyncio.CancelledError, StopAsyncIteration):
                    await deltas.athrow(ended)
                raise
        await reply.more(writer.end(usage), last=True)

    async def _reject(self, door: Door, reply: Reply, problem: Problem, who: "Who") -> None:
        await reply.problem(self._wire, await self.rejected(door, reply.id, self._wire, problem, who))

    async def rejected(self, door: Door, id: str, wire: Wire, problem: Problem, who: "Who | None" = None) -> Problem:
        """Record that a request was turned away; the problem to tell of."""
        who = who or Who()
        # Which field, but not what it held: the whole message may quote the client, so it goes with the content.
        body = Rejected(wire=wire.name, status=problem.status, code=problem.code, message=problem.param[:100])
        event = Event(
            body=body,
            at=time.time(),
            exchange=id,
            account=who.account,
            product=who.product,
            content=problem.message[:500],
        )
        try:
            await door.recorder.append((event,))
        except RecordError:
            self._doorway.metrics.unrecorded()
            why = "the gateway cannot record what happens, so it answers nothing"
            return Problem(503, "ledger_unavailable", why, retry_after=5.0)
        return problem


class Doorway:
    """Holds the door in force."""

    def __init__(self, door: Door, metrics: Metrics | None = None) -> None:
        self.door = door
        self.metrics = metrics or Metrics()
        self.ids = Ids()
        self.watches = Watches()
        self.in_flight = 0
        self._of_account: dict[str, int] = {}
        self.fault = ""
        """Why nobody may come in, if so."""
        self.appeal_url: Callable[[str], str] = lambda action: ""
        """Where an action can be appealed."""

    def enter(self, who: "Who", limits: Limits) -> None:
        """Count an exchange of an end user. Raises `Problem` 429 where he has too many."""
        if who.account == who.product:
            return  # nobody is named: these are all of the product's users
        count = self._of_account.get(who.account, 0)
        if count >= limits.in_flight_per_account:
            raise Problem(429, "too_many_in_flight", "this end user has too many exchanges in flight", retry_after=1.0)
        self._of_account[who.account] = count + 1

    def leave(self, who: "Who") -> None:
        """The exchange has ended."""
        count = self._of_account.get(who.account, 0)
        if count > 1:
            self._of_account[who.account] = count - 1
        else:
            self._of_account.pop(who.account, None)


class Ids:
    """Ids of exchanges. They grow with time, so that the ledger's index of them grows at one end; what cannot be
    guessed in them is drawn from the system many at a time, as each drawing is a system call."""

    def __init__(self) -> None:
        self._drawn = ""
        self._next = 0

    def take(self) -> str:
        """An id that was never given before."""
        if self._next >= len(self._drawn):
            self._drawn, self._next = secrets.token_hex(256 * 7), 0
        start, self._next = self._next, self._next + 14
        return f"ex_{time.time_ns() // 1_000_000:011x}{self._drawn[start : self._next]}"


class Who:
    """Who is asking, as far as it is known yet."""

    def __init__(self) -> None:
        self.product = ""
        self.account = ""
        self.entered = False
        """Its exchange has begun, which records itself."""


def _generator(model: Model, request: Request) -> AsyncGenerator[Delta, None]:
    return cast(AsyncGenerator[Delta, None], model.generate(request))


def model_named(door: Door, name: str) -> Model:
    """The model that the policy gives that name. Raises `Problem` with the nearest name."""
    model = door.models.get(name)
    if model is None:
        hint = did_you_mean(name, door.models, f"known: {', '.join(sorted(door.models))}")
        raise Problem(404, "model_not_found", f"there is no model {name[:200]!r}{hint}", param="model")
    return model


def _named_account(scope: Scope) -> str:
    """The end user that the header names, in UTF-8 as bodies have it."""
    given = [value for name, value in scope["headers"] if name == b"x-outworks-account"]
    if len(given) > 1:
        # Whoever stands between here and the client may have added one: which of them is to be believed?
        raise Problem(400, "invalid_request", "the header X-Outworks-Account was sent more than once")
    try:
        user = given[0].decode()
    except UnicodeDecodeError:
        user = given[0].decode("latin-1")
    return check_user(user, "X-Outworks-Account")


def _request(
    id: str, asked: Asked, wire: str, who: Who, headers: Mapping[str, str], blind: Callable[[str], str]
) -> Request:
    named = headers.get("x-outworks-conversation", "")
    return Request(
        id=id,
        model=asked.model,
        messages=asked.messages,
        tools=asked.tools,
        parameters=asked.parameters,
        stream=asked.stream,
        account=who.account,
        product=who.product,
        conversation=_conversation(asked, who.account, named, blind),
        wire=wire,
        actions=_listed(headers.get("x-outworks-actions", "")),
        confirmations=_listed(headers.get("x-outworks-confirm", "")),
    )


def _listed(header: str) -> tuple[str, ...]:
    """The entries of a header that is a list, as a rule none."""
    return tuple(entry for each in header.split(",") if (entry := each.strip())) if header else ()


def _conversation(asked: Asked, account: str, named: str, blind: Callable[[str], str]) -> str:
    """One id for all requests of an account that grow from the same first words."""
    first = named or next((message.text for message in asked.messages if message.role == "user"), "")
    return blind(f"{account}\0{first}")[-24:]


def _blocked(stop: Blocked, appeal_url: Callable[[str], str]) -> Problem:
    notice = stop.notice
    return Problem(
        notice.status,
        notice.code,
        notice.message,
        param=notice.param,
        retry_after=notice.retry_after,
        appeal=notice.appeal,
        appeal_url=appeal_url(notice.appeal) if notice.appeal else "",
    )


def _upstream(error: UpstreamError) -> Problem:
    code = f"upstream_{error.kind}"
    # A wrong key or model of the set-up is told as 502, which clients try again: each try would be rejected alike.
    lasting = error.kind == "rejected"
    return Problem(error.status, code, error.message, param=error.param, retry_after=error.retry_after, lasting=lasting)
