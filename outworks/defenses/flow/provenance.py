"""Provenance: what in a request is trusted, and who may read the rest, by the gateway's own record of it."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
import yaml  # type: ignore[import-untyped]

from outworks.defenses.flow.policy import UNDECLARED, Field, Kind, Result, ToolPolicy
from outworks.defenses.flow.seal import Seal
from outworks.defenses.flow.values import Form, Words, carried, form, spans
from outworks.message import Message, Request, Role, Text, ToolCall, ToolResult

YAML_BYTES = 262_144
"""The largest YAML result that is read: its parser does about 5 MB a second. A larger one is untrusted whole."""
_REMEMBERED = 1024
NOBODY = "\0"
"""The only reader of what is private."""
_SHORTEST_NAME = 3


class Item(msgspec.Struct, frozen=True):
    """A trusted value in a result."""

    type: str
    value: str | int | float
    names: tuple[str, ...] = ()
    """By what users call its record."""
    record: frozenset[str | int | float] = frozenset()
    """All that the field holds in its record: another record of the same name holds something else."""


class Extract(msgspec.Struct, frozen=True):
    """What the policy takes from one result."""

    items: tuple[Item, ...] = ()
    records: Mapping[str, int] = {}
    """How many records the result holds, by type."""
    readers: tuple[frozenset[str], ...] = ()
    """For each record that names its readers, who they are."""
    fault: str = ""
    """Why nothing of it is trusted."""


class Origin(msgspec.Struct, frozen=True):
    """A trusted value and the call whose result it stands in."""

    item: Item
    call: ToolCall
    field: Field
    single: bool
    """The result holds no other record."""


class Extracts:
    """Reads results by the policy. It remembers the latest: agents send the whole conversation with every step."""

    def __init__(self, tools: Mapping[str, ToolPolicy]) -> None:
        self.tools = tools
        self._read: OrderedDict[bytes, Extract] = OrderedDict()

    def of(self, tool: str, text: str) -> Extract:
        """What the policy takes from a tool's result."""
        policy = self.tools.get(tool, UNDECLARED).result
        if policy.private:
            policy = msgspec.structs.replace(policy, readers=(), only=(NOBODY,))
        if not policy.fields and not policy.readers:
            return Extract(readers=(frozenset(policy.only),)) if policy.only else _NOTHING
        data = text.encode("utf-8", "surrogatepass")
        key = hashlib.blake2b(tool.encode("utf-8", "surrogatepass") + b"\0" + data, digest_size=16).digest()
        known = self._read.get(key)
        if known is not None:
            self._read.move_to_end(key)
            return known
        read = _extract(policy, text, len(data))
        self._read[key] = read
        if len(self._read) > _REMEMBERED:
            self._read.popitem(last=False)
        return read


_NOTHING = Extract()


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
        return Words(tuple(_texts(m for m in self.request.messages if _is_user(m))))

    @cached_property
    def system(self) -> Words:
        """What the product wrote."""
        roles = (Role.SYSTEM, Role.DEVELOPER)
        return Words(tuple(_texts(m for m in self.request.messages if m.role in roles and m.label.trusted)))

    @cached_property
    def turn(self) -> Words:
        """What the user wrote in this turn: since the model last spoke or acted."""
        words: list[Message] = []
        for message in reversed(self.request.messages):
            if _is_user(message):
                words.append(message)
            elif words and message.role in (Role.ASSISTANT, Role.TOOL):
                break
        return Words(tuple(_texts(reversed(words))))

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
            fields = {field.type: field for field in self._extracts.tools.get(each.call.name, UNDECLARED).result.fields}
            for item in each.extract.items:
                single = each.extract.records[item.type] == 1
                found.setdefault(item.type, []).append(Origin(item, each.call, fields[item.type], single))
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
        return index.get(said, ()) if said is not None else ()

    def named(self, origin: Origin) -> bool:
        """Whether the user named this record and no other by the same name."""
        return any(self._named_by(origin, name) for name in origin.item.names) or self._asked_for(origin)

    def _named_by(self, origin: Origin, name: str) -> bool:
        said = form("text", name)
        if not isinstance(said, str) or len(said) < _SHORTEST_NAME or not self.user.hold("text", name):
            return False
        for other in self.origins[origin.item.type]:
            for others in other.item.names if other.item.record != origin.item.record else ():
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
            given.get(name) and self.user.hold(_spoken(kinds[name].kind) if name in kinds else "text", given[name])
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
            if _is_user(message):
                break
            count += sum(isinstance(part, ToolCall) and part.name == name for part in message.parts)
        return count

    def whence(self, value: object) -> str:
        """Where a value that is not trusted may have come from, in words, for whoever reads why a call was held."""
        wanted = str(value)
        said = [(place, m) for place, m in enumerate(self.request.messages) if any(wanted in t for t in _all(m))]
        calls = {p.id: p.name for m in self.request.messages for p in m.parts if isinstance(p, ToolCall)}
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


def _spoken(kind: Kind) -> Kind:
    return "text" if kind == "free" else kind


def _is_user(message: Message) -> bool:
    return message.role is Role.USER and message.label.trusted


def _texts(messages: Iterable[Message]) -> Iterator[str]:
    return (part.text for message in messages for part in message.parts if isinstance(part, Text))


def _all(message: Message) -> Iterator[str]:
    return (part.text for part in message.parts if isinstance(part, Text | ToolResult))


_NONE = ("", "null")


def _extract(policy: Result, text: str, size: int) -> Extract:
    try:
        value = _parse(policy, text, size)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        # Who may read what cannot be read is not known either.
        nobody = (frozenset(policy.only),) if policy.readers or policy.only else ()
        return Extract(readers=nobody, fault=f"{type(error).__name__}: it is not the declared {policy.format}")
    items: list[Item] = []
    records: dict[str, int] = {}
    for field in policy.fields:
        found = list(_walk(value, _steps(field.path), None))
        records[field.type] = max(records.get(field.type, 0), len({id(each.record) for each in found}))
        items += _items(field, found)
    return Extract(tuple(items), records, tuple(_readers(value, policy)))


def _items(field: Field, found: "Sequence[_Found]") -> Iterator[Item]:
    by_record: dict[int, list[str | int | float]] = {}
    for each in found:
        by_record.setdefault(id(each.record), []).extend(_issued(field, each))
    for each in found:
        record = frozenset(by_record[id(each.record)])
        names = tuple(_names(each, field))
        yield from (Item(field.type, value, names, record) for value in _issued(field, each))


def _issued(field: Field, found: "_Found") -> Iterator[str | int | float]:
    """The value that stands there, or with `links` the URLs inside it."""
    value = found.value
    if field.links:
        yield from (each.value for each in carried(value) if each.kind == "url") if isinstance(value, str) else ()
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and value not in _NONE:
        yield value


def _readers(value: Any, policy: Result) -> Iterator[frozenset[str]]:
    """One set for each record: with several paths, those that any of them names."""
    sets: dict[int, set[str]] = {}
    for path in policy.readers:
        for each in _walk(value, _steps(path), None):
            sets.setdefault(id(each.record), set(policy.only)).update(_leaves(each.value))
    if not sets and (policy.readers or policy.only):
        sets[0] = set(policy.only)
    yield from (frozenset(readers) for readers in sets.values())


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    elif isinstance(value, dict):
        yield from map(str, value)
    elif value is not None and value != "null":
        yield str(value)


_ALIAS = re.compile(r"(?:^|[\s\[{,])\*[^\s,\[\]{}]", re.MULTILINE)


def _parse(policy: Result, text: str, size: int) -> Any:
    if policy.format == "lines":
        body = text.removeprefix(policy.strip) if policy.strip else text
        return [line.strip() for line in body.splitlines() if line.strip()]
    if policy.format == "json" or (policy.format == "auto" and text.lstrip()[:1] in ("{", "[", '"')):
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            if policy.format == "json":
                raise
    if size > YAML_BYTES:
        raise ValueError("it is too large")
    if "*" in text and "&" in text and _ALIAS.search(text):
        # A few aliases of aliases are a billion values.
        raise ValueError("it has aliases")
    # Every scalar stays as it was written: `013` is no number, `no` no answer, and a date no object.
    return yaml.load(text, Loader=_LOADER)  # noqa: S506


_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _Found(msgspec.Struct, frozen=True):
    value: Any
    record: Any
    """The object that it is a field of."""


def _steps(path: str) -> tuple[str, ...]:
    return tuple(step for part in path.split(".") for step in re.split(r"(?=\[\])", part) if step)


def _walk(value: Any, steps: tuple[str, ...], record: Any) -> Iterator[_Found]:
    if not steps:
        yield _Found(value, record)
        return
    step, rest = steps[0], steps[1:]
    if step == "[]":
        for each in value if isinstance(value, list) else ():
            # An element that is no object is a part of the record around it, where there is one.
            yield from _walk(each, rest, each if isinstance(each, dict) or record is None else record)
    elif isinstance(value, dict):
        if step == "~":
            for key in value:
                yield from _walk(key, rest, value[key])
        elif step == "*":
            for each in value.values():
                yield from _walk(each, rest, each)
        elif step in value:
            yield from _walk(value[step], rest, value)


def _names(found: _Found, field: Field) -> Iterator[str]:
    for path in field.names:
        for each in _walk(found.record, _steps(path), None):
            if isinstance(each.value, str | int):
                yield str(each.value)
