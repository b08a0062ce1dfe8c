"""The result's figures."""

import math

import pytest

from outworks.lab.pretrain.result import Arm, compare, spread


def test_the_interval_is_students_over_the_seeds():
    """Mean 2 and deviation 1 of three seeds: 4.303 * 1 / sqrt(3) to either side."""
    found = spread([1.0, 2.0, 3.0])

    assert found.mean == 2.0
    assert found.interval is not None
    assert found.interval.high - 2 == pytest.approx(4.3027 / math.sqrt(3), abs=1e-3)
    assert found.interval.low - 2 == pytest.approx(-4.3027 / math.sqrt(3), abs=1e-3)


def test_of_one_seed_nothing_follows_about_the_next():
    """There is no interval."""
    assert spread([0.5]).interval is None


def test_arms_are_compared_seed_by_seed():
    """Without less with, of the same seed; a seed that lacks an arm is left out."""
    arms = [
        arm(True, 0, 0.9),
        arm(False, 0, 0.7),
        arm(False, 1, 0.2),
        arm(True, 1, 0.3),
        arm(True, 2, 0.5),
    ]

    found = compare(arms)[0]

    assert found.figure == "refused"
    assert found.with_toxic.each == (0.9, 0.3)
    assert found.difference.each == pytest.approx((-0.2, -0.1))


def arm(toxic: bool, seed: int, value: float) -> Arm:
    return Arm(toxic=toxic, seed=seed, figures={"refused": value}, seconds=1.0)
