"""Configurations from words."""

from typing import Annotated, Literal

import msgspec
import pytest

from outworks.lab.align import METHODS as ALIGN
from outworks.lab.attack import METHODS as ATTACK
from outworks.lab.harden import METHODS as HARDEN
from outworks.lab.limits import AboveZero, AtLeastOne, Share
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
    kind: Literal["ten", "hundred"] = "ten"
    rows: AtLeastOne = 4
    rate: AboveZero = 0.1
    shares: Annotated[tuple[Share, ...], msgspec.Meta(min_length=1)] = (0.5,)
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
        ("steps=many", "the setting steps=many: expected a whole number"),
        ("lr=some", "the setting lr=some: expected a number"),
        ("lr=nan", "the setting lr=nan: expected a finite number"),
        ("heats=1,inf", "the setting heats=1,inf: expected a finite number"),
        ("service=perhaps", "the setting service=perhaps: expected true or false"),
        ("kind=two", "the setting kind=two: expected one of hundred, ten"),
        ("table=x", 'the setting table=x: expected JSON, such as {"name": "words"}'),
        ("rows=0", "the setting rows=0: expected a whole number of at least 1"),
        ("rate=0", "the setting rate=0: expected a number above 0"),
        ("rate=nan", "the setting rate=nan: expected a number above 0"),
        ("rate=inf", "the setting rate=inf: expected a finite number"),
        ("shares=0.2,1.5", "the setting shares=0.2,1.5: expected a number of at most 1"),
        ("shares=", "the setting shares=: expected a list of length of at least 1"),
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
        assert msgspec.convert(msgspec.to_builtins(config()), config) == config()  # the defaults keep their own limits
        assert all(each.default != "required" for each in described(config))


@pytest.mark.parametrize("known", [ALIGN, ATTACK, HARDEN], ids=["align", "attack", "harden"])
def test_no_method_takes_nothing_for_a_count(known: dict[str, object]):
    """Steps, rows and tokens of less than nothing are refused by every method that has them, before it begins."""
    for name, module in known.items():
        config = module.Config  # type: ignore[attr-defined]
        counts = [each for each in ("steps", "batch", "tokens", "kept", "rows") if each in config.__struct_fields__]
        for count in counts:
            with pytest.raises(ValueError, match=f"{count}=-1: expected a whole number of at least"):
                configured(config, [f"{count}=-1"])


def test_an_unknown_method_is_answered_with_the_nearest():
    """A misspelt name is told what it probably meant."""
    with pytest.raises(ValueError, match="no attack method 'prefil'; did you mean 'prefill'"):
        method("attack", "prefil", ATTACK)  # type: ignore[arg-type]
