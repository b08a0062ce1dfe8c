"""Moments: dates as people read them, whatever number stands for one."""

import pytest

from outworks.moment import moment


def test_a_moment_is_told_in_utc() -> None:
    """Unless another form is asked for."""
    assert moment(0.0) == "1970-01-01 00:00 UTC"
    assert moment(86_399.9, "%H:%M:%S") == "23:59:59"


@pytest.mark.parametrize("unix", [1e12, -1e14, 1e300, float("inf"), float("nan")])
def test_what_no_calendar_holds_is_told_in_words(unix: float) -> None:
    """One such date keeps nothing that stands beside it from being told."""
    assert moment(unix) == "a date beyond the calendar"
