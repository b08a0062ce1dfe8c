"""Observing: lines, metrics and traces are folded from what the ledger is given."""

import io
import json
import os
from pathlib import Path

import msgspec
import pytest
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
    faulty = endings(RECEIVED, PASSED, Ended(why="fault: KeyError"))
    assert [(one.outcome, one.by) for one in faulty] == [("fault", "KeyError")]


def test_an_exchange_of_several_choices_ends_with_its_last() -> None:
    """It is told once, and as cut where any choice was, whichever came last."""
    several = Received(wire="openai", model="m", choices=2)
    end = Released(choice=0, start=0, end=5, finish="stop")
    other = Released(choice=1, start=0, end=5, finish="stop")

    assert endings(several, PASSED, end) == []
    assert [one.outcome for one in endings(several, PASSED, end, PASSED, other)] == ["released"]
    assert [(one.outcome, one.by) for one in endings(several, CUT, end, PASSED, other)] == [("cut", "fingerprint")]
    assert [one.seconds for one in endings(several, PASSED, end, other)] == [pytest.approx(0.3)]
    assert [one.outcome for one in endings(several, PASSED, end, Ended(why="client_left"))] == ["client_left"]


def test_a_line_is_json_without_content() -> None:
    """A line names the exchange, the account and the reason, and none of what was said."""
    out = io.StringIO()
    lines = Lines(out, style="json")
    said = [msgspec.structs.replace(event, content="the secret words") for event in events(RECEIVED, STOPPED)]

    for event in said:
        lines.observe(event)

    assert json.loads(out.getvalue())["by"] == "fingerprint"
    assert "secret words" not in out.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_line_for_people_has_colours_on_a_terminal_only(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Escapes go to terminals, never into files; and what an account is called never becomes one."""
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: terminal)
    lines = Lines(out, style="pretty")

    for event in events(RECEIVED, STOPPED):
        lines.observe(msgspec.structs.replace(event, account="shop:\x1b[2Jann"))

    assert out.getvalue().count("\x1b") == (2 if terminal else 0)
    assert r"shop:\x1b[2Jann" in out.getvalue()
    assert "by fingerprint: known" in out.getvalue()


def test_lines_that_nobody_reads_are_given_up() -> None:
    """A log that cannot be written stops no exchange."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as out:
        lines = Lines(out)
        for event in events(RECEIVED, STOPPED):
            lines.observe(event)

        with pytest.raises(BrokenPipeError):
            out.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def test_faults_of_different_kinds_are_one_outcome() -> None:
    """However many kinds of fault end exchanges, no series is told twice: Prometheus would refuse the page."""
    metrics = Metrics()
    registry = CollectorRegistry()
    registry.register(metrics)

    for kind in ("TypeError", "KeyError"):
        for event in events(RECEIVED, Ended(why=f"fault: {kind}")):
            metrics.observe(event)

    told = generate_latest(registry).decode()
    assert told.count("outworks_exchanges_total{") == 1
    assert 'outworks_exchanges_total{outcome="fault",wire="openai"} 2.0' in told


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
