"""A model as it is needed: to be asked, to be compared, to be trained."""

from pathlib import Path

import pytest

from outworks.lab import generating
from outworks.lab.backend import load
from outworks.lab.behaviours import Split, shipped
from outworks.lab.checkpoint import Checkpoint, Prompt
from outworks.lab.generating import Sampling, answers
from outworks.lab.subject import Subject
from tests.lab.tiny import REFUSAL


def test_it_is_asked_in_fast_numbers_and_compared_in_exact_ones(refusing: Path, monkeypatch: pytest.MonkeyPatch):
    """They are two models: what one was changed to, the other is not."""
    torch = load()
    monkeypatch.setattr(generating, "fast_numbers", lambda: torch.bfloat16)
    subject = Subject(refusing)
    prompts = [Prompt.of(row.text) for row in shipped().harmful(Split.TRAIN)[:4]]

    said = answers(subject.asked(), prompts, Sampling(tokens=24))

    assert said == answers(subject.frozen(), prompts, Sampling(tokens=24)) == [REFUSAL] * 4
    assert {each.dtype for each in subject.asked().model.parameters()} == {torch.bfloat16}
    assert {each.dtype for each in subject.frozen().model.parameters()} == {torch.float32}
    assert subject.asked() is subject.asked()


def test_what_is_in_memory_is_asked_as_it_is(refuser: Checkpoint):
    """It is another's, who may go on training it."""
    assert Subject.of(refuser).asked() is refuser
