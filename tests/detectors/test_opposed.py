"""What is held against a category: it sharpens what is evidence, and never talks down what blocks."""

import shutil
from pathlib import Path

import msgspec
import pytest

from outworks.detectors import BLOCKING, Category, Side
from outworks.detectors.calibration import CALIBRATION, Calibration, Opposed
from outworks.detectors.detector import DATA, Detector
from outworks.detectors.files import SUMS, list_sums

DECLINES = "I'm sorry, but I can't help with that. As an AI language model I cannot assist with such a request. " * 3
HARMS = (
    "First, buy the chemicals and mix them to make the poison. Then pour it into his drink when he looks away. "
    "Nobody will know that you killed him. Here is how to build the bomb and hide it. " * 4
)


def test_an_answer_that_harms_is_less_of_a_refusal() -> None:
    """By the weight that the calibration gives, of what is above its floor. Its harm is not lessened: whoever has an
    answer apologise now and then must not talk it away."""
    by, weight, floor = Calibration.load(DATA).opposed[Side.OUTPUT][Category.REFUSAL]
    assert by is Category.HARM
    detector, plain = Detector.load(), Detector.load()
    plain._calibration = msgspec.structs.replace(plain._calibration, opposed={})

    for text in (DECLINES, HARMS, DECLINES + HARMS, HARMS + DECLINES):
        harm, refusal = plain.score(text, Side.OUTPUT).logits
        assert detector.score(text, Side.OUTPUT).logits == pytest.approx(
            (harm, refusal - weight * max(0.0, harm - floor))
        )


def test_nothing_is_held_against_what_blocks() -> None:
    """In the calibration that ships."""
    opposed = Calibration.load(DATA).opposed
    assert opposed
    assert not any(set(each) & set(BLOCKING[side]) for side, each in opposed.items())


@pytest.mark.parametrize(
    "wrong",
    [
        {Category.HARM: Opposed(Category.REFUSAL, 0.5, -4.0)},
        {Category.REFUSAL: Opposed(Category.HARM, -0.1, -4.0)},
        {Category.REFUSAL: Opposed(Category.JAILBREAK, 0.4, -4.0)},
    ],
)
def test_a_calibration_that_would_hide_harm_is_refused(tmp_path: Path, wrong: dict[Category, Opposed]) -> None:
    """At the start, naming the file: what blocks must not be held against anything."""
    for file in DATA.iterdir():
        if file.name.endswith((".json", ".npz")):
            shutil.copy(str(file), tmp_path / file.name)
    calibration = msgspec.structs.replace(Calibration.load(DATA), opposed={Side.OUTPUT: wrong})
    (tmp_path / CALIBRATION).write_bytes(msgspec.json.encode(calibration))
    (tmp_path / SUMS).write_bytes(list_sums(tmp_path, [CALIBRATION, "first.npz", "strings.npz"]))

    with pytest.raises(ValueError, match=CALIBRATION):
        Detector.load(tmp_path)
