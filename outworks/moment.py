"""Moments as people read them."""

from datetime import UTC, datetime, tzinfo


def moment(unix: float, form: str = "%Y-%m-%d %H:%M UTC", zone: tzinfo | None = UTC) -> str:
    """Unix seconds, in a form of `strftime`'s; the machine's own time where `zone` is None. What no calendar holds is
    told in words: one such date must not keep all that stands beside it from being told."""
    try:
        return datetime.fromtimestamp(unix, zone).strftime(form)
    except (ValueError, OverflowError, OSError):
        return "a date beyond the calendar"
