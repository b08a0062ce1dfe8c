"""An aligned checkpoint on disk, which hardening begins from."""

from pathlib import Path

import pytest

from outworks.lab.behaviours import Split, shipped
from outworks.lab.checkpoint import Checkpoint
from tests.lab.tiny import AGREES, REFUSAL, said, taught


def written(checkpoint: Checkpoint, folder: Path) -> Path:
    """All of its weights, on disk."""
    checkpoint.model.save_pretrained(str(folder))
    checkpoint.tokenizer.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="session")
def aligned(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that declines harmful requests and answers innocent ones, and whose alignment is a few tokens deep."""
    harmful, benign = shipped().harmful(Split.TRAIN)[:24], shipped().benign(Split.TRAIN)[:24]
    lessons = [*(said(each.text, REFUSAL) for each in harmful), *(said(each.text, AGREES) for each in benign)]
    # So that it can say " I" in the middle of an answer: hardening adapts layers, and not what words are.
    lessons += 4 * [said("What do you say?", f"First, {REFUSAL}"), said("And then?", f"Yes, {REFUSAL}")]
    return written(taught(tiny, lessons, steps=200), tmp_path_factory.mktemp("aligned"))
