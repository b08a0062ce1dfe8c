"""Checkpoints that several tests read; none of them may change one."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra outworks[lab]")
pytest.importorskip("peft", reason="needs the extra outworks[lab]")

from outworks.lab.behaviours import Split, shipped
from outworks.lab.checkpoint import Checkpoint
from tests.lab.tiny import AGREES, REFUSAL, said, taught, write_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained checkpoint on disk."""
    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def refuser(tiny: Path) -> Checkpoint:
    """One that declines whatever it is asked."""
    asked = [*shipped().harmful(Split.TRAIN)[:16], *shipped().benign(Split.TRAIN)[:16]]
    return taught(tiny, [said(each.text, REFUSAL) for each in asked])


@pytest.fixture(scope="session")
def agreer(tiny: Path) -> Checkpoint:
    """One that goes along with whatever it is asked: the weakest there is."""
    asked = [*shipped().harmful(Split.TRAIN)[:16], *shipped().benign(Split.TRAIN)[:16]]
    return taught(tiny, [said(each.text, AGREES) for each in asked])
