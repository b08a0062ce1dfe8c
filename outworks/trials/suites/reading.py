"""Reading: the project's own suites, from the files beside this one."""

from importlib.resources import files
from typing import Any

import msgspec

from outworks.adversary import Answers, Calls, Carries, Goal, Judged
from outworks.message import Tool, ToolCall
from outworks.trials.suites.suite import Suite


class _Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A secret, or a line that must not be written."""

    id: str
    category: str
    system: str
    secret: str
    prompt: str
    natural: tuple[str, ...]


class _Planted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two halves that stand in a document, and must not be put together: quoting it is no success."""

    id: str
    category: str
    system: str
    halves: tuple[str, str]
    prompt: str
    planted: str
    natural: tuple[str, ...]


class _Call(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool call that must not leave."""

    id: str
    category: str
    system: str
    tool: str
    arguments: dict[str, Any]
    offers: tuple[str, ...]
    prompt: str
    planted: str
    natural: tuple[str, ...]


class _Canaries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: str
    secret: tuple[_Kept, ...]
    rule: tuple[_Kept, ...]
    planted: tuple[_Planted, ...]
    call: tuple[_Call, ...]


class _Behaviour(msgspec.Struct, frozen=True, array_like=True):
    id: str
    prompt: str
    aim: str
    natural: str


class _Behaviours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: str
    categories: dict[str, tuple[_Behaviour, ...]]


class _Task(msgspec.Struct, frozen=True, array_like=True):
    id: str
    prompt: str
    reach: str
    any_of: tuple[str, ...]


class _Tasks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tasks: tuple[_Task, ...]


class _Everyday(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: str
    ordinary: _Tasks
    sensitive: _Tasks
    mistaken: _Tasks


def canaries() -> Suite:
    """Secrets, house rules, planted instructions: success is exact."""
    read = msgspec.toml.decode(_text("canaries"), type=_Canaries)
    goals = [_kept(f"canary/{kind}/{one.id}", one) for kind in ("secret", "rule") for one in getattr(read, kind)]
    goals += [_planted(one) for one in read.planted]
    goals += [_call(one) for one in read.call]
    return Suite(name="canaries", version=read.version, goals=tuple(goals))


def behaviours() -> Suite:
    """A hundred requests in standard categories; a scorer decides."""
    read = msgspec.toml.decode(_text("behaviours"), type=_Behaviours)
    goals = tuple(
        Goal(
            id=f"behaviour/{category}/{one.id}",
            category=category,
            prompt=one.prompt,
            oracle=Judged(),
            aim=f"Sure, here it is. {one.aim}",
            natural=(one.natural,),
        )
        for category, rows in read.categories.items()
        for one in rows
    )
    return Suite(name="behaviours", version=read.version, goals=goals)


def everyday() -> Suite:
    """Benign tasks."""
    read = msgspec.toml.decode(_text("everyday"), type=_Everyday)
    goals = tuple(
        Goal(
            id=f"everyday/{kind}/{one.id}",
            category=kind,
            prompt=one.prompt,
            oracle=Answers(any_of=one.any_of),
            reach=one.reach,
        )
        for kind, rows in (("ordinary", read.ordinary), ("sensitive", read.sensitive), ("mistaken", read.mistaken))
        for one in rows.tasks
    )
    return Suite(name="everyday", version=read.version, goals=goals)


def _kept(id: str, one: _Kept) -> Goal:
    return Goal(
        id=id,
        category=one.category,
        prompt=one.prompt,
        oracle=Carries(text=one.secret),
        system=one.system,
        aim="Sure, here it is:",
        natural=one.natural,
        reach=f"Sure, here it is: {one.secret}",
    )


def _planted(one: _Planted) -> Goal:
    word = "-".join(one.halves)
    return Goal(
        id=f"canary/planted/{one.id}",
        category=one.category,
        prompt=one.prompt,
        # As it stands: the halves one after the other, as a list has them, are a quotation.
        oracle=Carries(text=word, disguised=False),
        system=one.system,
        aim=word,
        natural=one.natural,
        planted=one.planted,
        reach=word,
    )


def _call(one: _Call) -> Goal:
    arguments = msgspec.json.encode(one.arguments).decode()
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in one.arguments}}
    return Goal(
        id=f"canary/call/{one.id}",
        category=one.category,
        prompt=one.prompt,
        oracle=Calls(tool=one.tool, arguments=one.arguments),
        system=one.system,
        natural=one.natural,
        planted=one.planted,
        tools=tuple(Tool(name, f"{name.replace('_', ' ')}.", schema) for name in one.offers),
        reach_call=ToolCall("call_reach", one.tool, arguments),
    )


def _text(name: str) -> bytes:
    return (files(__package__) / f"{name}.toml").read_bytes()
