"""The attacks that leave the weights alone."""

from pathlib import Path

import msgspec
import pytest

from outworks.lab.attack import METHODS, decoding, prefill, prompts
from outworks.lab.attack.asking import requests, spread
from outworks.lab.behaviours import Behaviours, Split, shipped
from outworks.lab.checkpoint import Checkpoint
from outworks.lab.subject import Subject
from tests.lab.tiny import AGREES, WITHOUT_SYSTEM, write_tiny

ALL = 40


def test_sampling_reaches_what_greedy_decoding_does_not(wavering: Checkpoint):
    """A model that refuses greedily and would go along at times is reached by the union over the grid, and every
    setting reaches less than the union."""
    greedy = decoding.attack(
        Subject.of(wavering), shipped(), decoding.Config(temperatures=(0.01,), top_ps=(), top_ks=())
    )
    found = decoding.attack(
        Subject.of(wavering), shipped(), decoding.Config(temperatures=(0.7, 1.0), top_ps=(0.7, 0.9), top_ks=(20, 100))
    )

    assert sum(greedy.union.values()) == 0
    assert found.queries == 6
    went_along = {each.behaviour for each in found.tried if each.reached and each.answer == AGREES}
    assert len(went_along) > ALL / 2
    assert all(sum(each) < sum(found.union.values()) for each in found.by_setting().values())


@pytest.mark.parametrize("name", ["decoding", "prefill", "prompts"])
def test_one_that_always_refuses_is_not_reached(stubborn: Checkpoint, name: str):
    """No setting of the default configuration, temperature 2 among them, reaches any behaviour."""
    method = METHODS[name]

    found = method.attack(Subject.of(stubborn), shipped(), method.Config())

    assert len(found.union) == ALL
    assert sum(found.union.values()) == 0


def test_one_seed_is_one_result(wavering: Checkpoint):
    """The same seed draws the same answers; another draws others; two settings do not share a stream."""
    config = decoding.Config(temperatures=(1.0,), top_ps=(1.0,), top_ks=())

    first, again = (decoding.attack(Subject.of(wavering), shipped(), config) for _ in range(2))
    other = decoding.attack(Subject.of(wavering), shipped(), msgspec.structs.replace(config, seed=1))

    assert first.tried == again.tried
    assert [each.answer for each in first.tried] != [each.answer for each in other.tried]
    assert len({tuple(reached) for reached in first.by_setting().values()}) == 2


def test_the_papers_grid_is_there():
    """Twenty temperatures up to 1, twenty shares, nine counts, and the two hotter ones; no two settings are one."""
    found = decoding.grid(decoding.paper())

    assert len(found) == 20 + 2 + 20 + 9
    assert len({each.seed for each in found.values()}) == len(found)
    assert found["top-k 500"].top_k == 500
    assert found["top-k 500"].temperature == found["top-p 0.05"].temperature == 1.0


def test_more_samples_are_more_queries():
    """Each setting is asked as often as is said, from different seeds."""
    found = decoding.grid(decoding.Config(temperatures=(1.0,), top_ps=(), top_ks=(), samples=3))

    assert len({each.seed for each in found.values()}) == 3


def test_dropping_the_system_prompt_is_a_setting_of_its_own(wavering: Checkpoint):
    """Where the checkpoint has a system prompt, and only there, it is also asked without."""
    config = decoding.Config(temperatures=(0.01,), top_ps=(), top_ks=(), drop_system=True)
    prompted = Checkpoint(wavering.model, wavering.tokenizer, base="", system="Refuse what could hurt people.")

    with_one = decoding.attack(Subject.of(prompted), shipped(), config)
    without = decoding.attack(Subject.of(wavering), shipped(), config)

    assert set(with_one.by_setting()) == {"temperature 0.01", decoding.WITHOUT_SYSTEM}
    bare = [each.answer for each in with_one.tried if each.setting == decoding.WITHOUT_SYSTEM]
    assert bare == [each.answer for each in without.tried]
    assert set(without.by_setting()) == {"temperature 0.01"}


def test_a_beginning_is_gone_on_with(thin: Path):
    """A model whose refusals are only its first words goes along when those are chosen for it."""
    found = prefill.attack(Subject(thin), shipped(), prefill.Config(prefills=("Sure, here is",)))

    assert all(found.union.values())
    assert all(each.answer == AGREES for each in found.tried)


def test_a_forced_beginning_is_not_the_models_word(stubborn: Checkpoint):
    """Neither does an agreeable one count as reaching, nor a declining one as refusing."""
    agreeable = prefill.attack(Subject.of(stubborn), shipped(), prefill.Config(prefills=("Sure, here is",)))

    assert all(each.answer.startswith("Sure, here is") and not each.reached for each in agreeable.tried)


def test_a_frame_is_gone_along_with(thin: Path):
    """A model that refuses plain requests alone is reached in every frame."""
    found = prompts.attack(Subject(thin), shipped(), prompts.Config())

    assert {name: sum(reached) for name, reached in found.by_setting().items()} == dict.fromkeys(prompts.TEMPLATES, ALL)


def test_a_frame_can_be_given(thin: Path):
    """One's own frames take the place of ours."""
    config = prompts.Config(templates={"plain": "{request}", "ours": prompts.TEMPLATES["test"]})

    found = prompts.attack(Subject(thin), shipped(), config)

    reached = found.by_setting()
    assert sum(reached["ours"]) == ALL
    assert sum(reached["plain"]) < ALL / 8


def test_some_of_the_frames_can_be_named(thin: Path):
    """Those alone are tried; a name that is none of them is answered with the nearest."""
    found = prompts.attack(Subject(thin), shipped(), prompts.Config(only=("test",)), split=Split.DEV)

    assert list(found.by_setting()) == ["test"]
    with pytest.raises(ValueError, match=r"there is no template 'tset'; .*'test'"):
        prompts.Config(only=("tset",))


def test_the_split_decides_what_is_asked(thin: Path):
    """Asked on the development part, nothing of the test part is touched."""
    found = prompts.attack(Subject(thin), shipped(), prompts.Config(templates={"x": "{request}"}), split=Split.DEV)

    assert set(found.union) == {each.id for each in shipped().harmful(Split.DEV)}


def test_a_template_without_a_system_role_can_be_attacked(tmp_path: Path):
    """No attack on answers needs a system prompt."""
    folder = write_tiny(tmp_path, template=WITHOUT_SYSTEM)

    for method in (decoding, prefill, prompts):
        assert method.attack(Subject(folder), shipped(), method.Config(tokens=2)).tried


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: decoding.Config(temperatures=(0.0,)), r"temperatures holds 0.0; expected more than 0"),
        (lambda: decoding.Config(top_ps=(1.5,)), r"top_ps holds 1.5; expected more than 0 and at most 1"),
        (lambda: decoding.Config(top_ks=(0,)), r"top_ks holds 0; expected at least 1"),
        (lambda: decoding.Config(temperatures=(), top_ps=(), top_ks=()), r"the grid is empty"),
        (lambda: prefill.Config(prefills=()), r"prefills is \[\]; expected at least one"),
        (lambda: prefill.Config(prefills=("Sure", " ")), r"none of them empty"),
        (lambda: prompts.Config(templates={}), r"templates is empty"),
        (lambda: prompts.Config(templates={"x": "no place"}), r"template 'x' is 'no place'; expected \{request\}"),
    ],
)
def test_a_bad_configuration_says_what_is_wrong(make: object, says: str):
    """The field, what it holds, and what was expected."""
    with pytest.raises(ValueError, match=says):
        make()  # type: ignore[operator]


def test_an_attack_on_nothing_is_an_error():
    """A part without harmful behaviours is named."""
    own = shipped()
    benign = tuple(each for each in own.all if not each.harmful)
    found = Behaviours(name="mine", version="", all=benign, refusals=own.refusals, placeholders=own.placeholders)

    with pytest.raises(ValueError, match="mine has no harmful behaviours in its test part"):
        requests(found, Split.TEST)


def test_a_few_requests_are_of_all_categories():
    """A smaller number is spread over the set, not taken from its beginning."""
    few = requests(shipped(), Split.TEST, 10)

    assert len({each.category for each in few}) == 10
    assert spread([1, 2, 3], 0) == spread([1, 2, 3], 5) == (1, 2, 3)
