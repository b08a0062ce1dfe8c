"""Share: how many of how many, with the interval that so few leave open."""

import msgspec

from outworks.statistics import Interval, wilson


class Share(msgspec.Struct, frozen=True):
    """A share that was counted. Where nothing was counted it is None, and may be anything."""

    count: int
    of: int

    @property
    def share(self) -> float | None:
        """0 to 1."""
        return self.count / self.of if self.of else None

    @property
    def low(self) -> float:
        """The lower end of the 95% interval (Wilson)."""
        return self._interval.low

    @property
    def high(self) -> float:
        """The upper end."""
        return self._interval.high

    @property
    def _interval(self) -> Interval:
        return wilson(self.count, self.of) if self.of else Interval(0.0, 1.0)
