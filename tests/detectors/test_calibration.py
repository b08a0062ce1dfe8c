"""calibration, files: rates become thresholds, and weights that are not the ones that shipped are refused by name."""

import shutil
from pathlib import Path

import pytest

from outworks.detectors import Category, Detector, Side
from outworks.detectors.calibration import Calibration, Curve
from outworks.detectors.detector import DATA
from outworks.detectors.files import SUMS

CURVE = Curve((0.1, 0.01, 0.001), {"harm": (0.2, 0.5, 0.9)}, 4_000)


def test_a_rate_of_the_table_is_read_off() -> None:
    """A rate that was calibrated gives exactly its threshold."""
    assert CURVE.at(0.01) == {"harm": 0.5}


def test_between_two_rates_the_threshold_lies_between() -> None:
    """Along the logarithm, half way is half way."""
    assert CURVE.at(10**-2.5)["harm"] == pytest.approx(0.7)


@pytest.mark.parametrize("rate", [0.0005, 0.2, 0.0])
def test_a_rate_that_the_pool_cannot_tell_is_refused(rate: float) -> None:
    """The error says the rate, the texts behind the table, and what is possible."""
    with pytest.raises(ValueError, match=r"4000 benign texts.*expected 0\.001 to 0\.1"):
        CURVE.at(rate)


def test_a_category_of_another_side_is_refused() -> None:
    """Refusals are looked for in outputs alone; the error lists what there is."""
    with pytest.raises(ValueError, match=r"refusal is not looked for in a request: expected one of .*harm"):
        Calibration.load(DATA).limit(Category.REFUSAL, Side.REQUEST, 0.01, second=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file in DATA.iterdir():
        if file.name.endswith((".npz", ".json")):
            shutil.copy(str(file), tmp_path / file.name)
    return tmp_path


@pytest.mark.parametrize("name", ["first.npz", "strings.npz", "calibration.json", SUMS])
def test_missing_weights_stop_the_start(folder: Path, name: str) -> None:
    """Whichever file is gone, nothing loads, and the error names it."""
    (folder / name).unlink()

    with pytest.raises(FileNotFoundError, match=name):
        Detector.load(folder)


@pytest.mark.parametrize("name", ["first.npz", "strings.npz", "calibration.json"])
def test_damaged_weights_stop_the_start(folder: Path, name: str) -> None:
    """One flipped bit is not the file that shipped."""
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)

    with pytest.raises(ValueError, match=f"{name}.* is not the file that this version shipped with"):
        Detector.load(folder)


def test_a_damaged_list_stops_the_start(folder: Path) -> None:
    """So does a list of sums that is no list."""
    (folder / SUMS).write_text("[]")

    with pytest.raises(ValueError, match=SUMS):
        Detector.load(folder)
