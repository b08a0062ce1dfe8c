"""scored: passages of a request or an answer, judged by detectors, and the verdict that follows from their scores."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from outworks.detectors import Side
from outworks.detectors.detector import Located
from outworks.detectors.looking import Detects, Look, Looking, Stage
from outworks.label import Source
from outworks.message import Request, Text, ToolResult
from outworks.verdict import ALLOW, Decision, Finding, Notice, Span, Verdict

_FINDINGS = 16
"""Findings in a verdict, at most."""
UNREAD = "unread_encoding"
"""The category of texts that are encoded more deeply than is looked into."""


class Piece(msgspec.Struct, frozen=True):
    """Where a part of a message stands in a passage."""

    start: int
    end: int
    message: int
    part: int


class Passage(msgspec.Struct, frozen=True):
    """Text that is judged together: the parts of one message, as they run together for the model."""

    text: str
    pieces: tuple[Piece, ...]

    @staticmethod
    def of(text: str) -> "Passage":
        """A text that is no part of a request."""
        return Passage(text, (Piece(0, len(text), 0, 0),))

    def span(self, start: int, end: int) -> Span:
        """Where a stretch stands in the request; what runs on into the next part ends with its first."""
        piece = next((each for each in self.pieces if start < each.end), self.pieces[-1])
        low = max(start, piece.start)
        return Span(low - piece.start, max(low, min(end, piece.end)) - piece.start, piece.message, piece.part)


def passages(request: Request, source: Source) -> Iterator[Passage]:
    """What a source said, message by message."""
    for number, message in enumerate(request.messages):
        if source not in message.label.sources:
            continue
        texts: list[str] = []
        pieces: list[Piece] = []
        at = 0
        for place, part in enumerate(message.parts):
            if isinstance(part, Text | ToolResult) and part.text:
                pieces.append(Piece(at, at + len(part.text), number, place))
                texts.append(part.text)
                at += len(part.text) + 1
        if pieces:
            yield Passage("\n".join(texts) if len(texts) > 1 else texts[0], tuple(pieces))


class Thresholds(msgspec.Struct, frozen=True):
    """Scores by category from which a text is stopped, and from which it is noted."""

    stop: Mapping[str, float]
    note: Mapping[str, float]

    @staticmethod
    def of(
        detector: Detects, side: Side, categories: Sequence[str], stop: float, note: float, stage: Stage
    ) -> "Thresholds":
        """Those at which so many ordinary texts would be stopped and noted. Raises ValueError for a rate finer than the
        calibration can tell."""
        always = stage == "always"
        stops = detector.limits(side, stop, always=always)
        notes = detector.limits(side, max(stop, note), always=always)
        return Thresholds({c: stops[c] for c in categories}, {c: min(notes[c], stops[c]) for c in categories})

    def only(self, *categories: str) -> "Thresholds":
        """Those of some categories alone."""
        return Thresholds({c: self.stop[c] for c in categories}, {c: self.note[c] for c in categories})


class Judged(msgspec.Struct, frozen=True):
    """What was found in passages."""

    findings: tuple[Finding, ...] = ()
    over: tuple[str, ...] = ()
    """Categories over the threshold, the furthest over first."""

    def joined(self, other: "Judged") -> "Judged":
        """Both."""
        return Judged(self.findings + other.findings, self.over + other.over)

    def verdict(self, *, blocks: bool, notice: Notice) -> Verdict:
        """What follows."""
        if not self.findings:
            return ALLOW
        findings = tuple(sorted(self.findings, key=lambda finding: -finding.score)[:_FINDINGS])
        if not (blocks and self.over):
            return Verdict(findings=findings)
        return Verdict(decision=Decision.BLOCK, reason=f"reads as {self.over[0]}", findings=findings, notice=notice)


_NOTHING = Judged()


class Judge(msgspec.Struct, frozen=True):
    """One detector's eye on one kind of words."""

    defense: str
    looking: Looking
    side: Side
    thresholds: Thresholds
    stage: Stage

    async def judge(self, passages: Iterator[Passage]) -> Judged:
        """What is in the passages."""
        read = list(passages)
        if not read:
            return _NOTHING
        looks = await self.looking.look_each([passage.text for passage in read], self.side, self.stage)
        found = [one for one in map(self._found, read, looks) if one is not None]
        if not found:
            return _NOTHING
        return Judged(tuple(f for one in found for f in one.findings), tuple(c for one in found for c in one.over))

    def _found(self, passage: Passage, look: Look) -> Judged | None:
        note, stop, scores = self.thresholds.note, self.thresholds.stop, look.by_category
        noted = [category for category, least in note.items() if scores.get(category, 0.0) >= least]
        if not noted and look.complete:
            return None
        findings = [
            Finding(str(c), round(scores[c], 4), _place(passage, look.spans, c), look.disguises.get(c, ""))
            for c in noted
        ]
        over = sorted((c for c in noted if scores[c] >= stop[c]), key=lambda c: stop[c] - scores[c])
        if not look.complete:
            # Nobody wraps an ordinary text so often: what cannot be read is not let through.
            findings.append(Finding(UNREAD, 1.0, passage.span(0, len(passage.text))))
            over.append(UNREAD)
        return Judged(tuple(findings), tuple(map(str, over)))


def _place(passage: Passage, spans: Sequence[Located], category: str) -> Span:
    found = next((each for each in spans if each.category == category), None)
    return passage.span(0, len(passage.text)) if found is None else passage.span(found.start, found.end)
