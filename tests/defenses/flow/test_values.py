"""Values: what is equal, what only looks so, and what it costs to tell."""

import contextlib
import random
import re
from time import perf_counter

import pytest

from outworks.defenses.flow.carried import carried
from outworks.defenses.flow.policy import Kind
from outworks.defenses.flow.values import Words, spans


@pytest.mark.parametrize(
    ("kind", "words", "value"),
    [
        ("text", "Invite Bob  Marsh, please", "bob marsh"),
        ("text", "Bob's team", "Bob"),
        ("id", "file f-12.", "f-12"),
        ("id", "number 5", 5),
        ("email", "To: <Ann@x.test>!", "ann@X.test"),
        ("email", "ann@x.test?", "ann@x.test"),
        ("email", "see https://a.test, or [mail](mailto:ann@x.test)", "ann@x.test"),
        ("url", "see www.a.test.", "https://www.a.test/"),
        ("url", "(https://A.test:443/x?y=1)", "https://a.test/x?y=1"),
        ("number", "pay 1,200.50 now", 1200.5),
        ("number", "It is 98.70.", "98.7"),
        ("number", "$50, or 7%", 50),
        ("date", "on May 15th, 2024", "2024-05-15"),
        ("date", "on 15 May 2024 at 7pm", "2024-05-15T19:00"),
        ("date", "2024-05-15 at 12:30", "2024-05-15 12:30"),
        ("date", "on 3 June", "2025-06-03"),
        ("url", "see https://a.test/Foo_(bar).", "https://a.test/Foo_(bar)"),
        ("number", "pay $300", "$300"),
        ("number", "pay $ 300", "$300.00"),
        ("text", "Say Hello! now", "hello!"),
        ("text", "in /home/ann/, please", "/home/ann/"),
        ("path", "open ./notes/a.txt", "notes/a.txt"),
        ("path", "read 'my notes.txt'", "my notes.txt"),
        ("phrase", "x y", "X  Y"),
    ],
)
def test_equal(kind: Kind, words: str, value: object) -> None:
    """The same thing in other words is the same thing."""
    assert Words([words]).hold(kind, value)


@pytest.mark.parametrize(
    ("kind", "words", "value"),
    [
        ("text", "Bobby", "Bob"),
        ("text", "bob@x.test", "bob"),
        ("text", "a.test.evil.test", "a.test"),
        ("text", "x", ""),
        ("text", "x", " "),
        ("id", "F1", "f1"),
        ("id", "f1.txt", "f1"),
        ("id", "x-f1", "f1"),
        ("email", "ann@x.test.uk", "ann@x.test"),
        ("email", "joann@x.test", "ann@x.test"),
        ("email", "ban\u212a@x.test", "bank@x.test"),
        ("email", "ann@x.test", "ann@x.test\n"),
        ("url", "https://a.test/x", "https://a.test/x/../y"),
        ("url", "https://a.test", "https://u@a.test"),
        ("url", "https://a.test", "https:\\\\a.test"),
        ("url", "https://a.test", "javascript:https://a.test"),
        ("url", "https://a.test/Path", "https://a.test/path"),
        ("number", "room 12b", 12),
        ("number", "2024-05-15", 15),
        ("number", "12:30", 30),
        ("number", "1,200", 200),
        ("number", "x1", 1),
        ("number", "5", True),
        ("number", "5", "\u0665"),
        ("date", "2024-05-15", "2024-05-16"),
        ("date", "2024-05-15", "2024-05-15T09:00"),
        ("date", "15 May 2024", "2025-05-15"),
        ("path", "/a/b", "b"),
        ("path", "a/b", "a/../b"),
        ("path", "a", "a\0"),
        ("path", "C:/x", "C:\\x"),
        ("text", "delete /home/ann/x", "/home/ann/"),
        ("id", "DE77-1234", "DE77-"),
        ("text", "open https://a.test/x", "https://a.test/"),
        ("number", "pay $300", "\u00a3300"),
        ("number", "pay 300", "$300"),
        ("number", "pay \u00a3300, not $5", "$300"),
        ("url", "a.test", "https://a.test./"),
        ("url", "a.test", "https://a.test:444/"),
        ("url", "https://a.test/x", "https://a.test/x%2e"),
        ("url", "ann@a.test", "https://a.test"),
        ("email", "https://a.test/x", "x@a.test"),
        ("email", "read https://a.test/?ref=eve@evil.test", "eve@evil.test"),
        ("email", "read https://eve@evil.test/x", "eve@evil.test"),
        ("url", "mail ann@a.test", "a.test"),
        ("date", "see /archive/2024-05-15", "2024-05-15"),
        ("date", "order 12024-05-155", "2024-05-15"),
    ],
)
def test_different(kind: Kind, words: str, value: object) -> None:
    """A part of a value, or one that merely looks like it, is another."""
    assert not Words([words]).hold(kind, value)


def test_each_text_is_read_by_itself() -> None:
    """What begins one text or ends another is found as it would be alone."""
    words = Words(["Mail ann@x.test", "https://a.test/x", "/srv/a", "5"])

    for kind, value in (("email", "ann@x.test"), ("url", "https://a.test/x"), ("text", "/srv/a"), ("number", 5)):
        assert words.hold(kind, value)  # type: ignore[arg-type]


def test_nothing_is_found_across_two_texts() -> None:
    """Two turns do not make a value together."""
    assert not Words(["pay Bob", "Marsh"]).hold("text", "Bob Marsh")
    for kind in ("text", "id", "path"):
        assert not Words(["pay Bob", "Marsh"]).hold(kind, "Bob\0Marsh")


LONG = ("a" * 200_000 + "@", "@" * 100_000, "a@" * 100_000, "\u201c" * 100_000, "1" * 200_000 + "x", "a." * 100_000,
        "1," * 100_000, "https://" * 20_000, "-" * 200_000, "May " * 50_000, "a/" * 100_000)  # fmt: skip


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:6])
def test_nothing_takes_long(text: str) -> None:
    """Texts that make careless patterns slow are read in time linear in their length."""
    words = Words([text])
    began = perf_counter()

    for kind in ("text", "id", "email", "url", "number", "date", "path"):
        words.hold(kind, "2024-05-15")
        words.hold(kind, "5")
        words.hold(kind, "a@b.test")
    with contextlib.suppress(ValueError):  # addresses inside of addresses are refused
        carried(text)

    assert perf_counter() - began < 3


JOINTS = "[-.@/+#%&=~\\\\]"


def slow_spans(said: str, text: str) -> bool:
    """The definition, as a pattern."""
    before = rf"(?<!\w)(?<!\w{JOINTS})" if re.match(r"\w", said) else r"(?<!\S)"
    ends = r"(?=[.,;:!?\"'`”’)\]}>*]*(?:[\s\0]|\Z))"
    after = rf"(?!\w|{JOINTS}\w)" if re.search(r"\w\Z", said) else ends
    return re.search(before + re.escape(said) + after, text) is not None


def test_a_value_stands_by_itself_as_the_pattern_says() -> None:
    """The quick search finds what the definition finds."""
    rng = random.Random(1)
    signs = "ab_1é²٣ \n\0\t\u2028\x1c\x85.,;:!?\"'`”’)]}>*-@/+#%&=~\\($|İ☃"
    found = 0
    for _ in range(20_000):
        some = rng.sample(signs, rng.randint(2, 8))
        text = "".join(rng.choices(some, k=rng.randint(1, 14)))
        at = rng.randrange(len(text))
        said = text[at : at + rng.randint(1, 4)] if rng.random() < 0.6 else "".join(rng.choices(some, k=2))
        found += slow_spans(said, text)
        assert spans(said, text) is slow_spans(said, text), (said, text)
    assert 2000 < found < 18_000


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (". " * 400_000 + ". " * 1010 + "xy", [". " * 1000 + "x"] * 30),
        ("a-" * 500_000, ["a-" * n + "a" for n in range(200)]),
        ("a-a " * 250_000, ["a-a " * 8000 + "a"] * 2),
        ("a" * 1_000_000, ["a" * n for n in range(1, 350)]),
        ("hi " * 330_000, [f"x{n}" for n in range(1000)]),
    ],
    ids=["dots", "joints", "long", "one word", "many"],
)
def test_values_that_nearly_stand_in_a_long_text_take_no_time(text: str, values: list[str]) -> None:
    """A worker that looks for them can do nothing else: what takes too long is refused, not waited for."""
    words = Words([text])
    began = perf_counter()

    with contextlib.suppress(ValueError):
        for value in values:
            assert not words.hold("text", value)

    assert perf_counter() - began < 8


def test_ordinary_calls_find_their_values_in_a_long_conversation() -> None:
    """Hundreds of values in a quarter of a megabyte are looked for without complaint."""
    words = Words(["the quick brown fox, 12 and f-77 " * 8000, "Mail Bob Marsh"])

    assert not any(words.hold("id", f"f-{n}") for n in range(100, 600))
    assert words.hold("text", "bob marsh")
