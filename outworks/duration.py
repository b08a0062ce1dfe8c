"""Durations as people write them: `45s`, `10m`, `12h`, `30d`, `2w`, or `forever`."""

import re

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_WITHOUT_END = ("never", "forever")
LONGEST = 1_000 * 365.25 * 86_400
"""Seconds in a thousand years. What is to last longer is meant to have no end, and calendars end with the year 9999."""


def seconds(text: str) -> float:
    """Seconds in a duration; ValueError for anything else."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f'a duration is a whole number and s, m, h, d or w, such as "12h" or "30d", not {text[:40]!r}')
    given = float(int(found[1]) * _SECONDS[found[2]])
    if given > LONGEST:
        raise ValueError(f"a duration is at most a thousand years, not {text}")
    return given


def lasting(text: str) -> float | None:
    """Seconds in a duration; None for `never` and `forever`; ValueError for anything else."""
    if text in _WITHOUT_END:
        return None
    try:
        return seconds(text)
    except ValueError as error:
        raise ValueError(f'{error}; what has no end is "forever"') from None
