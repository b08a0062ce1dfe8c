"""Durations: what people write, and what is none."""

import pytest

from outworks.duration import lasting, seconds


@pytest.mark.parametrize(
    ("text", "expected"), [("45s", 45.0), ("10m", 600.0), ("12h", 43_200.0), ("30d", 2_592_000.0), ("2w", 1_209_600.0)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, expected: float) -> None:
    """Seconds, minutes, hours, days and weeks are read."""
    assert seconds(text) == lasting(text) == expected


@pytest.mark.parametrize("text", ["never", "forever"])
def test_what_has_no_end_lasts_for_good(text: str) -> None:
    """`lasting` admits what has no end; `seconds` does not."""
    assert lasting(text) is None
    with pytest.raises(ValueError, match="a duration is"):
        seconds(text)


@pytest.mark.parametrize("text", ["", "d", "0d", "1", "1.5h", "-1d", "1 d", "1D", "1d\n", "٣d", "1y", "9999999d"])
def test_anything_else_is_refused(text: str) -> None:
    """The error says what was given and what is expected."""
    with pytest.raises(ValueError, match='such as "12h" or "30d", not'):
        seconds(text)


@pytest.mark.parametrize("text", ["52179w", "365251d", "999999w"])
def test_nothing_lasts_longer_than_a_thousand_years(text: str) -> None:
    """Dates that no calendar holds could be told to nobody; what is to last longer has no end."""
    assert seconds("52178w") < seconds("365250d")
    with pytest.raises(ValueError, match="at most a thousand years"):
        seconds(text)
