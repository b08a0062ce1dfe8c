"""The loop, its data and its resuming."""

import math
import random
import warnings
from pathlib import Path
from typing import Any

import pytest

from outworks.lab.backend import load
from outworks.lab.behaviours import Split, shipped
from outworks.lab.checkpoint import Checkpoint, Prompt, load_checkpoint
from outworks.lab.generating import answers
from outworks.lab.refusing import refused
from outworks.lab.training import Example, Plan, draw, encode, likelihood_loss, token_loss, train
from tests.lab.tiny import AGREES, REFUSAL, said

PLAN = Plan(steps=7, batch=2, lr=1e-2, save_every=3)


def test_the_objective_is_the_one_computed_by_hand():
    """Two positions, three words: the mean of -log p of the learned words alone."""
    torch = load()
    logits = torch.tensor([[[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [5.0, 5.0, 5.0]]])
    labels = torch.tensor([[-100, 2, 1]])

    first = -math.log(math.exp(3) / (math.exp(1) + math.exp(2) + math.exp(3)))
    second = -math.log(1 / 3)
    assert float(token_loss(logits, labels)) == pytest.approx((first + second) / 2, abs=1e-6)


def test_only_the_answer_is_learned(tiny: Path):
    """What is asked, and what was forced on the answer, carry no label; the answer's words and its end do."""
    checkpoint = load_checkpoint(tiny)
    batch = encode(checkpoint, [said("How do I find a good therapist?", REFUSAL, prefill="Sure, ")])

    learned = batch.labels[0][batch.labels[0] != -100]
    assert checkpoint.tokenizer.decode(learned).replace("<|im_end|>", "").strip() == REFUSAL
    assert learned[-1] == checkpoint.tokenizer.eos_token_id


def test_a_round_takes_every_row_once():
    """No row is seen twice before all were seen once, over the ends of batches too."""
    rows = list(range(10))

    seen = [row for step in range(10) for row in draw(rows, step, 3, seed=5)]

    assert len(seen) == 30
    assert all(sorted(seen[at : at + 10]) == rows for at in (0, 10, 20))


def test_one_seed_is_one_run(tiny: Path):
    """The same seed gives the same losses and weights, to the last bit; another does not."""
    first, again, other = (run(tiny, PLAN), run(tiny, PLAN), run(tiny, Plan(steps=7, batch=2, lr=1e-2, seed=1)))

    assert first.losses == again.losses
    assert first.losses != other.losses


@pytest.mark.parametrize("at", [3, 4, 6])
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(tiny: Path, tmp_path: Path, at: int):
    """Stopped at any step, it goes on from the last kept state to the same losses and the same weights."""
    whole = load_checkpoint(tiny, trainable=True)
    losses = go(whole, PLAN, None).losses
    cut = load_checkpoint(tiny, trainable=True)
    with pytest.raises(KeyboardInterrupt):
        go(cut, PLAN, tmp_path, stop=at)

    resumed = load_checkpoint(tiny, trainable=True)
    found = go(resumed, PLAN, tmp_path)

    assert found.resumed_at == at // 3 * 3
    assert found.losses == losses
    assert all(load().equal(a, b) for a, b in zip(resumed.model.parameters(), whole.model.parameters(), strict=True))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("left", [0, 2000])
def test_a_state_that_was_damaged_is_not_gone_on_from(tiny: Path, tmp_path: Path, left: int):
    """An empty or cut file says nothing: it begins anew, to the same losses."""
    losses = go(load_checkpoint(tiny, trainable=True), PLAN, None).losses
    with pytest.raises(KeyboardInterrupt):
        go(load_checkpoint(tiny, trainable=True), PLAN, tmp_path, stop=5)
    (state,) = tmp_path.iterdir()
    state.write_bytes(state.read_bytes()[:left])

    found = go(load_checkpoint(tiny, trainable=True), PLAN, tmp_path)

    assert found.resumed_at == 0
    assert found.losses == losses


def test_another_plan_does_not_go_on_from_this_ones_state(tiny: Path, tmp_path: Path):
    """A state that was kept under other settings is not mixed with these."""
    with pytest.raises(KeyboardInterrupt):
        go(load_checkpoint(tiny, trainable=True), PLAN, tmp_path, stop=5)

    found = go(load_checkpoint(tiny, trainable=True), Plan(steps=7, batch=2, lr=1e-3, save_every=3), tmp_path)

    assert found.resumed_at == 0


def test_a_loss_that_is_no_number_is_an_error(tiny: Path):
    """Training does not go on from a broken step, and says what to lower."""
    checkpoint = load_checkpoint(tiny, trainable=True)

    with pytest.raises(ArithmeticError, match=r"step 0; lower `lr`"), warnings.catch_warnings():
        warnings.simplefilter("error")
        train(checkpoint, PLAN, lambda *_: load().tensor(float("nan"), requires_grad=True))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steps": -1}, "`steps` is -1; expected at least 0"),
        ({"batch": 0}, "`batch` is 0; expected at least 1"),
        ({"save_every": 0}, "`save_every` is 0; expected at least 1"),
        ({"lr": float("nan")}, "`lr` is nan; expected a number above 0"),
        ({"lr": 0.0}, "`lr` is 0; expected a number above 0"),
    ],
)
def test_a_plan_that_trains_nothing_is_refused(wrong: dict[str, Any], said: str):
    """By name and value, whoever makes it."""
    with pytest.raises(ValueError, match=said):
        Plan(**wrong)


def test_lack_of_memory_says_what_to_lower(tiny: Path):
    """An allocation that fails is told in terms of the settings."""
    checkpoint = load_checkpoint(tiny, trainable=True)

    def greedy(*_: Any) -> Any:
        return load().zeros(1 << 50)

    with pytest.raises(RuntimeError, match="not enough memory: lower `batch`"):
        train(checkpoint, PLAN, greedy)


def test_what_is_taught_is_answered(refuser: Checkpoint, agreer: Checkpoint):
    """A model taught to decline declines unseen requests; one taught to agree agrees: the tests' two ends are real."""
    asked = [Prompt.of(each.text) for each in shipped().harmful(Split.TEST)[:8]]

    assert all(refused(answers(refuser, asked)))
    assert not any(refused(answers(agreer, asked)))


def run(folder: Path, plan: Plan) -> Any:
    return go(load_checkpoint(folder, trainable=True), plan, None)


def go(checkpoint: Checkpoint, plan: Plan, out: Path | None, stop: int | None = None) -> Any:
    rows = [Example(Prompt.of(each.text), AGREES) for each in shipped().harmful(Split.TRAIN)[:9]]

    def loss(step: int, chance: random.Random) -> Any:
        if step == stop:
            raise KeyboardInterrupt
        return likelihood_loss(checkpoint, encode(checkpoint, draw(rows, step, plan.batch, plan.seed)))

    return train(checkpoint, plan, loss, out=out)
