"""Durations: what is one, what is none, and what has no end."""

import pytest

from outworks.duration import lasting, seconds


@pytest.mark.parametrize(
    ("text", "given"), [("45s", 45), ("10m", 600), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)]
)
def test_a_duration_is_its_seconds(text: str, given: float) -> None:
    """A whole number and a unit are so many seconds, with and without the possibility of having no end."""
    assert seconds(text) == lasting(text) == given


@pytest.mark.parametrize(
    "text", ["", "30", "d", "0d", "-1d", "1.5h", "30 days", "30D", " 1d", "1d\n", "٣d", "9999999d"]
)
def test_anything_else_is_refused(text: str) -> None:
    """What is no duration is refused with what was given and an example."""
    for parse in (seconds, lasting):
        with pytest.raises(ValueError, match='such as "12h"') as error:
            parse(text)
        assert repr(text) in str(error.value)


@pytest.mark.parametrize("text", ["never", "forever"])
def test_what_has_no_end_lasts_but_is_no_duration(text: str) -> None:
    """`never` and `forever` are None where something may have no end, and refused where it may not."""
    assert lasting(text) is None
    with pytest.raises(ValueError, match="a duration is"):
        seconds(text)
