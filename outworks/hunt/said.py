"""What was said: the texts in the contents that a ledger keeps."""

import msgspec


class Turn(msgspec.Struct, frozen=True):
    """A text of a request, and whose it is."""

    role: str
    text: str


class _Part(msgspec.Struct, frozen=True):
    type: str = ""
    text: str = ""
    arguments: str = ""


class _Message(msgspec.Struct, frozen=True):
    role: str = ""
    parts: tuple[_Part, ...] = ()


class _Asked(msgspec.Struct, frozen=True):
    messages: tuple[_Message, ...] = ()


class _Answered(msgspec.Struct, frozen=True):
    text: str
    tool_calls: tuple[_Part, ...]


_asked = msgspec.json.Decoder(_Asked).decode
_answered = msgspec.json.Decoder(_Answered).decode


def turns_of(text: bytes) -> list[Turn]:
    """The texts of a request's content; none where it cannot be read."""
    try:
        turns = _asked(text).messages
    except msgspec.DecodeError:
        return []
    return [Turn(turn.role, part.text or part.arguments) for turn in turns for part in turn.parts]


def texts_of(text: bytes, *, json: bool) -> list[str]:
    """The texts that a defense would have read: with `json` each part of a request, else an answer, with the
    arguments of its tool calls where it had any."""
    if json:
        return [turn.text for turn in turns_of(text)]
    if text.startswith(b'{"text":'):
        try:
            answered = _answered(text)
        except msgspec.DecodeError:
            pass  # an answer that only looks like one with tool calls
        else:
            return [answered.text, *(call.arguments for call in answered.tool_calls)]
    return [text.decode("utf-8", "replace")]
