"""Configurations from words."""

import msgspec
import pytest

from outworks.lab.align import METHODS as ALIGN
from outworks.lab.attack import METHODS as ATTACK
from outworks.lab.harden import METHODS as HARDEN
from outworks.lab.settings import configured, described, method


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An example."""

    steps: int = 3
    """How long
    it goes on."""
    lr: float = 1e-3
    heats: tuple[float, ...] = (1.0,)
    words: tuple[str, ...] = ("a",)
    service: bool = False
    table: dict[str, str] = msgspec.field(default_factory=lambda: {"a": "b"})
    seed: int = 0


def test_words_become_settings():
    """Numbers, lists with commas, lists as JSON and switches are read as the field wants them."""
    given = ["steps=7", "lr=2e-4", "heats=0.5, 2", 'words=["Sure, here is"]', "service=true", 'table={"x": "y"}']

    found = configured(Config, given, seed=4)

    assert found == Config(
        steps=7, lr=2e-4, heats=(0.5, 2.0), words=("Sure, here is",), service=True, table={"x": "y"}, seed=4
    )
    assert configured(Config, ["heats="]).heats == ()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("stepz=7", "there is no setting 'stepz'; did you mean 'steps'?"),
        ("qqq=7", "there is no setting 'qqq'; there are: steps, lr"),
        ("steps", "given as name=value, not 'steps'"),
        ("steps=many", "the setting steps='many': Expected `int`"),
        ("words=[1", "begins like JSON and is none"),
    ],
)
def test_a_wrong_setting_is_named(given: str, said: str):
    """What was given, and the nearest valid name."""
    with pytest.raises(ValueError, match=r".") as caught:
        configured(Config, [given])

    assert said in str(caught.value)


def test_settings_are_described_by_the_docstrings_under_them():
    """Name, default, and the words below the field, on one line."""
    found = {each.name: each for each in described(Config)}

    assert found["steps"].says == "How long it goes on."
    assert (found["steps"].default, found["words"].default, found["table"].default) == ("3", '["a"]', '{"a":"b"}')


@pytest.mark.parametrize("known", [ALIGN, ATTACK, HARDEN], ids=["align", "attack", "harden"])
def test_every_method_can_be_configured_and_described(known: dict[str, object]):
    """Each has a frozen configuration with a seed, all of whose settings have defaults."""
    for module in known.values():
        config = module.Config  # type: ignore[attr-defined]
        assert configured(config, [], seed=3).seed == 3
        assert all(each.default != "required" for each in described(config))


def test_an_unknown_method_is_answered_with_the_nearest():
    """A misspelt name is told what it probably meant."""
    with pytest.raises(ValueError, match="no attack method 'prefil'; did you mean 'prefill'"):
        method("attack", "prefil", ATTACK)  # type: ignore[arg-type]
