"""The defended model: a model with every line of defense around it."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Sequence
from typing import NamedTuple

import msgspec

from outworks import event
from outworks.defense import InForce, Mode
from outworks.event import Body, Ended, Event, Received, Recorder, RecordError, UpstreamFailed
from outworks.gate import Gate, Release
from outworks.judge import Judged, Pending, begin, strictest
from outworks.message import MOST_CHOICES, Asked, Delta, Opaque, Request, ToolCall, ToolCallPiece, Usage
from outworks.model import Blocked, Model, UpstreamError
from outworks.verdict import ALLOW, Decision, Notice, Verdict

RECEIVED_WITHIN = 0.05
"""Seconds within which a request is recorded. Most answers come sooner, and one transaction holds both."""

_encode = msgspec.json.Encoder().encode


class DefendedModel:
    """A `Model` that asks every defense before the upstream sees the request and before the client sees the output.

    Raises `Blocked` where a defense stops the request, `UpstreamError` where the upstream fails, and `RecordError`
    where the exchange cannot be recorded. A stop in the middle of an output is no error: what came before stands
    released, and the choice ends with `finish=CONTENT_FILTER` and a notice.
    """

    def __init__(
        self,
        model: Model,
        defenses: Sequence[InForce],
        recorder: Recorder,
        *,
        pseudonym: Callable[[str], str] = lambda account: "",
        issue: Callable[[Request, ToolCall], str] = lambda request, call: f"call_{secrets.token_hex(12)}",
        admits: Collection[str] = (),
    ) -> None:
        """`pseudonym` is what the upstream is told in place of an account's id; `issue` gives the ids under which tool
        calls are released; `admits` are the kinds of content that may pass though no defense can read them."""
        self.name = model.name
        self._model = model
        self._defenses = tuple(each for each in defenses if each.settings.mode is not Mode.OFF)
        self._recorder = recorder
        self._pseudonym = pseudonym
        self._issue = issue
        self._admits = frozenset(admits)

    async def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        """The output that every defense in force has covered, each piece recorded before it is yielded."""
        request, recorded = await self._admit(request)
        gates: dict[int, Gate] = {}
        choices = _choices(request)
        usage = recorded_usage = None
        upstream = self._model.generate(msgspec.structs.replace(request, account=self._pseudonym(request.account)))
        try:
            async for delta in upstream:
                usage = delta.usage or usage
                gate = gates.get(delta.choice)
                if gate is None:
                    if delta.choice not in choices:
                        continue
                    gate = gates[delta.choice] = Gate(request, self._defenses, delta.choice)
                if gate.closed:
                    continue
                gate.draft.add(delta)
                if not request.stream and delta.finish is None:
                    continue  # nobody waits for the first words of an answer that leaves whole
                release = await gate.check()
                if release is None:
                    continue
                calls = release.tool_calls
                if calls:
                    calls = tuple(msgspec.structs.replace(call, id=self._issue(request, call)) for call in calls)
                if recorded.done():
                    recorded.result()
                # A request that is not written yet goes with this, before it, in one transaction.
                await self._recorder.append(_released(request, delta.choice, release, calls, usage))
                await recorded
                recorded_usage = usage
                for piece in _deltas(delta.choice, release, calls):
                    yield piece
                if gate.stopped and len(gates) == len(choices) and all(gate.stopped for gate in gates.values()):
                    break
            if not _all_closed(gates):
                raise UpstreamError("the model's answer broke off before its end", kind="broken")
            if usage is not None:
                if usage is not recorded_usage:
                    self._append(request, Ended(why="complete", usage=usage))
                yield Delta(usage=usage)
        except UpstreamError as error:
            await self._append(request, UpstreamFailed(error=error.kind, message=error.message, status=error.status))
            if not _all_closed(gates):
                raise
        except RecordError:
            raise
        except BaseException as error:
            await self._end(error, _event(request, Ended(why=_why(error))))
            raise
        finally:
            if isinstance(upstream, AsyncGenerator):
                await upstream.aclose()

    async def _admit(self, request: Request) -> "_Admitted":
        """Judge the request in the order of the defenses; the first that stops it has the last word."""
        said = _encode(Asked(request.messages, request.tools, request.parameters)).decode()
        asked = Received(wire=request.wire, model=request.model, stream=request.stream, choices=len(_choices(request)))
        received = _event(request, asked, said)
        judged: list[Judged] = []
        stop: Judged | None = None
        for each in self._defenses:
            if not each.defense.checks_request:
                continue
            one = begin(each, each.defense.check_request(request))
            if isinstance(one, Pending):
                try:
                    one = await one.end()
                except BaseException as left:
                    # Who goes away before the verdict was here all the same.
                    await self._end(left, received, _event(request, Ended(why=_why(left))))
                    raise
            judged.append(one)
            if one.verdict is ALLOW or one.mode is not Mode.LIVE:
                continue
            if one.verdict.decision >= Decision.ESCALATE:
                stop = one
                break
            request = one.verdict.request or request
        if stop is None and (unread := self._unread(request)):
            stop = Judged("gate", Mode.LIVE, unread)
            judged.append(stop)
        body = event.Judged(
            stage="request",
            judgements=tuple([one.record(one.verdict.findings) for one in judged]),
            decision=strictest(judged),
        )
        judgement = _event(request, body)
        if stop is not None:
            await self._recorder.append((received, judgement))
            raise Blocked(stop.verdict.notice or Notice(), exchange=request.id, defense=stop.name)
        # Of a limited account the requests are counted, so that its requests are recorded at once.
        noted = any(one.verdict is not ALLOW for one in judged)
        written = self._recorder.append((received, judgement), within=0.0 if noted else RECEIVED_WITHIN)
        return _Admitted(request, written)

    def _unread(self, request: Request) -> Verdict | None:
        """A block, where content came that no defense can read, of a kind that the policy does not admit."""
        for message in request.messages:
            for part in message.parts:
                if type(part) is Opaque and part.kind not in self._admits:
                    why = f"content of kind {part.kind!r} is not accepted: no line of defense here can check it"
                    notice = Notice(code="content_refused", message=why, param="messages")
                    return Verdict(decision=Decision.BLOCK, reason="content that no defense can check", notice=notice)
        return None

    async def _end(self, error: BaseException, *events: Event) -> None:
        """Record how an exchange ends without its last word. Whoever still waits for an answer is told where that could
        not be: raises `RecordError`."""
        written = self._recorder.append(events)
        if _why(error) == "timed_out":
            await written

    def _append(self, request: Request, body: Body) -> asyncio.Future[None]:
        return self._recorder.append((_event(request, body),))


class _Admitted(NamedTuple):
    request: Request
    recorded: asyncio.Future[None]


def _why(error: BaseException) -> str:
    """Why an exchange ended without its last word."""
    if isinstance(error, GeneratorExit):
        return "client_left"
    if isinstance(error, Exception):
        return f"fault: {type(error).__name__}"
    # Whoever ends one exchange says why; whoever ends the program cancels all of them, in words of its own.
    return next((said for said in error.args if said in ("client_left", "timed_out")), "shut_down")


def _choices(request: Request) -> range:
    wanted = request.parameters.get("n")
    return range(min(wanted, MOST_CHOICES) if isinstance(wanted, int) else 1)


def _all_closed(gates: dict[int, Gate]) -> bool:
    return bool(gates) and all(gate.closed for gate in gates.values())


def _event(request: Request, body: Body, content: str | None = None) -> Event:
    return Event(
        body=body,
        at=time.time(),
        exchange=request.id,
        account=request.account,
        product=request.product,
        conversation=request.conversation,
        content=content,
    )


def _released(
    request: Request, choice: int, release: Release, calls: tuple[ToolCall, ...], usage: Usage | None
) -> tuple[Event, ...]:
    """The record of a release: the verdicts that cover it, then the very characters that leave."""
    judged = event.Judged(
        stage="output",
        judgements=release.judgements,
        decision=release.decision,
        choice=choice,
        length=release.length,
    )
    released = event.Released(
        choice=choice,
        start=release.start,
        end=release.end,
        tool_calls=len(calls),
        finish=release.finish.value if release.finish else "",
        usage=usage,
    )
    content = release.text if not calls else _encode({"text": release.text, "tool_calls": calls}).decode()
    return _event(request, judged), _event(request, released, content)


def _deltas(choice: int, release: Release, calls: tuple[ToolCall, ...]) -> Iterator[Delta]:
    """What leaves, in deltas: text, then whole tool calls, then the end, which comes with the last call: whether that
    one was cut off is told by how the output ended."""
    if release.text:
        yield Delta(choice=choice, text=release.text, as_refusal=release.as_refusal)
    pieces = [ToolCallPiece(index, call.id, call.name, call.arguments) for index, call in enumerate(calls)]
    last = pieces.pop() if pieces and release.finish is not None else None
    for piece in pieces:
        yield Delta(choice=choice, tool_call=piece)
    if release.finish is not None:
        yield Delta(
            choice=choice,
            tool_call=last,
            as_refusal=release.as_refusal,
            finish=release.finish,
            stop_string=release.stop_string,
            notice=release.notice,
            confirm=release.confirm,
        )
