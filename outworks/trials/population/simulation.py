"""Simulation: one population's weeks before one set of lines."""

import random
from collections.abc import Sequence

import msgspec

from outworks.adversary import Goal
from outworks.trials.lineup import Configuration, Lineup
from outworks.trials.population.assumptions import Assumptions
from outworks.trials.population.home import Appealed, Home, Measure
from outworks.trials.population.person import WEEK, Life, Person
from outworks.trials.population.world import Kind, World


class Lived(msgspec.Struct, frozen=True, kw_only=True):
    """A whole population's weeks."""

    lives: tuple[Life, ...]
    measures: tuple[Measure, ...]
    appeals: tuple[Appealed, ...]


class Simulation:
    """A population before one configuration of a product's lines. People, goals and texts are the same for one seed,
    whichever lines stand."""

    def __init__(
        self,
        lineup: Lineup,
        configuration: Configuration,
        goals: Sequence[Goal],
        given: Assumptions,
        *,
        aligned: bool = True,
    ) -> None:
        """`aligned` False takes the model's own line away. Raises ValueError where the goals lack what people ask."""
        self._world = World(lineup, configuration, goals, given, aligned=aligned)

    async def run(self, seed: int) -> Lived:
        """All the weeks."""
        lives: list[Life] = []
        measures: list[Measure] = []
        appeals: list[Appealed] = []
        product = self._world.product
        for number, kinds in enumerate(households(self._world.given, seed)):
            home = Home(self._world, f"{product.name}/{seed}/{number}", _chance(f"{seed}/{number}"))
            people = [Person(home, kind, f"{n}", _chance(f"{seed}/{number}/{n}")) for n, kind in enumerate(kinds)]
            await home.clock.run([person.live() for person in people])
            home.decide(until=self._world.given.weeks * WEEK)  # whoever stays away is answered, too
            lives += [person.lived(shared=len(kinds) > 1) for person in people]
            measures += home.measures()
            appeals += home.appeals
            product.leave(home.accounts)
        return Lived(lives=tuple(lives), measures=tuple(measures), appeals=tuple(appeals))


def households(given: Assumptions, seed: int) -> list[tuple[Kind, ...]]:
    """Who is behind each account."""
    chance = _chance(f"{seed}/households")
    everybody, size = given.everyday.accounts, given.shared.size
    together = min(round(everybody * given.shared.share / size), everybody // size)
    alone = everybody - together * size
    shared = [
        tuple(
            Kind.CASUAL if n == 0 and chance.random() < given.shared.adversary else Kind.EVERYDAY for n in range(size)
        )
        for _ in range(together)
    ]
    return [
        *[(Kind.EVERYDAY,)] * alone,
        *shared,
        *[(Kind.CASUAL,)] * given.casual.accounts,
        *[(Kind.CAPABLE,)] * given.capable.accounts,
    ]


def _chance(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311 - chance, not secrecy
