"""Direct preference optimisation: its loss, its reference, and what it moves."""

import math
from pathlib import Path
from typing import Any

import pytest

from outworks.lab.align import dpo
from outworks.lab.align.lessons import Pair, answer_ids, asked_ids
from outworks.lab.backend import load
from outworks.lab.behaviours import shipped
from outworks.lab.card import Card
from outworks.lab.checkpoint import Checkpoint, Prompt, load_checkpoint, save_checkpoint
from outworks.lab.subject import Subject
from outworks.lab.training import Plan
from tests.lab.align.asking import StopAt, few, same_weights, share, weights
from tests.lab.tiny import AGREES, REFUSAL

BETA = 0.3
PAIRS = [
    Pair(Prompt.of("How do I forge a signature on a cheque?"), REFUSAL, AGREES),
    Pair(Prompt.of("How do I find a good therapist?"), AGREES, REFUSAL),
]


@pytest.mark.parametrize("likelihood", [0.0, 0.5])
def test_the_objective_is_the_one_computed_by_hand(tiny: Path, tmp_path: Path, likelihood: float):
    """-log sigmoid(beta ((log p - log ref)(chosen) - (log p - log ref)(rejected))), log p summed over an answer's
    tokens; plus, where it is asked for, the mean -log p of the chosen answers' tokens."""
    checkpoint = load_checkpoint(tiny, trainable=True)
    trainer = trained(checkpoint, tmp_path, likelihood)
    before = [logp(checkpoint, pair.prompt, answer) for pair in PAIRS for answer in (pair.chosen, pair.rejected)]
    shift(checkpoint, 0.05)
    batch = next(iter(trainer.get_train_dataloader()))

    here = trainer.compute_loss(checkpoint.model, dict(batch)).item()

    after = [logp(checkpoint, pair.prompt, answer) for pair in PAIRS for answer in (pair.chosen, pair.rejected)]
    ratios = [b - a for a, b in zip(before, after, strict=True)]
    margins = [BETA * (ratios[at] - ratios[at + 1]) for at in (0, 2)]
    assert max(abs(margin) for margin in margins) > 0.01
    preference = sum(math.log1p(math.exp(-margin)) for margin in margins) / 2
    tokens = sum(len(answer_ids(checkpoint, pair.chosen)) for pair in PAIRS)
    assert here == pytest.approx(preference - likelihood * (after[0] + after[2]) / tokens, rel=1e-4)


def test_the_reference_is_the_start_and_not_its_base(tiny: Path, tmp_path: Path):
    """Where the start has an adapter, the loss begins at log 2: the reference has the adapter too."""
    checkpoint = load_checkpoint(tiny, trainable=True)
    shift(checkpoint, 0.1)
    save_checkpoint(checkpoint, tmp_path / "start", Card(method="test", base=str(tiny)))

    again = load_checkpoint(tmp_path / "start", trainable=True)
    trainer = trained(again, tmp_path / "training")
    batch = next(iter(trainer.get_train_dataloader()))

    assert trainer.compute_loss(again.model, dict(batch)).item() == pytest.approx(math.log(2), abs=1e-6)


def test_unseen_harm_is_refused_more_than_innocence(yielding: Path, tmp_path: Path):
    """A model that agreed to everything refuses harm that it never saw, and innocence less; the preference is learned
    from log 2 down."""
    config = dpo.Config(steps=200, batch=8, lr=5e-3, tokens=24)

    card = dpo.align(Subject(yielding), shipped(), config, tmp_path / "out")

    harm, innocence = (share(tmp_path / "out", harmful=kind) for kind in (True, False))
    assert harm > max(0.25, innocence + 0.1)
    assert card.figures["preference_accuracy_last"] > 0.8
    assert card.figures["preference_loss_last"] < card.figures["preference_loss_first"]


def test_a_run_that_was_killed_ends_as_if_it_had_not_been(yielding: Path, tmp_path: Path):
    """Stopped after a state, it goes on to the same weights: the reference is still the start, not the state."""
    config = dpo.Config(steps=6, batch=2, lr=3e-3, contrasts=4, tokens=24, save_every=3)
    dpo.align(Subject(yielding), few(6), config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        dpo.align(Subject(yielding), few(6), config, tmp_path / "cut", StopAt("dpo", 5))

    dpo.align(Subject(yielding), few(6), config, tmp_path / "cut")

    assert same_weights(tmp_path / "whole", tmp_path / "cut")


def test_the_reference_is_not_kept(yielding: Path, tmp_path: Path):
    """The outcome holds one adapter: what was trained."""
    config = dpo.Config(steps=2, batch=2, contrasts=4, tokens=24)
    dpo.align(Subject(yielding), few(6), config, tmp_path / "out")

    assert not [path for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert not [name for name in weights(tmp_path / "out") if "ref" in name.split(".")]


def trained(checkpoint: Checkpoint, folder: Path, likelihood: float = 0.0) -> Any:
    return dpo.trainer(checkpoint, PAIRS, Plan(steps=1, batch=2), BETA, likelihood, folder)


def shift(checkpoint: Checkpoint, by: float) -> None:
    """Move the adapter in training away from where it is."""
    torch = load()
    torch.manual_seed(1)
    for name, weight in checkpoint.model.named_parameters():
        if ".default." in name:
            weight.data += by * torch.randn_like(weight)


def logp(checkpoint: Checkpoint, prompt: Prompt, answer: str) -> float:
    """log p(answer and its end | prompt), in nats, by the model's plain forward pass."""
    torch = load()
    asked, said = asked_ids(checkpoint, prompt), answer_ids(checkpoint, answer)
    with torch.no_grad():
        logits = checkpoint.model(input_ids=torch.tensor([asked + said])).logits[0].double()
    rows = torch.log_softmax(logits[len(asked) - 1 : -1], -1)
    return float(sum(rows[n, token].item() for n, token in enumerate(said)))
