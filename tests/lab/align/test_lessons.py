"""What alignment is taught with, and which of its tokens are learned."""

from pathlib import Path

import pytest

from outworks.lab import subject as subjects
from outworks.lab.align.lessons import Lesson, own_answers, pairs, refusals, spread, supervised_rows, to_sentence_end
from outworks.lab.behaviours import Split, shipped
from outworks.lab.checkpoint import Checkpoint, Prompt, load_checkpoint
from outworks.lab.subject import Subject
from outworks.lab.training import Example, encode
from tests.lab.tiny import AGREES, REFUSAL


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("One. Two! Three is not", "One. Two!"),
        ('He said "no." And then', 'He said "no."'),
        ("First:\n\n1. Look. 2. Go and", "First:\n\n1. Look."),
        ("Version 1.5 of it", "Version 1.5 of it"),
        ("No end here", "No end here"),
        ("", ""),
    ],
)
def test_an_answer_is_cut_where_a_sentence_ends(text: str, cut: str):
    """The last whole sentence stays; a list's number is no sentence; what has no end is left as it is."""
    assert to_sentence_end(text) == cut


def test_the_models_own_refusals_are_not_learned(refuser: Checkpoint, agreer: Checkpoint):
    """Of what the model says to innocent requests, refusals are dropped, and the rest is kept word by word."""
    asked = shipped().benign(Split.TRAIN)[:4]

    assert own_answers(Subject.of(refuser), asked, 24) == []
    assert [each.answer for each in own_answers(Subject.of(agreer), asked, 24)] == [AGREES] * 4


def test_an_answer_that_was_cut_is_marked(agreer: Checkpoint):
    """An answer that ran into the limit is no whole one; one that ended before it is."""
    asked = shipped().benign(Split.TRAIN)[:2]

    assert [each.whole for each in own_answers(Subject.of(agreer), asked, 40)] == [True, True]
    assert [each.whole for each in own_answers(Subject.of(agreer), asked, 6)] == [False, False]


def test_own_answers_are_written_once(agreer: Checkpoint, refuser: Checkpoint, tmp_path: Path):
    """What was kept is read again, and no model is asked."""
    asked, kept = shipped().benign(Split.TRAIN)[:2], tmp_path / "own.json"
    first = own_answers(Subject.of(agreer), asked, 24, kept=kept)

    assert own_answers(Subject.of(refuser), asked, 24, kept=kept) == first


def test_a_subject_is_asked_once(agreer: Checkpoint, monkeypatch: pytest.MonkeyPatch):
    """The same questions at the same length are computed once for all seeds; fewer, or shorter, are not."""
    asked, calls = shipped().benign(Split.TRAIN)[:3], []
    subject, real = Subject.of(agreer), subjects.answers
    monkeypatch.setattr(subjects, "answers", lambda *a, **k: calls.append(len(a[1])) or real(*a, **k))

    first = own_answers(subject, asked, 24)
    assert own_answers(subject, asked, 24) == first
    assert calls == [3]
    own_answers(subject, asked, 12)
    own_answers(subject, asked[:2], 24)
    assert calls == [3, 3, 2]


def test_tokens_are_those_that_the_model_is_asked_with(tiny: Path):
    """The rows that trainers get are token by token what the lab's own encoding makes, mask and all."""
    checkpoint = load_checkpoint(tiny)
    prompt = Prompt.of("How do I find a good therapist?")
    rows = supervised_rows(checkpoint, [Lesson(prompt, REFUSAL)])
    batch = encode(checkpoint, [Example(prompt, REFUSAL)])

    assert rows["input_ids"] == batch.input_ids.tolist()
    assert rows["completion_mask"] == (batch.labels != -100).long().tolist()


def test_the_end_of_a_cut_answer_is_not_learned(tiny: Path):
    """A cut answer has no end among its tokens, so that nothing is taught to stop there."""
    checkpoint = load_checkpoint(tiny)
    prompt = Prompt.of("How do I find a good therapist?")
    whole, cut = supervised_rows(checkpoint, [Lesson(prompt, AGREES), Lesson(prompt, AGREES, whole=False)])["input_ids"]

    assert whole == [*cut, checkpoint.tokenizer.eos_token_id]


def test_pairs_prefer_refusals_of_harm_alone():
    """For harm a refusal stands above a placeholder; for innocence the model's own answer above a refusal."""
    found = shipped()
    harmful = found.harmful(Split.TRAIN)[:30]
    own = [Lesson(Prompt.of("What is a cheque?"), "A promise of a bank.")]

    made = pairs(found, harmful, own, seed=1)

    assert all(each.chosen in found.refusals and each.rejected in found.placeholders for each in made[:-1])
    assert (made[-1].chosen, made[-1].rejected in found.refusals) == ("A promise of a bank.", True)
    assert len({each.chosen for each in made[:-1]}) > 3


def test_a_part_is_taken_from_all_categories():
    """A part of the requests is spread over the list; as many as there are, or more, are all of them."""
    rows = shipped().harmful(Split.TRAIN)

    assert {each.category for each in spread(rows, 20)} == {each.category for each in rows}
    assert len({each.id for each in spread(rows, 20)}) == 20
    assert spread(rows, 1000) == spread(rows, len(rows)) == rows
    assert spread(rows, 0) == ()


def test_refusals_vary_and_follow_the_seed():
    """Many wordings, the same for one seed, others for another."""
    rows = shipped().harmful(Split.TRAIN)

    first, again, other = (refusals(shipped(), rows, seed) for seed in (0, 0, 1))

    assert first == again != other
    assert {each.answer for each in first} == set(shipped().refusals)
