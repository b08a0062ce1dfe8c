"""What TRL's trainers are not to be given."""

from pathlib import Path

import pytest

from outworks.lab.align.trainers import build
from outworks.lab.checkpoint import load_checkpoint
from outworks.lab.training import Plan


def test_nothing_to_train_on_and_no_steps_are_refused(tiny: Path, tmp_path: Path):
    """No rows are told in words; and no steps, which the trainer would take for three rounds, are an error."""
    checkpoint = load_checkpoint(tiny, trainable=True)
    row = {"input_ids": [[1, 2, 3]], "completion_mask": [[0, 1, 1]]}

    with pytest.raises(ValueError, match="there is nothing to train on"):
        build("SFT", checkpoint, {"input_ids": [], "completion_mask": []}, Plan(steps=1), tmp_path)
    with pytest.raises(ValueError, match="`steps` is 0; expected at least 1"):
        build("SFT", checkpoint, row, Plan(steps=0), tmp_path)
    assert build("SFT", checkpoint, row, Plan(steps=1), tmp_path).args.max_steps == 1
