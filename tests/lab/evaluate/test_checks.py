"""Instructions whose following a program tells."""

import pytest

from outworks.lab.evaluate import instructions
from outworks.lab.evaluate.checks import KINDS, Check, followed

ROWS = [
    ("one_word", {}, "Green.", True),
    ("one_word", {}, "It is green.", False),
    ("upper", {}, "THE SEA IS WIDE!", True),
    ("upper", {}, "THE SEA IS WIDe", False),
    ("upper", {}, "123", False),
    ("lower", {}, "a cat sleeps.", True),
    ("lower", {}, "A cat sleeps.", False),
    ("contains", {"words": ("bread", "butter")}, "Butter on BREAD.", True),
    ("contains", {"words": ("horse",)}, "There are horses.", False),
    ("without", {"words": ("red",)}, "It is reddish.", True),
    ("without", {"words": ("red",)}, "It is Red.", False),
    ("without", {"words": (",",)}, "Sun, and wind.", False),
    ("items", {"count": 2}, "Here:\n1. cat\n2. dog", True),
    ("items", {"count": 2}, "- cat\n- dog\n- cow", False),
    ("begins", {"words": ("First",)}, '"First, boil water."', True),
    ("begins", {"words": ("First",)}, "Boil water first.", False),
    ("ends", {"words": ("song",)}, "It is a lovely song.", True),
    ("ends", {"words": ("?",)}, "How was your day?", True),
    ("ends", {"words": ("?",)}, "How was your day? Tell me.", False),
    ("json", {"words": ("name",)}, '```json\n{"name": "Swan"}\n```', True),
    ("json", {"words": ("name",)}, '{"title": "Swan"}', False),
    ("json", {"words": ("name",)}, '{"name": "Swan', False),
    ("words_at_most", {"count": 3}, "Water from clouds.", True),
    ("words_at_most", {"count": 3}, "It is water from clouds.", False),
    ("sentences", {"count": 2}, "It is round. It is far!", True),
    ("sentences", {"count": 1}, "It is round and", False),
    ("exactly", {"words": ("banana",)}, "Banana.", True),
    ("exactly", {"words": ("banana",)}, "A banana.", False),
    ("language", {"words": ("bonjour", "le", "je")}, "Bonjour !", True),
    ("language", {"words": ("bonjour", "le", "je")}, "You say bonjour to the man.", False),
]


@pytest.mark.parametrize(("kind", "with_", "answer", "expected"), ROWS)
def test_a_check_tells_who_followed_it(kind: str, with_: dict[str, object], answer: str, expected: bool):
    """Each kind has answers that follow it and answers that do not."""
    assert followed(Check(ask="", kind=kind, **with_), answer) is expected  # type: ignore[arg-type]


def test_every_kind_has_a_row_of_each_sort():
    """No check goes untried, and none of them always says the same."""
    seen = {(kind, expected) for kind, _, _, expected in ROWS}

    assert seen == {(kind, said) for kind in KINDS for said in (True, False)}


@pytest.mark.parametrize("check", instructions.shipped().checks, ids=lambda check: check.ask[:30])
def test_saying_nothing_follows_nothing(check: Check):
    """An empty answer passes no check, those for what is left out included."""
    assert not followed(check, " \n")
