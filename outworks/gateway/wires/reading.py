"""Reading: what every wire shares in decoding, with errors that name the field, the value and what is expected."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import groupby
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar
from unicodedata import category

import msgspec
import msgspec.inspect
from msgspec.inspect import ListType, LiteralType, StructType, Type, UnionType

from outworks.gateway.problem import Problem
from outworks.label import Label
from outworks.message import Message, Part, Role

MAX_DEPTH = 64
"""How deep a body may nest. Encoders further on recurse, and must not be made to fail on what the decoder let in."""
MAX_QUOTED = 100
"""Characters of a value that an error repeats; of a longer one it tells the length."""
MAX_USER = 512
"""The longest id of an end user, in characters; both vendors accept less."""

Name: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_.:/-]{1,128}\Z")]
"""A function's name, as wide as any vendor has it. No defense reads it, so it has no room for a sentence."""

Id: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_.:/|=+-]{0,128}\Z")]
"""A call's id, as wide as any vendor gives it. It goes upstream, and no defense reads it either."""

_T = TypeVar("_T")
_COMPARED, _LISTED = 200, 40
_decode = msgspec.json.Decoder().decode
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)
_CONTROLS = frozenset({"Cc", "Zl", "Zp"})
_STEP = re.compile(r"(?P<field>\w+)|\[(?P<index>\d+)\]")
_FIELD = re.compile(r"Object (?P<how>missing required|contains unknown) field `(?P<name>.*)`", re.DOTALL)
_VALUE = re.compile(r"Invalid (?:enum )?value ['`](?P<value>.*)['`]", re.DOTALL)


class Fields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An object of a format. Fields typed `Any` are known, say nothing to the model, and are dropped."""


class Voiced(NamedTuple):
    """A part of a turn, and whose words it is."""

    label: Label
    part: Part


def read_object(body: bytes) -> dict[str, Any]:
    """The body as an object. Of two equal keys the last wins; the upstream never sees the first, as its request is
    encoded anew from what was judged. Lone surrogates, NaN and bytes that are not UTF-8 are no JSON."""
    try:
        value = _decode(body)
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why = f"{error}; a lone surrogate is no character" if _LONE_SURROGATE.search(body) else str(error)
        raise Problem(400, "invalid_json", f"the body is not valid JSON: {why}") from None
    if type(value) is not dict:
        raise invalid("the body", f"expected an object, got {_json_type(value)}")
    # What has no more brackets than levels are allowed cannot be too deep; this spares most bodies the walk.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _check_depth(value)
    return value


def _check_depth(value: dict[str, Any]) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return
    raise _too_deep()


def convert(value: Any, to: type[_T], hints: Mapping[str, str]) -> _T:
    """The value as typed fields; what does not fit is refused by its path.

    `hints` say what to do instead, by the field or the value at fault.
    """
    try:
        return msgspec.convert(value, to)
    except msgspec.ValidationError as error:
        raise _explain(str(error), value, to, hints) from None


def invalid(where: str, why: str) -> Problem:
    """A field that cannot be accepted as it is."""
    return Problem(400, "invalid_request", f"{where}: {why}", param="" if where == "the body" else where)


def check_user(user: str, where: str) -> str:
    """The end user's id, without space around it: headers lose theirs on the way, and both must name one account.
    Refused where it could be no id."""
    user = user.strip()
    if not user.isprintable() and any(category(char) in _CONTROLS for char in user):
        raise invalid(where, "an id holds no control characters")
    if len(user) > MAX_USER:
        raise invalid(where, f"{len(user)} characters were given; at most {MAX_USER} are accepted")
    return user


def first_user(*given: str | None) -> str:
    """The first id that says anything: a blank one is as good as none, and hides no other."""
    return next((user for user in given if user and user.strip()), "")


def check_choice(name: str, tools: Iterable[str], where: str) -> None:
    """Refuse to force a tool that the request does not offer."""
    known = list(tools)
    if name not in known:
        raise invalid(where, f"no tool is named {_brief(name)}{f'; {_expected(name, known)}' if known else ''}")


def set_once(parameters: dict[str, Any], name: str, value: Any, given_as: str) -> None:
    """Set a parameter under its canonical name, unless the body says something else under that name too."""
    if name in parameters and parameters[name] != value:
        raise invalid(given_as, f"contradicts {name}, of which it is another name; send one of them")
    parameters[name] = value


def turns(role: Role, voiced: Iterable[Voiced]) -> Iterator[Message]:
    """One message for each run of parts in the same voice, so that a third party's words never borrow another label."""
    for label, run in groupby(voiced, key=_voice):
        yield Message(role, tuple(each.part for each in run), label)


def _voice(voiced: Voiced) -> Label:
    return voiced.label


def _too_deep() -> Problem:
    return invalid("the body", f"nests too deeply; at most {MAX_DEPTH} levels are accepted")


def _explain(error: str, value: Any, to: type, hints: Mapping[str, str]) -> Problem:
    """msgspec's words for a mismatch, with the path in front, and with what it does not say: the names it knows there,
    the nearest of them, the hint."""
    # The last: what stands before it may quote the client, who must not get to say where the fault is.
    what, _, path = error.rpartition(" - at `$")
    what, path = (what, path.rstrip("`").lstrip(".")) if what else (error, "")
    where = path or "the body"
    if field := _FIELD.fullmatch(what):
        name = field["name"]
        if field["how"] == "missing required":
            return invalid(f"{path}.{name}" if path else name, "is required, and was not given")
        return invalid(where, f"unknown field {_brief(name)}; {_expected(name, _names(value, to, path))}")
    if wrong := _VALUE.fullmatch(what):
        given = wrong["value"]
        hint = hints.get(given) or _expected(given, _names(value, to, path))
        return invalid(where, f"{_brief(given)} is not accepted here; {hint}")
    hint = hints.get(where.rpartition(".")[2], "")
    what = what.replace("`", "")
    given = "" if ", got " in what else _given(_at(value, path))
    return invalid(where, f"{what[:1].lower()}{what[1:]}{given}{f'; {hint}' if hint else ''}")


def _at(value: Any, path: str) -> Any:
    """What stands at a path of a value; None where that leads nowhere."""
    with suppress(LookupError, TypeError):
        for step in _STEP.finditer(path):
            value = value[int(step["index"])] if step["index"] else value[step["field"]]
        return value
    return None


def _given(value: Any) -> str:
    """What was given, where msgspec tells only what was expected: a number, a length, or words of the wrong form."""
    if isinstance(value, str) and len(value) <= MAX_QUOTED:
        return f", got {value!r}"
    if isinstance(value, str):
        return f", got {len(value)} characters"
    if isinstance(value, list):
        return f", got {len(value)}"
    said = str(value) if isinstance(value, int | float) else ""
    return f", got {said if len(said) <= MAX_QUOTED else 'a longer number'}" if said else ""


def _names(value: Any, to: type, path: str) -> list[str]:
    """The names of the fields, or else the values, that the types know at a path of a value."""
    kinds = _kinds(msgspec.inspect.type_info(to))
    for step in _STEP.finditer(path):
        structs = _fitting(kinds, value)
        if step["index"]:
            inner = [kind.item_type for kind in kinds if isinstance(kind, ListType)]
            value = value[int(step["index"])]
        elif any(struct.tag_field == step["field"] for struct in structs):
            return [str(struct.tag) for struct in kinds if isinstance(struct, StructType)]
        else:
            fields = [field for struct in structs for field in struct.fields]
            inner = [field.type for field in fields if field.encode_name == step["field"]]
            value = value.get(step["field"])
        kinds = [kind for each in inner for kind in _kinds(each)]
    values = [str(value) for kind in kinds if isinstance(kind, LiteralType) for value in kind.values]
    return values or [field.encode_name for struct in _fitting(kinds, value) for field in struct.fields]


def _kinds(kind: Type) -> list[Type]:
    return list(kind.types) if isinstance(kind, UnionType) else [kind]


def _fitting(kinds: Iterable[Type], value: Any) -> list[StructType]:
    """The structs that a value means to be, by its tag; all of them where its tag fits none."""
    structs = [kind for kind in kinds if isinstance(kind, StructType)]
    tagged = [
        struct for struct in structs if isinstance(value, dict) and value.get(struct.tag_field or "") == struct.tag
    ]
    return tagged or structs


def _expected(given: str, names: Sequence[str]) -> str:
    # The first characters and names only: nobody misspells a name by hundreds, and each comparison takes its time.
    compared = {name[:60]: name for name in names[:_COMPARED]}
    near = [compared[each] for each in get_close_matches(given[:60], compared, n=1)]
    listed = ", ".join(map(repr, names[:_LISTED])) + (", ..." if len(names) > _LISTED else "")
    return f"did you mean {near[0]!r}?" if near else f"expected {listed}"


def _brief(given: str) -> str:
    return repr(given if len(given) <= MAX_QUOTED else f"{given[: MAX_QUOTED - 3]}...")


def _json_type(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")
