"""Rows: a policy's own examples, judged; an inverted rule survives only where nothing tries it both ways."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from outworks import label
from outworks.defenses.flow.flow import Flow
from outworks.defenses.flow.policy import WORDS, Row, Settings, ToolPolicy
from outworks.defenses.flow.provenance import guards
from outworks.defenses.flow.rules import Step
from outworks.defenses.flow.seal import Seal
from outworks.message import Message, Request, Role, Text, Tool, ToolCall, ToolResult

Side = Literal["allow", "deny"]


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one row."""

    tool: str
    side: Side
    place: int
    """Which of the tool's rows on that side, from 0."""
    wrong: str
    """Why the row fails; empty where it holds."""
    met: frozenset[str]
    """Branches that let a value pass."""
    broken: frozenset[str]
    """Branches that did not."""


async def tried(settings: Settings, tools: Mapping[str, Tool] | None = None) -> Sequence[Tried]:
    """Every row of a policy, judged by the rules alone: no model is asked, and `planned` is as the row says."""
    seal = Seal.random()
    flow = Flow(settings, seal)
    offered = {name: (tools or {}).get(name, Tool(name)) for name in {*settings.tools, *(tools or {})}}
    trying = _Trying(flow, seal, tuple(offered.values()))
    results = []
    for name, policy in settings.tools.items():
        results += [await _try(trying, name, "allow", place, row) for place, row in enumerate(policy.allow)]
        results += [await _try(trying, name, "deny", place, row) for place, row in enumerate(policy.deny)]
    return results


class _Trying(msgspec.Struct, frozen=True):
    """What rows are tried with."""

    flow: Flow
    seal: Seal
    offered: tuple[Tool, ...]


async def _try(trying: _Trying, name: str, side: Side, place: int, row: Row) -> Tried:
    call = ToolCall("", name, msgspec.json.encode(row.arguments).decode())
    request = _request(row, call, trying.seal, trying.offered)
    try:
        steps = await trying.flow.steps(trying.flow.known(request), call, row.planned)
    except ValueError as error:
        steps = (Step(branch="arguments", ok=False, why=str(error)),)
    met = frozenset(f"{s.branch} from {s.via}" if s.via else s.branch for s in steps if s.ok)
    broken = frozenset(step.branch for step in steps if not step.ok)
    wrong = ""
    if side == "allow" and broken:
        wrong = "it is denied: " + "; ".join(f"{s.branch} {s.value[:80]!r}: {s.why}" for s in steps if not s.ok)
    elif side == "deny" and not broken:
        wrong = "it is allowed"
    elif row.rule and row.rule not in broken:
        wrong = f"it is denied by {', '.join(sorted(broken))}, not by {row.rule}"
    return Tried(tool=name, side=side, place=place, wrong=wrong, met=met, broken=broken)


def _request(row: Row, call: ToolCall, seal: Seal, offered: tuple[Tool, ...]) -> Request:
    """The conversation that a row tells of, with ids as they are issued."""
    first = [Message(Role.SYSTEM, (Text(row.system),), label.SYSTEM)] if row.system else []
    messages = [*first, Message(Role.USER, (Text(row.user),), label.USER)]
    request = Request(id="row", model="row", messages=tuple(messages), tools=offered, actions=row.actions)
    before = [(ToolCall("", s.tool, msgspec.json.encode(s.arguments).decode()), s.text) for s in row.results]
    for made, text in [*before, *[(call, "done")] * (row.calls - 1)]:
        known = msgspec.structs.replace(made, id=seal.issue(request, made))
        messages += (
            Message(Role.ASSISTANT, (known,), label.ASSISTANT),
            Message(Role.TOOL, (ToolResult(known.id, text),), label.TOOL),
        )
    return msgspec.structs.replace(request, messages=tuple(messages))


class Untried(msgspec.Struct, frozen=True):
    """A branch of a tool that no row shows to allow, or none to deny."""

    tool: str
    branch: str
    side: Side


def untried(settings: Settings, tried: Sequence[Tried]) -> Iterator[Untried]:
    """The branches that want a row."""
    guarded = guards(settings.tools)
    # What is private goes to nobody, so that no row can show an audience that may have it.
    shared = any(policy.result.readers or policy.result.only for policy in settings.tools.values())
    for name, policy in settings.tools.items():
        met = {branch for each in tried if each.tool == name and each.side == "allow" for branch in each.met}
        broken = {branch for each in tried if each.tool == name and each.side == "deny" for branch in each.broken}
        ways = {branch.partition(" from ")[0] for branch in met}
        for branch in _branches(policy, guarded=guarded):
            source = " from " in branch
            if branch not in (met if source else met | ways) and (shared or branch != "readers"):
                yield Untried(name, branch, "allow")
            if not source and branch not in broken:
                yield Untried(name, branch, "deny")


def unsaid(settings: Settings) -> Iterator[str]:
    """The tools through which data with readers may go to whomever, for all that the policy says: they take free text,
    and nothing tells who receives it."""
    if not guards(settings.tools):
        return
    for name, policy in settings.tools.items():
        said = policy.arguments.values()
        free = policy.effect != "read" and any(each.kind == "free" for each in said)
        if free and policy.audience is None and not any(each.audience for each in said):
            yield name


def _branches(policy: ToolPolicy, *, guarded: bool) -> Iterator[str]:
    """What can let a call of the tool pass or not; a source of values counts as a branch that must let one pass."""
    if policy.effect != "read" and "static" not in policy.authorised:
        yield "authorised"
    if policy.most is not None:
        yield "per_turn"
    if guarded and (policy.audience or any(said.audience for said in policy.arguments.values())):
        yield "readers"
    for name, said in policy.arguments.items():
        if said.max is not None:
            yield f"{name}.max"
        if said.kind == "free" and said.sources == WORDS:
            continue
        yield name
        yield from (f"{name} from {source}" for source in said.sources if source not in WORDS and said.kind != "phrase")
        if said.named:
            yield f"{name}.named"
