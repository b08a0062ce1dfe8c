"""Siege: one adversary before one target, within its access and its budget; every query is recorded."""

import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from outworks import label
from outworks.adversary import (
    Access,
    AccessError,
    Adversary,
    Attempt,
    Budget,
    Exhausted,
    Goal,
    Prices,
    Query,
    Reply,
    Spent,
    Try,
)
from outworks.label import Source
from outworks.message import Message, Request, Role, Text, Usage
from outworks.trials.target import Target

Reached: TypeAlias = Callable[[Goal, Reply], Awaitable[bool]]
"""Tells an adversary whether it has what it wants."""
_LOGPROBS = frozenset({"logprobs", "top_logprobs"})
_ORDINARY = frozenset({"max_tokens", "seed", "tool_choice"})


class Walls:
    """The siege as the runner keeps it; see `outworks.adversary.Siege`."""

    def __init__(
        self,
        adversary: Adversary,
        target: Target,
        goal: Goal,
        budget: Budget,
        *,
        reached: Reached,
        seed: int,
        name: str,
        prices: Prices | None = None,
        parameters: Mapping[str, Any] | None = None,
        pace: float = 15.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`name` begins every exchange's and account's id, so it must be this siege's alone. `pace` is how many seconds
        of the product's time pass between queries. Raises `AccessError` where the target does not grant what the
        adversary needs."""
        check_access(adversary, target)
        self.goal = goal
        self.budget = budget
        self.random = random.Random(f"{seed}/{adversary.name}/{goal.id}")  # noqa: S311 - chance, not secrecy
        self._adversary = adversary
        self._target = target
        self._reached = reached
        self._seed = seed
        self._name = name
        self._prices = prices or Prices()
        self._parameters = dict(parameters or {})
        self._pace = pace
        self._clock = clock
        self._tries: list[Try] = []
        self._accounts: set[int] = set()
        self._exhausted = False

    @property
    def left(self) -> int:
        """See `Siege`."""
        return max(0, self.budget.queries - len(self._tries))

    @property
    def attempt(self) -> Attempt:
        """What was done so far."""
        return Attempt(
            adversary=self._adversary.name,
            goal=self.goal.id,
            target=self._target.name,
            seed=self._seed,
            tries=tuple(self._tries),
            spent=self._spent(),
            exhausted=self._exhausted,
        )

    async def run(self) -> Attempt:
        """The whole attack. Raises `UpstreamError` where the target did not answer: no defense held there."""
        try:
            await self._adversary.attack(self)
        except Exhausted:
            self._exhausted = True
        finally:
            self._target.leave(self._account(number) for number in self._accounts)
        return self.attempt

    async def reached(self, reply: Reply) -> bool:
        """See `Siege`."""
        return await self._reached(self.goal, reply)

    async def ask(
        self,
        messages: str | Sequence[Message],
        *,
        parameters: Mapping[str, Any] | None = None,
        account: int = 0,
        conversation: int | None = None,
        note: str = "",
    ) -> Reply:
        """See `Siege`."""
        given = (Message(Role.USER, (Text(messages),), label.USER),) if isinstance(messages, str) else tuple(messages)
        asked = Query(
            messages=given,
            parameters=dict(parameters or {}),
            tools=self.goal.tools,
            account=account,
            conversation=len(self._tries) if conversation is None else conversation,
            note=note,
        )
        self._check_declared(asked)
        self._check_budget(account)
        at = len(self._tries) * self._pace
        self._accounts.add(account)
        began = self._clock()
        reply = await self._target.ask(self.request(asked, len(self._tries)), at)
        reply = msgspec.structs.replace(reply, seconds=self._clock() - began)
        self._tries.append(Try(query=asked, reply=reply, at=at))
        return reply

    def request(self, query: Query, number: int) -> Request:
        """The request that a query amounts to."""
        system = (Message(Role.SYSTEM, (Text(self.goal.system),), label.SYSTEM),) if self.goal.system else ()
        return Request(
            id=f"{self._name}#{number}",
            model=self._target.model.name,
            messages=(*system, *query.messages),
            tools=query.tools,
            parameters={**self._parameters, **self._seeded(number), **query.parameters},
            account=self._account(query.account),
            product="trial",
            conversation=f"{self._name}/{query.conversation}",
        )

    def _seeded(self, number: int) -> dict[str, int]:
        """With a seed among the parameters of all requests, one for each query: else asking twice were asking once."""
        seed = self._parameters.get("seed")
        return {"seed": seed + number} if isinstance(seed, int) else {}

    def _account(self, number: int) -> str:
        return f"{self._name}:{number}"

    def _check_declared(self, query: Query) -> None:
        missing = needs(query) - self._adversary.access
        if missing:
            names = ", ".join(sorted(missing))
            raise AccessError(f"the adversary {self._adversary.name!r} uses {names}, which it did not declare")

    def _check_budget(self, account: int) -> None:
        budget, spent = self.budget, self._spent()
        over = (
            spent.queries >= budget.queries
            or (budget.tokens is not None and spent.input_tokens + spent.output_tokens >= budget.tokens)
            or (budget.seconds is not None and spent.seconds >= budget.seconds)
            or (budget.money is not None and spent.money >= budget.money)
            or len(self._accounts | {account}) > budget.accounts
        )
        if over:
            raise Exhausted

    def _spent(self) -> Spent:
        return paid([one.reply for one in self._tries], len(self._accounts), self._prices)


class Priced(Protocol):
    """What a query's price is read from."""

    @property
    def usage(self) -> Usage: ...
    @property
    def seconds(self) -> float: ...


def paid(replies: Sequence[Priced], accounts: int, prices: Prices) -> Spent:
    """What these queries cost an adversary. The first account is everybody's own."""
    usage = Usage(sum(r.usage.input_tokens for r in replies), sum(r.usage.output_tokens for r in replies))
    money = usage.input_tokens * prices.input_million / 1e6 + usage.output_tokens * prices.output_million / 1e6
    return Spent(
        queries=len(replies),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        seconds=sum(r.seconds for r in replies),
        accounts=accounts,
        money=money + max(0, accounts - 1) * prices.account,
    )


def needs(query: Query) -> frozenset[Access]:
    """The access that a query takes."""
    needed = {Access.PROMPTS}
    names = set(query.parameters)
    if names & _LOGPROBS:
        needed.add(Access.LOGPROBS)
    if names - _LOGPROBS - _ORDINARY:
        needed.add(Access.SAMPLING)
    if query.messages and query.messages[-1].role is Role.ASSISTANT:
        needed.add(Access.PREFILL)
    for message in query.messages:
        if message.role is Role.TOOL:
            needed.add(Access.TOOL_RESULTS)
        elif Source.TOOL in message.label.sources:
            needed.add(Access.DOCUMENTS)
    if query.account:
        needed.add(Access.ACCOUNTS)
    return frozenset(needed)


def check_access(adversary: Adversary, target: Target) -> None:
    """Raise `AccessError` where the target does not grant all that the adversary needs."""
    missing = adversary.access - target.grants
    if missing:
        names = ", ".join(sorted(missing))
        raise AccessError(
            f"the adversary {adversary.name!r} needs {names}, which the target {target.name!r} grants nobody"
        )
