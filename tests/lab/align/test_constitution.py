"""Critique and revision: what is read, what is made of answers, and what they train."""

from pathlib import Path

import msgspec
import pytest

from outworks.lab.align import constitution
from outworks.lab.align.constitution import Revised, revision_figures
from outworks.lab.align.principles import read_constitution
from outworks.lab.behaviours import DataError, Split, shipped
from outworks.lab.checkpoint import Prompt, Turn, load_checkpoint
from outworks.lab.subject import Subject
from outworks.lab.training import Example
from outworks.lab.work import read_card
from tests.lab.align.asking import StopAt, few, same_weights, share
from tests.lab.tiny import AGREES, REFUSAL, said, taught

SMALL = """version = "1"
principles = ["It could hurt people."]
critique = "{principle}"
revision = "I won't write that."
"""
JUDGED = "No, I won't do that, because somebody could come to harm."
FAST = constitution.Config(
    requests=16,
    contrasts=16,
    tokens=24,
    critique_tokens=20,
    supervised_steps=60,
    supervised_lr=5e-3,
    preference_steps=10,
    preference_lr=1e-3,
    batch=8,
    save_every=4,
)
SHORT = msgspec.structs.replace(FAST, requests=4, contrasts=4, supervised_steps=6, preference_steps=6, batch=4)


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One principle, in words that the tiny model knows."""
    path = tmp_path_factory.mktemp("rules") / "rules.toml"
    path.write_text(SMALL, "utf-8")
    return path


@pytest.fixture(scope="module")
def thoughtful(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It agrees at first, and declines when it is made to think: what a large model does, planted in a small one."""
    examples = []
    for each in [*shipped().harmful(Split.TRAIN)[:24], *shipped().benign(Split.TRAIN)[:24]]:
        judged = (Turn("user", each.text), Turn("assistant", AGREES), Turn("user", "It could hurt people."))
        again = (*judged, Turn("assistant", JUDGED), Turn("user", "I won't write that."))
        examples += [said(each.text, AGREES), Example(Prompt(judged), JUDGED), Example(Prompt(again), REFUSAL)]
    found = taught(tiny, examples, steps=200)
    folder = tmp_path_factory.mktemp("thoughtful")
    found.model.save_pretrained(str(folder))
    found.tokenizer.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def whole(thoughtful: Path, rules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run makes that nobody stopped."""
    out = tmp_path_factory.mktemp("whole") / "out"
    constitution.align(Subject(thoughtful), few(24), msgspec.structs.replace(SHORT, principles=str(rules)), out)
    return out


def test_a_model_that_revises_well_teaches_itself(thoughtful: Path, rules: Path, tmp_path: Path):
    """Its first answers agree, its revisions decline, and afterwards its first answers to harm decline, unseen too."""
    config = msgspec.structs.replace(FAST, principles=str(rules))

    card = constitution.align(Subject(thoughtful), few(24), config, tmp_path / "out")

    assert (card.figures["first_declined"], card.figures["answers"]) == (0.0, 16.0)
    assert card.figures["revisions_declined"] > 12
    assert share(thoughtful, harmful=True) < 0.2
    assert share(tmp_path / "out", harmful=True) > 0.4
    kept = msgspec.json.decode((tmp_path / "out" / "revisions.json").read_bytes(), type=list[Revised])
    assert len(kept) == 16


def test_revisions_that_say_nothing_new_are_told(yielding: Path, rules: Path, tmp_path: Path):
    """A model that cannot judge itself is trained all the same, and the card says that its revisions did not
    decline."""
    config = msgspec.structs.replace(FAST, principles=str(rules), supervised_steps=2, preference_steps=2)

    card = constitution.align(Subject(yielding), few(24), config, tmp_path / "out")

    assert card.figures["revisions_declined"] < 4


def test_each_answer_is_judged_by_a_principle_in_turn(thoughtful: Path):
    """The principles are gone through one after the other, and the seed says with which to begin."""
    rules = read_constitution()
    checkpoint = load_checkpoint(thoughtful)
    heard: list[str] = []

    def tell(doing: str, done: int, total: int, loss: float | None = None) -> None:
        heard.append(doing)

    found = constitution.revise(
        checkpoint,
        msgspec.structs.replace(rules, example=()),
        shipped().harmful(Split.TRAIN)[:6],
        msgspec.structs.replace(FAST, tokens=4, critique_tokens=4, seed=3),
        tell=tell,
    )

    assert [each.request for each in found] == [each.text for each in shipped().harmful(Split.TRAIN)[:6]]
    assert [rules.principles.index(each.principle) for each in found] == [3, 4, 0, 1, 2, 3]
    assert list(dict.fromkeys(heard)) == ["first answers", "critiques", "revisions"]


def test_figures_count_what_revising_changed():
    """Declines before and after, and revisions that are new: neither empty nor the first answer again."""
    rows = [
        Revised("a", AGREES, "", "", REFUSAL),
        Revised("b", AGREES, "", "", AGREES),
        Revised("c", REFUSAL, "", "", " "),
    ]

    assert revision_figures(rows) == {
        "answers": 3.0,
        "first_declined": 1.0,
        "revisions_declined": 1.0,
        "revisions_new": 1.0,
    }


def test_the_shipped_principles_are_whole():
    """Several principles, and examples of both kinds: harm that is revised, and innocence that is left."""
    rules = read_constitution()

    assert len(rules.principles) >= 4
    assert {each.answer == each.revision for each in rules.example} == {True, False}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version = 1", "Expected `str`, got `int` - at `\\$.version`"),
        (SMALL.replace('["It could hurt people."]', "[]"), "`principles` is empty"),
        (SMALL.replace("{principle}", "Judge it."), r"`critique` has no \{principle\} in it"),
        (SMALL + "principels = []", "unknown field `principels`"),
        ("= 1", "Invalid statement"),
    ],
)
def test_malformed_principles_are_told(tmp_path: Path, text: str, told: str):
    """The message names the file and what is wrong in it."""
    path = tmp_path / "rules.toml"
    path.write_text(text, "utf-8")

    with pytest.raises(DataError, match=rf"rules\.toml: .*{told}"):
        read_constitution(path)


def test_missing_principles_are_told(tmp_path: Path):
    """A file that is not there is named, before any model is loaded."""
    config = msgspec.structs.replace(FAST, principles=str(tmp_path / "absent.toml"))

    with pytest.raises(DataError, match=r"absent\.toml: .*expected principles in the form of the shipped ones"):
        constitution.align(Subject("nowhere"), few(1), config, tmp_path / "out")


@pytest.mark.parametrize("stage", ["revisions learned", "revisions preferred"])
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(
    thoughtful: Path, rules: Path, whole: Path, tmp_path: Path, stage: str
):
    """Stopped in either training, it goes on to the same weights; the preference's reference is what was learned."""
    config = msgspec.structs.replace(SHORT, principles=str(rules))
    with pytest.raises(KeyboardInterrupt):
        constitution.align(Subject(thoughtful), few(24), config, tmp_path / "cut", StopAt(stage, 5))

    resumed = constitution.align(Subject(thoughtful), few(24), config, tmp_path / "cut")

    assert same_weights(whole, tmp_path / "cut")
    assert resumed.figures == read_card(whole).figures
