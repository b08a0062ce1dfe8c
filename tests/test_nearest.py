"""The name that was probably meant."""

import time

from outworks.adversary import Tier
from outworks.nearest import did_you_mean


def test_the_nearest_known_name_is_proposed():
    """A slip of the keys is met with the valid name."""
    hint = did_you_mean("flwo", ["flow", "links", "leak"])

    assert hint == "; did you mean 'flow'?"


def test_nothing_near_says_what_else_there_is():
    """Where nothing is near, what the caller has to say instead follows, or nothing does."""
    known = ["flow", "links"]

    assert did_you_mean("zzz", known, "expected flow or links") == "; expected flow or links"
    assert did_you_mean("zzz", known) == ""


def test_an_enumeration_is_named_by_its_values():
    """What the user can write is proposed, not what the code calls it."""
    assert did_you_mean("casul", Tier) == "; did you mean 'casual'?"


def test_a_huge_name_costs_no_more_than_a_long_one():
    """What a stranger sends as a name cannot keep a worker busy."""
    began = time.perf_counter()

    did_you_mean("a" * 1_000_000, ["a" * 90] * 20)

    assert time.perf_counter() - began < 1.0
