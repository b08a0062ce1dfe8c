"""Answers: what left of an exchange piece by piece, put together, as the defenses read it."""

from collections.abc import Collection, Iterator

import msgspec

from outworks.event import Released
from outworks.ledger.reader import Content, Spoken
from outworks.message import ToolCall

_decode = msgspec.json.Decoder(Released).decode


class Answers:
    """Puts answers together, from the rows of a source in their order.

    A stream leaves in hundreds of pieces, between those of other streams: in none of them would its words be found.
    """

    def __init__(self, *, whole: bool) -> None:
        """With `whole` what begins before the first row is read elsewhere; else it is read from where it goes on."""
        self._whole = whole
        self._open: dict[_Choice, list[_Piece]] = {}

    @property
    def open(self) -> Collection[str]:
        """The exchanges of which more may follow."""
        return {choice.exchange for choice in self._open}

    def take(self, row: Spoken, *, begins: bool = True) -> Iterator[Content]:
        """What is complete with this row: a request, or an answer and each of its tool calls (kind `called`, the text
        is the arguments). Without `begins` only what has begun goes on."""
        if row.kind != "released":
            if begins and row.text is not None:
                yield Content(row.seq, row.at, row.kind, row.account, row.exchange, row.text)
            return
        try:
            released = _decode(row.body or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Another version's, or damaged: read by itself, its words are found all the same.
            if begins and row.text:
                yield Content(row.seq, row.at, row.kind, row.account, row.exchange, row.text)
            return
        choice = _Choice(row.exchange or str(row.seq), released.choice)
        if released.start == 0 and released.finish and begins and choice not in self._open:
            yield from _joined([_piece(row, calls=released.tool_calls > 0)])
            return
        if choice not in self._open and not (begins and (released.start == 0 or not self._whole)):
            return
        self._open.setdefault(choice, []).append(_piece(row, calls=released.tool_calls > 0))
        if released.finish:
            yield from _joined(self._open.pop(choice))

    def rest(self) -> Iterator[Content]:
        """What broke off, or is not at its end yet."""
        for pieces in self._open.values():
            yield from _joined(pieces)
        self._open = {}


class _Choice(msgspec.Struct, frozen=True):
    exchange: str
    number: int


class _Piece(msgspec.Struct, frozen=True):
    row: Spoken
    text: bytes
    calls: tuple[ToolCall, ...]


class _Called(msgspec.Struct, frozen=True):
    text: str
    tool_calls: tuple[ToolCall, ...]


def _piece(row: Spoken, *, calls: bool) -> _Piece:
    if not calls or not row.text:
        return _Piece(row, row.text or b"", ())
    try:
        called = msgspec.json.decode(row.text, type=_Called)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Piece(row, row.text, ())
    return _Piece(row, called.text.encode("utf-8", "surrogatepass"), called.tool_calls)


def _joined(pieces: list[_Piece]) -> Iterator[Content]:
    first = pieces[0].row
    text = b"".join(piece.text for piece in pieces)
    if text:
        yield Content(first.seq, first.at, "released", first.account, first.exchange, text)
    for piece in pieces:
        for call in piece.calls:
            arguments = call.arguments.encode("utf-8", "surrogatepass")
            yield Content(piece.row.seq, piece.row.at, "called", first.account, first.exchange, arguments)
