"""Metrics: what happened, counted for Prometheus, summed over the workers of one gateway."""

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import msgspec
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from outworks.event import Event, Judged
from outworks.gateway.observe import Endings

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_CHECKS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25)


class Times(msgspec.Struct):
    """A histogram of seconds."""

    counts: list[int]
    """How many fell into each bucket, the last without an upper bound."""
    sum: float = 0.0

    def add(self, bounds: Sequence[float], seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(bounds, seconds)] += 1
        self.sum += seconds


class Counts(msgspec.Struct):
    """What one worker counted. Counting is on the request path, so it is plain dictionaries under joined names; the
    library's own types are made when somebody asks."""

    verdicts: dict[str, int] = {}
    failures: dict[str, int] = {}
    exchanges: dict[str, int] = {}
    checks: dict[str, Times] = {}
    seconds: dict[str, Times] = {}

    def add(self, other: "Counts") -> None:
        """Take in what another worker counted."""
        for mine, theirs in (
            (self.verdicts, other.verdicts),
            (self.failures, other.failures),
            (self.exchanges, other.exchanges),
        ):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        for ours, also in ((self.checks, other.checks), (self.seconds, other.seconds)):
            for name, times in also.items():
                have = ours.setdefault(name, Times([0] * len(times.counts)))
                have.counts = [a + b for a, b in zip(have.counts, times.counts, strict=True)]
                have.sum += times.sum


class Metrics(Collector):
    """The metrics of a gateway, whichever of its workers is asked.

    Each worker leaves its counts in `folder` now and then, where the one that is asked finds them; those of a worker
    that died stay, as counters never go back.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._mine = Counts()
        self._endings = Endings()
        self._folder = folder
        self._file = f"{os.getpid()}.json"

    def observe(self, event: Event) -> None:
        """Count one event."""
        body, mine = event.body, self._mine
        if isinstance(body, Judged):
            for one in body.judgements:
                check = f"{one.defense} {body.stage}"
                verdict = f"{check} {one.mode} {one.decision.name}"
                mine.verdicts[verdict] = mine.verdicts.get(verdict, 0) + 1
                times = mine.checks.get(check)
                if times is None:
                    times = mine.checks[check] = Times([0] * (len(_CHECKS) + 1))
                times.add(_CHECKS, one.us / 1e6)
                if one.error:
                    failure = f"{one.defense} {one.error}"
                    mine.failures[failure] = mine.failures.get(failure, 0) + 1
        ending = self._endings.fold(event)
        if ending is not None:
            how = f"{ending.wire} {ending.outcome}"
            mine.exchanges[how] = mine.exchanges.get(how, 0) + 1
            times = mine.seconds.setdefault(ending.wire, Times([0] * (len(_SECONDS) + 1)))
            times.add(_SECONDS, ending.seconds)

    def leave(self) -> None:
        """Leave this worker's counts for the others. Raises OSError."""
        if self._folder is not None:
            fresh = self._folder / f"{self._file}.part"
            fresh.write_bytes(msgspec.json.encode(self._mine))
            fresh.replace(self._folder / self._file)

    @override
    def collect(self) -> Iterator[Metric]:
        """The sums, as Prometheus wants them."""
        all = self._summed()
        yield _counter("verdicts", "Verdicts by defense.", ("defense", "stage", "mode", "decision"), all.verdicts)
        yield _counter("defense_failures", "Checks that raised or overran.", ("defense", "error"), all.failures)
        yield _counter("exchanges", "Exchanges by how they ended.", ("wire", "outcome"), all.exchanges)
        yield _histogram("check_seconds", "One check of one defense.", ("defense", "stage"), all.checks, _CHECKS)
        yield _histogram("exchange_seconds", "From request to end of answer.", ("wire",), all.seconds, _SECONDS)

    def _summed(self) -> Counts:
        sum = Counts()
        sum.add(self._mine)
        for file in self._folder.glob("*.json") if self._folder is not None else ():
            if file.name != self._file:
                sum.add(msgspec.json.decode(file.read_bytes(), type=Counts))
        return sum


def _counter(name: str, says: str, labels: tuple[str, ...], counts: dict[str, int]) -> Metric:
    metric = CounterMetricFamily(f"outworks_{name}", says, labels=labels)
    for joined, count in counts.items():
        metric.add_metric(joined.lower().split(), count)
    return metric


def _histogram(name: str, says: str, labels: tuple[str, ...], all: dict[str, Times], bounds: Sequence[float]) -> Metric:
    metric = HistogramMetricFamily(f"outworks_{name}", says, labels=labels)
    names = [*map(str, bounds), "+Inf"]
    for joined, times in all.items():
        buckets = list(zip(names, map(float, accumulate(times.counts)), strict=True))
        metric.add_metric(joined.split(), buckets, times.sum)
    return metric
