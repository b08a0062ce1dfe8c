"""Metrics: what happened, counted for Prometheus, summed over the workers of one gateway."""

import os
import time
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
from outworks.verdict import Decision

TROUBLE_SECONDS = 5.0
"""How long after the ledger could not be written a worker says that it is not ready."""
_TOGETHER = 64
"""Events that are counted together."""
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_CHECKS_US = (10, 25, 50, 100, 250, 500, 1000, 2500, 10_000, 50_000, 250_000)
_CHECKS = tuple(us / 1_000_000 for us in _CHECKS_US)


class Times(msgspec.Struct):
    """A histogram of times."""

    counts: list[int]
    """How many fell into each bucket, the last without an upper bound."""
    sum: float = 0.0


class Counts(msgspec.Struct):
    """What one worker counted, under joined names. Counting is on the request path, so it is plain dictionaries; the
    library's own types are made when somebody asks."""

    verdicts: dict[str, int] = {}
    failures: dict[str, int] = {}
    exchanges: dict[str, int] = {}
    checks: dict[str, Times] = {}
    seconds: dict[str, Times] = {}
    unrecorded: int = 0

    def add(self, other: "Counts") -> None:
        """Take in what another worker counted."""
        for mine, theirs in (
            (self.verdicts, other.verdicts),
            (self.failures, other.failures),
            (self.exchanges, other.exchanges),
        ):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        self.unrecorded += other.unrecorded
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
        self._judged: dict[tuple[str, str, str, Decision], Times] = {}
        """Microseconds of every check, by defense, stage, mode and decision."""
        self._endings = Endings()
        self._uncounted: list[Event] = []
        self._unrecorded_at = -TROUBLE_SECONDS
        self._folder = folder
        self._file = f"{os.getpid()}.json"

    def observe(self, event: Event) -> None:
        """Count one event, though not at once: counting many in a row costs a third of counting them one by one between
        other work. Until then it is kept, without what was said."""
        self._uncounted.append(event if event.content is None else msgspec.structs.replace(event, content=None))
        if len(self._uncounted) >= _TOGETHER:
            self._count()

    def _count(self) -> None:
        events, self._uncounted = self._uncounted, []
        for event in events:
            self._count_one(event)

    def _count_one(self, event: Event) -> None:
        body, mine = event.body, self._mine
        if type(body) is Judged:
            for one in body.judgements:
                which = (one.defense, body.stage, one.mode, one.decision)
                times = self._judged.get(which)
                if times is None:
                    times = self._judged[which] = Times([0] * (len(_CHECKS) + 1))
                times.counts[bisect_left(_CHECKS_US, one.us)] += 1
                times.sum += one.us
                if one.error:
                    failure = f"{one.defense} {one.error}"
                    mine.failures[failure] = mine.failures.get(failure, 0) + 1
        ending = self._endings.fold(event)
        if ending is not None:
            how = f"{ending.wire} {ending.outcome}"
            mine.exchanges[how] = mine.exchanges.get(how, 0) + 1
            seconds = mine.seconds.get(ending.wire)
            if seconds is None:
                seconds = mine.seconds[ending.wire] = Times([0] * (len(_SECONDS) + 1))
            seconds.counts[bisect_left(_SECONDS, ending.seconds)] += 1
            seconds.sum += ending.seconds

    def unrecorded(self) -> None:
        """Count an exchange that was refused because it could not be recorded."""
        self._mine.unrecorded += 1
        self._unrecorded_at = time.monotonic()

    @property
    def trouble(self) -> str:
        """Why nothing can be released at the moment, if so."""
        lately = time.monotonic() - self._unrecorded_at < TROUBLE_SECONDS
        return "the ledger cannot be written" if lately else ""

    def leave(self) -> None:
        """Leave this worker's counts for the others. Raises OSError."""
        self._count()
        if self._folder is not None:
            fresh = self._folder / f"{self._file}.part"
            fresh.write_bytes(msgspec.json.encode(self._counts()))
            fresh.replace(self._folder / self._file)

    def _counts(self) -> Counts:
        """What this worker counted. A check and its verdict are counted in one place, and told apart here."""
        self._count()
        counts = Counts()
        counts.add(self._mine)
        for (defense, stage, mode, decision), times in self._judged.items():
            number = {f"{defense} {stage} {mode} {decision.name}": sum(times.counts)}
            seconds = Times(times.counts, times.sum / 1e6)
            counts.add(Counts(verdicts=number, checks={f"{defense} {stage}": seconds}))
        return counts

    @override
    def collect(self) -> Iterator[Metric]:
        """The sums, as Prometheus wants them."""
        all = self._summed()
        yield _counter("verdicts", "Verdicts by defense.", ("defense", "stage", "mode", "decision"), all.verdicts)
        yield _counter("defense_failures", "Checks that raised or overran.", ("defense", "error"), all.failures)
        yield _counter("exchanges", "Exchanges by how they ended.", ("wire", "outcome"), all.exchanges)
        unrecorded = CounterMetricFamily(
            "outworks_unrecorded", "Exchanges refused because they could not be recorded.", value=all.unrecorded
        )
        yield unrecorded
        yield _histogram("check_seconds", "One check of one defense.", ("defense", "stage"), all.checks, _CHECKS)
        yield _histogram("exchange_seconds", "From request to end of answer.", ("wire",), all.seconds, _SECONDS)

    def _summed(self) -> Counts:
        sum = self._counts()
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
