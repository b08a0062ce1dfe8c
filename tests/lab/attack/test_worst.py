"""The union of several attacks on one checkpoint."""

import msgspec
import pytest

from outworks.lab.attack.worst import worst
from outworks.lab.attempt import Attacked, Tried


def attacked(attack: str, *settings: str, seed: int = 0, checkpoint: str = "here") -> Attacked:
    """A result in which each setting is a string of + and -, one a behaviour; a space was not asked."""
    tried = tuple(
        Tried(behaviour=f"b{n}", setting=f"s{at}", answer="", reached=mark == "+")
        for at, marks in enumerate(settings)
        for n, mark in enumerate(marks)
        if mark != " "
    )
    return Attacked(attack=attack, checkpoint=checkpoint, seed=seed, configuration={}, tried=tried)


def test_a_behaviour_that_any_attack_reaches_counts():
    """The union is more than the best attack; each attack's own share stands beside it."""
    found = worst([attacked("decoding", "+---", "-+--"), attacked("prefill", "--+-")])

    assert found.reached.value == 0.75
    assert found.queries == 3
    assert {name: (share.reached.value, share.queries) for name, share in found.by_attack.items()} == {
        "decoding": (0.5, 2),
        "prefill": (0.25, 1),
    }
    assert found.reached.interval.low < 0.75 < found.reached.interval.high


def test_a_budget_is_spent_in_the_order_given():
    """What comes after the last query of the budget was not asked."""
    rows = [attacked("decoding", "+---", "-+--"), attacked("prefill", "--+-")]

    assert [worst(rows, queries=n).reached.value for n in (1, 2, 3)] == [0.25, 0.5, 0.75]
    assert [worst(rows, queries=n).queries for n in (1, 2, 9)] == [1, 2, 3]


def test_an_attack_on_some_behaviours_leaves_the_others_in():
    """A search on one request does not shrink the denominator."""
    found = worst([attacked("prefill", "----"), attacked("gcg", "+   ")])

    assert found.reached.value == 0.25
    assert found.by_attack["gcg"].reached.of == 1


def test_seeds_are_runs_of_their_own():
    """What one seed reaches and another does not is half reached, not reached; behaviours are what intervals count."""
    rows = [attacked("decoding", "+-", seed=0), attacked("decoding", "--", seed=1)]

    found = worst(rows)

    assert found.reached.value == 0.25
    assert (found.runs, found.queries) == (2, 1)
    assert (found.reached.clusters, found.reached.of) == (2, 4)


def test_two_configurations_of_one_attack_are_one_name():
    """Fine-tuning on ten examples and on a hundred are both fine-tuning; their union is its share."""
    found = worst([attacked("finetune", "+-"), attacked("finetune", "-+")])

    assert found.by_attack["finetune"].reached.value == 1.0


def test_the_label_says_how_little_it_is():
    """A lower bound, by which attacks, at which budget."""
    rows = [attacked("decoding", "+-", "--", seed=seed) for seed in (0, 1)]

    assert worst(rows).label == "lower bound: only decoding ran, with at most 2 queries a behaviour, 2 seeds"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "no attack asked anything"),
        ([attacked("decoding")], "no attack asked anything"),
        ([attacked("a", "+"), attacked("b", "+", checkpoint="there")], "results of here, there; expected those of one"),
        ([attacked("a", "+"), attacked("a", "+", seed=1), attacked("b", "+")], "b has no result for seed 1"),
    ],
)
def test_what_cannot_be_united_is_an_error(rows: list[Attacked], says: str):
    """Nothing, several checkpoints, or unlike runs."""
    with pytest.raises(ValueError, match=says):
        worst(rows)


def test_a_budget_of_nothing_is_an_error():
    """At least one query."""
    with pytest.raises(ValueError, match="a budget of 0 queries; expected at least 1"):
        worst([attacked("a", "+")], queries=0)


def test_it_can_be_written_down():
    """The result goes to JSON and back."""
    found = worst([attacked("a", "+-")])

    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
