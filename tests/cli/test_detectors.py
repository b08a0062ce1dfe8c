"""`outworks detectors` on what it cannot use."""

from pathlib import Path

import pytest

from tests.cli.kit import Ran

pytest.importorskip("scipy", reason="needs the extra outworks[trials]")


@pytest.fixture
def detectors(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ran:
    return Ran("detectors", capsys, monkeypatch)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder that looks right."""
    for each in ("train", "dev"):
        (tmp_path / "data" / each).mkdir(parents=True)
    return tmp_path / "data"


@pytest.mark.parametrize("command", ["train", "evaluate", "card"])
def test_data_that_is_not_there_is_named_before_anything_is_fetched(detectors: Ran, tmp_path: Path, command: str):
    """No folder, a file, and a folder without its two parts; nothing is written."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()

    for name in ("nothing", "file", "empty"):
        said = detectors(command, tmp_path / name, tmp_path / "out").complaint
        assert str(tmp_path / name) in said
        assert "is no folder; expected one with train/ and dev/ of gzipped JSON lines" in said
    assert not (tmp_path / "out").exists()


def test_what_could_not_be_written_is_told_before_it_is_measured(detectors: Ran, data: Path, tmp_path: Path):
    """A folder in the place of the figures, a file in the place of a folder."""
    (tmp_path / "file").write_text("mine")

    assert "is a folder; expected the name of a file" in detectors("evaluate", data, data).complaint
    below = detectors("evaluate", data, tmp_path / "file" / "figures.json").complaint
    assert f"cannot be written: {tmp_path}/file is no folder" in below
    assert f"{tmp_path}/file is no folder" in detectors("train", data, tmp_path / "file", "--first-only").complaint
    card = detectors("card", data, tmp_path / "figures.json", "--out", data).complaint
    assert "is a folder; expected the name of a file" in card


def test_a_file_that_cannot_be_read_is_named(detectors: Ran, data: Path, tmp_path: Path):
    """A plan and figures: not there, or not what they should be."""
    (tmp_path / "file").write_text("mine")

    missing = detectors("card", data, tmp_path / "none.json", "--out", tmp_path / "card.md").complaint
    assert f"{tmp_path}/none.json cannot be read: No such file or directory; expected what" in missing
    plan = detectors("train", data, tmp_path / "out", "--plan", tmp_path / "file").complaint
    assert f"{tmp_path}/file: JSON is malformed" in plan
    assert "expected settings of the plan" in plan


def test_a_number_of_texts_below_one_is_a_broken_invocation(detectors: Ran, data: Path, tmp_path: Path):
    """Figures of nothing are no figures."""
    assert detectors("evaluate", data, tmp_path / "figures.json", "--most", 0).status == 2


def test_a_missing_extra_is_named(detectors: Ran, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Training and evaluation both need it."""
    monkeypatch.setattr("outworks.cli.detectors.find_spec", lambda name: None)

    for command in ("train", "evaluate"):
        assert "install outworks[trials]" in detectors(command, data, tmp_path / "out").complaint
