"""traces: where OpenTelemetry's traces go."""

from typing import Any


def tracer_provider(endpoint: str) -> Any:
    """A provider of tracers that exports over OTLP/HTTP. Raises `ModuleNotFoundError` naming the extra."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("traces need the extra: pip install 'outworks[otel]'") from error
    provider = TracerProvider(resource=Resource.create({"service.name": "outworks"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return provider
