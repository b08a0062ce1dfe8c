"""Results: what the policy takes from what a tool returned."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import yaml

from outworks.defenses.flow.carried import carried
from outworks.defenses.flow.policy import UNDECLARED, Field, Result, ToolPolicy

YAML_BYTES = 262_144
"""The largest YAML result that is read: its parser does about 5 MB a second. A larger one is untrusted whole."""
_REMEMBERED = 1 << 25
"""About how many bytes the results that are remembered may take."""
_ENTRY, _ITEM = 1 << 10, 1 << 9
"""Bytes that each of them takes beside its text, and each of its values: 40,000 short ids are 13 MiB."""
NOBODY = "\0"
"""The only reader of what is private."""


class Item(msgspec.Struct, frozen=True, gc=False):
    """A trusted value in a result."""

    field: Field
    """What the policy says of it."""
    value: str | int | float
    names: tuple[str, ...] = ()
    """By what users call its record."""
    record: frozenset[str | int | float] = frozenset()
    """All that the field holds in its record: another record of the same name holds something else."""

    @property
    def type(self) -> str:
        """What it is."""
        return self.field.type


class Extract(msgspec.Struct, frozen=True):
    """What the policy takes from one result."""

    items: tuple[Item, ...] = ()
    records: Mapping[str, int] = {}
    """How many records the result holds, by type."""
    readers: tuple[frozenset[str], ...] = ()
    """For each record that names its readers, who they are."""
    fault: str = ""
    """Why nothing of it is trusted."""


class Extracts:
    """Reads results by the policy. It remembers the latest: agents send the whole conversation with every step."""

    def __init__(self, tools: Mapping[str, ToolPolicy]) -> None:
        self.tools = tools
        self._read: OrderedDict[bytes, _Read] = OrderedDict()
        self._size = 0

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
            return known.extract
        extract = _extract(policy, text, len(data))
        kept = len(extract.items) + sum(1 + len(readers) for readers in extract.readers)
        read = self._read[key] = _Read(extract, _ENTRY + len(data) + _ITEM * kept)
        self._size += read.size
        while self._size > _REMEMBERED and len(self._read) > 1:
            self._size -= self._read.popitem(last=False)[1].size
        return extract


class _Read(msgspec.Struct, frozen=True):
    extract: Extract
    size: int
    """Bytes, about."""


_NOTHING = Extract()


_NONE = ("", "null")


def _extract(policy: Result, text: str, size: int) -> Extract:
    try:
        return _taken(policy, _parse(policy, text, size))
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        # Who may read what cannot be read is not known either.
        nobody = (frozenset(policy.only),) if policy.readers or policy.only else ()
        return Extract(readers=nobody, fault=f"{type(error).__name__}: it is not the declared {policy.format}")


def _taken(policy: Result, value: Any) -> Extract:
    items: list[Item] = []
    records: dict[str, int] = {}
    for field in policy.fields:
        found = list(_walk(value, _steps(field.path), None))
        records[field.type] = max(records.get(field.type, 0), len({each.place for each in found}))
        items += _items(field, found)
    return Extract(tuple(items), records, tuple(_readers(value, policy)))


def _items(field: Field, found: "Sequence[_Found]") -> Iterator[Item]:
    by_record: dict[_Place, list[str | int | float]] = {}
    for each in found:
        by_record.setdefault(each.place, []).extend(_issued(field, each))
    # Made once for each record: one with thousands of values would else have them thousands of times.
    records = {record: frozenset(values) for record, values in by_record.items()}
    names = {place: tuple(_names(each, field)) for place, each in {each.place: each for each in found}.items()}
    for each in found:
        place = each.place
        yield from (Item(field, value, names[place], records[place]) for value in _issued(field, each))


def _issued(field: Field, found: "_Found") -> Iterator[str | int | float]:
    """The value that stands there, or with `links` the URLs inside it."""
    value = found.value
    if field.links:
        yield from (each.value for each in carried(value) if each.kind == "url") if isinstance(value, str) else ()
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and value not in _NONE:
        yield value


def _readers(value: Any, policy: Result) -> Iterator[frozenset[str]]:
    """The sets of the records, each once: with several paths, those that any of them names. What no path names readers
    of is for `only`, whatever stands beside it."""
    sets: dict[_Place, set[str]] = {}
    covered: dict[int, bool] = {}
    for path in policy.readers:
        steps = _steps(path)
        _cover(value, steps, covered)
        for each in _walk(value, steps, None):
            # The keys of an object are its readers together.
            place = (each.place[0], "") if steps[-1:] == ("~",) else each.place
            sets.setdefault(place, set(policy.only)).update(_leaves(each.value))
    for element, named in covered.items():
        if not named:
            sets.setdefault((element, ""), set(policy.only))
    if not sets and (policy.readers or policy.only):
        sets[0, ""] = set(policy.only)
    yield from dict.fromkeys(frozenset(readers) for readers in sets.values())


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    elif isinstance(value, dict):
        yield from map(str, value)
    elif value is not None and value != "null":
        yield str(value)


_DEEPEST = 64
"""Levels of nesting that a YAML result may have."""
_BREAKS = re.compile("[\x85\u2028\u2029]")
"""YAML 1.1 ends a line at each, and most writers of YAML do not: a value that has one would write fields of its own."""


def _parse(policy: Result, text: str, size: int) -> Any:
    if policy.format == "lines":
        body = text.removeprefix(policy.strip) if policy.strip else text
        # Not `splitlines`, which ends lines where no writer of lists does, inside of somebody's text.
        return [line.strip() for line in body.split("\n") if line.strip()]
    if policy.format == "json" or (policy.format == "auto" and text.lstrip()[:1] in ("{", "[", '"')):
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            if policy.format == "json":
                raise
    if size > YAML_BYTES:
        raise ValueError("it is too large")
    if _BREAKS.search(text):
        raise ValueError("readers differ on where its lines end")
    return _yaml(text)


_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def _yaml(text: str) -> Any:
    """A YAML document, every scalar as it was written: `013` is no number, `no` no answer, and a date no object.

    It is put together from the parser's events, as PyYAML's own builder in C calls itself for every level, and ends the
    process where the stack does. Raises ValueError or YAMLError where it is no document, or one that nests too deeply.
    """
    events = iter(yaml.parse(text, Loader=_LOADER))
    next(events)
    if isinstance(next(events), yaml.StreamEndEvent):
        return None
    value = _node(next(events), events, 0)
    next(events)
    if not isinstance(next(events), yaml.StreamEndEvent):
        raise ValueError("it holds several documents")
    return value


def _node(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Any:
    if isinstance(event, yaml.ScalarEvent):
        return event.value
    if isinstance(event, yaml.AliasEvent):
        # A few aliases of aliases are a billion values.
        raise ValueError("it has aliases")
    if depth == _DEEPEST:
        raise ValueError("it nests too deeply")
    if isinstance(event, yaml.SequenceStartEvent):
        return [_node(each, events, depth + 1) for each in _until(yaml.SequenceEndEvent, events)]
    read: dict[str, Any] = {}
    for each in _until(yaml.MappingEndEvent, events):
        key = _node(each, events, depth + 1)
        if not isinstance(key, str):
            raise ValueError("it has a key that is no text")
        read[key] = _node(next(events), events, depth + 1)
    return read


def _until(end: type[yaml.Event], events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    for event in events:
        if isinstance(event, end):
            return
        yield event


_Place: TypeAlias = tuple[int, str]
"""Where a record stands: itself, by its identity; or where it may be a value, of which a process has one for all (null,
true, a short text), the object that holds it, and its key."""


class _Found(msgspec.Struct, frozen=True, gc=False):
    value: Any
    record: Any
    """The object that it is a field of."""
    place: _Place


def _steps(path: str) -> tuple[str, ...]:
    return tuple(step for part in path.split(".") for step in re.split(r"(?=\[\])", part) if step)


def _walk(value: Any, steps: tuple[str, ...], record: Any, place: _Place | None = None) -> Iterator[_Found]:
    if not steps:
        yield _Found(value, record, place or (id(record), ""))
        return
    step, rest = steps[0], steps[1:]
    if step == "[]":
        for each in value if isinstance(value, list) else ():
            # An element that is no object is a part of the record around it, where there is one.
            yield from _walk(each, rest, each if isinstance(each, dict) or record is None else record)
    elif isinstance(value, dict):
        if step == "~":
            for key in value:
                yield from _walk(key, rest, value[key], (id(value), key))
        elif step == "*":
            for key, each in value.items():
                yield from _walk(each, rest, each, None if isinstance(each, dict | list) else (id(value), key))
        elif step in value:
            yield from _walk(value[step], rest, value)


def _cover(value: Any, steps: tuple[str, ...], covered: dict[int, bool]) -> bool:
    """Whether the path leads from the value to anything; noted of every element that it passes through."""
    if not steps:
        return True
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict) and step not in ("[]", "*"):
        return (not rest and bool(value)) if step == "~" else step in value and _cover(value[step], rest, covered)
    elements: list[Any] = []
    if isinstance(value, list) and step == "[]":
        elements = value
    elif isinstance(value, dict) and step == "*":
        elements = list(value.values())
    found = [_cover(each, rest, covered) for each in elements]
    for each, named in zip(elements, found, strict=True) if rest else ():
        covered[id(each)] = covered.get(id(each), False) or named
    return any(found)


def _names(found: _Found, field: Field) -> Iterator[str]:
    for path in field.names:
        for each in _walk(found.record, _steps(path), None):
            if isinstance(each.value, str | int):
                yield str(each.value)
