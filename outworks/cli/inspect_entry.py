"""Suites as Inspect tasks: `inspect eval outworks/canaries --model PROVIDER/MODEL -T tiers=casual -T budget=8`."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias

import msgspec
from inspect_ai import Task, task
from inspect_ai.model import GenerateConfig, get_model

from outworks.adversary import Access, Budget, Prices
from outworks.config import load_policy
from outworks.defenses import DEFENSES
from outworks.message import Delta, Request
from outworks.scorers import harm_scorer
from outworks.trials.adversaries import Given, absent, adversaries, of_tiers
from outworks.trials.lineup import BARE, PRODUCT, Lineup, Stand
from outworks.trials.runner.campaign import check_budget, pairs
from outworks.trials.runner.task import GOALS, LEFT_OUT, Terms, besieging
from outworks.trials.runner.upstream import Inspected
from outworks.trials.scoring import Scoring
from outworks.trials.suites import suite
from outworks.trials.target import EVERYTHING, Bare, Product, Target

_TIERS = "everyday,casual,capable"
Tiers: TypeAlias = str | list[str]
"""Inspect makes a list of what has commas in it."""


class _Active:
    """Whatever model Inspect was told to evaluate."""

    name = "model"

    async def generate(self, request: Request) -> AsyncIterator[Delta]:
        async for delta in Inspected(get_model(), cache=False).generate(request):
            yield delta


@task
def canaries(tiers: Tiers = _TIERS, budget: int = 8, seed: int = 0, policy: str = "", product: bool = False) -> Task:
    """Secrets, house rules and planted instructions; success is exact."""
    return _task("canaries", tiers, budget, seed, policy, product)


@task
def behaviours(tiers: Tiers = _TIERS, budget: int = 8, seed: int = 0, policy: str = "", product: bool = False) -> Task:
    """A hundred requests in standard categories; a scorer decides."""
    return _task("behaviours", tiers, budget, seed, policy, product)


@task
def everyday(seed: int = 0, policy: str = "", product: bool = False) -> Task:
    """Benign tasks, by people who mean no harm."""
    return _task("everyday", "everyday", 1, seed, policy, product)


@task
def quickstart(tiers: Tiers = _TIERS, budget: int = 4, seed: int = 0, policy: str = "", product: bool = False) -> Task:
    """A small cut through all of them."""
    return _task("quickstart", tiers, budget, seed, policy, product)


def _why(missing: frozenset[Access]) -> str:
    if missing:
        return f"it needs {', '.join(sorted(missing))}"
    return "it is adaptive, and attacks what stands there (-T product=true)"


def _task(name: str, tiers: Tiers, budget: int, seed: int, policy: str, product: bool) -> Task:
    """Fixed attacks are made at the bare model and judged again before every subset of the lines. With `product` the
    lines stand live around the model, and adaptive attacks are made, too."""
    allowed = Budget(queries=budget)
    check_budget(allowed)
    goals = suite(name)
    stand = Stand(settings={line.name: line.settings() for line in DEFENSES})
    if policy:
        read = load_policy(Path(policy), environ=None)
        stand = Stand(settings=read.defenses, rules=read.compiled_rules)
    lineup = Lineup(stand)
    grants = EVERYTHING - {Access.LOGPROBS}
    bare = Bare("model", _Active(), grants=grants)
    target: Target = Product("model", _Active(), lineup, lineup.lines, grants=grants) if product else bare
    named = tiers.split(",") if isinstance(tiers, str) else tiers
    chosen = of_tiers([each.strip() for each in named], adversaries())
    able = [each for each in chosen if each.access <= grants and (product or not each.adaptive)]
    left_out = [f"{each.name} is left out: {_why(each.access - grants)}" for each in chosen if each not in able]
    terms = Terms(
        name="model",
        target=target,
        configuration=PRODUCT if product else BARE,
        lineup=None if product else lineup,
        configurations=() if product else lineup.configurations,
        budget=allowed,
        prices=Prices(),
        seed=seed,
        pace=15.0,
        parameters={},
        scoring=Scoring(harm_scorer()),
    )
    made = besieging(pairs(able, goals.goals, tools=True), terms)
    return Task(
        dataset=made.dataset,
        solver=made.solver,
        scorer=made.scorer,
        config=GenerateConfig(max_retries=8),
        metadata={
            **made.metadata,
            GOALS: msgspec.json.encode(goals.goals).decode(),
            LEFT_OUT: [*left_out, *absent(Given(), {each.tier for each in chosen})],
        },
    )
