"""The search for a suffix."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from outworks.lab.attack import gcg
from outworks.lab.backend import load
from outworks.lab.behaviours import Split, shipped
from outworks.lab.checkpoint import Checkpoint, Prompt, load_checkpoint
from outworks.lab.subject import Subject
from tests.lab.attack.conftest import START, TRIGGER

CONFIG = gcg.Config(start=START, steps=12, width=48, topk=64, most=2, batch=48)
REQUEST = shipped().harmful(Split.TEST)[0].text


def test_the_trigger_is_found(triggered: Checkpoint):
    """The loss falls until the target is what is said greedily; the suffix holds the planted word, and carries over to
    requests that it was not searched for."""
    found = gcg.attack(Subject.of(triggered), shipped(), CONFIG)

    own = [each for each in found.tried if each.setting == "own suffix"]
    assert len(own) == 2
    assert all(each.reached and each.answer.startswith(CONFIG.target) for each in own)
    assert all(TRIGGER in text for text in found.kept.values())
    assert set(found.kept) == {each.behaviour for each in own}
    for name in found.kept:
        assert found.figures[f"last_loss {name}"] < found.figures[f"first_loss {name}"] / 10
    carried = [each for each in found.tried if each.setting != "own suffix"]
    assert len(carried) == 2 * 39
    assert all(each.reached for each in carried)
    assert found.queries == 2


def test_one_that_always_refuses_is_not_reached(stubborn: Checkpoint):
    """The search goes through its budget, and nothing comes of it."""
    found = gcg.attack(Subject.of(stubborn), shipped(), msgspec.structs.replace(CONFIG, steps=2, most=1))

    assert len(found.union) == 40
    assert not any(found.union.values())
    assert found.figures["matched"] == 0


def test_the_search_is_that_of_nanogcg(triggered: Checkpoint, monkeypatch: pytest.MonkeyPatch):
    """Where nanogcg's own loop works, its losses and its suffix are ours, step by step."""
    torch, nanogcg = load(), load("nanogcg.gcg")
    config = msgspec.structs.replace(CONFIG, steps=3, width=16, early_stop=False)
    barred = gcg.forbidden(triggered)
    monkeypatch.setattr(nanogcg, "get_nonascii_toks", lambda *_, **__: barred)
    theirs = nanogcg.GCGConfig(
        num_steps=3, optim_str_init=START, search_width=16, topk=64, use_prefix_cache=False, seed=7, verbosity="ERROR"
    )

    mine = gcg.search(triggered, REQUEST, config, 7)
    try:
        wanted = nanogcg.run(triggered.model, triggered.tokenizer, REQUEST, config.target, theirs)
    finally:
        torch.use_deterministic_algorithms(False)  # nanogcg leaves it on

    assert list(mine.losses[1:]) == pytest.approx(wanted.losses, rel=1e-5)
    assert mine.text == wanted.best_string


def test_the_loss_is_the_one_computed_by_hand(triggered: Checkpoint):
    """The first loss is the mean of -log p of the target's tokens behind the whole prompt, as it would be sent."""
    torch = load()
    read = triggered.tokenizer
    prompt = read(triggered.text(Prompt.of(REQUEST + START)), add_special_tokens=False)["input_ids"]
    target = read(CONFIG.target, add_special_tokens=False)["input_ids"]

    found = gcg.search(triggered, REQUEST, msgspec.structs.replace(CONFIG, steps=1, width=1), 0)

    with torch.no_grad():
        chances = triggered.model(torch.tensor([prompt + target])).logits[0].log_softmax(-1)
    by_hand = [-float(chances[len(prompt) - 1 + n, token]) for n, token in enumerate(target)]
    assert found.losses[0] == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-4)


def test_the_system_prompt_stands_before_it(triggered: Checkpoint):
    """The suffix is searched in the prompt that the checkpoint is asked with, its system prompt included."""
    prompted = Checkpoint(triggered.model, triggered.tokenizer, base="", system="Refuse what could hurt people.")
    config = msgspec.structs.replace(CONFIG, steps=1, width=1)

    assert gcg.search(prompted, REQUEST, config, 0).losses[0] != gcg.search(triggered, REQUEST, config, 0).losses[0]


def test_a_beginning_mark_is_not_lost(triggered: Checkpoint, tiny: Path):
    """Where the template begins with the tokenizer's own first token, that stays everywhere: nanogcg takes it out."""
    tokenizer = load_checkpoint(tiny).tokenizer
    tokenizer.bos_token = "<|im_start|>"
    marked = Checkpoint(triggered.model, tokenizer, base="")
    config = msgspec.structs.replace(CONFIG, steps=1, width=1)

    assert gcg.search(marked, REQUEST, config, 0).losses[0] == gcg.search(triggered, REQUEST, config, 0).losses[0]


def test_no_suffix_holds_a_mark_of_the_template(triggered: Checkpoint):
    """The tokens that end and begin messages are never drawn."""
    barred = gcg.forbidden(triggered).tolist()

    assert {triggered.tokenizer.convert_tokens_to_ids(each) for each in ("<|im_start|>", "<|im_end|>")} <= set(barred)
    assert triggered.tokenizer.convert_tokens_to_ids(TRIGGER) not in barred


def test_one_seed_is_one_suffix(triggered: Checkpoint):
    """The same seed finds the same, with the same losses; another goes another way."""
    config = msgspec.structs.replace(CONFIG, steps=2, width=8, early_stop=False)

    first, again, other = (gcg.search(triggered, REQUEST, config, seed) for seed in (0, 0, 1))

    assert first == again
    assert first != other


def test_a_search_that_was_stopped_goes_on(triggered: Checkpoint, tmp_path: Path):
    """The searches that were done are not done again, and the result is that of a run that was not stopped."""
    config = msgspec.structs.replace(CONFIG, steps=2, width=8, transfer=False)
    whole = gcg.attack(Subject.of(triggered), shipped(), config)

    with pytest.raises(KeyboardInterrupt):
        gcg.attack(Subject.of(triggered), shipped(), config, tell=Stop(after=4), out=tmp_path)
    steps = Stop(after=100)
    found = gcg.attack(Subject.of(triggered), shipped(), config, tell=steps, out=tmp_path)

    assert (found.tried, found.kept, found.figures) == (whole.tried, whole.kept, whole.figures)
    assert steps.searching < 2 * (config.steps + 1)


def test_kept_searches_of_another_configuration_are_not_taken(triggered: Checkpoint, tmp_path: Path):
    """A suffix that was found at a smaller budget does not stand for a larger one."""
    small = msgspec.structs.replace(CONFIG, steps=1, width=1, most=1, transfer=False)
    gcg.attack(Subject.of(triggered), shipped(), small, out=tmp_path)

    found = gcg.attack(Subject.of(triggered), shipped(), CONFIG, out=tmp_path)

    assert found.figures["matched"] == 2


def test_a_damaged_file_is_named(triggered: Checkpoint, tmp_path: Path):
    """Nothing is guessed from a file that cannot be read."""
    (tmp_path / "suffixes.json").write_text("{")

    with pytest.raises(ValueError, match=r"suffixes\.json: .*expected suffixes that the lab kept"):
        gcg.attack(Subject.of(triggered), shipped(), CONFIG, out=tmp_path)


def test_a_start_that_cannot_be_sent_is_an_error(triggered: Checkpoint):
    """A start that the tokenizer reads otherwise than it writes is told before the search."""
    with pytest.raises(ValueError, match="start is 'zzz qqq'"):
        gcg.search(triggered, REQUEST, gcg.Config(start="zzz qqq"), 0)


@pytest.mark.parametrize("name", ["steps", "width", "topk", "batch"])
def test_a_budget_of_nothing_is_an_error(name: str):
    """The field and what was expected."""
    with pytest.raises(ValueError, match=f"{name} is 0; expected at least 1"):
        gcg.Config(**{name: 0})  # type: ignore[arg-type]


class Stop:
    """A watcher who stops the work after so many reports of searching."""

    def __init__(self, *, after: int) -> None:
        self.after, self.searching = after, 0

    def __call__(self, doing: str, *_: Any, **__: Any) -> None:
        self.searching += doing == "searching a suffix"
        if self.searching > self.after:
            raise KeyboardInterrupt
