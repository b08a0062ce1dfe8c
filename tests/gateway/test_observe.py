"""Observing: lines, metrics and traces are folded from what the ledger is given."""

import io
import json
from pathlib import Path

import msgspec
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

from outworks.event import Body, Ended, Event, Judged, Judgement, Received, Rejected, Released, UpstreamFailed
from outworks.gateway.metrics import Metrics
from outworks.gateway.observe import Ending, Endings, Lines, Traces
from outworks.verdict import Decision

RECEIVED = Received(wire="openai", model="m")
STOPPED = Judged(
    stage="request",
    judgements=(Judgement(defense="fingerprint", decision=Decision.BLOCK, reason="known", us=30),),
    decision=Decision.BLOCK,
)
PASSED = msgspec.structs.replace(STOPPED, judgements=(), decision=Decision.ALLOW)
CUT = Judged(stage="output", judgements=STOPPED.judgements, decision=Decision.BLOCK)


def events(*bodies: Body) -> list[Event]:
    return [Event(body=body, at=100.0 + n / 10, exchange="ex_1", account="shop:ann") for n, body in enumerate(bodies)]


def endings(*bodies: Body) -> list[Ending]:
    fold = Endings()
    return [ending for event in events(*bodies) if (ending := fold.fold(event)) is not None]


def test_every_way_to_end_is_told_once() -> None:
    """Release to the end, a cut, a block, a rejection, an upstream's failure and a client that left end an exchange."""
    end = Released(choice=0, start=0, end=5, finish="stop")

    assert [one.outcome for one in endings(RECEIVED, PASSED, end)] == ["released"]
    assert [(one.outcome, one.by) for one in endings(RECEIVED, PASSED, CUT, end)] == [("cut", "fingerprint")]
    assert [(one.outcome, one.by) for one in endings(RECEIVED, STOPPED)] == [("blocked", "fingerprint")]
    rejected = Rejected(wire="openai", status=401, code="invalid_api_key", message="no")
    assert [one.by for one in endings(rejected)] == ["invalid_api_key"]
    failed = UpstreamFailed(error="timeout", message="late", status=504)
    assert [one.by for one in endings(RECEIVED, PASSED, failed)] == ["timeout"]
    assert [one.outcome for one in endings(RECEIVED, PASSED, Ended(why="client_left"))] == ["client_left"]


def test_a_line_is_json_without_content() -> None:
    """A line names the exchange, the account and the reason, and none of what was said."""
    out = io.StringIO()
    lines = Lines(out, style="json")
    said = [msgspec.structs.replace(event, content="the secret words") for event in events(RECEIVED, STOPPED)]

    for event in said:
        lines.observe(event)

    assert json.loads(out.getvalue())["by"] == "fingerprint"
    assert "secret words" not in out.getvalue()


def test_metrics_are_summed_over_workers(tmp_path: Path) -> None:
    """Whichever worker is asked tells what all of them counted, also of one that is gone."""
    gone, asked = Metrics(tmp_path), Metrics(tmp_path)
    gone._file = "gone.json"
    for worker in (gone, asked):
        for event in events(RECEIVED, STOPPED):
            worker.observe(event)
    gone.leave()
    registry = CollectorRegistry()
    registry.register(asked)

    told = generate_latest(registry).decode()

    assert 'outworks_exchanges_total{outcome="blocked",wire="openai"} 2.0' in told
    assert 'decision="block",defense="fingerprint",mode="live",stage="request"} 2.0' in told
    assert 'outworks_check_seconds_bucket{defense="fingerprint",le="2.5e-05",stage="request"} 0.0' in told
    assert 'outworks_check_seconds_bucket{defense="fingerprint",le="5e-05",stage="request"} 2.0' in told


def test_traces_have_a_span_an_exchange_and_one_a_check() -> None:
    """The exchange's span holds its outcome; each check is a child with its measured length; no content anywhere."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traces = Traces(provider.get_tracer("test"))

    for event in events(RECEIVED, STOPPED):
        traces.observe(msgspec.structs.replace(event, content="the secret words"))

    check, exchange = exporter.get_finished_spans()
    assert exchange.name == "outworks.exchange"
    assert exchange.attributes is not None
    assert exchange.attributes["outworks.outcome"] == "blocked"
    assert exchange.attributes["outworks.stopped_by"] == "fingerprint"
    assert check.name == "outworks.request.fingerprint"
    assert check.parent is not None
    assert check.parent.span_id == exchange.context.span_id
    assert check.end_time - check.start_time == 30_000
    assert "secret words" not in exchange.to_json() + check.to_json()
