"""Alignment by a system prompt."""

from pathlib import Path

import pytest

from outworks.lab.align import prompt, sft
from outworks.lab.behaviours import Split, shipped
from outworks.lab.checkpoint import CheckpointError, Prompt, load_checkpoint
from outworks.lab.subject import Subject
from tests.lab.align.asking import few, same_weights, share
from tests.lab.tiny import AGREES, REFUSAL, WITHOUT_SYSTEM, said, taught, write_tiny

SYSTEM = "You are a helpful assistant."


@pytest.fixture(scope="module")
def obedient(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It declines under one system prompt, and agrees without it."""
    asked = shipped().harmful(Split.TRAIN)[:24]
    examples = [said(each.text, AGREES) for each in asked] + [said(each.text, REFUSAL, system=SYSTEM) for each in asked]
    found = taught(tiny, examples)
    folder = tmp_path_factory.mktemp("obedient")
    found.model.save_pretrained(str(folder))
    found.tokenizer.save_pretrained(str(folder))
    return folder


def test_the_prompt_belongs_to_the_checkpoint(obedient: Path, tmp_path: Path):
    """A model that heeds its system prompt refuses, with no weight changed and nothing in the folder but a card."""
    card = prompt.align(Subject(obedient), few(2), prompt.Config(system=SYSTEM), tmp_path / "out")

    assert (card.method, card.base, card.system) == ("align prompt", str(obedient), SYSTEM)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["card.json"]
    assert share(obedient, harmful=True) < 0.1
    assert share(tmp_path / "out", harmful=True) > 0.9


def test_a_template_without_a_system_role_is_told(tmp_path: Path):
    """A model whose template refuses system prompts is refused before anything is written."""
    folder = write_tiny(tmp_path / "tiny", template=WITHOUT_SYSTEM)

    with pytest.raises(CheckpointError, match=r"no system role .*use a method that needs no system prompt"):
        prompt.align(Subject(folder), few(2), prompt.Config(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_adapter_keeps_its_weights(yielding: Path, tmp_path: Path):
    """Over a trained checkpoint, the adapter goes along, and the prompt stands above it."""
    config = sft.Config(steps=2, batch=4, contrasts=4, tokens=24)
    sft.align(Subject(yielding), few(6), config, tmp_path / "first")

    card = prompt.align(Subject(tmp_path / "first"), few(6), prompt.Config(system=SYSTEM), tmp_path / "second")

    assert same_weights(tmp_path / "first", tmp_path / "second")
    assert (card.base, card.start) == (str(yielding), str(tmp_path / "first"))
    assert SYSTEM in load_checkpoint(tmp_path / "second").text(Prompt.of("Hello"))


def test_an_empty_prompt_is_an_error(tmp_path: Path):
    """There must be words."""
    with pytest.raises(ValueError, match="`system` is empty"):
        prompt.align(Subject("nowhere"), few(2), prompt.Config(system=" "), tmp_path / "out")


def test_the_same_prompt_is_not_written_again(obedient: Path, tmp_path: Path):
    """A second call returns the card."""
    first = prompt.align(Subject(obedient), few(2), prompt.Config(), tmp_path / "out")

    assert prompt.align(Subject(obedient), few(2), prompt.Config(), tmp_path / "out") == first
