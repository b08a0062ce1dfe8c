"""The output gate: text is held until every defense in force covers it, then recorded, then released."""

from collections.abc import Sequence

import msgspec

from outworks.defense import InForce, Mode
from outworks.event import Judgement
from outworks.judge import Judged, Pending, begin, strictest
from outworks.message import Finish, Output, Request, ToolCall
from outworks.model import Draft
from outworks.verdict import ALLOW, Decision, Edit, Finding, Notice


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What may leave now, and the judgements that cover it."""

    judgements: tuple[Judgement, ...]
    decision: Decision
    length: int
    """Characters that had arrived."""
    start: int
    end: int
    """Characters of the upstream's output that this accounts for."""
    text: str = ""
    """What leaves: those characters after edits."""
    as_refusal: bool = False
    """The text of this choice, as far as any has left, is the upstream's refusal."""
    tool_calls: tuple[ToolCall, ...] = ()
    finish: Finish | None = None
    stop_string: str = ""
    notice: str = ""
    confirm: tuple[str, ...] = ()


class Gate:
    """Holds one choice of an output.

    What leaves depends on the upstream's text alone, not on how it was cut: up to the first violation everything is
    released, with the edits that the defenses asked for; from there on nothing is.
    """

    def __init__(self, request: Request, defenses: Sequence[InForce], choice: int) -> None:
        self._request = request
        self._defenses = defenses
        self._draft = Draft(choice)
        self._released = 0
        self._cleared = 0
        """Characters that were judged without a stop."""
        self._shadows: dict[str, int] = {}
        """How far each defense in shadow has covered. What the others let go of, it may still be reading."""
        self._seen: set[tuple[str, Finding]] = set()
        self.closed = False
        """Nothing more will leave: the output is finished, or a defense stopped it."""
        self.stopped = False
        """A defense stopped it."""

    @property
    def draft(self) -> Draft:
        """The choice as the upstream wrote it so far."""
        return self._draft

    async def check(self) -> Release | None:
        """Ask every defense about the choice so far; None while nothing can leave yet."""
        output = self._draft.output(released=self._released)
        judged = await self._judge(output)
        # Most verdicts are plain ALLOW: they cover everything and alter nothing.
        telling = [one for one in judged if one.verdict is not ALLOW and one.mode is Mode.LIVE]
        stops = [one for one in telling if one.verdict.decision >= Decision.ESCALATE] if telling else []
        if stops:
            first = await self._first_stop(output, judged)
            output, judged = first.output, first.judged
            telling = [one for one in judged if one.verdict is not ALLOW and one.mode is Mode.LIVE]
            stops = [one for one in telling if one.verdict.decision >= Decision.ESCALATE]
        self._cleared = end = len(output.text)
        edits: list[Edit] = []
        if telling:
            end = min(_covered(one, output) for one in telling)
            edits = _merge([e for one in telling for e in one.verdict.edits if one.verdict.decision is Decision.MODIFY])
            end = min([end, *(edit.start for edit in edits if edit.start < end < edit.end)])
        self.stopped = bool(stops)
        self.closed = self.stopped or output.done
        if end == self._released and not self.closed:
            return None
        return self._release(output, judged, stops, edits, end)

    async def _judge(self, output: Output) -> list[Judged]:
        judged: list[Judged] = []
        for each in self._defenses:
            defense = each.defense
            if not defense.checks_output:
                continue
            seen = output if each.settings.mode is Mode.LIVE else self._as_seen_by(each, output)
            one = begin(each, defense.check_output(self._request, seen))
            if isinstance(one, Pending):
                one = await one.end()
            judged.append(one if one.verdict is ALLOW else _sound(one, output))
        return judged + _undeclared(self._request, output) if output.tool_calls else judged

    def _as_seen_by(self, each: InForce, output: Output) -> Output:
        """What a shadow has covered need not be what has left."""
        return msgspec.structs.replace(output, released=self._shadows.get(each.defense.name, 0))

    async def _first_stop(self, output: Output, judged: list[Judged]) -> "_Look":
        """The stop as it would have come, had the text arrived a character at a time.

        What other defenses were holding at that moment does not leave: whether they would have let go of it later, with
        text in sight that is never released, must not depend on how much of that text came with the violation.
        """
        first = _Look(output, judged)
        if any(one.error and one.mode is Mode.LIVE for one in judged):
            return first  # a check that fails is not asked again and again
        passes, stops = self._cleared + 1, len(output.text) + output.done
        while passes < stops:
            middle = (passes + stops) // 2
            before = msgspec.structs.replace(output, text=output.text[:middle], tool_calls=(), finish=None, done=False)
            judged = await self._judge(before)
            if any(_stops(one) for one in judged):
                first, stops = _Look(before, judged), middle
            else:
                passes = middle + 1
        return first

    def _release(
        self, output: Output, judged: list[Judged], stops: list[Judged], edits: list[Edit], end: int
    ) -> Release:
        start, self._released = self._released, end
        self._shadows = {one.name: _reach(one, output) for one in judged if one.mode is not Mode.LIVE}
        applied = [edit for edit in edits if edit.end <= end] if edits else edits
        stop = max(stops, key=lambda one: one.verdict.decision) if stops else None
        told = None
        if stop is not None:
            told = stop.verdict.notice or Notice(message="The rest of this answer was held back.")
        return Release(
            judgements=tuple([self._judgement(one, applied) for one in judged]),
            decision=strictest(judged),
            length=len(output.text),
            start=start,
            end=end,
            text=_apply(output.text, start, end, applied),
            as_refusal=output.as_refusal and end > 0,
            tool_calls=() if stop is not None else output.tool_calls,
            finish=output.finish if told is None else Finish.CONTENT_FILTER,
            stop_string=_asked_for(output.stop_string, self._request) if output.stop_string and told is None else "",
            notice="" if told is None else told.message,
            confirm=() if told is None else told.confirm,
        )

    def _judgement(self, one: Judged, applied: list[Edit]) -> Judgement:
        """The record of a verdict. What an earlier record of this choice already tells is not told twice: a finding
        counts once towards an account's history, however finely its answer was streamed."""
        if one.verdict is ALLOW:
            return one.record(())
        findings = tuple(f for f in one.verdict.findings if (one.name, f) not in self._seen)
        self._seen.update((one.name, f) for f in findings)
        record = one.record(findings)
        if (
            record.decision is Decision.MODIFY
            and one.mode is Mode.LIVE
            and not any(e in applied for e in one.verdict.edits)
        ):
            return msgspec.structs.replace(record, decision=Decision.ALLOW)
        return record


class _Look(msgspec.Struct, frozen=True):
    """An output, and what the defenses said of it."""

    output: Output
    judged: list[Judged]


def _stops(one: Judged) -> bool:
    return one.verdict is not ALLOW and one.mode is Mode.LIVE and one.verdict.decision >= Decision.ESCALATE


def _reach(one: Judged, output: Output) -> int:
    """How far a verdict in shadow is final."""
    return len(output.text) if one.verdict.covered is None else one.verdict.covered


def _covered(one: Judged, output: Output) -> int:
    covered = one.verdict.covered
    if covered is None:
        # A BLOCK that does not say where the violation begins disputes all that has not left yet.
        return output.released if one.verdict.decision >= Decision.ESCALATE else len(output.text)
    return max(output.released, min(covered, len(output.text)))


def _sound(one: Judged, output: Output) -> Judged:
    """The verdict, or a block where it breaks the contract: text left uncovered at the end, edits on what has left."""
    verdict = one.verdict
    if verdict is ALLOW or one.mode is not Mode.LIVE or verdict.decision >= Decision.ESCALATE:
        return one
    if output.done and verdict.covered is not None and verdict.covered < len(output.text):
        return one.failed("left the end of the output uncovered")
    if any(edit.start < output.released or not edit.replacement or edit.end <= edit.start for edit in verdict.edits):
        return one.failed("asked for an edit that cannot be made")
    return one


def _merge(edits: list[Edit]) -> list[Edit]:
    """Edits in order; where two overlap, one over both, with the words of the first."""
    merged: list[Edit] = []
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if merged and edit.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = Edit(last.start, max(last.end, edit.end), last.replacement)
        else:
            merged.append(edit)
    return merged


def _apply(text: str, start: int, end: int, edits: list[Edit]) -> str:
    if not edits:
        return text[start:end]
    pieces, at = [], start
    for edit in edits:
        pieces += [text[at : edit.start], edit.replacement]
        at = edit.end
    return "".join([*pieces, text[at:end]])


def _asked_for(stop_string: str, request: Request) -> str:
    """The string, where it is one that the request gave: no defense read it in the output."""
    asked = request.parameters.get("stop")
    return stop_string if isinstance(asked, list) and stop_string in asked else ""


def _undeclared(request: Request, output: Output) -> list[Judged]:
    """A block, where the model calls a function that the request does not offer: no match means deny."""
    offered = {tool.name for tool in request.tools}
    if all(call.name in offered for call in output.tool_calls):
        return []
    # Not which: a name that the model made up is content, and a reason is never erased.
    reason = "the model called a function that the request does not offer"
    return [Judged.block("gate", reason, covered=len(output.text))]
