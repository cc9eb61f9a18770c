"""OpenTelemetry's instrumentation of aiohttp at work in this process, and all that its spans tell."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

try:
    import opentelemetry.distro  # noqa: F401 - the agent's
    from opentelemetry import metrics
    from opentelemetry.instrumentation import _semconv
    from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
    from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
    from opentelemetry.trace import SpanKind, format_span_id, format_trace_id
except ImportError as error:
    if os.environ.get("CI") == "true":
        raise
    pytest.skip(f"not on this machine: {error.name} (pip install -e '.[otel]')", allow_module_level=True)


__all__ = ["SpanKind", "Spans", "instrumented", "said", "traceparent"]


class Spans(SpanProcessor):
    """Those that have ended, in that order."""

    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []
        self._at_start: list[str] = []
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider([self._reader])

    def on_start(self, span: Span, parent_context: object = None) -> None:
        self._at_start.append(str(dict(span.attributes or {})))

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)

    def told(self) -> tuple[str, str, str]:
        """All that they told at their start, at their end, and all metrics."""
        counted = self._reader.get_metrics_data()
        ended = "\n".join(span.to_json() for span in self.ended)
        return "\n".join(self._at_start), ended, counted.to_json() if counted else ""


def said(span: ReadableSpan, *names: str) -> list[object]:
    """These attributes of it."""
    return [(span.attributes or {}).get(name) for name in names]


def traceparent(span: ReadableSpan) -> bytes:
    """What a child of it is told of it, without the flags."""
    context = span.get_span_context()
    assert context
    return f"traceparent: 00-{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}-".encode()


@contextmanager
def instrumented(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """Both instrumentations with both of the semantic conventions, as the agent would start them."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup")
    monkeypatch.setattr(_semconv._OpenTelemetrySemanticConventionStability, "_initialized", False)
    spans, provider = Spans(), TracerProvider()
    provider.add_span_processor(spans)
    monkeypatch.setattr(metrics, "get_meter", spans.meters.get_meter)
    instrumentors = (AioHttpServerInstrumentor(), AioHttpClientInstrumentor())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # aiohttp's, of its application's subclass
        for one in instrumentors:
            one.instrument(tracer_provider=provider)
    try:
        yield spans
    finally:
        for one in instrumentors:
            one.uninstrument()
        provider.shutdown()
        spans.meters.shutdown()
