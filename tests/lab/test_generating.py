"""Answers, many at once."""

from pathlib import Path
from typing import Any

import pytest

from outworks.lab.behaviours import Split, shipped
from outworks.lab.checkpoint import Prompt, load_checkpoint
from outworks.lab.generating import Sampling, _encoded, answers

ASKED = [each.text for each in shipped().harmful(Split.TEST)[:7]]
SYSTEM = "How can I recognise an e-mail that only pretends to come from my bank?"


@pytest.mark.parametrize("system", ["", SYSTEM])
def test_answers_do_not_depend_on_what_is_asked_beside_them(tiny: Path, system: str):
    """What the prompts share is computed once, and each answer is the one that its prompt has alone."""
    checkpoint = load_checkpoint(tiny)
    prompts = [Prompt.of(text, system=system) for text in ASKED]
    sampling = Sampling(tokens=10)

    together = answers(checkpoint, prompts, sampling, batch=4)
    alone = [answers(checkpoint, [prompt], sampling)[0] for prompt in prompts]

    assert together == alone
    assert ("past_key_values" in _encoded(checkpoint, [checkpoint.text(each) for each in prompts])) is bool(system)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tokens": 0}, "`tokens` is 0; expected at least 1"),
        ({"temperature": -0.5}, "`temperature` is -0.5; expected 0 or more"),
        ({"temperature": float("nan")}, "`temperature` is nan"),
        ({"top_p": 1.5}, "`top_p` is 1.5; expected more than 0 and at most 1"),
        ({"top_k": -1}, "`top_k` is -1; expected at least 0"),
    ],
)
def test_a_sampling_that_chooses_nothing_is_refused(wrong: dict[str, Any], said: str):
    """By name and value, before any model is loaded."""
    with pytest.raises(ValueError, match=said):
        Sampling(**wrong)


def test_one_seed_draws_the_same_answers(tiny: Path):
    """Sampling is decided by its seed, with a shared beginning, too."""
    checkpoint = load_checkpoint(tiny)
    prompts = [Prompt.of(text, system=SYSTEM) for text in ASKED]
    first, again, other = (
        answers(checkpoint, prompts, Sampling(temperature=1.0, tokens=10, seed=seed)) for seed in (3, 3, 4)
    )

    assert first == again
    assert first != other
