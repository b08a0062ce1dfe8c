"""Study: a population with and without each line, over several seeds, and what its conclusions hang on."""

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from outworks.adversary import Goal
from outworks.trials.lineup import Configuration, Lineup
from outworks.trials.population.assumptions import VARIED, Assumptions, varied
from outworks.trials.population.figures import Figures, figures
from outworks.trials.population.simulation import Lived, Simulation

WITHOUT_ALIGNMENT = "without:alignment"
WITHOUT_ENFORCEMENT = "without:enforcement"


class Sensitivity(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the product's figures when one assumption was another."""

    assumption: str
    factor: float
    product: Figures
    bare: Figures


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found, with what it rests on."""

    assumptions: Assumptions
    seeds: tuple[int, ...]
    suite: str
    by: Mapping[str, Figures]
    """By configuration: `bare`, `product`, `without:LINE`, `without:alignment`, `without:enforcement`."""
    sensitivity: tuple[Sensitivity, ...]
    exchanges_per_second: float
    """Of simulated exchanges with every line live, on this machine."""


class Progress(msgspec.Struct, frozen=True):
    """How far a study is."""

    done: int
    of: int
    what: str


async def study(
    lineup: Lineup,
    unruled: Lineup,
    goals: Sequence[Goal],
    given: Assumptions,
    *,
    suite: str,
    seed: int = 0,
    vary: bool = True,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> Study:
    """Run it all. `unruled` is the same line-up without rules: what enforcement is worth is the difference."""
    seeds = tuple(range(seed, seed + given.seeds))
    configurations = {each.name: each for each in lineup.configurations if not each.name.startswith("only:")}
    whole = configurations["product"]
    plans: list[tuple[str, Lineup, Configuration, Assumptions, bool]] = [
        *((name, lineup, each, given, True) for name, each in configurations.items()),
        (WITHOUT_ALIGNMENT, lineup, whole, given, False),
        (WITHOUT_ENFORCEMENT, unruled, whole, given, True),
    ]
    changes = [(name, factor) for name, factors in VARIED.items() for factor in factors] if vary else []
    total = len(plans) * len(seeds) + 2 * len(changes)
    done = 0

    async def run(of: Lineup, each: Configuration, what: Assumptions, aligned: bool, seed: int, label: str) -> Lived:
        nonlocal done
        lived = await Simulation(of, each, goals, what, aligned=aligned).run(seed)
        done += 1
        tell(Progress(done, total, label))
        return lived

    by: dict[str, Figures] = {}
    speed = 0.0
    for name, of, each, what, aligned in plans:
        began = time.process_time()
        by[name] = figures([await run(of, each, what, aligned, one, name) for one in seeds])
        if name == "product":
            speed = by[name].exchanges / max(1e-9, time.process_time() - began)
    sensitivity = []
    for name, factor in changes:
        changed = varied(given, name, factor)
        product = figures([await run(lineup, whole, changed, True, seeds[0], name)])
        bare = figures([await run(lineup, configurations["bare"], changed, True, seeds[0], name)])
        sensitivity.append(Sensitivity(assumption=name, factor=factor, product=product, bare=bare))
    return Study(
        assumptions=given,
        seeds=seeds,
        suite=suite,
        by=by,
        sensitivity=tuple(sensitivity),
        exchanges_per_second=speed,
    )
