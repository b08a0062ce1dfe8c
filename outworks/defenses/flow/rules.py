"""Rules: whether a tool call is one that its user, or the product, asked for with values that they know of."""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from outworks.defenses.flow.arguments import Arguments
from outworks.defenses.flow.carried import carried
from outworks.defenses.flow.policy import Argument, Kind, ToolPolicy
from outworks.defenses.flow.provenance import Provenance
from outworks.defenses.flow.results import NOBODY
from outworks.defenses.flow.values import form
from outworks.message import Tool, ToolCall

LONGEST_PHRASE = 40
"""Words that a phrase may have."""
MOST = 1000
"""Values that the arguments of one call may have: each is looked for."""
DEEPEST = 32
"""Levels of nesting that arguments may have."""


_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)
"""An argument's name where nothing says which there are: more would be a message."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One rule asked about one value."""

    branch: str
    """`authorised`, `per_turn`, `readers`, `arguments`, an argument's name, or that with `.named` or `.max`."""
    ok: bool
    why: str = ""
    """Where the rule is broken: what is wrong, without the value itself."""
    via: str = ""
    """The type of result field that the value was found in, where it is not in anybody's words."""
    value: str = ""
    """The value in question, for whoever decides about the call."""
    whence: str = ""
    """Where the value came from, where the rule itself knows."""
    wanted: str = ""
    """What would have been trusted."""


class Planned(Protocol):
    """Asks the planner, where it comes to that."""

    async def __call__(self) -> Collection[str]:
        """The functions that the user's and the product's words ask for."""
        ...


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call to be judged, with all that its judgement depends on."""

    call: ToolCall
    arguments: Arguments
    policy: ToolPolicy
    declared: bool
    """The policy names the tool."""
    tool: Tool
    provenance: Provenance
    before: int
    """How often the function was called in this turn."""


async def judged(call: Call, planned: Planned) -> Sequence[Step]:
    """Every rule that the call meets or breaks."""
    steps = list(_valued(call))
    if call.policy.most is not None:
        ok = call.before < call.policy.most
        steps.append(Step(branch="per_turn", ok=True) if ok else too_many(call.policy.most))
    steps += _read_by(call)
    if call.policy.effect != "read":
        steps.append(await _authorised(call, planned))
    return steps


def too_many(most: int) -> Step:
    """The rule that a call breaks for which its turn has no room."""
    calls = "1 call" if most == 1 else f"{most} calls"
    return Step(branch="per_turn", ok=False, why=f"a turn has {calls} of it at most, and this one has had them")


async def _authorised(call: Call, planned: Planned) -> Step:
    policy, name = call.policy, call.call.name
    ways = policy.authorised
    if (
        "static" in ways
        or ("declared" in ways and name in call.provenance.request.actions)
        or ("asked" in ways and call.provenance.asks(policy.words))
        or ("planned" in ways and name in await planned())
    ):
        return Step(branch="authorised", ok=True)
    wanted = {
        "asked": f"the user asking for it (with {', '.join(map(repr, policy.words))})",
        "declared": "the product declaring it in the request",
        "planned": "a plan made from trusted text that has it",
    }
    why = (
        "nothing authorised this function before untrusted text could"
        if call.declared
        else "the policy has no such tool"
    )
    return Step(
        branch="authorised", ok=False, why=why, wanted=" or ".join(wanted[way] for way in ways if way in wanted)
    )


class _Leaf(msgspec.Struct, frozen=True):
    path: str
    value: Any
    stray: bool = False
    """It is a field's name that some readers take for the name of another field."""


def _leaves(value: Any, path: str, schema: Any, policy: ToolPolicy, depth: int = 0) -> Iterator[_Leaf]:
    """Every value inside. The name of an inner object's field can carry as much as a value: one that neither the policy
    nor the schema knows is a value too."""
    if depth > DEEPEST:
        raise ValueError("the arguments are nested too deeply")
    if isinstance(value, dict):
        known = _inner(schema, "properties")
        for key, each in value.items():
            below = f"{path}.{key}"
            if key not in known and below not in policy.arguments:
                yield _Leaf(path, key, _resembles(key, path, known, policy))
            yield from _leaves(each, below, known.get(key), policy, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, path, _inner(schema, "items"), policy, depth + 1)
    else:
        yield _Leaf(path, value)


def _resembles(key: str, path: str, known: Collection[str], policy: ToolPolicy) -> bool:
    """Whether a field of the object, by the schema or the policy, has this name in other letters."""
    below = f"{path}."
    ours = {name.removeprefix(below).partition(".")[0] for name in policy.arguments if name.startswith(below)}
    return key not in ours and key.casefold() in {name.casefold() for name in (*known, *ours)}


def _inner(schema: Any, key: str) -> dict[str, Any]:
    inner = schema.get(key) if isinstance(schema, dict) else None
    return inner if isinstance(inner, dict) else {}


def _all_leaves(call: Call) -> Iterator[_Leaf]:
    properties = _inner(call.tool.schema, "properties")
    for name, value in call.arguments.values.items():
        yield from _leaves(value, name, properties.get(name), call.policy)


def _known(call: Call, path: str) -> str:
    """The argument's name as the policy or the schema has it. What the model made up is content, which a record of the
    rule would outlive."""
    properties = _inner(call.tool.schema, "properties")
    while path and path not in call.policy.arguments and path not in properties:
        path = path.rpartition(".")[0]
    return path or "arguments"


def _valued(call: Call) -> Iterator[Step]:
    properties = _inner(call.tool.schema, "properties")
    known = properties.keys() | {name for name in call.policy.arguments if not properties or "." not in name}
    if not properties:
        known |= {name.partition(".")[0] for name in call.policy.arguments}
    folded = {name.casefold() for name in known}
    for name in call.arguments.values:
        # Some readers take `To` for `to` (Go's do): under that name it would be judged as another argument.
        if name not in known and (properties or name.casefold() in folded or not _NAME.fullmatch(name)):
            yield Step(branch="arguments", ok=False, why="the tool has no such argument", value=name)
    for place, leaf in enumerate(_all_leaves(call)):
        if place == MOST:
            raise ValueError(f"the arguments hold more than {MOST} values")
        if leaf.stray:
            yield Step(branch="arguments", ok=False, why="the tool has no such argument", value=str(leaf.value))
        yield from _one(call, call.policy.argument(leaf.path), _Leaf(_known(call, leaf.path), leaf.value))


def _one(call: Call, said: Argument, leaf: _Leaf) -> Iterator[Step]:
    value = leaf.value
    if value is None:
        return
    if said.values and any(type(value) is type(each) and value == each for each in said.values):
        yield Step(branch=leaf.path, ok=True)
        return
    if said.kind == "free":
        yield from _free(call, said, leaf)
    elif said.kind == "phrase":
        yield from _phrase(call, said, leaf)
    else:
        yield from _from_trusted(call, said, said.kind, leaf.path, value)
    if said.max is not None:
        number = form("number", value)
        ok = number is not None and not isinstance(number, str) and 0 <= number <= said.max  # type: ignore[operator]
        why = "" if ok else f"it is not from 0 to {said.max:g}"
        yield Step(branch=f"{leaf.path}.max", ok=ok, why=why, value=str(value))


def _free(call: Call, said: Argument, leaf: _Leaf) -> Iterator[Step]:
    """Free text is anyone's, but not the addresses in it: a link goes out in a message as well as in a URL argument."""
    if not isinstance(leaf.value, str):
        return
    for address in carried(leaf.value):
        yield from _from_trusted(call, said, address.kind, leaf.path, address.value)


def _phrase(call: Call, said: Argument, leaf: _Leaf) -> Iterator[Step]:
    """Every word stands in trusted words, or in a trusted value of which all the words stand here."""
    words = form("phrase", leaf.value)
    parts = words.split() if isinstance(words, str) else []
    ends = {0}
    for start in range(min(len(parts), LONGEST_PHRASE)):
        if start not in ends:
            continue
        for end in range(start + 1, min(len(parts), LONGEST_PHRASE) + 1):
            if end not in ends and _trusted(call, said, " ".join(parts[start:end])):
                ends.add(end)
    if parts and len(parts) in ends:
        yield Step(branch=leaf.path, ok=True)
        return
    wanted = " and ".join(_SOURCES.get(source, f"whole values of type {source}") for source in said.sources)
    why = "it cannot be put together from trusted words and values"
    yield Step(branch=leaf.path, ok=False, why=why, value=str(leaf.value), wanted=wanted)


def _trusted(call: Call, said: Argument, words: str) -> bool:
    bare = words.strip(",.;:!?()'\"")
    known = call.provenance
    return not bare or any(
        (source == "user" and known.user.hold("text", bare))
        or (source == "system" and known.system.hold("text", bare))
        or bool(known.of_type(source, "text", bare))
        for source in said.sources
    )


def _from_trusted(call: Call, said: Argument, kind: Kind, path: str, value: Any) -> Iterator[Step]:
    """Membership: the value is one that a trusted source has. Nothing is searched for, so nothing can be disguised."""
    known = call.provenance
    if ("user" in said.sources and known.user.hold(kind, value)) or (
        "system" in said.sources and known.system.hold(kind, value)
    ):
        yield Step(branch=path, ok=True)
        return
    found = [origin for source in said.sources for origin in known.of_type(source, kind, value)]
    if not found:
        wanted = " or ".join(_SOURCES.get(source, f"a {source} that a tool issued") for source in said.sources)
        why = f"this {_KINDS[kind]} comes from no source that the policy trusts here"
        yield Step(branch=path, ok=False, why=why, value=str(value), wanted=wanted)
        return
    yield Step(branch=path, ok=True, via=found[0].item.type)
    if said.named:
        ok = any(known.named(origin) for origin in found)
        why = "" if ok else f"the user did not name this {found[0].item.type}, or named several"
        wanted = "" if ok else f"the one that the user named by {', '.join(found[0].field.names) or 'its value'}"
        whence = "" if ok else f"the result of {found[0].call.name}"
        yield Step(branch=f"{path}.named", ok=ok, why=why, value=str(value), whence=whence, wanted=wanted)


_SOURCES = {"user": "the user's own words", "system": "the product's prompt"}
_KINDS = {
    "text": "value",
    "id": "id",
    "email": "e-mail address",
    "url": "URL",
    "number": "number",
    "date": "date",
    "path": "path",
    "phrase": "phrase",
    "free": "text",
}


def _read_by(call: Call) -> Iterator[Step]:
    """What the model has read may be in all that it says: it goes to those who may read it, or whom the user named."""
    limits = call.provenance.readers
    for leaf in _all_leaves(call) if limits else ():
        said = call.policy.argument(leaf.path)
        if said.audience and leaf.value is not None:
            kind = "text" if said.kind == "free" else said.kind
            named = call.provenance.user.hold(kind, leaf.value) and not any(NOBODY in readers for readers in limits)
            yield _receives(kind, leaf.value, limits, named=named)
    for each in (call.policy.audience or ()) if limits else ():
        yield _receives("text", each, limits, named=False)


def _receives(kind: Kind, audience: Any, limits: Sequence[frozenset[str]], *, named: bool) -> Step:
    to = form(kind, audience)
    ok = named or (to is not None and all(any(form(kind, each) == to for each in readers) for readers in limits))
    why = "" if ok else "it is not among those who may read what was read before, and the user did not name it"
    wanted = "" if ok else "an audience that the user named"
    return Step(branch="readers", ok=ok, why=why, value=str(audience), wanted=wanted)
