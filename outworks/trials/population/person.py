"""Person: somebody behind an account, what they want, and how long they go on."""

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from outworks import label
from outworks.adversary import Budget, Exhausted, Goal, Reply
from outworks.message import Message, Role, Text
from outworks.trials.population.assumptions import Adversarial, Everyday
from outworks.trials.population.home import Answer, Exchange, Home
from outworks.trials.population.world import Intent, Kind

WEEK = 7 * 86400.0


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """What one person did, and what became of it."""

    kind: Kind
    home: str
    """The account that they live behind, with others where it is shared."""
    shared: bool
    exchanges: tuple[Exchange, ...]
    accounts: int
    stopped_at: float | None
    """When the first suspension or ban met them; None where none did."""
    tries_until_stopped: int
    """Hostile requests until then, or in all."""
    tries: int
    harm_before_stopped: int
    first_try: float | None
    """When the first hostile request was made."""


class Person:
    """Lives through the weeks, one request at a time. Every choice is drawn from `chance`, so that the same people ask
    the same things whichever lines stand; what they do after a stop is what differs."""

    def __init__(self, home: Home, kind: Kind, name: str, chance: random.Random) -> None:
        self.name = name
        self.kind = kind
        self.chance = chance
        self._home = home
        self._end = home.world.given.weeks * WEEK
        self._exchanges: list[Exchange] = []
        self._hostile: list[bool] = []
        self._stopped_at: float | None = None
        self._tries_until_stopped = 0
        self._harm_before = 0
        self._conversation = 0
        if kind is not Kind.EVERYDAY:
            home.hostile = True

    @property
    def gone(self) -> bool:
        """Whether the weeks are over."""
        return self._home.clock.now >= self._end

    async def live(self) -> None:
        """The whole of it."""
        given = self._home.world.given
        if self.kind is Kind.EVERYDAY:
            await self._ordinary(given.everyday.rate, given.everyday.easily_mistaken, until=self._end)
            return
        habits = given.casual if self.kind is Kind.CASUAL else given.capable
        for _ in range(1 + _poisson(max(0.0, habits.goals - 1), self.chance)):
            begin = min(self._end, self._home.clock.now + self.chance.expovariate(habits.goals / self._end))
            if habits.rate > 0:
                await self._ordinary(habits.rate, 0.0, until=begin)
            await self._home.clock.until(begin)
            if self.gone:
                return
            if not await self._pursue(self.chance.choice(self._home.world.harmful), habits):
                return

    def lived(self, *, shared: bool) -> Life:
        """What came of it."""
        tries = sum(self._hostile)
        return Life(
            kind=self.kind,
            home=self._home.name,
            shared=shared,
            exchanges=tuple(self._exchanges),
            accounts=len(self._home.accounts),
            stopped_at=self._stopped_at,
            tries_until_stopped=self._tries_until_stopped if self._stopped_at is not None else tries,
            tries=tries,
            harm_before_stopped=self._harm_before,
            first_try=next((e.at for e, h in zip(self._exchanges, self._hostile, strict=True) if h), None),
        )

    async def _ordinary(self, rate: float, easily_mistaken: float, *, until: float) -> None:
        """Ask harmless things at a rate (a week)."""
        world, clock = self._home.world, self._home.clock
        while True:
            at = clock.now + self.chance.expovariate(rate / WEEK)
            if at >= until:
                await clock.until(until)
                return
            await clock.until(at)
            self._conversation += 1
            if self.chance.random() < easily_mistaken:
                goal, text = self.chance.choice(world.mistaken)
                intent = Intent(mistaken=True)
            else:
                goal = self.chance.choice(world.benign)
                text, intent = goal.prompt, Intent()
            answer = await self._home.ask(goal, _said(goal, text), intent, f"{self.name}/{self._conversation}")
            self._note(answer, hostile=False)

    async def _pursue(self, goal: Goal, habits: Adversarial) -> bool:
        """Go after one goal, technique after technique. False where no account is left to go on with."""
        techniques = list(self._home.world.techniques[self.kind])
        self.chance.shuffle(techniques)
        patience = 1 + int(self.chance.expovariate(1 / habits.patience))
        attempt = _Pursuit(self, goal, habits, patience)
        try:
            for technique in techniques:
                attempt.begin(technique.name)
                await technique.attack(attempt)
        except Exhausted:
            pass
        return attempt.account_left

    async def request(self, goal: Goal, messages: Sequence[Message], *, disguised: bool, conversation: str) -> Answer:
        """One hostile request, now."""
        answer = await self._home.ask(goal, messages, Intent(True, disguised), conversation)
        self._note(answer, hostile=True)
        return answer

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await self._home.clock.until(self._home.clock.now + seconds)

    def locked_out(self, answer: Answer, habits: Adversarial) -> bool:
        """Whether the account is lost, and no other is left."""
        if answer.locked is None:
            return False
        if len(self._home.accounts) >= habits.accounts_each:
            return True
        self._home.move()
        return False

    def _note(self, answer: Answer, *, hostile: bool) -> None:
        given = self._home.world.given
        habits: Mapping[Kind, Everyday | Adversarial] = {
            Kind.EVERYDAY: given.everyday,
            Kind.CASUAL: given.casual,
            Kind.CAPABLE: given.capable,
        }
        self._exchanges.append(answer.exchange)
        self._hostile.append(hostile)
        if self._stopped_at is None:
            self._harm_before += answer.exchange.harm
        if answer.locked is not None:
            if self._stopped_at is None:
                self._stopped_at = answer.exchange.at
                self._tries_until_stopped = sum(self._hostile)
            self._home.appeal(answer.locked, likely=habits[self.kind].appeals)


class _Pursuit:
    """One person's way to one goal; a `Siege` in simulated time."""

    def __init__(self, person: Person, goal: Goal, habits: Adversarial, patience: int) -> None:
        self.goal = goal
        self.random = person.chance
        self.budget = Budget(queries=patience)
        self.account_left = True
        self._person = person
        self._habits = habits
        self._failures = 0
        self._technique = ""
        self._asked = 0

    @property
    def left(self) -> int:
        """Tries until patience ends."""
        return max(0, self.budget.queries - self._failures)

    def begin(self, technique: str) -> None:
        """Go on in another way."""
        self._technique = technique

    async def reached(self, reply: Reply) -> bool:
        """They stop when they have it, without looking back."""
        return False

    async def ask(
        self,
        messages: str | Sequence[Message],
        *,
        parameters: Mapping[str, Any] | None = None,
        account: int = 0,
        conversation: int | None = None,
        note: str = "",
    ) -> Reply:
        """One try. Raises `Exhausted` when they have what they want, lose patience, or lose their last account."""
        await self._person.wait(self.random.expovariate(1 / self._habits.pace))
        if self._person.gone:
            raise Exhausted
        self._asked += 1
        given = _said(self.goal, messages)
        # The first words of every way but these are the goal in plain words.
        disguised = not (self._technique == "insisting" and self._failures == 0)
        turn = f"{self._technique}/{conversation if conversation is not None else self._asked}"
        named = f"{self._person.name}/{self.goal.id}/{turn}"
        answer = await self._person.request(self.goal, given, disguised=disguised, conversation=named)
        if answer.exchange.harm:
            raise Exhausted
        self._failures += 1
        if self._person.locked_out(answer, self._habits):
            self.account_left = False
            raise Exhausted
        if self._failures >= self.budget.queries:
            raise Exhausted
        return Reply(text="", stopped_by=answer.exchange.stopped_by)


def _said(goal: Goal, messages: str | Sequence[Message]) -> tuple[Message, ...]:
    system = (Message(Role.SYSTEM, (Text(goal.system),), label.SYSTEM),) if goal.system else ()
    if isinstance(messages, str):
        return (*system, Message(Role.USER, (Text(messages),), label.USER))
    return (*system, *messages)


def _poisson(mean: float, chance: random.Random) -> int:
    """Knuth (1969), for small means."""
    limit, count, product = math.exp(-mean), 0, chance.random()
    while product > limit:
        count += 1
        product *= chance.random()
    return count
