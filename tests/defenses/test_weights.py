import shutil
from pathlib import Path

import pytest

from outworks.defenses import DEFENSES, Lent
from outworks.defenses.bank import Bank
from outworks.detectors.detector import DATA, Detector
from outworks.detectors.looking import Looking
from tests.test_metamorphic import NoStandings, never_released


@pytest.mark.parametrize("name", ["classifier", "injection"])
@pytest.mark.parametrize("how", ["missing", "cut short", "exchanged"])
@pytest.mark.parametrize("file", ["first.npz", "strings.npz", "calibration.json"])
def test_a_detector_without_its_weights_does_not_start(name: str, how: str, file: str, tmp_path: Path) -> None:
    """A weight file that is missing, cut short or exchanged is an error at start-up that names it."""
    folder = tmp_path / "data"
    shutil.copytree(str(DATA), folder, ignore=shutil.ignore_patterns("second*", "tokenizer*"))
    broken = folder / file
    content = broken.read_bytes()
    broken.unlink()
    if how == "cut short":
        broken.write_bytes(content[: len(content) // 2])
    elif how == "exchanged":
        broken.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    lent = Lent(NoStandings(), Bank(), never_released, looking=lambda second: Looking(Detector.load(folder)))
    line = next(line for line in DEFENSES if line.name == name)

    with pytest.raises((FileNotFoundError, ValueError), match=file):
        line.build(line.settings(), lent)
