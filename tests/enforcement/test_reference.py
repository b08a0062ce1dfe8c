"""The reference: what the documentation says of the words is what the code says."""

from pathlib import Path

import pytest

from outworks.enforcement.language.words import VALUES, WORDS, Word

PAGE = (Path(__file__).parents[2] / "docs" / "enforcement.md").read_text()


@pytest.mark.parametrize("word", WORDS.values(), ids=lambda word: word.name)
def test_every_word_is_documented(word: Word) -> None:
    """Each word stands in the documentation with every way to write it and what it counts."""
    forms = ", ".join(f"`{word.name}({', '.join(form)})`" for form in word.forms)

    assert f"| {forms} | {word.says} |" in PAGE


@pytest.mark.parametrize("name", VALUES)
def test_every_value_is_documented(name: str) -> None:
    """Each value stands in the documentation."""
    assert f"| `{name}` | {VALUES[name]} |" in PAGE


def test_no_other_word_is_documented() -> None:
    """The documentation names no word that there is not."""
    rows = {
        line.split("`")[1].partition("(")[0] for line in PAGE.splitlines() if line.startswith("| `") and "(" in line
    }

    assert rows == {*WORDS, "age"}
