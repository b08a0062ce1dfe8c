"""The residual stream, watched and shifted."""

from pathlib import Path

import pytest

from outworks.lab.backend import load
from outworks.lab.checkpoint import load_checkpoint
from outworks.lab.harden.residual import blocks, depths, shifted, watched
from tests.lab.tiny import AGREES, said


def test_what_leaves_a_layer_is_what_the_model_says_it_is(tiny: Path):
    """The hooks see transformers' own hidden states; the last one stands before the final norm."""
    checkpoint = load_checkpoint(tiny)
    ids = ids_of(checkpoint)

    with load().no_grad(), watched(checkpoint.model, (0, 1)) as seen:
        states = checkpoint.model(input_ids=ids, output_hidden_states=True).hidden_states

    assert load().equal(seen[0], states[1])
    assert load().allclose(checkpoint.model.model.norm(seen[1]), states[2])


def test_a_shift_is_added_and_ends(tiny: Path):
    """What leaves the layer is more by the shift while it lasts, and as before afterwards; adapters change nothing."""
    checkpoint = load_checkpoint(tiny, trainable=True)
    ids = ids_of(checkpoint)
    shift = load().randn(1, ids.shape[1], 32)

    with load().no_grad():
        with watched(checkpoint.model, (0,)) as before:
            checkpoint.model(input_ids=ids)
        with shifted(checkpoint.model, {0: shift}), watched(checkpoint.model, (0,)) as during:
            checkpoint.model(input_ids=ids)
        with watched(checkpoint.model, (0,)) as after:
            checkpoint.model(input_ids=ids)

    assert load().allclose(during[0], before[0] + shift)
    assert load().equal(after[0], before[0])


def test_layers_are_named_by_their_share_of_the_depth(tiny: Path):
    """The first and the last of two, each once; anything else is an error that says what was given."""
    model = load_checkpoint(tiny).model

    assert len(blocks(model)) == 2
    assert depths(model, (1.0, 0.0, 0.1)) == (0, 1)
    with pytest.raises(ValueError, match=r"shares of the depth, from 0 to 1; it was given \(10,\)"):
        depths(model, (10,))


def ids_of(checkpoint):
    text = checkpoint.text(said("How does a crisis line work?", AGREES).prompt)
    return checkpoint.tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
