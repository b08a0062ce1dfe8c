"""fingerprint: stops texts that are known to be bad, in requests and in outputs, however they are dressed."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from operator import attrgetter
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from outworks import defense
from outworks.defense import Mode
from outworks.defenses.bank import NEAR, Bank, Hit
from outworks.message import Located, Output, Request, ToolCall
from outworks.normalise import Normalised, mirrored, normalise, smuggled
from outworks.verdict import ALLOW, Decision, Finding, Span, Verdict

Action = Literal["block", "escalate", "record"]

_DECISIONS: Mapping[Action, Decision] = {
    "block": Decision.BLOCK,
    "escalate": Decision.ESCALATE,
    "record": Decision.ALLOW,
}
_SEPARATOR = b"\xff"
"""No byte of UTF-8, so that nothing is found across it."""
_PIECE = 160
"""Characters of an output that are held together while near-duplicates of them are looked for."""
_WINDOW = 2048
"""Characters of an output, up to the end of a piece, in which a near-duplicate is looked for."""
_FINDINGS = 8
"""Findings in a verdict, at most: a text that a whole family of entries resembles needs no more."""


class Settings(defense.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the banks of known bad texts are used."""

    near: float = NEAR
    """How much of an entry a text must contain to count as its near-duplicate, from 0.2 to 1. At 0.4 an entry is found
    again with one word in five dropped or changed; see docs/design/fingerprints.md for what each threshold costs."""
    outputs: Literal["exact", "near", "off"] = "exact"
    """What to look for in outputs. `exact` holds back the last nine letters of a stream, and more only while a known
    text seems to have begun. `near` looks for near-duplicates too and holds a stream in pieces of 160 characters. `off`
    checks requests alone."""
    action: Action = "block"
    """What a match means: `block`, `escalate` (a person decides) or `record`."""
    actions: dict[str, Action] = {}
    """The same for single categories of entries, where it differs."""

    def __post_init__(self) -> None:
        if not 0.2 <= self.near <= 1:
            raise ValueError(f"near must be from 0.2 to 1, not {self.near}")


class Fingerprint(defense.Defense):
    """The banks, at work. The bank is fed elsewhere: by the news from the ledger."""

    name = "fingerprint"

    def __init__(self, settings: Settings, bank: Bank) -> None:
        self._settings = settings
        self._bank = bank

    @override
    async def check_request(self, request: Request) -> Verdict:
        bank = self._bank
        if not (bank.has_exact or bank.has_near):
            return ALLOW
        found = found_in(request, bank, near=self._settings.near)
        return self._verdict(found) if found else ALLOW

    @override
    async def check_output(self, request: Request, output: Output) -> Verdict:
        bank, near = self._bank, self._settings.outputs == "near"
        if self._settings.outputs == "off" or not (bank.has_exact or (near and bank.has_near)):
            return ALLOW
        if self._settings.mode is Mode.SHADOW:
            # Nothing waits for a shadow, so what has left cannot tell where to begin: it reads the whole, once.
            if not output.done:
                return ALLOW
            output = msgspec.structs.replace(output, released=0)
        exact = self._exact(output)
        pieces = self._pieces(output) if near and bank.has_near else _Passage((), len(output.text))
        places = sorted((*exact.places, *pieces.places), key=lambda place: (place.end, place.start, place.hit.entry.id))
        stops = [place for place in places if self._decision(place.hit) >= Decision.ESCALATE]
        if stops:
            # The match that ends first decides: it is the first to be seen, however the text is cut into chunks.
            return self._verdict([place for place in places if place.end <= stops[0].end], covered=stops[0].start)
        if output.tool_calls:
            places += [Place(hit, None) for hit in self._calls(output)]
        verdict = self._verdict(places) if places else ALLOW
        covered = len(output.text) if output.done else min(exact.settled, pieces.settled)
        if covered == len(output.text) and verdict.decision < Decision.ESCALATE:
            return verdict
        return msgspec.structs.replace(verdict, covered=covered)

    def _exact(self, output: Output) -> "_Passage":
        """Exact matches from the last release on: what might have begun before it would have been held."""
        bank, begin = self._bank, output.released
        if not bank.has_exact:
            return _Passage((), len(output.text))
        form = normalise(output.text[begin:])
        if bank.longest_whole and not begin and len(form.data) <= bank.longest_whole:
            whole = tuple(Place(hit, Span(0, len(output.text))) for hit in bank.whole(form.data)) if output.done else ()
            return _Passage(whole, 0)
        reading = bank.read(form.data)
        if not reading.hits and (output.done or reading.settled == len(form.data)):
            return _Passage((), len(output.text))
        offsets = form.offsets()
        return _Passage(
            tuple(Place(hit, _stretch(offsets, hit.start, hit.end, begin)) for hit in reading.hits),
            begin + int(offsets[reading.settled]),
        )

    def _pieces(self, output: Output) -> "_Passage":
        """Near-duplicates, looked for at the end of each piece: pieces lie where they lie, however the text arrives."""
        size = len(output.text)
        settled = size if output.done else size - size % _PIECE
        places: list[Place] = []
        for start in range(output.released - output.released % _PIECE, settled, _PIECE):
            end = min(start + _PIECE, settled)
            window = normalise(output.text[max(0, end - _WINDOW) : end]).data
            hits = self._bank.find(window, near=self._settings.near, reach=_WINDOW)
            places += [Place(hit, Span(start, end)) for hit in hits if hit.score < 1]
        return _Passage(tuple(places), settled)

    def _calls(self, output: Output) -> list[Hit]:
        near = self._settings.near if self._settings.outputs == "near" else None
        data = [normalise(text).data for call in output.tool_calls for text in spelled(call)]
        hits = self._bank.find(_SEPARATOR.join(data), near=near)
        return hits + [hit for each in data for hit in self._bank.whole(each)]

    def _decision(self, hit: Hit) -> Decision:
        return _DECISIONS[self._settings.actions.get(hit.entry.category, self._settings.action)]

    def _verdict(self, places: "list[Place]", covered: int | None = None) -> Verdict:
        findings = [Finding(p.hit.entry.category, round(p.hit.score, 3), p.span, p.hit.entry.id) for p in places]
        worst = max(places, key=lambda place: (self._decision(place.hit), place.hit.score)).hit
        kind = "contains" if worst.score == 1 else "is much like"
        return Verdict(
            decision=self._decision(worst),
            reason=f"the text {kind} the fingerprint {worst.entry.id} ({worst.entry.reason})",
            findings=tuple(findings[:_FINDINGS]),
            covered=covered,
        )


def found_in(request: Request, bank: Bank, *, near: float) -> "list[Place]":
    """What a bank finds in a request, in no particular order."""
    said = _said(request)
    found = [Place(hit, said.span(hit.start, hit.end)) for hit in bank.find(said.data, near=near)]
    if request.tools or request.parameters:
        beside = [normalise(text).data for text in request.beside()]
        found += [Place(hit, None) for hit in bank.find(_SEPARATOR.join(beside), near=near)]
        found += [Place(hit, None) for each in beside for hit in bank.whole(each)]
    if bank.longest_whole:
        met: Counter[str] = Counter()
        for piece in said.pieces:
            for hit in bank.whole(said.data[piece.start : piece.end]):
                met[hit.entry.id] += 1
                if met[hit.entry.id] <= _FINDINGS:
                    found.append(Place(hit, said.span(piece.start, piece.end)))
    return found


class Place(msgspec.Struct, frozen=True):
    """A hit, and where it lies in the text that was checked."""

    hit: Hit
    span: Span | None

    @property
    def start(self) -> int:
        return self.span.start if self.span else 0

    @property
    def end(self) -> int:
        return self.span.end if self.span else 0


class _Passage(msgspec.Struct, frozen=True):
    """What was found in an output so far, and up to which character nothing more can be."""

    places: tuple[Place, ...]
    settled: int


class _Piece(msgspec.Struct, frozen=True):
    """One text of a request, in the joined normal form."""

    start: int
    end: int
    place: Located
    form: Normalised


_begins = attrgetter("start")


class _Said(msgspec.Struct, frozen=True):
    """The texts of a request, joined for one look into the bank."""

    data: bytes
    pieces: tuple[_Piece, ...]
    """In order of place."""

    def span(self, start: int, end: int) -> Span:
        """Where a stretch of `data` stands in the request; what runs on into the next part ends with its first."""
        # Of pieces that begin in one place, the last: those before it are empty.
        piece = self.pieces[bisect_right(self.pieces, start, key=_begins) - 1]
        place = piece.place
        if piece.form.original != place.text:
            return Span(0, len(place.text), place.message, place.part)
        offsets = piece.form.offsets()
        last = min(end, piece.end) - 1 - piece.start
        return Span(int(offsets[start - piece.start]), int(offsets[last]) + 1, place.message, place.part)


def _said(request: Request) -> _Said:
    """The parts of one message run together, as they do for the model: a known text may be cut in two. What is hidden
    in a part, or stands in escapes, follows on its own."""
    data: list[bytes] = []
    pieces: list[_Piece] = []
    hidden: list[_Hidden] = []
    at, message = 0, 0
    for place in request.texts():
        if place.message != message:
            message = place.message
            data.append(_SEPARATOR)
            at += 1
        form = normalise(place.text)
        pieces.append(_Piece(at, at + len(form.data), place, form))
        data.append(form.data)
        at += len(form.data)
        if not place.text.isascii() and (secret := smuggled(place.text)):
            hidden += [_Hidden(place, secret), _Hidden(place, mirrored(place.text))]
        if isinstance(request.messages[message].parts[place.part], ToolCall):
            hidden += [_Hidden(place, text) for text in spelled(ToolCall("", "", place.text))[1:]]
    for each in hidden:
        form = normalise(each.text)
        pieces.append(_Piece(at + 1, at + 1 + len(form.data), each.place, form))
        data += (_SEPARATOR, form.data)
        at += 1 + len(form.data)
    return _Said(b"".join(data), tuple(pieces))


class _Hidden(msgspec.Struct, frozen=True):
    place: Located
    text: str


def spelled(call: ToolCall) -> list[str]:
    """A tool call's arguments as they stand, then every string in them."""
    said = call.said
    return [call.arguments, *said.values, *said.names]


def _stretch(offsets: NDArray[np.int64], start: int, end: int, begin: int) -> Span:
    return Span(begin + int(offsets[start]), begin + int(offsets[end - 1]) + 1)
