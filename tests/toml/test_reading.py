"""Reading: every fault of a file at once, with its line, what is valid and the nearest name."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from outworks.toml import LARGEST, Fault, PolicyError, Reading, read


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Inner(msgspec.Struct):
    depth: Annotated[int, Meta(ge=1, le=9)] = 1
    share: Annotated[float, Meta(gt=0)] = 0.5


class Cat(msgspec.Struct, tag="cat", tag_field="kind"):
    name: str


class Dog(msgspec.Struct, tag="dog", tag_field="kind"):
    name: str
    size: int = 1


class Even(msgspec.Struct):
    number: int = 0
    other: int = 0

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError(f"number is {self.number}; expected an even one")
        if self.other < 0:
            raise ValueError("it does not add up")


class Shape(msgspec.Struct):
    text: Annotated[str, Meta(min_length=1, max_length=5)] = "x"
    count: int = 0
    ratio: float = 0.0
    flag: bool = False
    colour: Colour = Colour.RED
    level: Literal["low", "high", 1] = "low"
    inner: Inner = msgspec.field(default_factory=Inner)
    pets: tuple[Cat | Dog, ...] = ()
    names: dict[str, Inner] = {}
    words: list[str] = []
    maybe: float | None = None
    anything: Any = None
    even: Even = msgspec.field(default_factory=Even)
    either: int | str = 0


def faults(text: str) -> list[str]:
    with pytest.raises(PolicyError) as error:
        read(text.encode(), Shape, file="f.toml").settle()
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flga = true", "flga: unknown key 'flga'; did you mean 'flag'?"),
        ("dept = 1", "dept: unknown key 'dept'; valid here: " + ", ".join(Shape.__struct_fields__)),
        ("[inner]\ncount = 1", "inner.count: unknown key 'count'; valid here: depth, share"),
        ("depth = 1", "depth: unknown key 'depth'; it belongs in [inner]"),
        ("text = 5", "text: given 5; expected a string"),
        ("text = ''", "text: '' is empty; expected at least 1 character"),
        ("text = 'sixsix'", "text: 'sixsix' is too long; expected at most 5 characters"),
        ("count = '5'", "count: '5' is a string; expected a whole number"),
        ("count = 5.0", "count: given 5.0; expected a whole number"),
        ("count = true", "count: given true; expected a whole number"),
        ("count = 9223372036854775808", "count: a number of 64 bits is out of range; expected at most 64 bits"),
        ("count = 0x" + "f" * 5000, "count: a number of 20000 bits is out of range; expected at most 64 bits"),
        ("ratio = nan", "ratio: nan is no number to reckon with; expected a finite one"),
        ("ratio = false", "ratio: given false; expected a number"),
        ("flag = 1", "flag: given 1; expected true or false"),
        ("flag = 2020-01-01", "flag: given a date or time; expected true or false"),
        ("colour = 'gren'", "colour: 'gren' is not valid; expected 'red' or 'green'; did you mean 'green'?"),
        ("level = 'medium'", "level: 'medium' is not valid; expected 1, 'high' or 'low'"),
        ("level = true", "level: true is not valid; expected 1, 'high' or 'low'"),
        ("inner = 1", "inner: given 1; expected a table"),
        ("inner.depth = 10", "inner.depth: 10 is out of range; expected a whole number from 1 to 9"),
        ("inner.share = 0", "inner.share: 0 is out of range; expected a number greater than 0"),
        ("pets = [{ kind = 'dgo' }]", "pets[0].kind: 'dgo' is not valid; expected 'cat' or 'dog'; did you mean 'dog'?"),
        ("pets = [{ name = 'x' }]", "pets[0].kind: missing; expected 'cat' or 'dog'"),
        ("pets = [{ kidn = 'cat' }]", "pets[0].kind: missing; expected 'cat' or 'dog'; did you mean it by 'kidn'?"),
        ("pets = [{ kind = 'cat' }]", "pets[0].name: missing; expected a string"),
        ("pets = [{ kind = 'cat', nam = '' }]", "pets[0].nam: unknown key 'nam'; did you mean 'name'?"),
        ("[pets]\nkind = 'cat'", "pets: given a table; expected a list, each item a table; write it as [[pets]]"),
        ("pets = [5]", "pets[0]: given 5; expected a table"),
        ("[names.'a.b']\ndepth = 0", "names.'a.b'.depth: 0 is out of range; expected a whole number from 1 to 9"),
        ("words = 'a'", "words: 'a' is a string; expected a list, each item a string"),
        ("words = ['a', 2]", "words[1]: given 2; expected a string"),
        ("maybe = 'a'", "maybe: 'a' is a string; expected a number"),
        (
            "anything = [1, { when = 2020-01-01 }]",
            "anything[1].when: given a date or time; expected a string, a number",
        ),
        ("anything = inf", "anything: inf is no number to reckon with"),
        ("either = 1.5", "either: given 1.5; expected a whole number or a string"),
    ],
)
def test_a_fault_says_what_was_given_and_what_is_valid(text: str, message: str) -> None:
    """Each kind of fault names its line and key, what was given, what is valid, and the nearest name if any is near."""
    (fault,) = faults(text)

    line = text.count("\n") + 1 if "[pets]" not in text else 1
    assert fault.startswith(f"f.toml:{line}: {message}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text = 'abc'\ncount = -1\nratio = 2\nflag = true\ncolour = 'green'\nlevel = 1",
        "inner = { depth = 9 }\npets = [{ kind = 'dog', name = 'x', size = 2 }, { kind = 'cat', name = 'y' }]",
        "names.'a b'.depth = 2\nwords = []\nmaybe = 1\nanything = [1, 2.5, 'x', true, { a = [] }]\neither = 'x'",
        "\ufeff# written on Windows\r\ntext = 'x'\r\n",
    ],
)
def test_what_is_valid_is_taken(text: str) -> None:
    """A file without faults settles, and is what `msgspec` makes of it."""
    reading = read(text.encode(), Shape, file="f.toml")
    reading.settle()

    assert reading.take(Shape) == msgspec.convert(reading.document, Shape)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (
            b"\nflag = yes\n",
            "2: not TOML, column 8: invalid value; expected a string in quotes, a number, true, false, ",
        ),
        (b"a = [1,\n\n", "2: not TOML, at the end: "),
        (b"a = 1\n\xff = 2", "2: the byte 0xff is not UTF-8"),
        (b"a = 1\nb = " + b"9" * 5000, "2: not TOML: a number too long to be one"),
        (b"a = 1\nb = " + b"[" * 5000, "2: nested too deeply; expected at most 32 levels"),
        (b"#" * (LARGEST + 1), "1: the file is too large; expected at most 1048576 bytes"),
    ],
)
def test_what_is_not_toml_is_one_fault_with_its_line(data: bytes, fault: str) -> None:
    """A file that cannot be parsed is refused with the one place where it stops being TOML."""
    with pytest.raises(PolicyError) as error:
        read(data, Shape, file="f.toml")

    assert str(error.value).startswith(f"f.toml:{fault}")
    assert len(error.value.faults) == 1


def test_every_fault_is_told_in_the_order_of_the_lines() -> None:
    """A file with several faults is refused with all of them, first line first, and each key once."""
    text = "count = 'x'\nflga = 1\n[inner]\ndepth = 0\nshare = 'y'\n[[pets]]\n[[pets]]\nkind = 'cow'"

    assert [line.split(": ")[:2] for line in faults(text)] == [
        ["f.toml:1", "count"],
        ["f.toml:2", "flga"],
        ["f.toml:4", "inner.depth"],
        ["f.toml:5", "inner.share"],
        ["f.toml:6", "pets[0].kind"],
        ["f.toml:8", "pets[1].kind"],
    ]


def reading_of(text: str) -> Reading:
    return read(text.encode(), Shape, file="f.toml")


def test_what_is_sound_can_be_taken_beside_what_is_not() -> None:
    """A table with a faulty key is taken without it, so that the rest can be checked; a faulty whole is not."""
    reading = reading_of("[inner]\ndepth = 0\nshare = 0.25\n[[pets]]\nkind = 'cow'\n[[pets]]\nkind = 'cat'\nname = 5")

    assert reading.take(Inner, "inner") == Inner(depth=1, share=0.25)
    assert reading.take(Cat, "pets", 1) is None
    assert reading.take(Cat, "pets", 1, fill={"name": "x"}) == Cat(name="x")
    with pytest.raises(PolicyError) as error:
        reading.settle()
    assert [fault.line for fault in error.value.faults] == [2, 5, 8]


def test_a_struct_that_refuses_its_values_is_a_fault_of_the_key_that_it_names() -> None:
    """An error of a Struct's own check goes to the line of the key that it begins with, or else of the table."""
    reading = reading_of("[even]\nother = -1\nnumber = 3")

    assert reading.take(Even, "even") is None
    with pytest.raises(PolicyError) as error:
        reading.settle()
    assert error.value.faults == (
        Fault(1, "even", "it does not add up"),
        Fault(3, "even.number", "number is 3; expected an even one"),
    )
