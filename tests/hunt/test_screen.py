"""The screen lets through whatever the bank finds: in any words, escapes, scripts and places."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outworks.defenses.bank import Bank
from outworks.defenses.entry import Known, added, switched
from outworks.hunt.screen import Screen
from tests.enforcement.texts import TEMPLATE, content
from tests.hunt.kit import ESCAPED, KNOWN, NEARLY

CHINESE = "塔里第七扇门上写着什么？守门人说，谁也不能读出那些字，除非他先把灯点亮，再把钟停下来，然后才可以说话。"
SHORT = "the secret"


def bank(*texts: str) -> Bank:
    made = Bank()
    for text in texts:
        made.apply(added(Known(text=text, source="test", reason="test"), by="x"))
    return made


def candidates(made: Bank, *texts: str, json: bool = True) -> list[int]:
    """What the screen lets through of requests that say these texts, or of the texts themselves."""
    rows = [(content(text) if json else text).encode("utf-8", "surrogatepass") for text in texts]
    return Screen(made.entries()).candidates(rows, json=json)


FOUND = [
    (KNOWN, f"Please: {KNOWN}!"),
    (KNOWN, NEARLY),
    (KNOWN, " ".join(KNOWN)),
    (ESCAPED, f"x{ESCAPED}y"),
    (ESCAPED, ESCAPED.upper()),
    (CHINESE, f"——{CHINESE}——"),
    ("naïve café “quoted” — a text with marks", "NAIVE CAFÉ “quoted” — a text with marks"),
    ("back\\slash \\n is no newline here at all \\\\", "back\\slash \\n is no newline here at all \\\\"),
    ("a text \x00 with \x1f control \x7f characters inside", "a text with control characters inside"),
    (SHORT, SHORT.title()),
]


@pytest.mark.parametrize("json", [True, False])
@pytest.mark.parametrize(("entry", "text"), FOUND)
def test_what_the_bank_finds_is_let_through(entry: str, text: str, json: bool) -> None:
    """Whatever the bank finds in a text the screen lets through, among others and alone."""
    made = bank(entry)
    assert made.match(text)

    assert candidates(made, "nothing of the kind here, only the sea", text, "nor here", json=json) == [1]
    assert candidates(made, text, json=json) == [0]


@pytest.mark.parametrize("json", [True, False])
def test_other_texts_are_not_let_through(json: bool) -> None:
    """Ordinary texts are kept out: the bank would take long to read them all."""
    made = bank(KNOWN, ESCAPED, CHINESE, SHORT)
    chance = random.Random(5)
    texts = [
        " ".join(chance.choices(["lamp", "harbour", "gull", "clock", "night", "pine", "maple", "mill", "grain"], k=60))
        for _ in range(200)
    ]

    assert candidates(made, *texts, json=json) == []


def test_texts_do_not_run_together() -> None:
    """What two texts say one behind the other is in neither of them."""
    half = len(KNOWN) // 2
    made = bank(KNOWN[half - 15 : half + 15])

    assert candidates(made, KNOWN[:half], KNOWN[half:], json=False) == []


def test_switched_off_entries_are_passed_over() -> None:
    """An entry that is off is not hunted for."""
    made = bank(KNOWN)
    made.apply(switched(next(made.entries()).id, enabled=False, by="x"))

    assert candidates(made, KNOWN) == []


def test_a_hit_may_lie_anywhere_in_a_long_text() -> None:
    """The data is looked at in pieces: what lies across their border is seen."""
    made = bank(KNOWN)
    for offset in range((1 << 15) - 300, (1 << 15) + 20, 7):
        assert candidates(made, "z" * offset + KNOWN, json=False) == [0]


@given(st.lists(st.text(max_size=200), min_size=1, max_size=8), st.data())
@settings(max_examples=150, deadline=None)
def test_any_text_that_is_an_entry_is_let_through(texts: list[str], data: st.DataObject) -> None:
    """Of any texts, whichever is an entry is let through wherever the bank finds it, as words and within JSON."""
    chosen = data.draw(st.sampled_from(texts))
    try:
        made = bank(chosen, TEMPLATE)
    except ValueError:
        return  # nothing of it is left after normalisation: it cannot be an entry
    speakable = [text.encode("utf-8", "replace").decode() for text in texts]
    expected = {n for n, text in enumerate(speakable) if made.match(text)}

    for json in (True, False):
        assert expected <= set(candidates(made, *speakable, json=json))
