"""Share: how many of how many, with the interval that so few leave open."""

import math

import msgspec

_Z = 1.959963984540054
"""The normal distribution's 97.5% quantile: intervals are of 95%."""


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
        """The lower end of the 95% interval."""
        return max(0.0, self._centre - self._width) if self.count else 0.0

    @property
    def high(self) -> float:
        """The upper end."""
        return min(1.0, self._centre + self._width) if self.count < self.of or not self.of else 1.0

    # Wilson (1927), Journal of the American Statistical Association 22: it holds at shares of 0 and 1, too.
    @property
    def _centre(self) -> float:
        return (self.count + _Z * _Z / 2) / (self.of + _Z * _Z)

    @property
    def _width(self) -> float:
        n = self.of
        spread = self.count * (n - self.count) / n if n else 0.0
        return _Z / (n + _Z * _Z) * math.sqrt(spread + _Z * _Z / 4)
