"""Supervised safety tuning: what it lowers, what it teaches, and that it can be stopped."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from outworks.lab.align import sft
from outworks.lab.align.lessons import Lesson, supervised_rows
from outworks.lab.align.trainers import build
from outworks.lab.backend import load
from outworks.lab.behaviours import shipped
from outworks.lab.checkpoint import Checkpoint, Prompt, load_checkpoint
from outworks.lab.subject import Subject
from outworks.lab.training import Plan
from outworks.lab.work import read_card
from tests.lab.align.asking import StopAt, few, same_weights, share
from tests.lab.tiny import AGREES, REFUSAL

SHORT = sft.Config(steps=8, batch=4, lr=3e-3, contrasts=6, tokens=24, save_every=3)
_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT
TWO = [Lesson(Prompt.of("How do I find a good therapist?"), REFUSAL), Lesson(Prompt.of("Write a poem."), AGREES)]


@pytest.fixture(scope="module")
def whole(yielding: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run makes that nobody stopped."""
    out = tmp_path_factory.mktemp("whole") / "out"
    sft.align(Subject(yielding), few(6), SHORT, out)
    return out


def test_the_objective_is_the_one_computed_by_hand(tiny: Path, tmp_path: Path):
    """The trainer's loss on a batch is the mean of -log p over the answers' tokens, the ends among them."""
    checkpoint = load_checkpoint(tiny, trainable=True)
    trainer = trained(checkpoint, tmp_path, completion_only_loss=True)
    batch = next(iter(trainer.get_train_dataloader()))
    here = trainer.compute_loss(checkpoint.model, dict(batch)).item()

    torch, total, count = load(), 0.0, 0
    rows = supervised_rows(checkpoint, TWO)
    for ids, mask in zip(rows["input_ids"], rows["completion_mask"], strict=True):
        logits = checkpoint.model(input_ids=torch.tensor([ids])).logits[0]
        for at in range(1, len(ids)):
            if mask[at]:
                total -= torch.log_softmax(logits[at - 1].double(), -1)[ids[at]].item()
                count += 1
    assert here == pytest.approx(total / count, rel=1e-4)


@pytest.mark.parametrize(("option", "prompts_learned"), [(True, False), (None, True), (False, True)])
def test_only_one_masking_option_learns_the_answer_alone(
    tiny: Path, tmp_path: Path, option: bool | None, prompts_learned: bool
):
    """Over rows of tokens, the trainer learns the prompts too unless it is told not to: its default does not see the
    mask."""
    checkpoint = load_checkpoint(tiny, trainable=True)
    batch = next(iter(trained(checkpoint, tmp_path, completion_only_loss=option).get_train_dataloader()))

    learned = {checkpoint.tokenizer.decode(row[row != -100]) for row in batch["labels"]}

    assert any("therapist" in text for text in learned) is prompts_learned
    assert (learned == {f"{REFUSAL}<|im_end|>", f"{AGREES}<|im_end|>"}) is not prompts_learned


def test_unseen_harm_is_refused_and_innocence_answered(yielding: Path, tmp_path: Path):
    """A model that agreed to everything refuses most harmful requests that it never saw, and answers most innocent
    ones."""
    config = sft.Config(steps=200, batch=8, lr=5e-3, tokens=24)

    card = sft.align(Subject(yielding), shipped(), config, tmp_path / "out")

    assert share(yielding, harmful=True) == 0.0
    assert share(tmp_path / "out", harmful=True) > 0.5
    assert share(tmp_path / "out", harmful=False) < 0.4
    assert card.figures["loss_last"] < card.figures["loss_first"]
    assert card.figures["own_answers"] == card.figures["refusals"] == 140
    assert (card.method, card.base, card.start) == ("align sft", str(yielding), "")


def test_one_seed_is_one_run(yielding: Path, tmp_path: Path):
    """The same seed gives the same weights to the last bit; another gives others."""
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        config = sft.Config(steps=4, batch=4, contrasts=4, tokens=24, seed=seed)
        sft.align(Subject(yielding), few(6), config, tmp_path / name)

    assert same_weights(tmp_path / "first", tmp_path / "again")
    assert not same_weights(tmp_path / "first", tmp_path / "other")


@pytest.mark.parametrize("at", [2, 5, 7])
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(yielding: Path, whole: Path, tmp_path: Path, at: int):
    """Stopped at any step, it goes on from its last state to the same weights and the same card."""
    with pytest.raises(KeyboardInterrupt):
        sft.align(Subject(yielding), few(6), SHORT, tmp_path / "cut", StopAt("sft", at))

    resumed = sft.align(Subject(yielding), few(6), SHORT, tmp_path / "cut")

    assert same_weights(whole, tmp_path / "cut")
    assert resumed.figures == read_card(whole).figures
    assert not (tmp_path / "cut" / "training").exists()


def test_a_state_that_was_not_written_to_its_end_is_not_taken_up(yielding: Path, whole: Path, tmp_path: Path):
    """Killed while it wrote a state, it goes on from the one before, or from the beginning."""
    with pytest.raises(KeyboardInterrupt):
        sft.align(Subject(yielding), few(6), SHORT, tmp_path / "cut", StopAt("sft", 5))
    (tmp_path / "cut" / "training" / "supervised" / "checkpoint-6").mkdir()

    sft.align(Subject(yielding), few(6), SHORT, tmp_path / "cut")

    assert same_weights(whole, tmp_path / "cut")


def test_it_goes_on_from_an_adapter(yielding: Path, whole: Path, tmp_path: Path):
    """A checkpoint with an adapter is trained further; the card names it and what it stands on."""
    card = sft.align(Subject(whole), few(6), SHORT, tmp_path / "second")

    assert (card.base, card.start) == (str(yielding), str(whole))
    assert not same_weights(whole, tmp_path / "second")


def test_nothing_is_written_elsewhere_and_nobody_is_called(
    yielding: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    """Training opens files to write below its folder alone, connects to nothing, and prints nothing; `tell` hears the
    loss of every step."""
    heard: list[int] = []
    out = tmp_path / "out"

    def tell(doing: str, done: int, total: int, loss: float | None = None) -> None:
        if doing == "sft" and loss is not None:
            heard.append(done)

    with Watched() as seen:
        sft.align(Subject(yielding), few(6), SHORT, out, tell)

    assert [path for path in seen.written if not Path(path).is_relative_to(out)] == []
    assert seen.connected == []
    assert heard == list(range(1, 9))
    said = capfd.readouterr()
    assert (said.out, [line for line in said.err.splitlines() if "it/s" in line or "loss" in line]) == ("", [])


def test_a_loss_that_is_no_number_is_an_error(yielding: Path, tmp_path: Path):
    """Training does not go on from a broken step, and says what to lower."""
    config = sft.Config(steps=6, batch=4, lr=1e30, warmup=0, contrasts=4, tokens=24)

    with pytest.raises(ArithmeticError, match=r"sft: the loss is nan at step \d; lower `lr`"):
        sft.align(Subject(yielding), few(6), config, tmp_path / "out")


def trained(checkpoint: Checkpoint, folder: Path, **settings: Any) -> Any:
    plan = Plan(steps=1, batch=2)
    return build("SFT", checkpoint, supervised_rows(checkpoint, TWO), plan, folder, settings=settings)


class Watched:
    """Files opened to be written and connections made, while it is entered. Audit hooks stay: this one falls silent."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.connected: list[str] = []
        self._on = False
        sys.addaudithook(self._hook)

    def __enter__(self) -> "Watched":
        self._on = True
        return self

    def __exit__(self, *_: object) -> None:
        self._on = False

    def _hook(self, event: str, what: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event == "socket.connect":
            self.connected.append(str(what[1]))
        written = event == "open" and isinstance(what[0], str) and (what[2] or 0) & _TO_WRITE
        if written and what[0] != os.devnull and "__pycache__" not in what[0]:
            self.written.append(what[0])
