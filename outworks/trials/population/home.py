"""Home: an account, the people behind it, and what they share: time, standing, appeals."""

import random
from collections.abc import Sequence

import msgspec

from outworks.action import Action, Standing
from outworks.adversary import Goal
from outworks.message import Message, Request
from outworks.trials.population.clock import Clock
from outworks.trials.population.world import Intent, World, whole

_STANDING = "standing"


class Exchange(msgspec.Struct, frozen=True):
    """What one request came to."""

    at: float
    """Seconds since the beginning."""
    harm: bool
    """What the person wanted and must not have was served."""
    stopped_by: str
    refused: bool
    altered: bool
    easily_mistaken: bool


class Appealed(msgspec.Struct, frozen=True):
    """An appeal, and how it ended."""

    innocent: bool
    overturned: bool


class Measure(msgspec.Struct, frozen=True):
    """An action that was in force on an account."""

    rule: str
    standing: Standing
    innocent: bool
    """Nobody behind the account meant harm."""


class Answer(msgspec.Struct, frozen=True):
    """What came back, and the suspension or ban that the account is now under."""

    exchange: Exchange
    locked: Action | None


class Home:
    """The people behind one account at a time, and what they share: time, standing, appeals."""

    def __init__(self, world: World, name: str, chance: random.Random) -> None:
        self.world = world
        self.clock = Clock()
        self.appeals: list[Appealed] = []
        self.hostile = False
        self.name = name
        self._chance = chance
        self._number = 0
        self._requests = 0
        self._seen: set[str] = set()
        self._due: list[tuple[float, str]] = []
        self.accounts = [f"{name}:0"]

    @property
    def account(self) -> str:
        return self.accounts[-1]

    def move(self) -> None:
        """On to a new account."""
        self._number += 1
        self.accounts.append(f"{self.name}:{self._number}")

    async def ask(self, goal: Goal, messages: Sequence[Message], intent: Intent, conversation: str) -> Answer:
        """One request, now."""
        self.decide(self.clock.now)
        world = self.world
        self._requests += 1
        request = Request(
            id=f"{self.name}#{self._requests}",
            model=world.model.name,
            messages=tuple(messages),
            tools=goal.tools,
            account=self.account,
            product="population",
            conversation=f"{self.name}/{conversation}",
        )
        served = world.model.told(goal, intent, self._chance.random())
        reply = await world.product.ask(request, self.clock.now)
        complied = served and bool(reply.text.strip() or reply.tool_calls) and not reply.stopped_by
        exchange = Exchange(
            at=self.clock.now,
            harm=intent.hostile and complied and whole(goal, reply.text, called=bool(reply.tool_calls)),
            stopped_by=reply.stopped_by,
            refused=not served,
            altered=reply.altered,
            easily_mistaken=intent.mistaken,
        )
        action = world.house.of(self.account, 0.0)
        locked = reply.stopped_by == _STANDING and action.standing >= Standing.SUSPENDED
        return Answer(exchange, action if locked else None)

    def appeal(self, action: Action, *, likely: float) -> None:
        """Once an action, perhaps."""
        if action.id in self._seen:
            return
        self._seen.add(action.id)
        if self._chance.random() < likely:
            days = self._chance.expovariate(1 / self.world.given.review.days)
            self._due.append((self.clock.now + days * 86400, action.id))

    def measures(self) -> list[Measure]:
        """Every action that was ever in force on these accounts."""
        house = self.world.house
        return [
            Measure(one.action.by.removeprefix("rule:"), one.action.standing, not self.hostile)
            for account in self.accounts
            for one in house.taken(account)
            if not one.action.shadow
        ]

    def decide(self, until: float) -> None:
        """The reviewer's decisions that are due by then."""
        for due in [one for one in self._due if one[0] <= until]:
            self._due.remove(due)
            right = self._chance.random() < self.world.given.review.right
            overturned = right != self.hostile
            self.appeals.append(Appealed(not self.hostile, overturned))
            if overturned:
                for account in self.accounts:
                    self.world.house.undo(account, due[1], by="person:reviewer")
