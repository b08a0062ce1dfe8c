"""Campaign: every adversary of the chosen tiers, before every target, as one Inspect evaluation that can be resumed."""

import asyncio
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from inspect_ai import Task, eval_set
from inspect_ai.model import GenerateConfig

from outworks import __version__
from outworks.adversary import Access, AccessError, Adversary, Budget, Goal, Prices, Tier
from outworks.model import Model
from outworks.scorer import Scorer
from outworks.scorers import harm_scorer
from outworks.trials.innocent import Innocent, measured
from outworks.trials.lineup import BARE, PRODUCT, Configuration, Lineup, Stand
from outworks.trials.record import Manifest, Run, TargetManifest
from outworks.trials.runner.loading import check_logs, load, save
from outworks.trials.runner.task import Pair, Terms, task
from outworks.trials.runner.upstream import Inspected, around
from outworks.trials.scoring import Scoring
from outworks.trials.siege import check_access
from outworks.trials.suites import Suite, suite
from outworks.trials.target import EVERYTHING, Bare, Product, Target

AGAINST = ("model", "product", "lines", "ablations")
"""What is measured: the bare model; the whole product; each line alone, and the product without each line, from the
record of fixed attacks; and these by adaptive attacks, too, made anew at each, which is many times the work."""
_RETRIES = 8


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A target of a campaign."""

    name: str
    model: Model
    stand: Stand | None = None
    """The lines around it; None for a product behind a URL, whose lines are its own."""
    unaligned: str = ""
    """The target whose model stands for this one's without alignment; empty where there is none."""
    grants: frozenset[Access] = EVERYTHING
    connections: int = 4
    block_messages: tuple[str, ...] = ()
    provider: str = ""
    weights: str = ""
    """Which weights, where they are on this machine; else which model where."""
    policy: str = ""


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be tried."""

    suite: Suite
    entries: tuple[Entry, ...]
    adversaries: tuple[Adversary, ...]
    tiers: tuple[Tier, ...]
    against: tuple[str, ...] = AGAINST
    budget: Budget = Budget()
    prices: Prices = Prices()
    seed: int = 0
    pace: float = 15.0
    parameters: Mapping[str, Any] = {}
    scorer: Scorer | None = None
    """For goals without an oracle; the one that ships, where none is given."""
    samples: int = 4
    """Attacks at once."""
    false_positive_rate: float | None = None
    """The budget that the entries' lines were given, in place of their own."""
    absent: tuple[str, ...] = ()
    """Adversaries that are not among these, and why."""
    brought: Mapping[str, str] = {}
    """The user's own files that lines and adversaries were given, by what they are for, told by their content."""


class _Planned(msgspec.Struct, frozen=True):
    tasks: tuple[Task, ...]
    left_out: tuple[str, ...]


def run(campaign: Campaign, folder: Path, *, command: str = "", tell: Callable[[str], None] = lambda line: None) -> Run:
    """Run it, or go on with it where it stopped: attacks that are done are not done again, and of the others no call
    is paid for twice. Not for use within a running event loop: Inspect brings its own.

    Raises `ValueError` for a folder with another campaign, or a log that cannot be read, in it.
    """
    planned = plan(campaign)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = msgspec.structs.replace(
        _manifest(campaign, planned.left_out, command),
        tasks=tuple(str(task.name) for task in planned.tasks),
        innocent=_innocent(campaign),
    )
    save(manifest, folder)
    check_logs(folder / "logs")
    for line in planned.left_out:
        tell(line)
    # The cache is the run's own: it goes where the run goes, and nothing of another run is ever taken for this one's.
    before = os.environ.get("INSPECT_CACHE_DIR")
    os.environ["INSPECT_CACHE_DIR"] = str((folder / "cache").absolute())
    try:
        eval_set(
            list(planned.tasks),
            log_dir=str(folder / "logs"),
            retry_attempts=0,
            retry_immediate=False,
            max_tasks=1,
            max_samples=campaign.samples,
            # A log with an error in it is gone on with the next time; the other attacks are not kept from going on.
            fail_on_error=True,
            continue_on_fail=True,
            display="none",
            log_level="error",
            log_realtime=False,
            log_samples=True,
            log_model_api=False,
            ctl_server=False,
            embed_viewer=False,
        )
    finally:
        if before is None:
            del os.environ["INSPECT_CACHE_DIR"]
        else:
            os.environ["INSPECT_CACHE_DIR"] = before
    return load(folder)


def _innocent(campaign: Campaign) -> Innocent | None:
    """What the lines stop of the innocent requests of every suite. A comparison of harm means something only between
    lines that cost innocent people alike, so this comes before the first attack."""
    stand = next((entry.stand for entry in campaign.entries if entry.stand is not None), None)
    if stand is None:
        return None
    # In a thread of its own, since the caller may have a loop; Inspect says so better than asyncio would.
    with ThreadPoolExecutor(1) as worker:
        goals = suite("all").goals
        return worker.submit(lambda: asyncio.run(measured(stand, goals, rate=campaign.false_positive_rate))).result()


def plan(campaign: Campaign) -> _Planned:
    """The tasks, and what is left out of them, with why. Raises `ValueError` for a budget that allows nothing."""
    check_budget(campaign.budget)
    scoring = Scoring(campaign.scorer or harm_scorer())
    tasks: list[Task] = []
    left_out: dict[str, None] = dict.fromkeys(campaign.absent)
    for entry in campaign.entries:
        tasks += _tasks(campaign, entry, scoring, left_out)
    if not tasks:
        raise ValueError("nothing is left to be tried: " + "; ".join(left_out or ["no tier has an adversary"]))
    return _Planned(tuple(tasks), tuple(left_out))


def check_budget(budget: Budget) -> None:
    """Raise `ValueError` for a budget that allows nothing."""
    for name in ("queries", "tokens", "seconds", "accounts", "money"):
        value = getattr(budget, name)
        if value is not None and value <= 0:
            raise ValueError(f"budget.{name} is {value:g}; expected more than nothing")


def pairs(adversaries: Sequence[Adversary], goals: Sequence[Goal], *, tools: bool) -> list[Pair]:
    """Who goes for what. A third party's goal is none of the account's own: asking for it oneself is no misuse."""
    found = []
    for adversary in adversaries:
        for goal in goals:
            if goal.tools and not tools:
                continue
            if adversary.tier is Tier.EVERYDAY:
                wanted = goal.benign or bool(goal.natural)
            elif adversary.tier is Tier.THIRD_PARTY:
                wanted = bool(goal.planted) and (Access.TOOL_RESULTS not in adversary.access or bool(goal.tools))
            else:
                wanted = not goal.benign and not goal.planted
            if wanted:
                found.append(Pair(adversary, goal))
    return found


def _tasks(campaign: Campaign, entry: Entry, scoring: Scoring, left_out: dict[str, None]) -> list[Task]:
    """One task for all fixed attacks, at the bare model; one for each configuration that adaptive ones attack."""
    inspected = around(entry.model, connections=entry.connections)
    upstream = Inspected(inspected)
    lineup = None if entry.stand is None else Lineup(entry.stand)
    bare = Bare(entry.name, upstream, grants=entry.grants, block_messages=entry.block_messages)
    own = [each for each in campaign.adversaries if Access.WEIGHTS in each.access]
    able = _able([each for each in campaign.adversaries if each not in own], bare, left_out)
    tools = Access.TOOL_RESULTS in entry.grants
    if not tools and any(goal.tools for goal in campaign.suite.goals):
        left_out[f"{entry.name}: goals with tools are left out, since this target offers the model none"] = None
    wanted = _configurations(campaign.against, lineup)
    fixed = pairs([each for each in able if not each.adaptive], campaign.suite.goals, tools=tools)
    adaptive = pairs([each for each in able if each.adaptive], campaign.suite.goals, tools=tools)
    made = []
    if fixed:
        terms = _terms(campaign, entry, bare, BARE, lineup, wanted, scoring)
        made.append(task(f"{entry.name}-fixed", fixed, terms, inspected, config=_retrying(campaign.budget)))
    made += _unaligned(campaign, entry, own, lineup, scoring, left_out)
    if adaptive and "ablations" not in campaign.against and any(":" in each.name for each in wanted):
        who = ", ".join(dict.fromkeys(pair.adversary.name for pair in adaptive))
        left_out[f"{entry.name}: {who} attacked no single line's absence (`ablations` was not asked for)"] = None
        wanted = tuple(each for each in wanted if ":" not in each.name)
    for each in wanted if adaptive else ():
        target: Target = bare
        if each.name != BARE:
            assert lineup is not None
            target = Product(entry.name, upstream, lineup, lineup.subset(each.lines), grants=entry.grants)
        terms = _terms(campaign, entry, target, each.name, None, (), scoring)
        name = f"{entry.name}-{each.name.replace(':', '-')}"
        made.append(task(name, adaptive, terms, inspected, config=_retrying(campaign.budget)))
    return made


def _unaligned(
    campaign: Campaign,
    entry: Entry,
    own: Sequence[Adversary],
    lineup: Lineup | None,
    scoring: Scoring,
    left_out: dict[str, None],
) -> list[Task]:
    """Those who have the weights take the alignment away: they attack the model that stands for this one without it."""
    if not own:
        return []
    without = next((each for each in campaign.entries if each.name == entry.unaligned), None)
    if without is None:
        names = ", ".join(each.name for each in own)
        left_out[f"{entry.name}: no target is named as its `unaligned` one, so {names} is left out"] = None
        return []
    inspected = around(without.model, connections=without.connections)
    target = Bare(entry.name, Inspected(inspected), grants=entry.grants | without.grants | {Access.WEIGHTS})
    wanted = _configurations(campaign.against, lineup)
    terms = _terms(campaign, entry, target, BARE, lineup, wanted, scoring)
    tools = Access.TOOL_RESULTS in entry.grants
    found = pairs(own, campaign.suite.goals, tools=tools)
    return [task(f"{entry.name}-unaligned-fixed", found, terms, inspected, config=_retrying(campaign.budget))]


def _configurations(against: Sequence[str], lineup: Lineup | None) -> tuple[Configuration, ...]:
    every = (Configuration(BARE, frozenset()),) if lineup is None else lineup.configurations
    kept = {"model": (BARE,), "product": (PRODUCT,)}
    named = {name for each in against for name in kept.get(each, ())}
    return tuple(e for e in every if e.name in named or ("lines" in against and ":" in e.name))


def _able(adversaries: Sequence[Adversary], target: Target, left_out: dict[str, None]) -> list[Adversary]:
    able = []
    for each in adversaries:
        try:
            check_access(each, target)
        except AccessError as error:
            left_out[f"{target.name}: {error}"] = None
        else:
            able.append(each)
    return able


def _terms(
    campaign: Campaign,
    entry: Entry,
    target: Target,
    configuration: str,
    lineup: Lineup | None,
    configurations: Sequence[Configuration],
    scoring: Scoring,
) -> Terms:
    return Terms(
        name=entry.name,
        target=target,
        configuration=configuration,
        lineup=lineup,
        configurations=configurations,
        budget=campaign.budget,
        prices=campaign.prices,
        seed=campaign.seed,
        pace=campaign.pace,
        parameters=campaign.parameters,
        scoring=scoring,
    )


def _retrying(budget: Budget) -> GenerateConfig:
    """A provider's rate limit is waited for, as long as the budget has time."""
    return GenerateConfig(max_retries=_RETRIES, timeout=int(budget.seconds) + 1 if budget.seconds is not None else 600)


def _manifest(campaign: Campaign, left_out: tuple[str, ...], command: str) -> Manifest:
    return Manifest(
        suite=campaign.suite.name,
        version=campaign.suite.version,
        digest=campaign.suite.digest,
        goals=campaign.suite.goals,
        targets=tuple(_described(entry) for entry in campaign.entries),
        tiers=campaign.tiers,
        against=campaign.against,
        budget=campaign.budget,
        prices=campaign.prices,
        seed=campaign.seed,
        pace=campaign.pace,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        outworks=__version__,
        command=command,
        parameters=dict(campaign.parameters),
        brought=dict(campaign.brought),
        left_out=left_out,
    )


def _described(entry: Entry) -> TargetManifest:
    lines = Lineup(entry.stand).live if entry.stand is not None else ()
    return TargetManifest(
        name=entry.name,
        lines=lines,
        unaligned=entry.unaligned,
        provider=entry.provider,
        model=entry.weights,
        policy=entry.policy,
        grants=tuple(sorted(entry.grants)),
        block_messages=entry.block_messages,
    )
