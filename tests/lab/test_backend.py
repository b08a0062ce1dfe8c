"""The libraries of the extra."""

from pathlib import Path

import pytest

from outworks.lab import backend
from outworks.lab.backend import check_installed, fast_numbers, load
from outworks.lab.card import Card
from outworks.lab.checkpoint import load_checkpoint, save_checkpoint


def test_the_libraries_draw_no_bars_of_their_own(tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """What is loaded and written is loaded and written without a word: what a reader has to know, `tell` says."""
    transformers = load("transformers")
    transformers.utils.logging.enable_progress_bar()
    loud = transformers.AutoModelForCausalLM.from_pretrained(str(tiny))
    assert "Loading weights" in capfd.readouterr().err

    load("transformers")
    loud.save_pretrained(str(tmp_path / "alone"))
    save_checkpoint(load_checkpoint(tiny), tmp_path / "out", Card(method="x", base="embedded"))

    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch):
    """Whichever is missing, and also where it is only asked for later."""
    with pytest.raises(ModuleNotFoundError, match=r"the lab needs not_there: pip install 'outworks\[lab\]'"):
        load("not_there")
    real = backend.find_spec
    monkeypatch.setattr(backend, "find_spec", lambda name: None if name == "nanogcg" else real(name))
    with pytest.raises(ModuleNotFoundError, match=r"the lab needs nanogcg: pip install 'outworks\[lab\]'"):
        check_installed()


@pytest.mark.parametrize(
    ("can", "number"), [({}, "float32"), ({"avx512_bf16": True}, "bfloat16"), ({"amx_bf16": True}, "bfloat16")]
)
def test_answers_are_in_the_numbers_that_the_processor_multiplies_itself(
    can: dict[str, bool], number: str, monkeypatch: pytest.MonkeyPatch
):
    """Half as long where it can: emulated they would take longer."""
    monkeypatch.setattr(backend, "device", lambda: "cpu")
    monkeypatch.setattr(load().cpu, "get_capabilities", lambda: can)

    assert fast_numbers() is getattr(load(), number)
