"""Metrics: counted a batch at a time, never late when somebody asks, never holding what was said."""

from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from outworks.event import Body, Event, Judged, Judgement, Received, Released
from outworks.gateway.metrics import TROUBLE_SECONDS, Metrics
from outworks.verdict import Decision

RECEIVED = Received(wire="openai", model="m")
PASSED = Judged(
    stage="request", judgements=(Judgement(defense="leak", decision=Decision.ALLOW, us=5),), decision=Decision.ALLOW
)
ENDED = Released(choice=0, start=0, end=5, finish="stop")


def told(metrics: Metrics) -> str:
    registry = CollectorRegistry()
    registry.register(metrics)
    return generate_latest(registry).decode()


def observe(metrics: Metrics, *bodies: Body, exchange: str = "ex_1") -> None:
    for n, body in enumerate(bodies):
        metrics.observe(Event(body=body, at=100.0 + n, exchange=exchange))


def test_what_has_just_happened_is_told() -> None:
    """However few events came since the last batch, whoever asks is told of them."""
    metrics = Metrics()

    for n in range(1, 150):
        observe(metrics, RECEIVED, PASSED, ENDED, exchange=f"ex_{n}")
        if n in (1, 21, 22, 149):
            assert f'outworks_exchanges_total{{outcome="released",wire="openai"}} {n}.0' in told(metrics)
            assert f'decision="allow",defense="leak",mode="live",stage="request"}} {n}.0' in told(metrics)


def test_nothing_of_what_was_said_is_kept() -> None:
    """An event that waits to be counted waits without its content."""
    metrics = Metrics()
    metrics.observe(Event(body=RECEIVED, at=1.0, exchange="ex_1", content="the secret words"))

    assert "secret" not in repr(metrics._uncounted)


def test_leaving_counts_what_waits(tmp_path: Path) -> None:
    """What other workers are told is not a batch behind."""
    left, asked = Metrics(tmp_path), Metrics(tmp_path)
    left._file = "left.json"
    observe(left, RECEIVED, PASSED, ENDED)
    left.leave()

    assert 'outworks_exchanges_total{outcome="released",wire="openai"} 1.0' in told(asked)


def test_trouble_is_told_for_a_while() -> None:
    """After an exchange that could not be recorded the worker is not ready, and says why."""
    metrics = Metrics()
    assert metrics.trouble == ""

    metrics.unrecorded()

    assert metrics.trouble == "the ledger cannot be written"
    assert "outworks_unrecorded_total 1.0" in told(metrics)
    metrics._unrecorded_at -= TROUBLE_SECONDS
    assert metrics.trouble == ""
