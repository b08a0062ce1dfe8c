"""Conversation: an exchange as its ledger events tell it, with each finding at the very characters that it is about."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from outworks.event import Judged, Judgement, Received, Rejected, Released, UpstreamFailed
from outworks.ledger import Reader, Recorded
from outworks.message import Message, Opaque, Text, ToolCall, ToolResult
from outworks.verdict import Decision, Finding

SHOWN_CHARS = 20_000
"""Of one part; the rest is in `outworks ledger show`."""
_EVENTS = 400
_SURE = 0.5


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A finding, whose it is, and what came of it."""

    defense: str
    decision: int
    mode: str
    category: str
    score: float
    detail: str = ""
    start: int = 0
    end: int = 0


class Piece(msgspec.Struct, frozen=True):
    """A run of characters under the same findings."""

    text: str
    findings: tuple[Shown, ...] = ()
    ends: tuple[Shown, ...] = ()
    """Those whose last piece this is: their names stand behind it."""

    @property
    def decision(self) -> int:
        """The strictest of what the findings led to."""
        return max((one.decision for one in self.findings), default=0)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a turn: words, a tool call or its result, or something that is no text."""

    kind: str
    pieces: tuple[Piece, ...] = ()
    name: str = ""
    """The tool's."""
    cut: int = 0
    """Characters that are not shown."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One turn."""

    role: str
    parts: tuple[Part, ...]
    trusted: bool = True
    held: bool = False
    """Of an answer: its rest was held back."""


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange, ready to be shown."""

    id: str
    at: float
    account: str
    conversation: str
    model: str = ""
    wire: str = ""
    turns: tuple[Turn, ...] = ()
    earlier: int = 0
    """Turns that were shown with an earlier exchange."""
    tools: tuple[str, ...] = ()
    parameters: str = ""
    answers: tuple[Turn, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    """What every line said, the strictest of each."""
    decision: int = 0
    unplaced: tuple[Shown, ...] = ()
    """Findings without a place in what can be shown."""
    problem: str = ""
    erased: bool = False
    contents: tuple[int, ...] = ()
    """Numbers of the events whose content this shows."""

    @property
    def categories(self) -> tuple[str, ...]:
        """What was found, surely."""
        return tuple(
            dict.fromkeys(
                finding.category for one in self.judgements for finding in one.findings if finding.score >= _SURE
            )
        )


class _Said(msgspec.Struct, frozen=True):
    messages: tuple[Message, ...] = ()
    tools: tuple[Any, ...] = ()
    parameters: dict[str, Any] = {}


class _Answer(msgspec.Struct, frozen=True):
    text: str
    tool_calls: tuple[ToolCall, ...] = ()


def read_exchange(reader: Reader, exchange: str, *, with_content: bool, after: "Exchange | None" = None) -> Exchange:
    """An exchange. Without content only what was judged is told. `after` is an earlier one of the same conversation:
    turns that it has shown are left out. Raises LookupError for an unknown id."""
    events = list(reader.events(exchange=exchange, limit=_EVENTS, with_content=with_content)) if exchange else []
    if not events:
        raise LookupError(f"no exchange {exchange!r} is in the ledger")
    first = events[0].event
    judged = [one.event.body for one in events if isinstance(one.event.body, Judged)]
    judgements = _strictest(one for body in judged for one in body.judgements)
    received = next((one for one in events if isinstance(one.event.body, Received)), None)
    said = _said(received) if with_content else _Said()
    before = _turns_of(after) if after is not None else 0
    on_request = [each for body in judged if body.stage == "request" for each in _shown(body.judgements)]
    body = received.event.body if received is not None else None
    answers = tuple(_answers(events, judged)) if with_content else ()
    placed = {id(each.finding) for each in on_request if _place(each.finding, said.messages)}
    return Exchange(
        id=first.exchange,
        at=first.at,
        account=first.account,
        conversation=first.conversation,
        model=body.model if isinstance(body, Received) else "",
        wire=body.wire if isinstance(body, Received) else "",
        turns=tuple(_turns(said.messages, on_request, before)),
        earlier=min(before, len(said.messages)),
        tools=tuple(str(tool.get("name", "")) for tool in said.tools if isinstance(tool, dict)),
        parameters=", ".join(f"{key} {value}" for key, value in said.parameters.items())[:400],
        answers=answers,
        judgements=judgements,
        decision=max((int(one.decision) for one in judgements if one.mode == "live"), default=0),
        unplaced=tuple(each.shown for each in on_request if id(each.finding) not in placed),
        problem=_problem(events),
        erased=any(one.erased for one in events),
        contents=tuple(one.seq for one in events if one.event.content is not None),
    )


def _turns_of(exchange: Exchange) -> int:
    return exchange.earlier + len(exchange.turns)


class _Found(msgspec.Struct, frozen=True):
    finding: Finding
    shown: Shown


def _shown(judgements: Iterable[Judgement]) -> Iterator[_Found]:
    for one in judgements:
        for finding in one.findings:
            span = finding.span
            yield _Found(
                finding,
                Shown(
                    defense=one.defense,
                    decision=int(one.decision),
                    mode=one.mode,
                    category=finding.category,
                    score=finding.score,
                    detail=finding.detail,
                    start=span.start if span else 0,
                    end=span.end if span else 0,
                ),
            )


def _strictest(judgements: Iterable[Judgement]) -> tuple[Judgement, ...]:
    """One a defense: its strictest decision, with everything that it found and all the time that it took."""
    said: dict[str, Judgement] = {}
    for one in judgements:
        known = said.get(one.defense)
        if known is None:
            said[one.defense] = one
            continue
        stricter = one if one.decision > known.decision else known
        findings = tuple(dict.fromkeys((*known.findings, *one.findings)))
        said[one.defense] = msgspec.structs.replace(stricter, findings=findings, us=known.us + one.us)
    return tuple(said.values())


def _said(received: Recorded | None) -> _Said:
    if received is None or received.event.content is None:
        return _Said()
    try:
        return msgspec.json.decode(received.event.content, type=_Said)
    except msgspec.DecodeError:
        # An older version's form, or a text that is no JSON: it is shown as it stands.
        return _Said()


def _place(finding: Finding, messages: Sequence[Message]) -> bool:
    span = finding.span
    return span is not None and span.message < len(messages) and span.part < len(messages[span.message].parts)


def _turns(messages: Sequence[Message], found: Sequence[_Found], before: int) -> Iterator[Turn]:
    for m, message in enumerate(messages):
        here = [one for one in found if one.finding.span is not None and one.finding.span.message == m]
        if m < before and not any(one.shown.decision for one in here):
            continue
        parts = []
        for p, part in enumerate(message.parts):
            marks = [one.shown for one in here if one.finding.span is not None and one.finding.span.part == p]
            parts.append(_part(part, marks))
        yield Turn(role=message.role.value, parts=tuple(parts), trusted=message.label.trusted)


def _part(part: Text | ToolCall | ToolResult | Opaque, marks: Sequence[Shown]) -> Part:
    if isinstance(part, Text):
        return _marked("text", part.text, marks)
    if isinstance(part, ToolResult):
        return _marked("tool_result", part.text, marks)
    if isinstance(part, ToolCall):
        return _marked("tool_call", part.arguments, marks, name=part.name)
    return Part(kind="opaque", name=part.kind)


def _marked(kind: str, text: str, marks: Sequence[Shown], *, name: str = "") -> Part:
    return Part(
        kind=kind, pieces=tuple(pieces(text[:SHOWN_CHARS], marks)), name=name, cut=max(0, len(text) - SHOWN_CHARS)
    )


def pieces(text: str, marks: Sequence[Shown]) -> Iterator[Piece]:
    """The text cut wherever a finding begins or ends. Findings may overlap, and reach beyond the text."""
    held = [each for each in marks if each.start < each.end and each.start < len(text)]
    cuts = sorted({0, len(text), *(max(0, each.start) for each in held), *(min(len(text), each.end) for each in held)})
    for start, end in pairwise(cuts):
        over = tuple(each for each in held if each.start < end and each.end > start)
        ends = tuple(each for each in over if min(each.end, len(text)) == end)
        yield Piece(text[start:end], over, ends)


def _answers(events: Sequence[Recorded], judged: Sequence[Judged]) -> Iterator[Turn]:
    """What left, choice by choice. Offsets are into what the model said; where nothing was edited, that is the text."""
    choices = sorted({body.choice for body in judged if body.stage == "output"})
    released: dict[int, list[Recorded]] = {}
    for one in events:
        if isinstance(one.event.body, Released):
            released.setdefault(one.event.body.choice, []).append(one)
    for choice in sorted({*choices, *released}):
        text, exact = "", True
        calls: list[ToolCall] = []
        for one in released.get(choice, ()):
            body = one.event.body
            assert isinstance(body, Released)
            answer = _answer(one.event.content, body)
            exact = exact and len(answer.text) == body.end - body.start
            text += answer.text
            calls += answer.tool_calls
        found = [
            each.shown
            for body in judged
            if body.stage == "output" and body.choice == choice
            for each in _shown(body.judgements)
            if each.finding.span is not None
        ]
        marks = list(dict.fromkeys(found)) if exact else []
        held = any(
            one.decision >= Decision.ESCALATE and one.mode == "live"
            for body in judged
            if body.stage == "output" and body.choice == choice
            for one in body.judgements
        )
        parts = [_marked("text", text, marks)] if text else []
        parts += [_marked("tool_call", call.arguments, [], name=call.name) for call in calls]
        if parts or held:
            yield Turn(role="assistant", parts=tuple(parts), held=held)


def _answer(content: str | None, body: Released) -> _Answer:
    if content is None:
        return _Answer("")
    if body.tool_calls:
        try:
            return msgspec.json.decode(content, type=_Answer)
        except msgspec.DecodeError:
            return _Answer(content)
    return _Answer(content)


def _problem(events: Sequence[Recorded]) -> str:
    for one in events:
        body = one.event.body
        if isinstance(body, Rejected):
            return f"{body.status} {body.code}"
        if isinstance(body, UpstreamFailed):
            return f"the model did not answer: {body.error}"
    return ""
