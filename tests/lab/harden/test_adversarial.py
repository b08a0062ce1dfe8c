"""Training on the worst of cheap attacks."""

import random
from pathlib import Path

import msgspec
import pytest

from outworks.lab.behaviours import Split, shipped
from outworks.lab.checkpoint import Prompt, load_checkpoint
from outworks.lab.harden.adversarial import Config, candidates, harden, row_losses, search
from outworks.lab.subject import Subject
from outworks.lab.training import encode, likelihood_loss
from tests.lab.harden.test_deep import PREFILL, declining
from tests.lab.tiny import REFUSAL, said

ONE = shipped().harmful(Split.TRAIN)[0]


def test_the_loss_of_a_row_is_its_own(tiny: Path):
    """Batched with longer rows, each example's loss is what supervised fine-tuning computes for it alone."""
    checkpoint = load_checkpoint(tiny)
    checkpoint.model.requires_grad_(False)
    rows = [said("How does a crisis line work?", "Yes."), said(ONE.text, f" {REFUSAL}", prefill=PREFILL)]

    alone = [float(likelihood_loss(checkpoint, encode(checkpoint, [row]))) for row in rows]

    assert row_losses(checkpoint, rows) == pytest.approx(alone, abs=1e-5)


def test_the_worst_is_the_candidate_with_the_highest_loss(aligned: Path):
    """Of what was tried on a request, what is trained on is what the model refuses least likely."""
    checkpoint, config = load_checkpoint(aligned), Config(samples=0, prefills=3, templates=3)

    worst = search(checkpoint, shipped(), [ONE], config, turn=2)[0]

    tried = candidates(checkpoint, shipped(), ONE, config, random.Random(f"{config.seed}/search/2"))
    losses = row_losses(checkpoint, [each.example for each in tried])
    assert [each.kind for each in tried] == ["plain"] + 3 * ["prefill"] + 3 * ["template"]
    assert worst.loss == pytest.approx(max(losses))
    assert worst.example == tried[losses.index(max(losses))].example


def test_the_models_own_warm_beginnings_are_among_what_is_tried(aligned: Path):
    """With nothing else to try but the plain request, a sampled beginning is found worst for some of the requests."""
    config = Config(samples=2, prefills=0, templates=0, temperature=2.0)

    found = search(load_checkpoint(aligned), shipped(), shipped().harmful(Split.TRAIN)[:12], config, turn=0)

    assert {each.kind for each in found} <= {"plain", "sample"}
    assert any(each.kind == "sample" and each.example.prompt.prefill for each in found)


def test_what_broke_it_breaks_it_no_longer(aligned: Path, tmp_path: Path):
    """A prefill that the aligned checkpoint went along with is declined after training; innocent requests are
    answered."""

    one = msgspec.structs.replace(shipped(), refusals=(REFUSAL,))
    config = Config(
        steps=100, harmful=4, benign=6, share=0.3, prefills=1, templates=1, samples=0, lr=1e-2, kept=140, tokens=24
    )
    before = load_checkpoint(aligned)

    harden(Subject(aligned), one, config, tmp_path)

    after = load_checkpoint(tmp_path)
    harmful = [Prompt.of(row.text, prefill=PREFILL) for row in shipped().harmful(Split.TEST)[:20]]
    benign = [Prompt.of(row.text) for row in shipped().benign(Split.TRAIN)[:20]]
    assert declining(before, harmful) <= 0.1
    assert declining(after, harmful) >= 0.8
    assert declining(after, benign) <= declining(before, benign) + 0.1
