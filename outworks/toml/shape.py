"""What is wrong with a value that should have the shape of a type, all of it, in words for whoever wrote the file."""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import msgspec
from msgspec import inspect

from outworks.toml.lines import Path

_INTEGERS = range(-(2**63), 2**63)


class Wrong(msgspec.Struct, frozen=True):
    """One thing that is wrong, and where."""

    at: Path
    message: str


def wrongs(shape: Any, value: object) -> Iterator[Wrong]:
    """Everything in a parsed document that keeps it from being of the type `shape`.

    Unknown keys are always wrong, whatever the Struct says: a misspelt setting must not be a setting without effect.
    """
    node = inspect.type_info(shape)
    yield from _Walk(_homes(node)).wrongs(node, value, ())


class _Walk:
    def __init__(self, homes: Mapping[str, Sequence[str]]) -> None:
        self._homes = homes

    def wrongs(self, node: inspect.Type, value: Any, at: Path) -> Iterator[Wrong]:
        if isinstance(node, inspect.Metadata):
            yield from self.wrongs(node.type, value, at)
        elif isinstance(node, inspect.StructType):
            yield from self._struct(node, value, at)
        elif isinstance(node, inspect.UnionType):
            yield from self._union(node, value, at)
        elif isinstance(node, inspect.DictType):
            yield from self._dict(node, value, at)
        elif isinstance(node, inspect.ListType | inspect.VarTupleType):
            yield from self._list(node, value, at)
        elif isinstance(node, inspect.AnyType):
            yield from self._any(value, at)
        else:
            message = _scalar(node, value)
            if message:
                yield Wrong(at, message)

    def _struct(self, node: inspect.StructType, value: Any, at: Path) -> Iterator[Wrong]:
        if not isinstance(value, dict):
            yield Wrong(at, _not_a(value, "a table"))
            return
        fields = {field.encode_name: field for field in node.fields}
        names = [*([node.tag_field] if node.tag_field else []), *fields]
        meant = set()
        for key, below in value.items():
            if key in fields:
                yield from self.wrongs(fields[key].type, below, (*at, key))
            elif key != node.tag_field:
                near = nearest(key, names)
                meant.add(near)
                yield Wrong((*at, key), f"unknown key {_shown(key)}{self._hint(key, near, names)}")
        for name, field in fields.items():
            if field.required and name not in value and name not in meant:
                yield Wrong((*at, name), f"missing; expected {expected(field.type)}")

    def _hint(self, key: str, near: str, names: Sequence[str]) -> str:
        homes = self._homes.get(key, ())
        if len(homes) == 1:
            return f"; it belongs in [{homes[0]}]"
        return f"; did you mean {near!r}?" if near else f"; valid here: {', '.join(names)}"

    def _union(self, node: inspect.UnionType, value: Any, at: Path) -> Iterator[Wrong]:
        kinds = [kind for kind in node.types if not isinstance(kind, inspect.NoneType)]
        structs = [kind for kind in kinds if isinstance(kind, inspect.StructType) and kind.tag_field]
        if len(kinds) == 1:
            yield from self.wrongs(kinds[0], value, at)
        elif isinstance(value, dict) and structs:
            yield from self._tagged(structs, value, at)
        elif all(any(True for _ in self.wrongs(kind, value, at)) for kind in kinds):
            yield Wrong(at, _not_a(value, expected(node)))

    def _tagged(self, kinds: Sequence[inspect.StructType], value: dict[str, Any], at: Path) -> Iterator[Wrong]:
        field = str(kinds[0].tag_field)
        tags = [str(kind.tag) for kind in kinds]
        if field not in value:
            near = [key for key in value if get_close_matches(key, [field], cutoff=0.75)]
            hint = f"; did you mean it by {near[0]!r}?" if near else ""
            yield Wrong((*at, field), f"missing; expected {_either(tags)}{hint}")
        elif value[field] not in tags:
            yield Wrong((*at, field), _none_of(value[field], tags))
        else:
            yield from self._struct(kinds[tags.index(value[field])], value, at)

    def _dict(self, node: inspect.DictType, value: Any, at: Path) -> Iterator[Wrong]:
        if not isinstance(value, dict):
            yield Wrong(at, _not_a(value, "a table"))
            return
        for key, below in value.items():
            yield from self.wrongs(node.key_type, key, (*at, key))
            yield from self.wrongs(node.value_type, below, (*at, key))

    def _list(self, node: inspect.ListType | inspect.VarTupleType, value: Any, at: Path) -> Iterator[Wrong]:
        if not isinstance(value, list):
            hint = f"; write it as [[{at[-1]}]]" if isinstance(value, dict) and at else ""
            yield Wrong(at, _not_a(value, expected(node)) + hint)
            return
        if node.min_length is not None and len(value) < node.min_length:
            yield Wrong(at, f"{len(value)} given; expected at least {node.min_length}")
        if node.max_length is not None and len(value) > node.max_length:
            yield Wrong(at, f"{len(value)} given; expected at most {node.max_length}")
        for place, item in enumerate(value):
            yield from self.wrongs(node.item_type, item, (*at, place))

    def _any(self, value: Any, at: Path) -> Iterator[Wrong]:
        """Anything that JSON can say too."""
        if isinstance(value, dict):
            for key, below in value.items():
                yield from self._any(below, (*at, key))
        elif isinstance(value, list):
            for place, below in enumerate(value):
                yield from self._any(below, (*at, place))
        elif isinstance(value, int | float):
            message = _number(value)
            if message:
                yield Wrong(at, message)
        elif not isinstance(value, str):
            yield Wrong(at, _not_a(value, "a string, a number, true, false, a list or a table"))


def _scalar(node: inspect.Type, value: Any) -> str:
    """What is wrong with a value that holds no others; empty where nothing is."""
    if isinstance(node, inspect.EnumType):
        return _one_of(value, [member.value for member in node.cls])
    if isinstance(node, inspect.LiteralType):
        return _one_of(value, node.values)
    if isinstance(node, inspect.BoolType):
        return "" if isinstance(value, bool) else _not_a(value, expected(node))
    if isinstance(node, inspect.IntType | inspect.FloatType):
        kinds = int if isinstance(node, inspect.IntType) else int | float
        if isinstance(value, bool) or not isinstance(value, kinds):
            return _not_a(value, expected(node))
        return _number(value) or _range(node, value)
    if isinstance(node, inspect.StrType):
        return _text(node, value) if isinstance(value, str) else _not_a(value, expected(node))
    return ""


def _one_of(value: Any, values: Collection[Any]) -> str:
    # In Python True is 1, and 1.0 too.
    return "" if any(value == each and type(value) is type(each) for each in values) else _none_of(value, values)


def _none_of(value: Any, values: Collection[Any]) -> str:
    near = nearest(value, [each for each in values if isinstance(each, str)]) if isinstance(value, str) else ""
    return f"{given(value)} is not valid; expected {_either(values)}" + (
        f"; did you mean {_shown(near)}?" if near else ""
    )


def _number(value: float) -> str:
    if isinstance(value, int):
        return "" if value in _INTEGERS else f"{given(value)} is out of range; expected at most 64 bits"
    return "" if math.isfinite(value) else f"{given(value)} is no number to reckon with; expected a finite one"


def _range(node: inspect.IntType | inspect.FloatType, value: float) -> str:
    if (
        (node.ge is not None and value < node.ge)
        or (node.gt is not None and value <= node.gt)
        or (node.le is not None and value > node.le)
        or (node.lt is not None and value >= node.lt)
    ):
        return f"{given(value)} is out of range; expected {expected(node)}"
    if node.multiple_of is not None and value % node.multiple_of:
        return f"{given(value)} is not valid; expected a multiple of {node.multiple_of}"
    return ""


def _text(node: inspect.StrType, value: str) -> str:
    if node.min_length is not None and len(value) < node.min_length:
        short = "empty" if not value else f"{len(value)} characters long"
        return f"{given(value)} is {short}; expected at least {_counted(node.min_length, 'character')}"
    if node.max_length is not None and len(value) > node.max_length:
        return f"{given(value)} is too long; expected at most {_counted(node.max_length, 'character')}"
    if node.pattern is not None and not re.search(node.pattern, value):
        return f"{given(value)} is not valid; expected the form {node.pattern}"
    return ""


def expected(node: inspect.Type) -> str:
    """A type, in words."""
    if isinstance(node, inspect.Metadata):
        return expected(node.type)
    if isinstance(node, inspect.EnumType):
        return _either([member.value for member in node.cls])
    if isinstance(node, inspect.LiteralType):
        return _either(node.values)
    if isinstance(node, inspect.UnionType):
        kinds = (expected(kind) for kind in node.types if not isinstance(kind, inspect.NoneType))
        return " or ".join(dict.fromkeys(kinds))
    if isinstance(node, inspect.IntType | inspect.FloatType):
        return ("a whole number" if isinstance(node, inspect.IntType) else "a number") + _bounds(node)
    if isinstance(node, inspect.ListType | inspect.VarTupleType):
        return f"a list, each item {expected(node.item_type)}"
    return next((words for kind, words in _WORDS.items() if isinstance(node, kind)), "a value")


_WORDS: Mapping[type[inspect.Type], str] = {
    inspect.BoolType: "true or false",
    inspect.StrType: "a string",
    inspect.StructType: "a table",
    inspect.DictType: "a table",
    inspect.AnyType: "anything",
}


def _bounds(node: inspect.IntType | inspect.FloatType) -> str:
    if node.ge is not None and node.le is not None:
        return f" from {node.ge:g} to {node.le:g}"
    says = (("at least", node.ge), ("greater than", node.gt), ("at most", node.le), ("less than", node.lt))
    bounds = " and ".join(f"{words} {bound:g}" for words, bound in says if bound is not None)
    return bounds and f" {bounds}"


def given(value: Any) -> str:
    """A value as its writer would know it again, cut short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value not in _INTEGERS:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, str):
        return _shown(value)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict):
        return "a table"
    return "a list" if isinstance(value, list) else "a date or time"


def nearest(name: str, names: Collection[str]) -> str:
    """The one of the names that was probably meant; empty where none is near."""
    plain = name[:64].lower().replace("-", "_")
    return next(iter(get_close_matches(plain, names, n=1)), "")


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else f"{text[:37]}...")


def _not_a(value: Any, wanted: str) -> str:
    what = f"{_shown(value)} is a string" if isinstance(value, str) else given(value)
    return f"{what}; expected {wanted}" if isinstance(value, str) else f"given {what}; expected {wanted}"


def _either(values: Collection[Any]) -> str:
    *most, last = [given(value) for value in values]
    return f"{', '.join(most)} or {last}" if most else last


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("s" if count != 1 else "")


def _homes(node: inspect.Type, path: str = "") -> dict[str, list[str]]:
    """Which sections know a key, so that one written under the wrong header can be told where it belongs."""
    homes: dict[str, list[str]] = {}
    if isinstance(node, inspect.StructType):
        for field in node.fields:
            if path:
                homes.setdefault(field.encode_name, []).append(path)
            below = _homes(field.type, f"{path}.{field.encode_name}".lstrip("."))
            for name, places in below.items():
                homes.setdefault(name, []).extend(places)
    return homes
