"""Traces by OpenTelemetry, from an HTTP request to the steps of the run that it leads to.

They are off unless OTEL_EXPORTER_OTLP_ENDPOINT is set, and this module then imports nothing of OpenTelemetry.
Its other variables, such as those of sampling, hold too. A span contains no prompt, no key and no query.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hinode import __version__
from hinode.background import start_call, wait_for

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

log = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"
FLUSH_SECONDS = 2.0
"""For the last spans of a process that ends; a collector that is away does not hold it up for longer."""

_tracer: Tracer | None = None


def tracer() -> Tracer | None:
    """What makes spans, or None while traces are off."""
    return _tracer


@contextmanager
def exported(service: str, environment: Mapping[str, str]) -> Iterator[None]:
    """Send the spans of the block, if the environment asks for that, and the last of them at its end.

    What is wrong with the environment is logged: a server without traces is better than none.

    Args:
        service: name of this process, unless OTEL_SERVICE_NAME is set.
        environment: with the variables of OpenTelemetry.
    """
    global _tracer
    provider = _provider(service, environment)
    if provider is None:
        yield
        return
    _tracer = provider.get_tracer("hinode", __version__)
    try:
        yield
    finally:
        _tracer = None
        if not wait_for(start_call(provider.shutdown, "traces"), FLUSH_SECONDS):
            log.warning("the last traces were not sent within %g seconds", FLUSH_SECONDS)


def ids() -> dict[str, str]:
    """The ids of the present trace and span, for log lines and exemplars; empty outside of such a trace."""
    if _tracer is None:
        return {}
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if not (context.is_valid and context.trace_flags.sampled):
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def traceparent() -> str | None:
    """The present span as W3C's header `traceparent` writes it (55 characters), or None if there is none."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def context_of(traceparent: str | None) -> Context:
    """The context below which spans continue the trace of a `traceparent`; empty without a valid one."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {"traceparent": traceparent} if traceparent else {}
    return TraceContextTextMapPropagator().extract(carrier, Context())


def _provider(service: str, environment: Mapping[str, str]) -> TracerProvider | None:
    if not any(environment.get(name, "").strip() for name in ENDPOINTS):
        return None
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    protocol = next(filter(None, (environment.get(name, "").strip() for name in PROTOCOLS)), PROTOCOL)
    if protocol != PROTOCOL:
        log.warning("no traces are sent by the protocol %s; set %s to %s", protocol, PROTOCOLS[1], PROTOCOL)
        return None
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError:
        log.warning(
            "no traces are sent: their packages are missing; install them with: pip install 'hinode[otel]'"
        )
        return None
    name = environment.get("OTEL_SERVICE_NAME", "").strip() or service
    resource = Resource.create({"service.name": name, "service.version": __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(_without_queries())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    # Of each try that fails, with an address that makes every line a new one; the last failure is an error.
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)
    return provider


def _without_queries() -> Any:
    """A processor that hides the queries of addresses, which FastAPI records; the log has none either."""
    from opentelemetry.sdk.trace import SpanProcessor

    class WithoutQueries(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            if "url.query" in (getattr(span, "attributes", None) or ()):
                span.set_attribute("url.query", "REDACTED")

    return WithoutQueries()
