"""classifier: stops requests that try to break the model's rules or ask for harm, and answers that give it."""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from typing_extensions import override

from outworks import defense
from outworks.defense import Mode
from outworks.defenses.scored import Judge, Passage, Thresholds, passages
from outworks.detectors import Category, Side
from outworks.detectors.looking import Looking, Stage
from outworks.label import Source
from outworks.message import Output, Request, ToolCall
from outworks.verdict import ALLOW, Finding, Notice, Span, Verdict

Rate = Annotated[float, msgspec.Meta(gt=0, le=0.1)]
_REQUEST = (Category.JAILBREAK, Category.HARM)
_OUTPUT = (Category.HARM,)


class Settings(defense.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often ordinary traffic may be stopped; the thresholds follow from that."""

    mode: Mode = Mode.OFF
    """`live`, `shadow` (recorded, never enforced) or `off`. Off until you ask for it: a look costs about a tenth of a
    millisecond. Begin in shadow: `outworks ledger tail` shows what it would have stopped on your own traffic."""
    time_limit_ms: Annotated[float, msgspec.Meta(gt=0)] = 1_000.0
    """Milliseconds for one check. A check that takes longer blocks, and is recorded."""
    requests: Literal["block", "record", "off"] = "block"
    """What to do with requests: `block` those over the threshold, only `record` them, or do not look."""
    false_positive_rate: Rate = 0.001
    """The share of ordinary requests that may be stopped. It becomes a threshold by calibration on ordinary requests
    that no detector was trained on; docs/detectors.md says what is found at which rate."""
    outputs: Literal["block", "record", "off"] = "off"
    """The same for answers. `block` holds a stream in pieces, see `hold`."""
    output_false_positive_rate: Rate = 0.001
    """The share of ordinary answers that may be stopped."""
    record_rate: Rate = 0.01
    """The share of ordinary texts of which a finding may be recorded, without being stopped: weak evidence, which adds
    up in an account's history."""
    hold: Annotated[int, msgspec.Meta(ge=80, le=8_192)] = 240
    """Characters of an answer that are held together while they are judged."""
    second_stage: Stage = "never"
    """When a small transformer looks too, tens of milliseconds a text: `never`, where the first stage is `unsure`, or
    `always`. It needs the extra `outworks[classifier]`."""


class Classifier(defense.Defense):
    """The account's own words and the model's answers; what third parties wrote is for `injection`.

    Turns in the assistant's name are read for jailbreaks alone: whoever sends one may have written it.
    """

    name = "classifier"

    def __init__(self, settings: Settings, looking: Looking) -> None:
        """Raises ValueError for a rate finer than the calibration can tell."""
        self._settings = settings
        detector, stage, note = looking.detector, settings.second_stage, settings.record_rate
        request = Thresholds.of(detector, Side.REQUEST, _REQUEST, settings.false_positive_rate, note, stage)
        output = Thresholds.of(detector, Side.OUTPUT, _OUTPUT, settings.output_false_positive_rate, note, stage)
        self._request = Judge(self.name, looking, Side.REQUEST, request, stage)
        self._assistant = Judge(self.name, looking, Side.REQUEST, request.only(Category.JAILBREAK), stage)
        self._output = Judge(self.name, looking, Side.OUTPUT, output, stage)

    @override
    async def check_request(self, request: Request) -> Verdict:
        if self._settings.requests == "off":
            return ALLOW
        users = await self._request.judge(passages(request, Source.USER))
        assistants = await self._assistant.judge(passages(request, Source.ASSISTANT))
        return users.joined(assistants).verdict(blocks=self._settings.requests == "block", notice=_NOTICE)

    @override
    async def check_output(self, request: Request, output: Output) -> Verdict:
        if self._settings.outputs == "off":
            return ALLOW
        blocks, piece = self._settings.outputs == "block", self._settings.hold
        size = len(output.text)
        settled = size if output.done else size - size % piece
        findings: tuple[Finding, ...] = ()
        for start in range(output.released - output.released % piece, settled, piece):
            end = min(start + piece, settled)
            # Each piece is read with what came before it. Pieces lie where they lie, however the text arrives.
            begin = max(0, end - WINDOW)
            seen = await self._output.judge(iter([Passage.of(output.text[begin:end])]))
            findings += tuple(_in_piece(finding, begin, start, end) for finding in seen.findings)
            if blocks and seen.over:
                verdict = seen.verdict(blocks=True, notice=_HELD_BACK)
                return msgspec.structs.replace(verdict, findings=findings, covered=start)
        if output.done and output.tool_calls:
            seen = await self._output.judge(_called(output))
            findings += tuple(msgspec.structs.replace(finding, span=None) for finding in seen.findings)
            if blocks and seen.over:
                verdict = seen.verdict(blocks=True, notice=_HELD_BACK)
                return msgspec.structs.replace(verdict, findings=findings, covered=size)
        if not findings and settled == size:
            return ALLOW
        return Verdict(findings=findings, covered=settled if blocks else None)


WINDOW = 2_048
"""Characters of an answer, up to the end of a piece, that are judged together."""


def _in_piece(finding: Finding, begin: int, start: int, end: int) -> Finding:
    span = finding.span
    place = Span(start, end) if span is None else Span(begin + span.start, begin + span.end)
    return msgspec.structs.replace(finding, span=place)


def _called(output: Output) -> Iterator[Passage]:
    for call in output.tool_calls:
        yield Passage.of(told(call))


def told(call: ToolCall) -> str:
    """What a tool call says: the strings in its arguments, read as one."""
    said = call.said
    return "\n".join([*said.values, *said.names]) or call.arguments


_NOTICE = Notice(
    code="classifier", message="This request was stopped: it reads as one that the usage policy rules out."
)
_HELD_BACK = Notice(code="classifier", message="The rest of this answer was held back.")
