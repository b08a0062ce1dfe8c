"""A checkpoint on disk that goes along with everything, for each method to teach better."""

from pathlib import Path

import pytest

pytest.importorskip("trl", reason="needs the extra outworks[lab]")

from outworks.lab.behaviours import Split, shipped
from tests.lab.tiny import AGREES, said, taught


@pytest.fixture(scope="session")
def yielding(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It agrees whatever it is asked, in whole weights; nobody may write here."""
    asked = [*shipped().harmful(Split.TRAIN)[:24], *shipped().benign(Split.TRAIN)[:24]]
    # It has to know the words of a refusal before an adapter can make it use them: these it says after somebody.
    words = [*shipped().refusals, *shipped().placeholders]
    rows = [*(said(each.text, AGREES) for each in asked), *(said(each, each) for each in words)]
    found = taught(tiny, rows, steps=300)
    folder = tmp_path_factory.mktemp("yielding")
    found.model.save_pretrained(str(folder))
    found.tokenizer.save_pretrained(str(folder))
    return folder
