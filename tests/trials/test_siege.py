"""Sieges: access is granted or refused by name, budgets hold, and one seed is one attack."""

import pytest

from outworks.adversary import Access, AccessError, Budget, Prices
from outworks.models.scripted import Scripted
from outworks.trials.adversaries import adversaries
from outworks.trials.adversaries.decoding import Decoding
from outworks.trials.adversaries.said import assistant, called, pasted, user
from outworks.trials.target import EVERYTHING
from tests.trials.kit import SECRET, Asks, prompts, siege, target, walls

MODEL = Scripted(default="one two three")


def test_what_a_target_does_not_grant_is_refused_by_name() -> None:
    """An adversary whose access is missing is not run, and it is said which."""
    with pytest.raises(AccessError, match="'decoding' needs sampling, which the target 'scripted' grants nobody"):
        walls(Decoding(), target(MODEL, grants=frozenset({Access.PROMPTS})), SECRET)


@pytest.mark.parametrize("access", [one for one in Access if one not in (Access.PROMPTS, Access.LOGPROBS)])
def test_every_kind_of_access_can_be_withheld(access: Access) -> None:
    """For each kind somebody needs it, and is turned away without it."""
    who = [each for each in adversaries() if access in each.access]

    assert who
    for each in who:
        with pytest.raises(AccessError, match=access.value):
            walls(each, target(MODEL, grants=frozenset(Access) - {access}), SECRET)


@pytest.mark.parametrize(
    ("messages", "more", "needed"),
    [
        ("hello", {"parameters": {"temperature": 1.2}}, "sampling"),
        ("hello", {"parameters": {"top_logprobs": 3}}, "logprobs"),
        ([user("hello"), assistant("Sure")], {}, "prefill"),
        ([pasted("sum up", "text")], {}, "documents"),
        ([user("hello"), *called("read", "text")], {}, "tool_results"),
        ("hello", {"account": 1}, "accounts"),
    ],
)
async def test_an_adversary_uses_only_what_it_declared(messages: object, more: dict[str, object], needed: str) -> None:
    """Else its tier would be told wrongly."""
    asks = Asks(messages, **more)  # type: ignore[arg-type]

    with pytest.raises(AccessError, match=f"uses {needed}, which it did not declare"):
        await siege(asks, target(MODEL), SECRET)


@pytest.mark.parametrize(
    ("budget", "queries"),
    [
        (Budget(queries=3), 3),
        (Budget(queries=99, tokens=1), 1),
        (Budget(queries=99, money=0.5), 1),
        (Budget(queries=99, seconds=1e-9), 1),
    ],
)
async def test_a_budget_ends_the_attack(budget: Budget, queries: int) -> None:
    """Whichever of its limits is met first; what was done until then is kept."""
    attempt = await siege(Asks(*["hello"] * 9), target(MODEL), SECRET, budget, prices=Prices(output_million=1e6))

    assert len(attempt.tries) == attempt.spent.queries == queries
    assert attempt.exhausted


async def test_accounts_are_bounded_and_paid_for() -> None:
    """The first account is everybody's own; each further one costs, and there are only so many."""

    class Many(Asks):
        async def attack(self, siege: object) -> None:
            for account in range(9):
                await siege.ask("hello", account=account)  # type: ignore[attr-defined]

    attempt = await siege(
        Many(access=EVERYTHING), target(MODEL), SECRET, Budget(accounts=3), prices=Prices(account=2.0)
    )

    assert attempt.spent.accounts == 3
    assert attempt.spent.money == 4.0


async def test_two_sieges_with_one_seed_send_the_same() -> None:
    """And with another seed, something else."""
    for each in adversaries():
        grants = frozenset(Access)
        first, again, other = [
            prompts(await siege(each, target(MODEL, grants=grants), SECRET, seed=seed)) for seed in (1, 1, 2)
        ]
        assert first == again, each.name
        if each.name == "best_of_n":
            assert first != other


async def test_everything_is_asked_under_the_goals_system_prompt_and_an_account_of_its_own() -> None:
    """The product's words come first, and no siege shares an account with another."""
    model = Scripted()
    await siege(Asks("hello"), target(model), SECRET, name="here")
    await siege(Asks("hello"), target(model), SECRET, name="there")

    first, second = model.requests
    assert first.system_prompt == SECRET.system
    assert first.account != second.account
    assert first.id != second.id


async def test_with_a_seed_every_query_has_another() -> None:
    """Asking twice is not asking once."""
    model = Scripted()
    await siege(Asks("hello", "hello"), target(model), SECRET, parameters={"seed": 7})

    assert [request.parameters["seed"] for request in model.requests] == [7, 8]
