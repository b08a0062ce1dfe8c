"""What tests of commands share: the commands, a tiny checkpoint, and behaviours of a user's own."""

import json
from pathlib import Path

import pytest

from outworks.lab.behaviours import Split, shipped
from tests.cli.kit import Ran


@pytest.fixture
def lab(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ran:
    return Ran("lab", capsys, monkeypatch)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that goes along with everything."""
    pytest.importorskip("torch", reason="needs the extra outworks[lab]")
    from tests.lab.tiny import AGREES, REFUSAL, said, taught, write_checkpoint, write_tiny

    tiny = write_tiny(tmp_path_factory.mktemp("tiny"))
    asked = [*shipped().harmful(Split.TRAIN)[:16], *shipped().benign(Split.TRAIN)[:16]]
    rows = [*(said(each.text, AGREES) for each in asked), said(REFUSAL, REFUSAL)]
    return write_checkpoint(taught(tiny, rows), tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Behaviours of a user's own: enough of each kind in each part."""
    file = tmp_path_factory.mktemp("data") / "own.jsonl"
    rows = [
        {"text": each.text, "harmful": each.harmful, "category": each.category, "split": each.split}
        for split in Split
        for kind in (shipped().harmful(split)[:12], shipped().benign(split)[:12])
        for each in kind
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file
