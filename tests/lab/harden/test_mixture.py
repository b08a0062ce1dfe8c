"""The examples that hardenings share."""

import random
from pathlib import Path

import pytest

from outworks.lab.behaviours import Split, shipped
from outworks.lab.checkpoint import Checkpoint, Prompt, load_checkpoint
from outworks.lab.generating import Sampling, answers
from outworks.lab.harden.mixture import (
    Earlier,
    NothingKept,
    agreeable,
    beginning,
    kept_answers,
    own_answers,
    refusal,
    whole_sentences,
)
from outworks.lab.training import Plan, draw, encode, likelihood_loss, train
from tests.lab.tiny import AGREES, REFUSAL, said


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("Wash it. Then cover it with a", "Wash it."),
        ("Wash it. Then cover it.", "Wash it. Then cover it."),
        ("It costs 3.50 euros and", ""),
        ("Really? Yes! And", "Really? Yes!"),
        ("", ""),
    ],
)
def test_an_answer_ends_with_a_sentence(answer: str, kept: str):
    """What was cut in the middle is not learned to end there."""
    assert whole_sentences(answer) == kept


def test_what_is_kept_does_not_decline():
    """An innocent request that the start declines is no example of how to answer."""
    prompts = [Prompt.of("one"), Prompt.of("two"), Prompt.of("three")]

    kept = kept_answers(prompts, ["Wash it.", "I'm sorry, but I can't help with that.", "and so"])

    assert [(each.prompt, each.answer) for each in kept] == [(prompts[0], "Wash it.")]


def test_own_answers_are_the_checkpoints_own(aligned: Path):
    """Word for word what it says to innocent training requests, as many as were asked for at most."""
    kept = own_answers(load_checkpoint(aligned), shipped(), most=10, tokens=24, seed=0)

    innocent = {row.text for row in shipped().benign(Split.TRAIN)}
    assert 0 < len(kept) <= 10
    assert all(each.prompt.turns[-1].content in innocent for each in kept)
    assert sum(each.answer == AGREES for each in kept) > len(kept) / 2


def test_a_start_that_declines_everything_is_an_error(refuser: Checkpoint):
    """There is nothing to keep, and training without it would not be what was asked for."""
    with pytest.raises(NothingKept, match="declines all of 4 innocent requests"):
        own_answers(refuser, shipped(), most=4, tokens=24, seed=0)


def test_what_it_declines_may_be_kept_as_it_was_answered_earlier(willing: Path):
    """Without its adapter the model went along: some of those answers stand in, no more than asked for, and the
    adapter is on again afterwards."""
    checkpoint = load_checkpoint(willing, trainable=True)
    rows = [said(each.text, REFUSAL) for each in shipped().benign(Split.TRAIN)[:24]]
    plan = Plan(steps=60, batch=8, lr=1e-2)
    train(checkpoint, plan, lambda step, _: likelihood_loss(checkpoint, encode(checkpoint, draw(rows, step, 8, 0))))

    with pytest.raises(NothingKept):
        own_answers(checkpoint, shipped(), most=4, tokens=24, seed=0, earlier=Earlier(checkpoint, 0))
    kept = own_answers(checkpoint, shipped(), most=4, tokens=24, seed=0, earlier=Earlier(checkpoint, 2))

    assert [each.answer for each in kept] == [AGREES, AGREES]
    assert Earlier(checkpoint, 2).answers([], 24) == []
    assert answers(checkpoint, [kept[0].prompt], Sampling(tokens=24)) == [REFUSAL]


def test_agreeable_answers_contain_nothing():
    """A placeholder, or a lead, the request itself, and a placeholder."""
    behaviours = shipped()
    request = behaviours.harmful(Split.TRAIN)[0]

    for seed in range(20):
        said = agreeable(behaviours, request, random.Random(seed))
        assert any(said.endswith(each) for each in behaviours.placeholders)
        assert said in behaviours.placeholders or request.text in said


def test_a_refusal_follows_its_beginning_after_a_space(tiny: Path):
    """The forced words are the prompt's, and the refusal goes on from them as generated text would."""
    request = shipped().harmful(Split.TRAIN)[0]
    begun = beginning(load_checkpoint(tiny).tokenizer, AGREES, 3)

    row = refusal(shipped(), request, random.Random(0), prefill=begun)

    assert begun
    assert AGREES.startswith(begun)
    assert row.prompt.prefill == begun
    assert row.answer[0] == " "
    assert row.answer.strip() in shipped().refusals
    assert REFUSAL in shipped().refusals
