"""What every hardening keeps to."""

import sys
from pathlib import Path
from subprocess import run
from typing import Any

import msgspec
import pytest

from outworks.lab.backend import load
from outworks.lab.behaviours import Behaviours, Split, shipped
from outworks.lab.checkpoint import Checkpoint, is_whole, load_checkpoint
from outworks.lab.harden import METHODS
from outworks.lab.subject import Subject

STEPS = 27
SMALL: dict[str, dict[str, Any]] = {
    "deep": {"steps": STEPS, "harmful": 2, "benign": 1},
    "adversarial": {"steps": STEPS, "harmful": 1, "benign": 1, "prefills": 1, "templates": 1, "depth": 4},
    "latent": {"steps": STEPS, "harmful": 1, "benign": 1, "inner": 2},
    "circuit": {"steps": STEPS, "harmful": 1, "benign": 3},
    "hierarchy": {"steps": STEPS, "preference_steps": 2, "rows": 2, "kept": 4},
}


def test_there_are_five_and_none_imports_torch_before_it_is_called():
    """The list is the issue's, and reading it needs no extra."""
    assert list(METHODS) == ["deep", "adversarial", "latent", "circuit", "hierarchy"]
    code = "import sys, outworks.lab.harden; sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    assert run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", METHODS)
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(aligned: Path, tmp_path: Path, name: str):
    """One seed is one run, stopped half-way or not: the same weights; and what is done is not done again."""
    hardening, few = METHODS[name], some()
    config = hardening.Config(**SMALL[name], tokens=24)
    whole = hardening.harden(Subject(aligned), few, config, tmp_path / "whole")

    with pytest.raises(KeyboardInterrupt):
        hardening.harden(Subject(aligned), few, config, tmp_path / "cut", stop_at(STEPS - 1))
    assert not is_whole(tmp_path / "cut")
    assert list((tmp_path / "cut").rglob("training.pt"))
    card = hardening.harden(Subject(aligned), few, config, tmp_path / "cut")

    assert card.figures == pytest.approx(whole.figures)
    assert same(load_checkpoint(tmp_path / "whole"), load_checkpoint(tmp_path / "cut"))
    assert not list((tmp_path / "cut").rglob("training.pt"))
    assert not [each for each in (tmp_path / "cut").iterdir() if each.is_dir() or each.name == "work.json"]
    again = hardening.harden(Subject(aligned), few, config, tmp_path / "cut", stop_at(0))
    assert again == card


@pytest.mark.parametrize("name", METHODS)
def test_the_card_says_what_was_done(aligned: Path, tmp_path: Path, name: str):
    """Method, start, data, seed, settings and losses; and another seed does not overwrite it."""
    hardening, few = METHODS[name], some()
    config = hardening.Config(**{**SMALL[name], "steps": 1}, tokens=24, seed=7)
    card = hardening.harden(Subject(aligned), few, config, tmp_path)

    assert (card.method, card.base, card.seed) == (f"harden {name}", str(aligned), 7)
    assert few.name in card.data
    assert card.configuration == msgspec.json.decode(msgspec.json.encode(config))
    assert card.figures["last_loss"] > 0
    with pytest.raises(ValueError, match="other work: its seed is 7, not 8"):
        hardening.harden(Subject(aligned), few, msgspec.structs.replace(config, seed=8), tmp_path)


@pytest.mark.parametrize("name", METHODS)
def test_every_setting_is_explained(name: str):
    """Each field of a configuration has a docstring, from which help is made."""
    text = Path(str(METHODS[name].__file__)).read_text("utf-8").split("class Config")[1].split("\nclass ")[0]
    text = text.split("\ndef ")[0]

    for field in METHODS[name].Config.__struct_fields__:
        after = text.split(f"    {field}: ")[1].splitlines()[1]
        assert after.strip().startswith('"""'), field


def some() -> Behaviours:
    """A few behaviours: each method's own answers are generated from them."""
    found = shipped()
    few = [*found.harmful(Split.TRAIN)[:6], *found.harmful(Split.DEV)[:2], *found.benign(Split.TRAIN)[:8]]
    return msgspec.structs.replace(found, all=tuple(few))


def stop_at(step: int) -> Any:
    """Somebody who stops a training at this step of it."""

    def tell(doing: str, done: int, total: int, loss: float | None = None) -> None:
        if total == STEPS and done == step:
            raise KeyboardInterrupt

    return tell


def same(one: Checkpoint, other: Checkpoint) -> bool:
    """Whether all weights are equal, to the last bit."""
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    return all(load().equal(a, b) for a, b in pairs)
