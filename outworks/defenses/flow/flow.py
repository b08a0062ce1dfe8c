"""flow: whatever the model does, no tool call leaves that its user did not ask for with values that somebody trusts."""

import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from unicodedata import normalize

import msgspec
from typing_extensions import override

from outworks import defense
from outworks.defenses.flow import arguments, confirm, rules
from outworks.defenses.flow.arguments import Arguments
from outworks.defenses.flow.count import Count, Counted, Taken
from outworks.defenses.flow.planner import Planner
from outworks.defenses.flow.policy import UNDECLARED, Settings, ToolPolicy, faults
from outworks.defenses.flow.provenance import Provenance, guards
from outworks.defenses.flow.results import Extracts
from outworks.defenses.flow.rules import Call, Planned, Step
from outworks.defenses.flow.seal import Seal
from outworks.message import Output, Request, Tool, ToolCall
from outworks.model import Model
from outworks.verdict import ALLOW, Decision, Finding, Notice, Verdict

_TOLD = 5
"""Broken rules of one call that are told."""
_UNKNOWN = "a function that was not offered"
"""In place of its name, which the model made up: that is content, and a reason is never erased."""
Spend = Callable[[Request, str], Awaitable[bool]]
"""Takes a confirmation's nonce for a request; False where it was taken before, by whatever worker."""


class Spent:
    """Spent confirmations of one process, for trials and tests; the gateway's are kept by the ledger."""

    def __init__(self) -> None:
        self._nonces: set[str] = set()

    async def __call__(self, request: Request, nonce: str) -> bool:
        """Take it; False where it was taken before."""
        first = nonce not in self._nonces
        self._nonces.add(nonce)
        return first


class _Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one call."""

    call: ToolCall
    place: int
    """Which of the output's."""
    name: str
    """The function, in words that may outlive the content."""
    policy: ToolPolicy
    arguments: Arguments
    broken: tuple[Step, ...]
    escalates: bool
    """A person may let it go."""


class Flow(defense.Defense):
    """After CaMeL (arXiv 2503.18813) and FIDES (arXiv 2505.23643), without a second model and without a search for
    taint: an action is authorised by trusted text or not at all, and an argument with authority is a member of the
    trusted values or it is held. Nothing is detected: adaptive attacks beat every detector (arXiv 2510.09023)."""

    name = "flow"

    def __init__(
        self,
        settings: Settings,
        seal: Seal,
        *,
        spend: Spend | None = None,
        count: Count | None = None,
        model: Callable[[str], Model | None] = lambda name: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`seal` must be the one that issues the ids of released calls (`DefendedModel(issue=seal.issue)`): without an
        id of its own, no result is known to be one.

        Raises ValueError with everything that is wrong in the policy.
        """
        wrong = list(faults(settings.tools))
        if wrong:
            raise ValueError("; ".join(wrong))
        planner = model(settings.planner) if settings.planner else None
        self._settings = settings
        self._seal = seal
        self._spend = spend or Spent()
        self._count = count or Counted()
        self._clock = clock
        self._planner = Planner(planner) if planner is not None else None
        self._extracts = Extracts(settings.tools)
        self._guarded = guards(settings.tools)

    @override
    async def check_output(self, request: Request, output: Output) -> Verdict:
        if not output.tool_calls or not self._settings.tools:
            return ALLOW
        known = self.known(request)
        try:
            rulings = await self.judge(known, output.tool_calls)
        except ValueError as error:
            return _blocked(f"{error}", len(output.text))
        held = [ruling for ruling in rulings if ruling.broken]
        if not self._all_confirmed(request, held):
            return self._held(request, held, output)
        # Counted is only what else would leave.
        held += await self._late(request, output, [ruling for ruling in rulings if not ruling.broken])
        if not held:
            return ALLOW
        if not self._all_confirmed(request, held):
            return self._held(request, held, output)
        return await self._released(request, held, output)

    def known(self, request: Request) -> Provenance:
        """What the policy and the gateway's record say of a request."""
        return Provenance(request, self._extracts, self._seal, guarded=self._guarded)

    async def judge(self, known: Provenance, calls: Sequence[ToolCall]) -> Sequence[_Ruling]:
        """Each call by every rule. Raises ValueError for arguments that cannot be judged."""
        offered = {tool.name: tool for tool in known.request.tools}
        rulings = []
        before: dict[str, int] = {}
        for place, call in enumerate(calls):
            stepped = await self._steps(known, call, offered.get(call.name, Tool(call.name)), before)
            policy = self._settings.tools.get(call.name, UNDECLARED)
            ruling = _Ruling(
                call=call,
                place=place,
                name=call.name if call.name in offered else _UNKNOWN,
                policy=policy,
                arguments=stepped.arguments,
                broken=_explained(known, stepped.steps),
                escalates=(policy.otherwise or self._settings.otherwise) == "confirm",
            )
            rulings.append(ruling)
        return rulings

    async def steps(self, known: Provenance, call: ToolCall, planned: Collection[str] | None = None) -> Sequence[Step]:
        """Every rule that one call meets or breaks. Raises ValueError for arguments that cannot be judged."""
        offered = {tool.name: tool for tool in known.request.tools}
        return (await self._steps(known, call, offered.get(call.name, Tool(call.name)), {}, planned)).steps

    async def _steps(
        self,
        known: Provenance,
        call: ToolCall,
        tool: Tool,
        before: dict[str, int],
        planned: Collection[str] | None = None,
    ) -> "_Stepped":
        policy = self._settings.tools.get(call.name, UNDECLARED)
        try:
            given = arguments.read(call.arguments)
        except ValueError as error:
            raise ValueError(f"{call.name if tool in known.request.tools else _UNKNOWN}: {error}") from None
        if call.name not in before:
            before[call.name] = known.calls_this_turn(call.name)
        judged = Call(
            call=call,
            arguments=given,
            policy=policy,
            declared=call.name in self._settings.tools,
            tool=tool,
            provenance=known,
            before=before[call.name],
        )
        before[call.name] += 1
        return _Stepped(await rules.judged(judged, self._planned(known, planned)), given)

    async def _late(self, request: Request, output: Output, rulings: Sequence[_Ruling]) -> Sequence[_Ruling]:
        """Counts the calls; those for which the turn's limit was reached. The history was asked before: here it is
        known what another request takes at this moment, and what a client has dropped."""
        late = []
        for ruling in rulings:
            most = ruling.policy.most
            if most is None:
                continue
            taken = Taken(
                tool=ruling.call.name,
                turn=self._seal.turn(request),
                slot=f"{request.id}.{output.choice}.{ruling.place}",
            )
            before = await self._count(request, taken)
            if before >= most:
                late.append(msgspec.structs.replace(ruling, broken=(rules.too_many(most),)))
        return late

    def _planned(self, known: Provenance, given: Collection[str] | None) -> Planned:
        async def plan() -> Collection[str]:
            if given is not None:
                return given
            return await self._planner.plan(known.request, known) if self._planner is not None else ()

        return plan

    def _confirmed(self, request: Request, held: Sequence[_Ruling]) -> Sequence[confirm.Confirmation]:
        now = self._clock()
        brought = confirm.brought(self._seal, request)
        taken = [
            confirm.confirmed(brought, each.call, each.arguments.values, now) if each.escalates else None
            for each in held
        ]
        return [each for each in taken if each is not None]

    def _all_confirmed(self, request: Request, held: Sequence[_Ruling]) -> bool:
        """Every token is for one call: of two equal calls, a person let one go."""
        good = self._confirmed(request, held)
        return len(good) == len(held) == len({each.nonce for each in good})

    async def _released(self, request: Request, held: Sequence[_Ruling], output: Output) -> Verdict:
        for each in self._confirmed(request, held):
            if not await self._spend(request, each.nonce):
                return _blocked("this confirmation was used before; it lets one call go, once", len(output.text))
        await self._late(request, output, held)
        reason = "confirmed by a person: " + ", ".join(ruling.name for ruling in held)
        return Verdict(reason=reason, findings=_findings(held, score=0.5))

    def _held(self, request: Request, held: Sequence[_Ruling], output: Output) -> Verdict:
        escalates = all(ruling.escalates for ruling in held) and len(held) <= confirm.MOST
        expires = self._clock() + self._settings.confirm_seconds
        tokens = [confirm.token(self._seal, request, each.call, expires=expires) for each in held] if escalates else []
        # However long one is, each of them is told: tokens are given for all.
        told = "; ".join(_shortened(_told(ruling), _MESSAGE // len(held)) for ruling in held)
        how = " To let exactly this go, send the request again with X-Outworks-Confirm." if escalates else ""
        names = ", ".join(dict.fromkeys(ruling.name for ruling in held))[:_SHOWN]
        return Verdict(
            decision=Decision.ESCALATE if escalates else Decision.BLOCK,
            reason="; ".join(_reason(ruling) for ruling in held)[:2000],
            findings=_findings(held, score=1.0),
            covered=len(output.text),
            notice=Notice(
                code="confirmation_required" if escalates else "flow_blocked",
                message=f"A call of {names} was held back: {told}.{how}",
                confirm=tuple(tokens),
            ),
        )


class _Stepped(msgspec.Struct, frozen=True):
    steps: Sequence[Step]
    arguments: Arguments


def _explained(known: Provenance, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The first rules that were broken, with where each value may have come from: looking for that reads everything."""
    broken = [step for step in steps if not step.ok][:_TOLD]
    return tuple(
        msgspec.structs.replace(step, whence=step.whence or known.whence(step.value)) if step.value else step
        for step in broken
    )


def _blocked(why: str, covered: int) -> Verdict:
    return Verdict(
        decision=Decision.BLOCK,
        reason=why,
        findings=(Finding("flow", 1.0, detail="arguments"),),
        covered=covered,
        notice=Notice(code="flow_blocked", message=f"A tool call was held back: {why}."),
    )


def _findings(held: Sequence[_Ruling], *, score: float) -> tuple[Finding, ...]:
    return tuple(
        Finding("flow", score, detail=f"{ruling.name}: {step.branch}"[:200])
        for ruling in held
        for step in ruling.broken
    )


def _reason(ruling: _Ruling) -> str:
    """The chain without the value: a reason outlives the content."""
    return f"{ruling.name}: " + ", ".join(
        f"{step.branch}: {step.why}" + (f" (it came from {step.whence})" if step.whence else "")
        for step in ruling.broken
    )


_MESSAGE = 3_500
"""Characters that the held calls of an answer are told in."""
_SHOWN = 200
"""Characters of a value that are told; the token holds all of it."""
_SPELT_OUT = 400
"""Characters that they may become."""
_SPELT = {".": "(dot)", "@": "(at)", ":": "(colon)", "/": "(slash)", "_": "(underscore)"}


def _inert(value: str) -> str:
    """A value as a person can read it and no client makes anything of it: a notice is shown where answers are, past the
    line `links`. What is no letter, digit, blank or `-`, and what only looks like another, is spelt out. (Letters of
    different alphabets may still look alike.)"""
    shown: list[str] = []
    room = _SPELT_OUT
    for each in value[:_SHOWN]:
        spelt = each if _is_plain(each) else _SPELT.get(each, f"(U+{ord(each):04X})")
        room -= len(spelt)
        if room < 0:
            break
        shown.append(spelt)
    more = len(value) - len(shown)
    return "".join(shown) + (f" (and {more} more)" if more else "")


def _is_plain(char: str) -> bool:
    """Whether a character shows as what it is: some letters are blanks, and others forms of others."""
    return char in " -" or (char.isalnum() and char not in "\u115f\u1160" and normalize("NFKC", char) == char)


def _shortened(told: str, most: int) -> str:
    return told if len(told) <= most else f"{told[: most - 3]}..."


def _told(ruling: _Ruling) -> str:
    """The chain, for whoever decides: which value, where it came from, which rule, what would have been trusted."""
    parts = []
    for step in ruling.broken:
        value = f" '{_inert(step.value)}'" if step.value else ""
        whence = f"; it came from {step.whence}" if step.whence else ""
        wanted = f"; trusted would be {step.wanted}" if step.wanted else ""
        parts.append(f"{step.branch}{value}: {step.why}{whence}{wanted}")
    return f"{ruling.name}: " + ", ".join(parts)
