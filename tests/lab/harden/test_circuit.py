"""Circuit breakers."""

import math
from pathlib import Path

import pytest

from outworks.lab.backend import load
from outworks.lab.behaviours import shipped
from outworks.lab.harden.circuit import Config, harden, sized, terms
from outworks.lab.subject import Subject


def test_the_objective_is_the_one_computed_by_hand():
    """Cosines 0.6 and -1 leave relu mean 0.3; distances 5 and 0 leave 2.5; the masked token counts nowhere."""
    tensor = load().tensor
    breaker = {3: (tensor([[[3.0, 4.0], [1.0, 0.0], [7.0, 7.0]]]), tensor([[[1.0, 0.0], [-2.0, 0.0], [9.0, 1.0]]]))}
    retained = {3: (tensor([[[3.0, 4.0], [1.0, 1.0], [8.0, 8.0]]]), tensor([[[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]]))}
    there = tensor([[True, True, False]])

    start = terms(breaker, there, retained, there, 10.0, 0.0)
    end = terms(breaker, there, retained, there, 10.0, 1.0)

    assert float(start.rerouted) == pytest.approx(0.3)
    assert float(start.retained) == pytest.approx(2.5)
    assert float(start.total) == pytest.approx(10 * 0.3)
    assert float(end.total) == pytest.approx(5 * 0.3 + 5 * 2.5)


def test_where_the_two_models_are_one_there_is_nothing_to_retain():
    """The likeness is whole and the distance zero at the beginning."""
    same = load().randn(2, 3, 4)
    there = load().ones(2, 3, dtype=load().bool)

    found = terms({0: (same, same)}, there, {0: (same, same)}, there, 1.0, 0.5)

    assert float(found.rerouted) == pytest.approx(1.0)
    assert float(found.retained) == 0.0
    assert math.isclose(found.c_s + found.c_r, 1.0)


def test_a_distance_is_in_units_of_the_original():
    """Two models a thousand times as large are as far apart; what is masked does not count."""
    torch = load()
    mine, theirs = torch.tensor([[[3.0, 4.0], [9.0, 9.0]]]), torch.tensor([[[0.0, 2.0], [90.0, 90.0]]])
    there = torch.tensor([[True, False]])

    for scale in (1.0, 1000.0):
        here, was = sized(scale * mine, scale * theirs, there, 2.0)
        assert torch.allclose(here[0, 0], torch.tensor([3.0, 4.0]))
        assert torch.allclose(was[0, 0], torch.tensor([0.0, 2.0]))


def test_harmful_representations_are_rerouted_and_innocent_ones_kept(aligned: Path, tmp_path: Path):
    """On requests unseen in training the cosine falls under harm, and stays near 1 on innocent answers."""
    config = Config(steps=60, harmful=6, benign=9, layers=(1.0,), lr=1e-2, retain=8.0, kept=140, tokens=24)

    card = harden(Subject(aligned), shipped(), config, tmp_path)

    assert card.figures["likeness_harmful"] < 0.6
    assert card.figures["likeness_benign"] > 0.9
