"""Counts in words, as users read them."""

import pytest

from outworks.plural import plural


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 requests"),
        (1, "1 request"),
        (1.0, "1 request"),
        (2, "2 requests"),
        (0.5, "0.5 requests"),
        (1_500, "1,500 requests"),
        (10_000_000.0, "10,000,000 requests"),
    ],
)
def test_counts_read_as_people_write_them(count: float, said: str) -> None:
    """Also a rate that a person gave, which may be no whole number."""
    assert plural(count, "request") == said


def test_a_plural_of_its_own() -> None:
    assert (plural(1, "story", "stories"), plural(3, "story", "stories")) == ("1 story", "3 stories")
