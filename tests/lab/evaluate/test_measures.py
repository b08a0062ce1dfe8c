"""What one checkpoint is asked."""

import math
from pathlib import Path

import pytest

from outworks.lab import card as cards
from outworks.lab.backend import load
from outworks.lab.behaviours import Split
from outworks.lab.card import Card
from outworks.lab.checkpoint import Checkpoint, load_checkpoint
from outworks.lab.evaluate import MEASURES, Asking, instructions
from outworks.lab.evaluate.measures import data_turns, measure, nats
from outworks.lab.harden import slots
from outworks.lab.progress import silent

TASK = instructions.shipped().tasks[0]


@pytest.mark.parametrize(("name", "of_refuser", "of_agreer"), [("natural", 0, 1), ("hard", 1, 0), ("everyday", 1, 0)])
def test_refusals_are_counted_where_they_are(
    refuser: Checkpoint, agreer: Checkpoint, few: Asking, name: str, of_refuser: int, of_agreer: int
):
    """The model that always declines and the one that never does stand at the two ends of each measure."""
    declines, agrees = (measure(name, "", each, few, silent) for each in (refuser, agreer))

    assert set(declines.values.values()) == {of_refuser}
    assert set(agrees.values.values()) == {of_agreer}
    assert all(each.said for each in declines.answers)


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_asks_as_often_as_it_should(agreer: Checkpoint, few: Asking, name: str):
    """Six questions of each kind, each with its own name, and a number for each."""
    found = measure(name, "", agreer, few, silent)

    assert len(found.values) == 6
    assert all(value >= 0 for value in found.values.values())


def test_only_unseen_requests_are_asked(agreer: Checkpoint, few: Asking):
    """Nothing that anything is trained on or chosen by is measured with."""
    asked = {each.asked for name in ("natural", "hard") for each in measure(name, "", agreer, few, silent).answers}

    assert asked <= {each.text for each in few.behaviours.all if each.split is Split.TEST}


def test_nats_are_those_computed_by_hand(tiny: Path):
    """-log p of each token given those before it, the first given the end of a text, and their mean."""
    checkpoint = load_checkpoint(tiny)
    text = "How do I find a good therapist?"
    torch, ids = load(), checkpoint.tokenizer(text, add_special_tokens=False)["input_ids"]
    before = [checkpoint.tokenizer.eos_token_id]
    total = 0.0
    for token in ids:
        with torch.no_grad():
            logits = checkpoint.model(input_ids=torch.tensor([before])).logits[0, -1]
        total -= math.log(float(logits.softmax(-1)[token]))
        before.append(token)

    assert nats(checkpoint, text) == pytest.approx(total / len(ids), rel=1e-4)


def test_data_are_put_in_their_slot_only_where_a_checkpoint_was_trained_to_read_one(tiny: Path):
    """A checkpoint of the instruction hierarchy is asked through its front end, every other as applications ask."""
    plain = load_checkpoint(tiny)
    trained = Checkpoint(plain.model, plain.tokenizer, base="", card=Card(method="harden hierarchy", base=""))

    assert data_turns(plain, TASK, TASK.data)[0].content == f"{TASK.ask}\n\n{TASK.data}"
    assert data_turns(trained, TASK, TASK.data) == slots.structured(plain.tokenizer, TASK.ask, TASK.data)
    assert cards.FILE not in {each.name for each in tiny.iterdir()}
