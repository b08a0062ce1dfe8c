"""Files that a command cannot read."""

from pathlib import Path

import pytest

from tests.cli.kit import Ran


@pytest.fixture
def trial(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Commands of `outworks trial`."""
    return Ran("trial", capsys, monkeypatch)


def test_a_missing_file_is_named_with_the_nearest(trial: Ran, tmp_path: Path):
    """What was given, what is wrong with it, and the file that was probably meant."""
    (tmp_path / "mine.toml").touch()
    given = tmp_path / "mien.toml"

    said = trial("run", "--config", given).complaint

    assert said == f"outworks: {given}: No such file or directory; did you mean 'mine.toml'?"


def test_a_missing_file_in_a_missing_folder_is_named(trial: Ran, tmp_path: Path):
    """Where nothing is near, nothing is proposed."""
    given = tmp_path / "none" / "mine.toml"

    assert trial("run", "--config", given).complaint == f"outworks: {given}: No such file or directory"


def test_a_folder_where_a_file_is_expected_is_named(trial: Ran, tmp_path: Path):
    """Without the number that Python gives it."""
    assert trial("run", "--config", tmp_path).complaint == f"outworks: {tmp_path}: Is a directory"
