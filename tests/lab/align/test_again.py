"""The outcome's folder: what is done is not done twice, and nobody's work is written over."""

import subprocess
import sys
from pathlib import Path

import pytest

from outworks.lab.align import METHODS, sft
from outworks.lab.subject import Subject
from outworks.lab.work import Work
from tests.lab.align.asking import StopAt, few, same_weights

SHORT = sft.Config(steps=4, batch=4, contrasts=4, tokens=24, save_every=2)
OTHER = sft.Config(steps=4, batch=4, contrasts=4, tokens=24, save_every=2, lr=1e-3)


def test_the_same_work_is_not_done_again(yielding: Path, tmp_path: Path):
    """A second call finds the card, loads no model and touches no file."""
    first = sft.align(Subject(yielding), few(6), SHORT, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}

    def tell(doing: str, done: int, total: int, loss: float | None = None) -> None:
        raise AssertionError(doing)

    assert sft.align(Subject(yielding), few(6), SHORT, tmp_path / "out", tell) == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


def test_other_work_does_not_write_over_it(yielding: Path, tmp_path: Path):
    """Another configuration, or other data, is refused in a folder that is whole; the message says what differs."""
    sft.align(Subject(yielding), few(6), SHORT, tmp_path / "out")

    with pytest.raises(ValueError, match=r"out holds the outcome of other work: its configuration is .*'lr': 0.0003"):
        sft.align(Subject(yielding), few(6), OTHER, tmp_path / "out")
    with pytest.raises(ValueError, match="its data is"):
        sft.align(Subject(yielding), few(5), SHORT, tmp_path / "out")


def test_half_done_work_of_another_kind_is_not_taken_up(yielding: Path, tmp_path: Path):
    """A state that was kept under other settings is dropped: the result would be neither's."""
    sft.align(Subject(yielding), few(6), OTHER, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        sft.align(Subject(yielding), few(6), SHORT, tmp_path / "cut", StopAt("sft", 3))

    sft.align(Subject(yielding), few(6), OTHER, tmp_path / "cut")

    assert same_weights(tmp_path / "whole", tmp_path / "cut")


def test_a_stop_between_card_and_clearing_leaves_whole_work(yielding: Path, tmp_path: Path):
    """What was left half done beside a card is cleared by the next call."""
    sft.align(Subject(yielding), few(6), SHORT, tmp_path / "out")
    (tmp_path / "out" / "training").mkdir()

    sft.align(Subject(yielding), few(6), SHORT, tmp_path / "out")

    assert not (tmp_path / "out" / "training").exists()


def test_the_record_tells_works_apart(tmp_path: Path):
    """Method, start, data, seed and configuration each make another work."""
    mine = Work.of("align sft", Subject("embedded"), few(2), SHORT)
    left = mine.begin(tmp_path) / "left"
    left.touch()
    Work.of("align sft", Subject("embedded"), few(2), SHORT).begin(tmp_path)
    assert left.is_file()

    Work.of("align sft", Subject("elsewhere"), few(2), SHORT).begin(tmp_path)
    assert not left.is_file()


def test_the_methods_are_listed_and_need_no_torch():
    """Every method has its configuration with a seed, and none imports torch before it is called."""
    asked = "import sys, outworks.lab.align; print([name for name in ('torch', 'trl', 'peft') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
    assert list(METHODS) == ["sft", "dpo", "constitution", "rlhf", "prompt"]
    assert all(each.Config().seed == 0 and callable(each.align) for each in METHODS.values())
