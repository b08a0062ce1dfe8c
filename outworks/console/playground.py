"""Playground: a conversation through the gateway, and what each line of defense said of it, as the ledger has it."""

import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import httpx2
import msgspec

from outworks.console.setup import Line, Setup
from outworks.event import Judged, Judgement, Received, Released
from outworks.ledger import Recorded
from outworks.models.sse import Events
from outworks.verdict import Decision

PRODUCT = "playground"
"""The product that the playground's accounts belong to: nobody's real history gets anything of it."""
_TALKS = 200
_TURNS = 40
_SECONDS = 180.0


class Turn(msgspec.Struct, frozen=True):
    """One side's words, as the conversation goes back to the model."""

    role: str
    """`system`, `user` or `assistant`; `stopped` for what a line of defense said instead of an answer, and
    `stopped-user` for what it stopped: neither goes back to the model."""
    text: str
    exchange: str = ""


class Talks:
    """Conversations in progress, by reviewer and account; the oldest are forgotten."""

    def __init__(self) -> None:
        self._talks: OrderedDict[tuple[str, str], list[Turn]] = OrderedDict()

    def of(self, name: str, account: str) -> list[Turn]:
        """The turns so far, to be added to."""
        key = (name, account)
        if key not in self._talks:
            self._talks[key] = []
            while len(self._talks) > _TALKS:
                self._talks.popitem(last=False)
        self._talks.move_to_end(key)
        return self._talks[key]

    def names(self, name: str) -> list[str]:
        """The accounts that a reviewer has talked as, the latest first."""
        return [account for who, account in reversed(self._talks) if who == name and self._talks[who, account]]

    def forget(self, name: str, account: str) -> None:
        """Begin anew."""
        self._talks.pop((name, account), None)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What came back over the wire: a piece of an answer, or the end of it."""

    text: str = ""
    exchange: str = ""
    stopped: str = ""
    """Why there is no answer, or no more of it."""
    appeal: str = ""
    """The reference to quote in an appeal."""
    reason: str = ""
    """What an account with an action in force is told with every answer."""
    status: int = 0


async def answers(
    setup: Setup, *, user: str, model: str, turns: Sequence[Turn], parameters: Mapping[str, Any]
) -> AsyncIterator[Told]:
    """Ask the gateway over its port, as any client would, and pass on what it says."""
    messages = [{"role": each.role, "content": each.text} for each in turns if not each.role.startswith("stopped")]
    body = {"model": model, "messages": messages[-_TURNS:], "stream": True, **parameters}
    headers = {b"x-outworks-account": user.encode()}
    if setup.key:
        headers[b"authorization"] = f"Bearer {setup.key}".encode()
    try:
        async with (
            httpx2.AsyncClient(timeout=_SECONDS, trust_env=False) as client,
            client.stream("POST", f"{setup.gateway_url}/v1/chat/completions", json=body, headers=headers) as response,
        ):
            exchange = response.headers.get("x-request-id", "")
            reason = unquote(response.headers.get("x-outworks-reason", ""))
            yield Told(exchange=exchange, status=response.status_code, reason=reason)
            if response.status_code != 200:
                yield _problem(await response.aread(), response.status_code, exchange)
                return
            events = Events()
            async for chunk in response.aiter_bytes():
                for data in events.feed(chunk):
                    told = _told(data, exchange)
                    if told is not None:
                        yield told
    except (httpx2.HTTPError, OSError) as error:
        why = f"The gateway at {setup.gateway_url} does not answer ({type(error).__name__}). Is it running?"
        yield Told(stopped=why)


def _problem(body: bytes, status: int, exchange: str) -> Told:
    try:
        error = json.loads(body)["error"]
        appeal = str((error.get("outworks") or {}).get("appeal", ""))
        return Told(stopped=str(error["message"]), appeal=appeal, status=status, exchange=exchange)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Told(stopped=f"The gateway answered with status {status}.", status=status, exchange=exchange)


def _told(data: bytes, exchange: str) -> Told | None:
    if data == b"[DONE]":
        return None
    try:
        chunk = json.loads(data)
        if "error" in chunk:
            return Told(stopped=str(chunk["error"]["message"]), exchange=exchange)
        choice = chunk["choices"][0]
        stopped = choice.get("outworks", {}).get("message", "")
        text = choice["delta"].get("content") or ""
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None
    return Told(text=text, stopped=stopped, exchange=exchange) if text or stopped else None


class LineState(msgspec.Struct, kw_only=True):
    """What one line has said of the exchange so far."""

    line: Line
    request: Judgement | None = None
    output: Judgement | None = None
    checks: int = 0
    """Checks of the output."""
    passed_over: bool = False
    """An earlier line stopped the request: this one was never asked."""

    @property
    def shown(self) -> Judgement | None:
        """The strictest of what it said."""
        said = [one for one in (self.output, self.request) if one is not None]
        return max(said, key=lambda one: one.decision, default=None)

    @property
    def us(self) -> int:
        return sum(one.us for one in (self.request, self.output) if one is not None)


class Watched:
    """One exchange of the playground, followed through the ledger."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = [LineState(line=line) for line in lines]
        self.received = False
        self.released = 0
        """Characters."""
        self.ended = False

    def apply(self, recorded: Recorded) -> None:
        """Take in one event."""
        body = recorded.event.body
        if isinstance(body, Received):
            self.received = True
        elif isinstance(body, Judged):
            self._judged(body)
        elif isinstance(body, Released):
            self.released = max(self.released, body.end)

    def _judged(self, body: Judged) -> None:
        said = {one.defense: one for one in body.judgements}
        for state in self.lines:
            one = said.get(state.line.name)
            if one is None:
                continue
            if body.stage == "request":
                state.request = one
            else:
                state.checks += 1
                before = state.output
                took = one.us + (before.us if before is not None else 0)
                stricter = before is None or one.decision >= before.decision
                state.output = msgspec.structs.replace(one if stricter or before is None else before, us=took)
        if body.stage == "request" and body.decision >= Decision.ESCALATE:
            for state in self.lines:
                state.passed_over = state.request is None
