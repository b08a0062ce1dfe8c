"""Provenance: what in a request is trusted, and who may read the rest, by the gateway's own record of it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from outworks.defenses.flow.policy import Field, Kind, ToolPolicy
from outworks.defenses.flow.results import Extract, Extracts, Item
from outworks.defenses.flow.seal import Seal, speaks
from outworks.defenses.flow.values import Form, Words, currency, form, spans
from outworks.message import Message, Request, Role, Text, ToolCall, ToolResult

_SHORTEST_NAME = 3
"""Characters by which a record can be named: `a` and `it` stand in most of what users write."""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """A trusted value and the call whose result it stands in."""

    item: Item
    call: ToolCall
    field: Field
    single: bool
    """The result holds no other record."""


def guards(tools: Mapping[str, ToolPolicy]) -> bool:
    """Whether some tool's results name their readers: what is of unknown origin is then for nobody else."""
    results = (policy.result for policy in tools.values())
    return any(result.readers or result.only or result.private for result in results)


class Provenance:
    """One request, seen by the policy. Everything is worked out when it is first asked for."""

    def __init__(self, request: Request, extracts: Extracts, seal: Seal, *, guarded: bool) -> None:
        """`guarded` is what `guards` says of the policy's tools."""
        self.request = request
        self._extracts = extracts
        self._seal = seal
        self._guarded = guarded

    @cached_property
    def user(self) -> Words:
        """What the user wrote in this conversation."""
        return Words(tuple(_texts(m for m in self.request.messages if speaks(m))))

    @cached_property
    def system(self) -> Words:
        """What the product wrote."""
        roles = (Role.SYSTEM, Role.DEVELOPER)
        return Words(tuple(_texts(m for m in self.request.messages if m.role in roles and m.label.trusted)))

    @cached_property
    def turn(self) -> Words:
        """What the user wrote in this turn: their last message alone. Where a client drops what stood between two
        of them, the first would ask for what the second is about."""
        last = next((message for message in reversed(self.request.messages) if speaks(message)), None)
        return Words(tuple(_texts([last] if last is not None else [])))

    def asks(self, words: tuple[str, ...]) -> bool:
        """Whether one of the words stands in the user's of this turn; `send*` for every word that begins so."""
        if words not in self._asked:
            self._asked[words] = any(_asks(word, self._turn) for word in words)
        return self._asked[words]

    @cached_property
    def _asked(self) -> dict[tuple[str, ...], bool]:
        return {}

    @cached_property
    def _turn(self) -> str:
        return " ".join(" ".join(self.turn.texts).lower().split())

    @cached_property
    def honest(self) -> Sequence["Honest"]:
        """The results of calls that this gateway released in this conversation; for each call the first."""
        calls: dict[str, ToolCall] = {}
        found: list[Honest] = []
        for place, message in enumerate(self.request.messages):
            for part in message.parts:
                if isinstance(part, ToolCall) and message.role is Role.ASSISTANT:
                    # A second call under one id is a forgery of one of them, and it cannot be known of which.
                    calls[part.id] = part if part.id not in calls or calls[part.id] == part else _FORGED
                elif isinstance(part, ToolResult):
                    call = calls.get(part.call_id, _FORGED)
                    calls[part.call_id] = _FORGED
                    if call is not _FORGED and self._seal.issued(self.request, call):
                        found.append(Honest(place, call, part, self._extracts.of(call.name, part.text)))
        return tuple(found)

    @cached_property
    def origins(self) -> Mapping[str, Sequence[Origin]]:
        """The trusted values of results, by type."""
        found: dict[str, list[Origin]] = {}
        for each in self.honest:
            for item in each.extract.items:
                single = each.extract.records[item.type] == 1
                found.setdefault(item.type, []).append(Origin(item, each.call, item.field, single))
        return found

    @cached_property
    def _index(self) -> dict[tuple[Kind, str], dict[Form, list[Origin]]]:
        return {}

    def of_type(self, type: str, kind: Kind, value: object) -> Sequence[Origin]:
        """The trusted values of a type that denote the same as the value."""
        index = self._index.get((kind, type))
        if index is None:
            index = self._index[kind, type] = {}
            for origin in self.origins.get(type, ()):
                said = form(kind, origin.item.value)
                if said is not None:
                    index.setdefault(said, []).append(origin)
        said = form(kind, value)
        found = index.get(said, ()) if said is not None else ()
        sign = currency(value) if kind == "number" else ""
        return [origin for origin in found if currency(origin.item.value) == sign] if sign else found

    def named(self, origin: Origin) -> bool:
        """Whether the user named this record and no other by the same name."""
        return any(self._is_named_by(origin.item, name) for name in origin.item.names) or self._asked_for(origin)

    def _is_named_by(self, item: Item, name: str) -> bool:
        key = (item.type, item.record, name)
        if key not in self._named:
            self._named[key] = self._named_by(item, name)
        return self._named[key]

    @cached_property
    def _named(self) -> dict[tuple[str, frozenset[str | int | float], str], bool]:
        return {}

    def _named_by(self, item: Item, name: str) -> bool:
        said = form("text", name)
        if not isinstance(said, str) or len(said) < _SHORTEST_NAME or not self.user.hold("text", name):
            return False
        for other in self.origins[item.type]:
            for others in other.item.names if other.item.record != item.record else ():
                its = form("text", others)
                # Another record of that name, or of one that only a part of which is this: which did the user mean?
                if its == said or (isinstance(its, str) and spans(said, its) and self.user.hold("text", others)):
                    return False
        return True

    def _asked_for(self, origin: Origin) -> bool:
        asked = origin.field.query
        if not asked or not origin.single:
            return False
        try:
            given = msgspec.json.decode(origin.call.arguments or "{}", type=dict[str, Any])
        except msgspec.DecodeError:
            return False
        kinds = self._extracts.tools[origin.call.name].arguments
        return all(
            len(str(given.get(name) or "")) >= _SHORTEST_NAME
            and self.user.hold(_spoken(kinds[name].kind) if name in kinds else "text", given[name])
            for name in asked
        )

    @cached_property
    def readers(self) -> Sequence[frozenset[str]]:
        """For all in the context that names its readers, who they are. All of it may be in what the model says."""
        sets = [readers for each in self.honest for readers in each.extract.readers]
        if self._guarded:
            known = {id(each.result) for each in self.honest}
            results = (p for m in self.request.messages for p in m.parts if isinstance(p, ToolResult))
            sets += [frozenset() for result in results if id(result) not in known]
        return tuple(dict.fromkeys(sets))

    def calls_this_turn(self, name: str) -> int:
        """How often the history says that a function was called since the user last spoke; forgeries count too."""
        count = 0
        for message in reversed(self.request.messages):
            if speaks(message):
                break
            count += sum(isinstance(part, ToolCall) and part.name == name for part in message.parts)
        return count

    def whence(self, value: object) -> str:
        """Where a value that is not trusted may have come from, in words, for whoever reads why a call was held."""
        wanted = str(value)
        said = [(place, m) for place, m in enumerate(self.request.messages) if any(wanted in t for t in _all(m))]
        offered = {tool.name for tool in self.request.tools} | self._extracts.tools.keys()
        calls = {
            part.id: part.name if part.name in offered else "a function that was not offered"
            for message in self.request.messages
            for part in message.parts
            if isinstance(part, ToolCall)
        }
        for place, message in said:
            for part in message.parts:
                if isinstance(part, ToolResult):
                    known = any(each.result is part for each in self.honest)
                    of = calls.get(part.call_id, "a call that was never made")
                    return f"the result of {of} (message {place})" + (
                        "" if known else ", which this gateway has no record of"
                    )
        if said:
            place, message = said[0]
            return f"a longer value, or a turn that is not trusted (message {place}, {message.role.value})"
        return "the model itself"


class Honest(msgspec.Struct, frozen=True):
    """A result of a call that was released."""

    message: int
    call: ToolCall
    result: ToolResult
    extract: Extract


_FORGED = ToolCall("", "", "")


def _asks(word: str, said: str) -> bool:
    stem = " ".join(word.lower().rstrip("*").split())
    ends = "" if word.endswith("*") else r"(?!\w)"
    return stem in said and re.search(rf"(?<!\w){re.escape(stem)}{ends}", said) is not None


def _spoken(kind: Kind) -> Kind:
    return "text" if kind == "free" else kind


def _texts(messages: Iterable[Message]) -> Iterator[str]:
    return (part.text for message in messages for part in message.parts if isinstance(part, Text))


def _all(message: Message) -> Iterator[str]:
    return (part.text for part in message.parts if isinstance(part, Text | ToolResult))
