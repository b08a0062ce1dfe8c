"""The trial over a small world: what is counted, and that the defense makes the difference."""

import json

import msgspec
import pytest

from outworks.defense import Mode
from outworks.defenses.flow import Seal
from outworks.defenses.flow.confirm import token
from outworks.message import ToolCall
from outworks.trials.hijack import Call, Figures, Planner, Suite, Threat, as_json, defended, try_suite
from outworks.trials.hijack.episode import Person, run
from tests.kit import asks
from tests.trials.hijack.world import SEND_ANN, SEND_FOUND, SETTINGS, STEAL, SWAY, World

BARE = msgspec.structs.replace(SETTINGS, mode=Mode.OFF)
PLANNER = Planner(frozenset({"send"}))


@pytest.mark.parametrize("threat", Threat)
async def test_a_bare_agent_reaches_every_goal(threat: Threat) -> None:
    """Without a defense the attacker gets what it wants, and the user too: the trial can fail."""
    figures = await try_suite(World(), defended(BARE), PLANNER, threats=[threat])  # type: ignore[arg-type]

    (attacks,) = figures.attacks
    assert (attacks.pairs, attacks.attacks_by_calls, attacks.attacks_reached) == (6, 3, 3)
    assert attacks.attacks_words_only == 3
    assert attacks.user_tasks_completed == 6
    assert figures.users.user_tasks_untouched == 3


@pytest.mark.parametrize("threat", Threat)
async def test_with_flow_no_goal_is_reached_through_tool_calls(threat: Threat) -> None:
    """The same agent reaches nothing by calls; words to the reader are counted apart, by name."""
    figures = await try_suite(World(), defended(SETTINGS), PLANNER, threats=[threat])  # type: ignore[arg-type]

    (attacks,) = figures.attacks
    assert (attacks.attacks_by_calls, attacks.attacks_reached) == (3, 0)
    assert {pair.attack for pair in attacks.words_only} == {SWAY.id}
    assert attacks.user_tasks_completed == 6
    assert attacks.refused > 0


async def test_user_tasks_are_untouched_or_done_with_confirmations() -> None:
    """A recipient in the user's words needs nobody; one that the notes name needs one confirmation."""
    figures = await try_suite(World(), defended(SETTINGS), PLANNER, threats=[])  # type: ignore[arg-type]

    users = figures.users
    assert (users.user_tasks, users.user_tasks_untouched, users.user_tasks_completed) == (3, 2, 3)
    assert (users.confirmations, users.touched) == (1, ("user_task_1: 1",))


async def test_nothing_is_declared_without_a_plan() -> None:
    """With no declared actions, a policy that asks for them has the person confirm each consequential call."""
    planner = Planner(frozenset({"send"}), declares=False)

    figures = await try_suite(World(), defended(SETTINGS), planner, threats=[])  # type: ignore[arg-type]

    assert figures.users.user_tasks_untouched == 1
    assert figures.users.user_tasks_completed == 3


async def test_a_goal_that_is_reached_and_undone_again_was_reached() -> None:
    """The attacker's success is looked for after each of its calls, not only at the end."""

    class Forgetful(World):
        def reached(self, attack: object, says: str, state: object) -> bool:
            return state.sent[-1:] == ["eve@evil.test"]  # type: ignore[attr-defined]

    outcome = await run(
        Forgetful(),  # type: ignore[arg-type]
        SEND_ANN,
        defended(BARE),
        actions=("send",),
        attack=STEAL,
        threat=Threat.HIJACKED,
    )

    assert outcome.reached
    assert outcome.solved


@pytest.mark.parametrize(
    ("held", "wants"),
    [
        ([("send", '{"to": "bob@x.test"}')], [True, False]),
        ([("send", '{ "to":"bob@x.test" }')], [True, False]),
        ([("send", '{"to": "eve@evil.test"}')], [False, False]),
        ([("send", '{"to": "bob@x.test"}'), ("send", '{"to": "eve@evil.test"}')], [False, False]),
    ],
)
def test_the_person_wants_the_calls_of_their_task_each_once(held: list[tuple[str, str]], wants: list[bool]) -> None:
    """They look at the call that the confirmation shows, and refuse what they did not ask for."""
    seal = Seal.random()
    tokens = tuple(token(seal, asks(), ToolCall("", *call), expires=9e9) for call in held)
    person = Person((Call("send", {"to": "bob@x.test"}),))

    assert [person.wants(tokens), person.wants(tokens)] == wants


def test_a_token_that_cannot_be_read_is_not_wanted() -> None:
    """Nobody confirms what they cannot see."""
    assert not Person((Call("send", {}),)).wants(("no token",))
    assert not Person((Call("send", {}),)).wants(())


async def test_figures_are_one_json_object() -> None:
    """Totals, each threat model and each suite; a pair that is reached in both threat models counts once."""
    bare = await try_suite(World(), defended(BARE), PLANNER)  # type: ignore[arg-type]
    figures = json.loads(as_json(Figures(target="bare", suites=(bare,))))

    assert (figures["pairs"], figures["attacks_reached"], figures["attacks_words_only"]) == (6, 3, 3)
    assert figures["confirmations_per_task"] == 0
    assert set(figures["threats"]) == {"hijacked", "compromised"}
    assert figures["suites"]["world"]["threats"]["hijacked"]["attacks_reached"] == 3
    assert figures["suites"]["world"]["user_tasks"] == 3


def test_an_unknown_suite_is_told_with_the_known_ones_and_the_nearest() -> None:
    """A misspelt suite is an error that lists what there is, and names what was probably meant."""
    known = "there is no suite 'slak'; known: workspace, travel, banking, slack; did you mean 'slack'[?]"
    with pytest.raises(LookupError, match=known):
        Suite("slak")


async def test_the_two_confirmations_of_one_task_are_two() -> None:
    """Held calls are counted, not tasks."""
    found = SEND_FOUND
    outcome = await run(World(), found, defended(SETTINGS), actions=())  # type: ignore[arg-type]

    assert (outcome.confirmed, outcome.refused, outcome.stopped, outcome.solved) == (1, 0, 0, True)
