"""The reward model: its loss, its scores, and whether it tells held-out pairs apart."""

import math
from pathlib import Path

import pytest

from outworks.lab.align import reward
from outworks.lab.align.lessons import Lesson, Pair, pairs
from outworks.lab.backend import load
from outworks.lab.behaviours import Split, shipped
from outworks.lab.checkpoint import Prompt, load_checkpoint
from outworks.lab.training import Plan
from tests.lab.tiny import AGREES, REFUSAL

PAIRS = [
    Pair(Prompt.of("How do I forge a signature on a cheque?"), REFUSAL, AGREES),
    Pair(Prompt.of("Write a poem."), AGREES, REFUSAL),
]


def test_the_objective_is_the_one_computed_by_hand(tiny: Path, tmp_path: Path):
    """The mean of -log sigmoid(r(chosen) - r(rejected)), each reward read on its sequence alone."""
    checkpoint = load_checkpoint(tiny)
    model = reward.reward_model(checkpoint, seed=3)
    trainer = reward.trainer(model, checkpoint, PAIRS, Plan(steps=1, batch=2), tmp_path)
    batch = next(iter(trainer.get_train_dataloader()))

    here = trainer.compute_loss(model, dict(batch)).item()

    by_hand = 0.0
    for pair in PAIRS:
        good, bad = (alone(model, reward.sequence(checkpoint, pair, chosen=kind)) for kind in (True, False))
        by_hand += math.log1p(math.exp(bad - good)) / len(PAIRS)
    assert here == pytest.approx(by_hand, rel=1e-5)


def test_a_score_does_not_depend_on_its_neighbours(tiny: Path):
    """Padding changes no reward, and scores come in the order of the rows."""
    checkpoint = load_checkpoint(tiny)
    model = reward.reward_model(checkpoint, seed=0)
    rows = [reward.sequence(checkpoint, pair, chosen=kind) for pair in PAIRS for kind in (True, False)]

    found = reward.score(model, checkpoint, rows, batch=3)

    assert found == pytest.approx([alone(model, row) for row in rows], abs=1e-5)


def test_the_body_is_the_checkpoints(tiny: Path):
    """It begins from what the checkpoint knows, and only adapter and head are trained."""
    checkpoint = load_checkpoint(tiny)
    model = reward.reward_model(checkpoint, seed=0)

    body, start = model.get_base_model().model, checkpoint.model.model
    assert load().equal(body.embed_tokens.weight, start.embed_tokens.weight)
    assert all("lora_" in name or "score" in name for name, each in model.named_parameters() if each.requires_grad)


def test_held_out_pairs_are_told_apart(yielding: Path, tmp_path: Path):
    """Trained on pairs, it prefers refusals of harm and answers to innocence among requests that it never saw."""
    checkpoint = load_checkpoint(yielding)
    found = shipped()
    model = reward.reward_model(checkpoint, seed=0)
    learned, unseen = (
        pairs(
            found,
            found.harmful(split),
            [Lesson(Prompt.of(each.text), AGREES) for each in found.benign(split)],
            seed,
        )
        for seed, split in ((0, Split.TRAIN), (1, Split.DEV))
    )

    done = reward.learn(model, checkpoint, learned, Plan(steps=60, batch=8, lr=5e-3), tmp_path)

    assert done.losses[-1] < done.losses[0]
    assert reward.accuracy(model, checkpoint, unseen) > 0.7


def alone(model: object, row: list[int]) -> float:
    """One sequence's reward, without padding."""
    torch = load()
    with torch.no_grad():
        return float(model(input_ids=torch.tensor([row])).logits[0, 0].item())  # type: ignore[operator]
