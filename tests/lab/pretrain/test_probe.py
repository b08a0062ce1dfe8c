"""Recognising by a linear probe."""

from pathlib import Path

import numpy as np
import pytest

from outworks.lab.backend import load
from outworks.lab.checkpoint import load_checkpoint
from outworks.lab.pretrain.probe import auc, features, fit


def test_the_auc_is_the_one_counted_by_hand():
    """Of 2 x 3 pairs the toxic one is above in 4, and ties in 1: 4.5 / 6."""
    scores = np.array([3.0, 1.0, 1.0, 0.0, 2.0])
    toxic = np.array([True, True, False, False, False])

    assert auc(scores, toxic) == pytest.approx(4.5 / 6)
    with pytest.raises(ValueError, match="it was given 0 toxic and 5 innocent ones"):
        auc(scores, ~np.ones(5, dtype=bool))


def test_the_probe_finds_the_direction_and_not_the_scale():
    """One of three features tells, on a scale of thousands; unseen rows are ordered right, and chance stays chance."""
    chance = np.random.default_rng(0)
    rows = chance.normal(size=(400, 3)) * [1.0, 1000.0, 0.01]
    toxic = rows[:, 1] > 0

    probe = fit(rows[:200], toxic[:200])

    assert auc(probe.scores(rows[200:]), toxic[200:]) > 0.98
    noise = fit(rows[:200], chance.random(200) > 0.5)
    assert auc(noise.scores(rows[200:]), chance.random(200) > 0.5) == pytest.approx(0.5, abs=0.12)


def test_features_are_means_over_the_texts_own_tokens(tiny: Path):
    """Whatever it is batched and padded with."""
    checkpoint = load_checkpoint(tiny)
    short, long = "How does a crisis line work?", "I feel lonely. What helps? How do I find a good therapist?"

    both = features(checkpoint, [short, long])

    ids = checkpoint.tokenizer(short, return_tensors="pt", add_special_tokens=False)["input_ids"]
    with load().no_grad():
        states = checkpoint.model(input_ids=ids, output_hidden_states=True).hidden_states[1:]
    expected = np.concatenate([each[0].mean(dim=0).double().numpy() for each in states])
    assert both.shape == (2, 64)
    assert both[0] == pytest.approx(expected, abs=1e-5)
