"""Charts: a series of days as geometry for an inline SVG; the template draws it, without a style or a script."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import msgspec

from outworks.enforcement.reports.numbers import Day

WIDTH = 340
HEIGHT = 120
_LEFT, _TOP, _BOTTOM, _RIGHT = 34, 8, 18, 4


_MOST = 120
"""Days that are drawn one by one; of more, weeks are."""


class Bar(msgspec.Struct, frozen=True):
    """One day, or the week that begins with it."""

    x: float
    y: float
    width: float
    height: float
    day: str
    value: int


class Tick(msgspec.Struct, frozen=True):
    """A line across, and the number that it stands for."""

    y: float
    says: str


class Chart(msgspec.Struct, frozen=True):
    """A chart of one series."""

    says: str
    total: int
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    first: str
    last: str
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def peak(self) -> Bar | None:
        """The highest day."""
        return max(self.bars, key=lambda bar: bar.value, default=None)


def chart(says: str, days: Sequence[Day], since: float, until: float) -> Chart:
    """A chart of the days from `since` to `until` (Unix seconds), or of weeks where those are many; days without a
    number are 0."""
    known = {each.day: each.value for each in days}
    every = list(_days(since, until))
    width = 1 if len(every) <= _MOST else 7
    names = every[::width]
    values = [sum(known.get(name, 0) for name in every[n : n + width]) for n in range(0, len(every), width)]
    top = _round_up(max([*values, 1]))
    slot = (WIDTH - _LEFT - _RIGHT) / max(1, len(names))
    room = HEIGHT - _TOP - _BOTTOM
    bars = tuple(
        Bar(
            x=round(_LEFT + n * slot + slot * 0.1, 2),
            y=round(_TOP + room * (1 - value / top), 2),
            width=round(max(slot * 0.8, 0.6), 2),
            height=round(room * value / top, 2),
            day=name,
            value=value,
        )
        for n, (name, value) in enumerate(zip(names, values, strict=True))
    )
    ticks = tuple(Tick(round(_TOP + room * (1 - share), 2), short(top * share)) for share in (0, 0.5, 1))
    return Chart(says, sum(values), bars, ticks, every[0], every[-1])


def charts(series: Mapping[str, Sequence[Day]], since: float, until: float, *, most: int = 6) -> list[Chart]:
    """A chart for each label, the greatest first."""
    made = [chart(label or "all", days, since, until) for label, days in series.items()]
    return sorted(made, key=lambda each: -each.total)[:most]


def _days(since: float, until: float) -> Sequence[str]:
    first = datetime.fromtimestamp(since, UTC).date()
    last = datetime.fromtimestamp(until, UTC).date()
    return [_named(first + timedelta(days=n)) for n in range((last - first).days + 1)]


def _named(day: date) -> str:
    return day.isoformat()


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = math.pow(10, math.floor(math.log10(value)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def short(value: float) -> str:
    """A number for an axis: `1.2k`."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
