"""Reinforcement learning from preferences: advantages, loss, leash, and the three stages together."""

from pathlib import Path
from typing import Any

import pytest

from outworks.lab.align import rlhf
from outworks.lab.backend import load
from outworks.lab.behaviours import Split, shipped
from outworks.lab.checkpoint import Checkpoint, load_checkpoint
from outworks.lab.subject import Subject
from outworks.lab.work import read_card
from tests.lab.align.asking import StopAt, few, same_weights

PLAY = rlhf.Config(samples=4, batch=8, beta=0.5, tokens=8, steps=1)
SHORT = rlhf.Config(
    supervised_steps=3, reward_steps=3, steps=5, samples=2, batch=4, contrasts=4, tokens=8, save_every=2, lr=3e-3
)


@pytest.fixture(scope="module")
def whole(yielding: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run makes that nobody stopped."""
    out = tmp_path_factory.mktemp("whole") / "out"
    rlhf.align(Subject(yielding), few(4), SHORT, out)
    return out


def test_an_advantage_is_the_reward_less_the_leash_less_the_others_mean(yielding: Path, tmp_path: Path):
    """For each sample: reward - beta x divergence, less the mean of the same for the other samples of its request."""
    policy = load_checkpoint(yielding, trainable=True)
    trainer = played(policy, tmp_path)
    shift(policy)
    asked = next(iter(trainer.get_train_dataloader()))

    found = trainer._generate_and_score_completions(asked)

    rewards = found["completion_mask"].sum(1).float() + found["completion_ids"][:, 0] % 5
    divergence = found["old_logps"] - reference_logps(policy, found)
    assert divergence.abs().max() > 0.05
    for group in (range(4), range(4, 8)):
        lessened = [(rewards[n] - PLAY.beta * divergence[n]).item() for n in group]
        for place, n in enumerate(group):
            others = [each for other, each in enumerate(lessened) if other != place]
            assert found["advantages"][n].item() == pytest.approx(lessened[place] - sum(others) / 3, abs=2e-3)


def test_the_objective_is_the_one_computed_by_hand(yielding: Path, tmp_path: Path):
    """-mean of min(ratio x advantage, clipped ratio x advantage), the ratio of whole answers' probabilities."""
    policy = load_checkpoint(yielding, trainable=True)
    trainer = played(policy, tmp_path)
    found = trainer._generate_and_score_completions(next(iter(trainer.get_train_dataloader())))
    moved = load().tensor([0.05, -0.4, 0.4, 0.0, -0.05, 0.3, -0.3, 0.1])
    found["advantages"] = load().tensor([1.0, -2.0, 1.5, -0.5, 0.5, -1.0, 2.0, -1.5])

    here = trainer.compute_loss(policy.model, {**found, "old_logps": found["old_logps"] - moved}).item()

    by_hand = 0.0
    for ratio, advantage in zip(moved.exp().tolist(), found["advantages"].tolist(), strict=True):
        by_hand -= min(ratio * advantage, min(max(ratio, 0.8), 1.2) * advantage) / 8
    assert here == pytest.approx(by_hand, abs=1e-4)


def test_what_is_rewarded_becomes_frequent(yielding: Path, tmp_path: Path):
    """Under the learned reward, on its leash, the policy's mean reward rises, and it leaves its warm start."""
    config = rlhf.Config(
        supervised_steps=60,
        supervised_lr=5e-3,
        reward_steps=50,
        reward_lr=5e-3,
        steps=30,
        lr=3e-3,
        samples=4,
        batch=16,
        tokens=12,
        contrasts=40,
    )

    card = rlhf.align(Subject(yielding), few(40), config, tmp_path / "out")

    figures = card.figures
    assert figures["reward_accuracy_held_out"] > 0.6
    assert figures["reward_last"] > figures["reward_first"]
    assert abs(figures["kl_first"]) < 0.01 < figures["kl_last"]
    assert (tmp_path / "out" / "reward" / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("stage", ["reward model", "warm start", "policy"])
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(yielding: Path, whole: Path, tmp_path: Path, stage: str):
    """Stopped in any of the three stages, it goes on to the same policy and the same figures."""
    with pytest.raises(KeyboardInterrupt):
        rlhf.align(Subject(yielding), few(4), SHORT, tmp_path / "cut", StopAt(stage, 3))

    resumed = rlhf.align(Subject(yielding), few(4), SHORT, tmp_path / "cut")

    assert same_weights(whole, tmp_path / "cut")
    assert resumed.figures == read_card(whole).figures


@pytest.mark.parametrize(("batch", "samples"), [(8, 3), (8, 1)])
def test_samples_must_fill_the_batch(tmp_path: Path, batch: int, samples: int):
    """Each request's samples stand in one batch, two of them at the least."""
    with pytest.raises(ValueError, match=f"`batch` is {batch} and `samples` {samples}; expected at least 2"):
        rlhf.align(Subject("nowhere"), few(1), rlhf.Config(batch=batch, samples=samples), tmp_path)


def played(policy: Checkpoint, folder: Path) -> Any:
    """The trainer with a reward that can be computed by hand: an answer's length, and which word is its first."""

    class Judge:
        training = False

        def eval(self) -> None: ...

        def train(self, _: bool) -> None: ...

    trainer = rlhf.trainer(policy, Judge(), shipped().harmful(Split.TRAIN)[:2], PLAY, folder)

    def rewards(completion_ids: list[list[int]], **_: Any) -> list[float]:
        return [len(each) + float(each[0] % 5) for each in completion_ids]

    trainer.reward_funcs = [rewards]
    return trainer


def reference_logps(policy: Checkpoint, found: dict[str, Any]) -> Any:
    """log p of the answers under the model without its adapter, by its plain forward pass."""
    torch = load()
    tokens = torch.cat([found["prompt_ids"], found["completion_ids"]], 1)
    mask = torch.cat([found["prompt_mask"], found["completion_mask"]], 1)
    with torch.no_grad(), policy.model.disable_adapter():
        logits = policy.model(input_ids=tokens, attention_mask=mask).logits
    width = found["completion_ids"].shape[1]
    rows = torch.log_softmax(logits[:, -width - 1 : -1], -1)
    each = rows.gather(2, found["completion_ids"].unsqueeze(2)).squeeze(2)
    return (each * found["completion_mask"]).sum(1)


def shift(policy: Checkpoint) -> None:
    """Move the policy away from its reference."""
    torch = load()
    torch.manual_seed(1)
    for name, weight in policy.model.named_parameters():
        if ".default." in name:
            weight.data += 0.05 * torch.randn_like(weight)
