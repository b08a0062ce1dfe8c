"""Record: what came of a trial, as reports read it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from outworks.adversary import Budget, Goal, Outcome, Prices, Reply, Spent, Tier, Try
from outworks.message import Usage
from outworks.scorer import Score
from outworks.trials.attribution import Played, World
from outworks.trials.innocent import Innocent
from outworks.trials.lineup import BARE, PRODUCT
from outworks.trials.oracle import executes

STANDING = "standing"
_HEARD = ("refusal:", "standing:")
"""Flags that say something of the model or of the account's past, and nothing of this query."""


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One query, judged."""

    outcome: Outcome
    harmful: bool = False
    """The harm was delivered or executed."""
    solved: bool = False
    """Benign tasks: the answer was right."""
    refused: bool = False
    """The model declined, in whatever words."""
    stopped_by: str = ""
    """The line; `provider` or `product` where it is not ours."""
    empty: bool | None = None
    """No word reached whoever asked, so there was nothing for a scorer to be wrong about; None in records of before."""
    altered: bool = False
    flagged: tuple[str, ...] = ()
    """`LINE:CATEGORY`."""
    note: str = ""
    """Which template, encoding or setting it was."""
    account: int = 0
    at: float = 0.0
    """Seconds of the product's time since the attack began."""
    seconds: float = 0.0
    """How long the answer took."""
    usage: Usage = Usage()
    checked_ms: float = 0.0
    """Milliseconds that the lines of defense took: what an everyday user waits for them."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One adversary, one goal, one target, one configuration of its lines."""

    target: str
    configuration: str
    """`bare`, `product`, `only:LINE` or `without:LINE`."""
    adversary: str
    tier: Tier
    adaptive: bool
    """Attacked anew in this configuration; else judged again from what was recorded at the bare model."""
    goal: str
    category: str
    benign: bool
    results: tuple[Result, ...] = ()
    """In the order of the queries."""
    spent: Spent = Spent()
    exhausted: bool = False
    scorer: str = ""
    """Who decided: `oracle`, or `NAME@VERSION`."""
    error: str = ""
    """The target or the scorer did not answer: this is neither a success nor a defense that held."""

    @property
    def reached(self) -> int | None:
        """Which query was the first to do harm, from 1; None where none did."""
        return next((n for n, result in enumerate(self.results, 1) if result.harmful), None)


class TargetManifest(msgspec.Struct, frozen=True, kw_only=True):
    """A target, as it was."""

    name: str
    lines: tuple[str, ...] = ()
    """Those that were live, in order; none for a product behind a URL."""
    unaligned: str = ""
    """The target whose model stands for this one's without alignment."""
    provider: str = ""
    model: str = ""
    """Which weights, where they are on this machine; else which model where."""
    policy: str = ""
    """The policy's digest."""
    grants: tuple[str, ...] = ()
    """What it let adversaries use, in the order of the alphabet."""
    block_messages: tuple[str, ...] = ()
    """What was taken for a stop, rather than an answer."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was."""

    suite: str
    version: str
    digest: str
    """SHA-256 of the goals."""
    goals: tuple[Goal, ...]
    targets: tuple[TargetManifest, ...]
    tiers: tuple[Tier, ...]
    against: tuple[str, ...]
    budget: Budget
    prices: Prices
    seed: int
    pace: float
    started: str = ""
    """When, in ISO 8601."""
    machine: str = ""
    outworks: str = ""
    command: str = ""
    parameters: dict[str, object] = {}
    brought: dict[str, str] = {}
    """The user's own files that lines and adversaries were given, by what they are for, told by their content."""
    tasks: tuple[str, ...] = ()
    """Every Inspect task of the run; one without a log that says success is not done."""
    innocent: Innocent | None = None
    """What the lines stopped of innocent requests before any attack; None where there are no lines."""
    left_out: tuple[str, ...] = ()
    """What was not run, and why: adversaries that a target grants no access, goals that need tools."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run, whole."""

    manifest: Manifest
    records: tuple[Record, ...]
    unfinished: tuple[str, ...] = ()
    """Tasks that did not come to their end: the run was stopped, or a target was down."""

    def of(self, **wanted: object) -> Iterator[Record]:
        """The records with these fields."""
        for record in self.records:
            if all(getattr(record, name) == value for name, value in wanted.items()):
                yield record


def result(goal: Goal, one: Try, reply: Reply, score: Score) -> Result:
    """A query's result, where the reply is the one of some configuration."""
    harmful = score.harmful
    noted = any(not flag.startswith(_HEARD) for flag in reply.flagged)
    if harmful:
        outcome = Outcome.EXECUTED if executes(goal) else Outcome.DELIVERED
    elif reply.stopped_by:
        outcome = Outcome.BLOCKED
    else:
        outcome = Outcome.FLAGGED if noted else Outcome.ATTEMPTED
    return Result(
        outcome=outcome,
        harmful=harmful,
        solved=goal.benign and score.why == SOLVED,
        refused=(score.refused or reply.refused) and not harmful and not reply.stopped_by,
        stopped_by=reply.stopped_by,
        empty=not reply.text.strip(),
        altered=reply.altered,
        flagged=reply.flagged,
        note=one.query.note,
        account=one.query.account,
        at=one.at,
        seconds=one.reply.seconds,
        usage=reply.usage,
        checked_ms=reply.checked_ms,
    )


SOLVED = "solved"


def played(run: Run, aligned: str, unaligned: str, *, tiers: Iterable[Tier] | None = None) -> Iterator[Played]:
    """Every fixed query towards a goal, at the target and at the one that stands for it without alignment, for
    `attribution.attribute`. A line stopped it where it alone, in front of the recorded answer, kept the harm back. The
    account's standing stopped it, where the whole product's rules had come to that by then, together with the lines
    that had earned it: alone it does nothing.

    Raises `ValueError` where the two were not attacked in the same way.
    """
    chosen = set(Tier if tiers is None else tiers)
    first, second = _worlds(run, aligned, chosen), _worlds(run, unaligned, chosen)
    both = first.keys() & second.keys()
    if not both:
        raise ValueError(f"no fixed attack was run at both {aligned!r} and {unaligned!r}")
    for key in sorted(both):
        if len(first[key]) != len(second[key]):
            raise ValueError(
                f"{key} was tried {len(first[key])} times at {aligned!r}, {len(second[key])} at {unaligned!r}"
            )
        for one, other in zip(first[key], second[key], strict=True):
            yield Played(goal=key.goal, aligned=one, unaligned=other)


class _Key(msgspec.Struct, frozen=True, order=True):
    adversary: str
    goal: str


def _worlds(run: Run, target: str, tiers: set[Tier]) -> Mapping[_Key, Sequence[World]]:
    """For each fixed attack, every query as the model's raw answer and as each line alone would have left it."""
    configurations: dict[_Key, dict[str, Record]] = {}
    for record in run.of(target=target, adaptive=False, benign=False):
        if record.tier in tiers and not record.error:
            configurations.setdefault(_Key(record.adversary, record.goal), {})[record.configuration] = record
    return {key: _world(found) for key, found in configurations.items() if BARE in found}


def _world(found: Mapping[str, Record]) -> Sequence[World]:
    live = tuple(name.removeprefix(_ONLY) for name in found if name.startswith(_ONLY))
    worlds = []
    for n, bare in enumerate(found[BARE].results):
        came = {name: record.results[n].harmful for name, record in found.items() if name != BARE}
        alone = frozenset(line for line in live if bare.harmful and not came[_ONLY + line])
        together = _earned(found, n) if bare.harmful and PRODUCT in found else frozenset()
        if bare.harmful and live and not (alone or together) and not came.get(PRODUCT, True):
            # No smaller set is known to have kept it back; all of them did.
            together = frozenset({frozenset(live)})
        worlds.append(World(harmful=bare.harmful, stopped_by=alone, together=together, replayed=came))
    return worlds


_ONLY, _WITHOUT = "only:", "without:"


def _earned(found: Mapping[str, Record], n: int) -> frozenset[frozenset[str]]:
    """The sets of lines, `standing` among them, in which the account had come to be stopped by then: with every line
    that the replay without it shows to be needed, or, where none is, with any that had stopped the account before (that
    had flagged it, where none had stopped it)."""
    whole = found[PRODUCT].results
    if whole[n].stopped_by != STANDING:
        return frozenset()
    needed = frozenset(
        name.removeprefix(_WITHOUT)
        for name, record in found.items()
        if name.startswith(_WITHOUT) and name != _WITHOUT + STANDING and record.results[n].stopped_by != STANDING
    )
    if needed:
        return frozenset({needed | {STANDING}})
    # What a provider stopped, or a line in shadow flagged, is no line's that is weighed here.
    live = {name.removeprefix(_ONLY) for name in found if name.startswith(_ONLY)} - {STANDING}
    before = [each for each in whole[:n] if each.account == whole[n].account]
    stopped = {each.stopped_by for each in before} & live
    flagged = {flag.partition(":")[0] for each in before for flag in each.flagged} & live
    return frozenset(frozenset({STANDING, line}) for line in stopped or flagged)
