"""`POST /v1/moderations`: texts judged by the detectors, in the words of OpenAI's endpoint."""

import logging
import secrets
import time
import traceback
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from outworks.action import Standing
from outworks.event import Body, Ended, Event, Judged, Judgement, Received, RecordError, Rejected
from outworks.gateway.exchange import Door, Doorway, Exchange, Who
from outworks.gateway.http import Reply, read_body, told
from outworks.gateway.moderator import Result
from outworks.gateway.problem import Problem
from outworks.gateway.wires import Wire
from outworks.gateway.wires.reading import check_user, first_user, invalid, read_object
from outworks.verdict import Decision, Finding

_log = logging.getLogger(__name__)
PATH = "/v1/moderations"
MODEL = "outworks-detectors"
"""The model that answers say they come from, whatever was asked for."""
MOST_INPUTS = 2_048
"""Texts in one request."""


class Moderations:
    """The ASGI endpoint. Keys, accounts, limits and the ledger are as for every other."""

    def __init__(self, wire: Wire, exchange: Exchange, doorway: Doorway) -> None:
        """`wire` says how problems are told; `exchange` is its endpoint, which tells who is asking."""
        self._wire = wire
        self._exchange = exchange
        self._doorway = doorway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = self._doorway.door
        reply = Reply(send, f"mod_{time.time_ns() // 1_000_000:011x}{secrets.token_hex(7)}")
        who = Who()
        try:
            if self._doorway.fault:
                raise Problem(503, "not_ready", self._doorway.fault, retry_after=1.0)
            if self._doorway.in_flight >= door.limits.in_flight:
                raise Problem(503, "overloaded", "the gateway is at its limit of exchanges in flight", retry_after=1.0)
            self._doorway.in_flight += 1
            try:
                await self._moderate(door, scope, receive, reply, who)
            finally:
                self._doorway.in_flight -= 1
        except Problem as problem:
            await self._reject(door, reply, problem, who)
        except RecordError:
            await self._unrecorded(reply)
        except Exception as error:
            # Where it happened, never with what: an error's message may quote content.
            where = traceback.extract_tb(error.__traceback__)[-1]
            _log.error("%s: %s in %s:%d", reply.id, type(error).__name__, where.filename, where.lineno or 0)
            await reply.problem(self._wire, Problem(500, "internal_error", "the gateway is at fault"))

    async def _moderate(self, door: Door, scope: Scope, receive: Receive, reply: Reply, who: Who) -> None:
        moderator = door.moderator
        if moderator is None:
            raise Problem(404, "not_found", "moderations are switched off here: [moderations] mode")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        who.product = self._exchange.product(door, headers)
        asked = _read(await read_body(receive, headers, door.limits))
        who.account = self._exchange.account(door, scope, headers, who.product, asked.user)
        reply.headers = told(door.standings.of(who.account, time.time()))
        await _check_standing(door, who.account)
        self._doorway.enter(who, door.limits)
        at, began = time.time(), time.perf_counter_ns()
        try:
            results = await moderator.moderate(asked.texts)
        finally:
            self._doorway.leave(who)
        us = (time.perf_counter_ns() - began) // 1000
        await door.recorder.append(_events(reply.id, who, asked, results, at, us))
        answer = _Answer(id=reply.id.replace("mod_", "modr-"), model=MODEL, results=results)
        await reply.whole(200, msgspec.json.encode(answer))

    async def _reject(self, door: Door, reply: Reply, problem: Problem, who: Who) -> None:
        # A field that the client made up is content, and goes with the content: the place is never erased.
        place = problem.param if problem.param.partition("[")[0] in _KNOWN else ""
        body = Rejected(wire="moderations", status=problem.status, code=problem.code, message=place)
        event = _event(reply.id, who, body, problem.message[:500])
        try:
            await door.recorder.append((event,))
        except RecordError:
            await self._unrecorded(reply)
            return
        await reply.problem(self._wire, problem)

    async def _unrecorded(self, reply: Reply) -> None:
        self._doorway.metrics.unrecorded()
        why = "the gateway cannot record what happens, so it answers nothing"
        await reply.problem(self._wire, Problem(503, "ledger_unavailable", why, retry_after=5.0))


class _Asked(msgspec.Struct, frozen=True):
    texts: list[str]
    """One a result."""
    user: str


class _Answer(msgspec.Struct, frozen=True):
    id: str
    model: str
    results: list[Result]


_KNOWN = ("input", "model", "user", "safety_identifier")


def _read(body: bytes) -> _Asked:
    """The texts of a request. Raises `Problem` 400 with the path of the field."""
    given = read_object(body)
    for name in given:
        if name not in _KNOWN:
            raise invalid(name[:100], f"is not known here; known: {', '.join(_KNOWN)}")
    if not isinstance(given.get("model", ""), str):
        raise invalid("model", "expected a string")
    for name in ("user", "safety_identifier"):
        if not isinstance(given.get(name) or "", str):
            raise invalid(name, "expected a string")
    user = first_user(given.get("safety_identifier"), given.get("user"))
    texts = _texts(given.get("input"))
    if len(texts) > MOST_INPUTS:
        raise invalid("input", f"{len(texts)} texts were given; at most {MOST_INPUTS} are accepted")
    return _Asked(texts, check_user(user, "user"))


def _texts(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        raise invalid("input", "expected a string, a list of strings, or a list of parts")
    if all(isinstance(each, str) for each in given):
        return given
    # Parts are one input, as they are for OpenAI: what is split over them is read together.
    return ["\n".join(_part(each, f"input[{n}]") for n, each in enumerate(given))]


def _part(part: Any, where: str) -> str:
    if not isinstance(part, dict):
        raise invalid(where, "expected a part such as {'type': 'text', 'text': '...'}; strings and parts do not mix")
    kind = part.get("type")
    if kind == "image_url":
        raise invalid(where, "images cannot be judged here; send text alone")
    if kind != "text":
        raise invalid(f"{where}.type", f"{str(kind)[:80]!r} is not known; expected 'text'")
    text = part.get("text")
    if not isinstance(text, str):
        raise invalid(f"{where}.text", "expected a string")
    return text


async def _check_standing(door: Door, account: str) -> None:
    """Whoever may not use the models does not try out here what would pass."""
    now = time.time()
    action = door.standings.of(account, now)
    if action.standing >= Standing.SUSPENDED:
        what = action.standing.name.lower()
        message = f"This account is {what}. {action.reason}".strip()
        raise Problem(403, f"account_{what}", message, appeal=action.id)
    if action.standing is Standing.LIMITED:
        rate = action.rate_per_minute or 0.0
        if await door.standings.requests_since(account, now - 60.0) >= rate:
            message = f"This account is limited. {action.reason}".strip()
            raise Problem(429, "account_limited", message, retry_after=60.0, appeal=action.id)


def _events(id: str, who: Who, asked: _Asked, results: list[Result], at: float, us: int) -> tuple[Event, ...]:
    """What the ledger keeps. Findings are in shadow: what a product asks about need not be the account's own words."""
    best: dict[str, float] = {}
    for result in results:
        for category, flagged in result.categories.items():
            if flagged:
                best[category] = max(best.get(category, 0.0), result.category_scores[category])
    findings = tuple(Finding(category, score) for category, score in best.items())
    judgement = Judgement(defense="moderations", decision=Decision.ALLOW, mode="shadow", findings=findings, us=us)
    received = Received(wire="moderations", model=MODEL)
    judged = Judged(stage="request", judgements=(judgement,), decision=Decision.ALLOW)
    return (
        msgspec.structs.replace(_event(id, who, received, msgspec.json.encode({"input": asked.texts}).decode()), at=at),
        _event(id, who, judged),
        _event(id, who, Ended(why="complete")),
    )


def _event(id: str, who: Who, body: Body, content: str | None = None) -> Event:
    return Event(body=body, at=time.time(), exchange=id, account=who.account, product=who.product, content=content)
