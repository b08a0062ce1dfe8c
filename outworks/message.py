"""Messages, requests and outputs: the one form between every wire and every upstream."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from outworks.label import Label


class Role(StrEnum):
    """Whose turn a message is."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Text(msgspec.Struct, frozen=True, tag="text"):
    """Words."""

    text: str


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    """A function that the model asks the client to run."""

    id: str
    name: str
    arguments: str
    """JSON text, exactly as the model wrote it."""

    @property
    def said(self) -> "Said":
        """Every string in the arguments, in order: JSON can spell any letter as an escape. Also of what parsers differ
        on: a key that stands there twice, half a character, a number beyond all bounds, depths without end."""
        said = Said([], [])
        for string in _STRING.finditer(self.arguments):
            (said.names if string[2] else said.values).append(_unescaped(string[1]))
        return said


class Said(msgspec.Struct, frozen=True):
    """The strings in a tool call's arguments."""

    values: list[str]
    names: list[str]
    """The names of fields, which a model can choose as well."""


# Possessive, and a string may go on to the end: whatever stands here, it is read once.
_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)(?:"(\s*+:)?|\\?\Z)', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _unescaped(string: str) -> str:
    if "\\" not in string:
        return string
    said = _ESCAPE.sub(lambda each: chr(int(each[1], 16)) if each[1] else _CONTROLS.get(each[2], each[2]), string)
    return said.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result"):
    """What a tool call returned."""

    call_id: str
    text: str


class Opaque(msgspec.Struct, frozen=True, tag="opaque"):
    """Content that text defenses cannot read: an image, audio, a file."""

    kind: str
    """`image`, `audio`, `file`, or the wire's own name for anything else."""
    data: Any
    """The wire's own JSON for it, passed on only where the policy admits the kind."""


Part: TypeAlias = Text | ToolCall | ToolResult | Opaque


class Message(msgspec.Struct, frozen=True):
    """One turn."""

    role: Role
    parts: tuple[Part, ...]
    label: Label

    @property
    def text(self) -> str:
        """The words of the turn (text and tool results), joined by newlines."""
        return "\n".join(part.text for part in self.parts if isinstance(part, Text | ToolResult))


class Tool(msgspec.Struct, frozen=True):
    """A function that the product offers to the model."""

    name: str
    description: str = ""
    schema: dict[str, Any] = {}
    """JSON Schema of the arguments."""
    strict: bool | None = None


MOST_CHOICES = 128
"""The greatest `n`: OpenAI's own bound. An upstream may take fewer."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What an account asks of a model, whatever wire it came over."""

    id: str
    """The exchange's id, given by the gateway."""
    model: str
    """The model's name in the policy."""
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    parameters: dict[str, Any] = {}
    """Everything else that was asked, under canonical names (OpenAI's where it has one: `max_tokens`, `temperature`,
    `stop`, `seed`, `n`, `response_format`, `tool_choice`...). Unknown names are kept: `parameter_lock` refuses them."""
    stream: bool = False
    account: str = ""
    """The product's end user as the product named it; the key's name where the policy counts requests on the key."""
    product: str = ""
    """The name of the key that the request came with."""
    actions: tuple[str, ...] = ()
    """Functions that the product declares to be wanted in this turn, before anything was read."""
    confirmations: tuple[str, ...] = ()
    """Tokens with which a person lets held calls go."""
    conversation: str = ""
    """One id for all the requests that grow from the same first words of the same account."""
    wire: str = ""
    """The wire's name, for the audit."""

    def texts(self) -> Iterator["Located"]:
        """Every text in the request that a defense can read, with its place: words, tool results, and the arguments of
        tool calls that the client sent back."""
        for m, message in enumerate(self.messages):
            for p, part in enumerate(message.parts):
                if isinstance(part, Text | ToolResult):
                    yield Located(m, p, message.role, message.label, part.text)
                elif isinstance(part, ToolCall):
                    yield Located(m, p, message.role, message.label, part.arguments)

    def beside(self) -> Iterator[str]:
        """What else the model may read, outside the turns: tools, their schemas, and every string of a parameter."""
        for tool in self.tools:
            yield from (tool.name, tool.description)
            yield from _strings(tool.schema)
        yield from _strings(self.parameters)

    @property
    def system_prompt(self) -> str:
        """What the product told the model: system and developer turns, joined by newlines."""
        return "\n".join(m.text for m in self.messages if m.role in _PRODUCT_ROLES)


class Asked(msgspec.Struct, frozen=True):
    """What a request says, as a ledger keeps it."""

    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    parameters: dict[str, Any] = {}

    def is_of(self, request: Request) -> bool:
        """Whether the request says the same: its turns, its tools, and the form that it asks its answer in."""
        form = self.parameters.get("response_format")
        same = self.messages == request.messages and self.tools == request.tools
        return same and form == request.parameters.get("response_format")


_asked = msgspec.json.Decoder(Asked).decode


def asked_of(content: str | bytes) -> Asked:
    """Read what a ledger keeps of a request. Raises ValueError where it is none."""
    try:
        return _asked(content)
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error


_PRODUCT_ROLES = frozenset({Role.SYSTEM, Role.DEVELOPER})


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += [*one.values(), *one]
        elif isinstance(one, list):
            waiting += one


class Located(msgspec.Struct, frozen=True):
    """A text and its place in a request."""

    message: int
    part: int
    role: Role
    label: Label
    text: str


class Finish(StrEnum):
    """Why an output ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    """A line of defense, ours or the provider's, ended it."""


class Usage(msgspec.Struct, frozen=True):
    """Tokens, as the upstream counted them."""

    input_tokens: int = 0
    output_tokens: int = 0


class ToolCallPiece(msgspec.Struct, frozen=True):
    """A piece of a tool call as an upstream streams it; pieces with one index are one call."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """What a model adds to one choice of its output."""

    choice: int = 0
    text: str = ""
    tool_call: ToolCallPiece | None = None
    refused: bool = False
    """The upstream itself marked this output as its refusal or as filtered."""
    as_refusal: bool = False
    """The upstream gave this text as its refusal, in a field apart from content."""
    finish: Finish | None = None
    stop_string: str = ""
    """With `finish=STOP`: the string of `stop` that the model met, where the upstream says which."""
    usage: Usage | None = None
    notice: str = ""
    """With `finish=CONTENT_FILTER` from a defense: what the account is told."""
    confirm: tuple[str, ...] = ()
    """With a notice: tokens with which a person can let go what was held."""


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """One choice of a model's output so far; tool calls appear only when they are complete."""

    choice: int = 0
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    refused: bool = False
    as_refusal: bool = False
    """The text is the upstream's refusal. A text that begins as content is content to its end."""
    finish: Finish | None = None
    stop_string: str = ""
    done: bool = False
    released: int = 0
    """How many characters of `text` every defense in force has already covered: those before it are gone, none after it
    are. A check whose finding cannot begin before it may start reading there (with whatever look-behind it needs)."""
    notice: str = ""
    confirm: tuple[str, ...] = ()
    """With a notice: tokens with which a person can let go what was held."""
