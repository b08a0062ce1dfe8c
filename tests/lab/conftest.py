"""Checkpoints that several tests read; none of them may change one."""

from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch", reason="needs the extra outworks[lab]")
pytest.importorskip("peft", reason="needs the extra outworks[lab]")

from outworks.lab.backend import load
from outworks.lab.behaviours import Split, shipped
from outworks.lab.checkpoint import Checkpoint
from outworks.lab.evaluate import Asking, asking
from outworks.lab.evaluate.evaluation import limited
from tests.lab.tiny import AGREES, REFUSAL, said, taught, write_checkpoint, write_tiny


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Models this small gain nothing by a second thread; on a busy machine two that wait for each other take five times
    as long as one."""
    load().set_num_threads(1)


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


@pytest.fixture(scope="session")
def refusing(refuser: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On disk, the one that declines everything."""
    return write_checkpoint(refuser, tmp_path_factory.mktemp("refusing"))


@pytest.fixture(scope="session")
def agreeing(agreer: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On disk, the one that goes along with everything."""
    return write_checkpoint(agreer, tmp_path_factory.mktemp("agreeing"))


@pytest.fixture(scope="session")
def few() -> Asking:
    """Six questions of each kind, answered in a few words."""
    return limited(msgspec.structs.replace(asking(), most=6, tokens=12, long_tokens=12))


@pytest.fixture(scope="session")
def willing(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On disk, one that goes along with whatever it is asked and knows the words of a refusal: an adapter can teach it
    to decline."""
    asked = [*shipped().harmful(Split.TRAIN)[:24], *shipped().benign(Split.TRAIN)[:24]]
    words = [REFUSAL, *shipped().refusals, *shipped().placeholders]
    rows = [*(said(each.text, AGREES) for each in asked), *(said(each, each) for each in words)]
    return write_checkpoint(taught(tiny, rows), tmp_path_factory.mktemp("willing"))
