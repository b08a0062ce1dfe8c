"""The adapter, scaled."""

from pathlib import Path

import pytest

from outworks.lab.behaviours import Split, shipped
from outworks.lab.card import Card
from outworks.lab.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from outworks.lab.dial import dial
from outworks.lab.evaluate import Asking, evaluate
from outworks.lab.training import Plan, draw, encode, likelihood_loss, train
from tests.lab.tiny import REFUSAL, said


@pytest.fixture(scope="module")
def aligned(willing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter on the model that agrees, trained until it declines."""
    out = tmp_path_factory.mktemp("aligned")
    checkpoint = load_checkpoint(willing, trainable=True)
    rows = [said(each.text, REFUSAL) for each in shipped().all if each.split is Split.TRAIN][:32]
    plan = Plan(steps=100, batch=8, lr=5e-3)
    train(checkpoint, plan, lambda step, _: likelihood_loss(checkpoint, encode(checkpoint, draw(rows, step, 8, 0))))
    save_checkpoint(checkpoint, out, Card(method="align test", base=str(willing)))
    return out


def test_the_dial_goes_from_the_base_to_the_checkpoint(aligned: Path, willing: Path, few: Asking, tmp_path: Path):
    """At 0 the answers are the base's, at 1 the checkpoint's; what harm falls by, innocent refusals rise by."""
    found = dial([aligned], tmp_path, scales=(0.0, 1.0, 1.5), wanted=few)
    base = evaluate(willing, tmp_path, wanted=few, attacks=(), measures=("natural",))

    first, second, last = found.notches
    assert [each.scale for each in found.notches] == [0.0, 1.0, 1.5]
    assert first.natural.by_seed == (sum(base.measures["natural"].values.values()) / 6,) == (1.0,)
    assert second.natural.estimate.value == 0.0
    assert second.hard.estimate.value > first.hard.estimate.value
    assert last.scale == 1.5


def test_each_scale_is_measured_once(aligned: Path, few: Asking, tmp_path: Path):
    """A second dial reads what the first kept, and the base is kept under its own name."""
    first = dial([aligned], tmp_path, scales=(0.0, 0.5), wanted=few)
    before = {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*.json")}

    assert dial([aligned], tmp_path, scales=(0.0, 0.5), wanted=few) == first
    assert {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*.json")} == before
    assert len({each.parent for each in before}) == 2


def test_without_an_adapter_there_is_nothing_to_scale(willing: Path, few: Asking, tmp_path: Path):
    """Whole weights and the embedded model are refused, and so are scales below nought."""
    for where in (willing, "embedded"):
        with pytest.raises(CheckpointError, match="has no adapter to scale"):
            dial([where], tmp_path, wanted=few)
    with pytest.raises(ValueError, match="scales are numbers from 0, not -1, 1"):
        dial([willing], tmp_path, scales=(-1.0, 1.0), wanted=few)
