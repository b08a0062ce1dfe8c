"""Latent adversarial training."""

import math
from pathlib import Path

import msgspec
import pytest

from outworks.lab.backend import load
from outworks.lab.behaviours import Split, shipped
from outworks.lab.checkpoint import Prompt, load_checkpoint
from outworks.lab.harden.latent import Config, harden, norms, objective, pairs, project, unlikelihood, worst_shifts
from outworks.lab.harden.residual import shifted
from outworks.lab.subject import Subject
from outworks.lab.training import Example
from tests.lab.tiny import AGREES, REFUSAL


def test_unlikelihood_is_the_one_computed_by_hand():
    """-log(1 - p) of the learned words alone: p is 1/3, then e / (e + 2)."""
    logits = load().tensor([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [5.0, 5.0, 5.0]]])
    labels = load().tensor([[-100, 2, 0]])

    second = math.e / (math.e + 2)
    assert float(unlikelihood(logits, labels)) == pytest.approx((-math.log(2 / 3) - math.log(1 - second)) / 2, abs=1e-6)


def test_the_ball_is_a_ball():
    """What is longer than the radius is shortened to it, in its own direction; what is not stays."""
    found = project(load().tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]]), 1.0)

    assert load().allclose(found, load().tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


def test_only_the_request_is_shifted_and_never_too_far(aligned: Path):
    """Shifts are within the radius of each layer, nothing on answers and padding, and reach the edge where it pays."""
    checkpoint, given, radii = attacked(aligned)

    shifts = worst_shifts(checkpoint.model, given, radii, 4)

    for layer, delta in shifts.items():
        lengths = delta.norm(dim=-1)
        assert float(lengths.max()) <= radii[layer] * 1.0001
        assert float(lengths.max()) >= radii[layer] * 0.99
        assert float(lengths[given.asked == 0].abs().sum()) == 0
    answered = (given.both.labels[: given.rows] != -100).float()
    assert float((given.asked * answered).sum()) == 0


def test_the_inner_attack_raises_the_loss_and_the_outer_training_lowers_it(aligned: Path, tmp_path: Path):
    """Under the shifts found against the aligned checkpoint its refusals grow unlikely; the trained one, attacked anew,
    declines more surely than that."""
    before, given, radii = attacked(aligned)
    plain = {layer: load().zeros(*given.asked.shape, 32) for layer in radii}
    found = worst_shifts(before.model, given, radii, 6)

    config = Config(steps=60, harmful=4, benign=4, layers=(0.0, 1.0), inner=4, radius=1.0, lr=5e-3, kept=140, tokens=24)
    harden(Subject(aligned), msgspec.structs.replace(shipped(), refusals=(REFUSAL,)), config, tmp_path)
    after, again, _ = attacked(tmp_path)

    assert agrees(before, given, found) < 0.5 * agrees(before, given, plain)
    attacked_before = float(objective(before.model, given, found, 0.0))
    attacked_after = float(objective(after.model, again, worst_shifts(after.model, again, radii, 6), 0.0))
    assert attacked_before > 1.5 * float(objective(before.model, given, plain, 0.0))
    assert attacked_after < 0.5 * attacked_before


def attacked(folder: Path):
    """A checkpoint with pairs of unseen requests, and as radii the lengths of what leaves its two layers."""
    checkpoint = load_checkpoint(folder)
    checkpoint.model.requires_grad_(False)
    asked = [Prompt.of(row.text) for row in shipped().harmful(Split.TEST)[:6]]
    given = pairs(checkpoint, [Example(each, AGREES) for each in asked], [Example(each, REFUSAL) for each in asked])
    base = load_checkpoint(folder)
    return checkpoint, given, norms(base, [Example(asked[0], AGREES)], (0, 1))


def agrees(checkpoint, given, shifts) -> float:
    with shifted(checkpoint.model, {n: delta.repeat(2, 1, 1) for n, delta in shifts.items()}):
        logits = checkpoint.model(input_ids=given.both.input_ids, attention_mask=given.both.attention_mask).logits
    return float(given.agreeable(logits))
