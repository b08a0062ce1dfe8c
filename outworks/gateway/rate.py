"""Rates: how often somebody may knock, counted in memory and bounded however many come."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

_MOST = 10_000


class Rate:
    """At most so many within so many seconds, for each name apart."""

    def __init__(self, most: int, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, name: str) -> float:
        """Count one; seconds after which it would be admitted, 0 where it is. What is not admitted counts for
        nothing."""
        now = self._clock()
        times = self._times.setdefault(name, deque())
        self._times.move_to_end(name)
        while len(self._times) > _MOST:
            self._times.popitem(last=False)
        while times and times[0] <= now - self._seconds:
            times.popleft()
        if len(times) >= self._most:
            return max(1.0, times[0] + self._seconds - now) if times else self._seconds
        times.append(now)
        return 0.0
