"""The refusal direction, found and taken out."""

from pathlib import Path

import msgspec
import pytest

from outworks.lab import card as cards
from outworks.lab.attack import ablate
from outworks.lab.backend import load
from outworks.lab.behaviours import Behaviours, Split, shipped
from outworks.lab.checkpoint import Checkpoint, CheckpointError, Prompt, load_checkpoint
from outworks.lab.generating import answers
from outworks.lab.refusing import refused
from outworks.lab.subject import Subject
from tests.lab.attack.conftest import HIDDEN
from tests.lab.tiny import AGREES

CONFIG = ablate.Config(layers=0)


def test_a_planted_direction_is_found_and_taken_out(one_directional: Path, paired: Behaviours):
    """A model that refuses where somebody is hurt goes along without the direction, in its own agreeable words."""
    asked = [Prompt.of(each.text) for each in paired.harmful(Split.TEST)]
    before = refused(answers(load_checkpoint(one_directional), asked))

    found = ablate.attack(Subject(one_directional), paired, CONFIG)

    assert all(before)
    assert sum(found.union.values()) > 0.8 * len(asked)
    assert sum(each.answer == AGREES for each in found.tried) > 0.8 * len(asked)
    layer = int(found.figures["layer"])
    assert found.figures[f"kl_on_dev {layer}"] <= CONFIG.most_kl
    assert found.figures[f"refused_on_dev {layer}"] <= min(
        found.figures[f"refused_on_dev {each}"]
        for each in (1, 2, 3)
        if found.figures[f"kl_on_dev {each}"] <= CONFIG.most_kl
    )


def test_one_that_always_refuses_is_not_reached(stubborn: Checkpoint):
    """Where harmful and innocent requests are refused alike, no direction makes the difference, and none is taken out
    that would only break the model."""
    found = ablate.attack(Subject.of(stubborn), shipped(), CONFIG)

    assert not any(found.union.values())
    assert found.figures["layer"] == 0


def test_the_direction_is_the_difference_of_means_computed_by_hand(one_directional: Path, paired: Behaviours):
    """The mean of what enters the layer at each prompt's last token, harmful minus innocent, one prompt at a time."""
    torch, checkpoint = load(), load_checkpoint(one_directional)
    config = msgspec.structs.replace(CONFIG, examples=5)

    def mean(rows: tuple[object, ...], layer: int) -> object:
        states = []
        for each in [rows[n * len(rows) // 5] for n in range(5)]:
            read = checkpoint.tokenizer(
                checkpoint.text(Prompt.of(each.text)), add_special_tokens=False, return_tensors="pt"
            )
            with torch.no_grad():
                states.append(
                    checkpoint.model(read["input_ids"], output_hidden_states=True).hidden_states[layer][0, -1]
                )
        return torch.stack(states).mean(0)

    found = ablate.candidates(checkpoint, paired, config)

    assert [each.layer for each in found] == [1, 2, 3]
    for each in found:
        by_hand = mean(paired.harmful(Split.TRAIN), each.layer) - mean(paired.benign(Split.TRAIN), each.layer)
        assert torch.allclose(each.direction, by_hand, atol=1e-4)


def test_without_a_direction_nothing_is_written_along_it(one_directional: Path):
    """What leaves every layer of the changed model has no part in the direction; the old model is as it was."""
    torch, checkpoint = load(), load_checkpoint(one_directional)
    before = {name: each.clone() for name, each in checkpoint.model.state_dict().items()}
    direction = torch.randn(HIDDEN, generator=torch.Generator().manual_seed(0))

    found = ablate.without(checkpoint, direction)

    read = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        states = found.model(read, output_hidden_states=True).hidden_states[:-1]  # the last is behind the norm
    for state in states:
        assert float((state @ (direction / direction.norm())).abs().max()) < 1e-4
    assert all(torch.equal(before[name], each) for name, each in checkpoint.model.state_dict().items())


def test_the_output_still_reads_with_all_its_words(one_directional: Path):
    """Where input and output share their rows, only what writes to the stream is changed."""
    torch, checkpoint = load(), load_checkpoint(one_directional)
    direction = torch.ones(HIDDEN)

    found = ablate.without(checkpoint, direction)

    assert checkpoint.model.lm_head.weight is checkpoint.model.model.embed_tokens.weight
    assert torch.equal(found.model.lm_head.weight, checkpoint.model.lm_head.weight)
    assert not torch.equal(found.model.model.embed_tokens.weight, found.model.lm_head.weight)


def test_a_direction_of_no_length_changes_nothing(one_directional: Path):
    """Nor does it make numbers that are none."""
    torch, checkpoint = load(), load_checkpoint(one_directional)

    found = ablate.without(checkpoint, torch.zeros(HIDDEN))

    state = found.model.state_dict()
    assert all(torch.equal(each, state[name]) for name, each in checkpoint.model.state_dict().items())


def test_what_is_left_is_a_checkpoint_that_does_the_same(one_directional: Path, paired: Behaviours, tmp_path: Path):
    """Whole weights with a card; loaded again they answer as they did, and the direction is not looked for again."""
    config = msgspec.structs.replace(CONFIG, layers=1)
    found = ablate.attack(Subject(one_directional), paired, config, out=tmp_path)
    looked: list[str] = []

    again = ablate.attack(
        Subject(one_directional), paired, config, tell=lambda doing, *_, **__: looked.append(doing), out=tmp_path
    )

    assert (again.tried, again.figures) == (found.tried, found.figures)
    assert "looking for the direction" not in looked
    card = cards.read(tmp_path)
    assert card is not None
    assert (card.method, card.seed) == ("attack ablate", 0)
    assert not (tmp_path / "adapter_config.json").exists()


def test_a_run_that_was_killed_ends_as_if_it_had_not_been(one_directional: Path, paired: Behaviours, tmp_path: Path):
    """Stopped between two layers and called again, it comes to the same weights."""
    whole = ablate.attack(Subject(one_directional), paired, CONFIG, out=tmp_path / "whole")

    def stop(doing: str, done: int, total: int, loss: float | None = None) -> None:
        if doing == "looking for the direction" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ablate.attack(Subject(one_directional), paired, CONFIG, tell=stop, out=tmp_path / "cut")
    found = ablate.attack(Subject(one_directional), paired, CONFIG, out=tmp_path / "cut")

    assert (found.tried, found.figures) == (whole.tried, whole.figures)
    one, other = (load_checkpoint(tmp_path / name).model.state_dict() for name in ("whole", "cut"))
    assert all(load().equal(one[name], other[name]) for name in one)


def test_the_gentlest_of_the_best_is_chosen():
    """Fewest refusals within the limit; of equals that which changes least; none where all of them break the model."""
    one = ablate.Candidate(layer=1, direction=None, refused=0.0, kl=0.9)
    two = ablate.Candidate(layer=2, direction=None, refused=0.2, kl=0.05)
    three = ablate.Candidate(layer=3, direction=None, refused=0.2, kl=0.01)

    assert ablate.choose([one, two, three], 0.1) is three
    assert ablate.choose([one, two, three], 1.0) is one
    assert ablate.choose([one], 0.1) is None


def test_a_model_of_another_make_is_named(one_directional: Path):
    """A model whose layers have other names is not half changed."""
    checkpoint = load_checkpoint(one_directional)
    checkpoint.model.config.num_hidden_layers = 7

    with pytest.raises(CheckpointError, match="LlamaForCausalLM has 8 layers called o_proj or down_proj; expected one"):
        ablate.without(checkpoint, load().ones(HIDDEN))


def test_a_set_without_a_part_to_choose_by_is_an_error(one_directional: Path, paired: Behaviours):
    """The part that is missing is named."""
    rows = tuple(each for each in paired.all if each.split is not Split.DEV)

    with pytest.raises(ValueError, match="paired has no harmful behaviours in its dev part"):
        ablate.attack(Subject(one_directional), msgspec.structs.replace(paired, all=rows), CONFIG)
