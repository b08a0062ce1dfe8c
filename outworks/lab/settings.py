"""settings: a method's configuration from words, and what its settings mean, from the docstrings under them."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import isfinite
from types import ModuleType
from typing import Any, TypeVar

import msgspec
from msgspec.inspect import DictType, Field, LiteralType, Metadata, StructType, VarTupleType, type_info

from outworks.nearest import did_you_mean

C = TypeVar("C", bound=msgspec.Struct)
_WORDS = (
    ("`int`", "a whole number"),
    ("`float`", "a number"),
    ("`bool`", "true or false"),
    ("`array`", "a list"),
    (" >= ", " of at least "),
    (" > ", " above "),
    (" <= ", " of at most "),
)
"""What msgspec says of a type, to somebody who types in a terminal."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting of a configuration, as a user reads of it."""

    name: str
    default: str
    says: str


def method(kind: str, name: str, known: Mapping[str, ModuleType]) -> ModuleType:
    """The module of a method. Raises ValueError that names the nearest."""
    if name not in known:
        raise ValueError(f"there is no {kind} method {name!r}{did_you_mean(name, known, 'known: ' + ', '.join(known))}")
    return known[name]


def configured(config: type[C], given: Iterable[str], **fixed: object) -> C:
    """A configuration with some settings changed, each given as `name=value`; `fixed` ones are put beneath them.

    A list is given with commas (nothing for an empty one), or as JSON where a comma is part of it. Raises ValueError
    that names the setting and, for one that does not exist, the nearest.
    """
    fields = {field.encode_name: field for field in _fields(config)}
    values: dict[str, object] = {name: value for name, value in fixed.items() if name in fields}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals:
            raise ValueError(f"a setting is given as name=value, not {each!r}")
        if name not in fields:
            raise ValueError(
                f"there is no setting {name!r}{did_you_mean(name, fields, 'there are: ' + ', '.join(fields))}"
            )
        values[name] = _read(value, fields[name], each)
    try:
        made = msgspec.convert(values, config, strict=False)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        named = where.rstrip("`").split("[")[0]
        if named not in values:  # a rule of the configuration as a whole
            raise ValueError(what) from error
        raise ValueError(f"the setting {_shown(named, values[named])}: {_said(what, fields[named])}") from error
    for changed, to in values.items():
        if not all(isfinite(each) for each in _floats(getattr(made, changed))):
            raise ValueError(f"the setting {_shown(changed, to)}: expected a finite number")
    return made


def described(config: type[msgspec.Struct]) -> list[Setting]:
    """Every setting, with its default and the docstring under it."""
    says = _docstrings(config)
    return [
        Setting(name=field.encode_name, default=_default(field), says=says.get(field.name, ""))
        for field in _fields(config)
    ]


def _fields(config: type[msgspec.Struct]) -> tuple[Field, ...]:
    found = type_info(config)
    assert isinstance(found, StructType)
    return found.fields


def _read(value: str, field: Field, given: str) -> object:
    if value[:1] in ("[", "{"):
        try:
            read: object = msgspec.json.decode(value)
        except msgspec.DecodeError as error:
            raise ValueError(f"the setting {given!r} begins like JSON and is none: {error}") from error
        return read
    kind = field.type.type if isinstance(field.type, Metadata) else field.type
    if isinstance(kind, VarTupleType):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _shown(name: str, value: object) -> str:
    """As it is typed."""
    return f"{name}={','.join(map(str, value))}" if isinstance(value, list) else f"{name}={value}"


def _said(what: str, field: Field) -> str:
    kind = field.type.type if isinstance(field.type, Metadata) else field.type
    if isinstance(kind, LiteralType):
        return f"expected one of {', '.join(map(str, kind.values))}"
    if isinstance(kind, DictType) and "`object`" in what:
        return 'expected JSON, such as {"name": "words"}'
    what = re.sub(r", got `\w+`$", "", what)
    for theirs, ours in _WORDS:
        what = what.replace(theirs, ours)
    return re.sub(r"(\d)\.0\b", r"\1", what[:1].lower() + what[1:])


def _floats(value: object) -> list[float]:
    if isinstance(value, tuple):
        return [each for part in value for each in _floats(part)]
    return [value] if isinstance(value, float) else []


def _default(field: Field) -> str:
    if field.required:
        return "required"
    value: Any = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value, enc_hook=str).decode()


def _docstrings(config: type[msgspec.Struct]) -> dict[str, str]:
    """The string under each field of the class. Empty where there is no source to read."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(config)))
    except OSError:
        return {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found = {}
    for field, below in pairwise(body):
        named = isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if named and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[field.target.id] = " ".join(str(below.value.value).split())  # type: ignore[attr-defined]
    return found
