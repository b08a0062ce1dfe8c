"""Results: what the policy takes from what a tool returned."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import yaml

from outworks.defenses.flow.carried import carried
from outworks.defenses.flow.policy import UNDECLARED, Field, Result, ToolPolicy

YAML_BYTES = 262_144
"""The largest YAML result that is read: its parser does about 5 MB a second. A larger one is untrusted whole."""
_REMEMBERED = 1024
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
        yield from (Item(field, value, names, record) for value in _issued(field, each))


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


_ALIAS = re.compile(r"(?<!\w)\*[\w-]")
_ANCHOR = re.compile(r"(?<!\w)&[\w-]")


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
    if "*" in text and "&" in text and _ANCHOR.search(text) and _ALIAS.search(text):
        # A few aliases of aliases are a billion values.
        raise ValueError("it has aliases")
    # Every scalar stays as it was written: `013` is no number, `no` no answer, and a date no object.
    return yaml.load(text, Loader=_LOADER)  # noqa: S506


_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _Found(msgspec.Struct, frozen=True, gc=False):
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
