"""Traces, from the request to the steps of its run, as a collector of OpenTelemetry receives them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.serving import HOST, ServerHarness

TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PROMPT = "a kite that nobody else reads about"


class Collector:
    """An HTTP server that keeps the spans that it receives."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []  # name of the service, span
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                request = ExportTraceServiceRequest.FromString(content)
                for resource in request.resource_spans:
                    facts = {fact.key: fact.value.string_value for fact in resource.resource.attributes}
                    for scope in resource.scope_spans:
                        collector.spans += [(facts["service.name"], span) for span in scope.spans]
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer((HOST, 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, name="collector")
        self.thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def attributes(span: Any) -> dict[str, Any]:
    """The attributes of a span as plain values."""
    return {fact.key: getattr(fact.value, fact.value.WhichOneof("value")) for fact in span.attributes}


@pytest.mark.slow
def test_a_trace_leads_from_the_request_to_the_steps_of_its_run(collector: Collector, tmp_path: Path) -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "HINODE_TESTCARD_STEP_SECONDS": "0.01",
    }
    server = ServerHarness(tmp_path / "home", environment=environment)
    with server:
        key = server.key("traces")
        sent = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
        body = {"prompt": PROMPT, "seconds": "1", "size": "64x64", "seed": 7}
        status, answer = server.request("POST", "/v1/videos?x=secret", key=key, body=body, headers=sent)
        if status == 400:  # a parameter that there is not
            status, answer = server.request("POST", "/v1/videos", key=key, body=body, headers=sent)
        assert status == 200
        video_id = json.loads(answer)["id"]
        server.finished_video(key, video_id)
        accept = {"accept": "application/openmetrics-text; version=1.0.0"}
        metrics = server.request("GET", "/metrics", headers=accept)[1].decode()
        plain = server.request("GET", "/metrics")[1].decode()

        def attempt_is_there() -> bool:
            return any(
                name == "hinode-worker" and span.name.startswith("gen") for name, span in collector.spans
            )

        server.wait_for(attempt_is_there)
    assert f'# {{trace_id="{TRACE_ID}"}}' in metrics
    assert TRACE_ID not in plain

    spans = [(service, span) for service, span in collector.spans if span.trace_id.hex() == TRACE_ID]
    requests = [span for service, span in spans if span.name == "POST /v1/videos"]
    (request,) = (span for span in requests if attributes(span).get("http.response.status_code") == 200)
    assert request.parent_span_id.hex() == PARENT_ID
    (attempt,) = (span for service, span in spans if span.name == "generate_content testcard")
    assert attempt.parent_span_id == request.span_id
    facts = attributes(attempt)
    assert facts["gen_ai.operation.name"] == "generate_content"
    assert (facts["gen_ai.provider.name"], facts["gen_ai.request.seed"]) == ("testcard", 7)
    assert (facts["hinode.job.id"], facts["hinode.outcome"]) == (video_id, "completed")
    children = [span for service, span in spans if span.parent_span_id == attempt.span_id]
    assert {"queue", "sample", "encode", "store"} <= {span.name for span in children}
    (sample,) = (span for span in children if span.name == "sample")
    steps = [span for service, span in spans if span.parent_span_id == sample.span_id]
    assert {span.name for span in steps} == {"denoise step"}
    numbers = [attributes(span)["hinode.step"] for span in steps]
    assert numbers == list(range(1, attributes(steps[0])["hinode.steps"] + 1))
    for span in steps:
        assert sample.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= sample.end_time_unix_nano

    everything = repr(collector.spans)
    assert PROMPT not in everything
    assert key not in everything
    assert "x=secret" not in everything
    assert not any("readyz" in span.name or "metrics" in span.name for _, span in collector.spans)

    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    (ended,) = (line for line in lines if line["message"] == "attempt ended")
    assert (ended["trace_id"], ended["span_id"]) == (TRACE_ID, attempt.span_id.hex())
    assert any(line["message"] == "request" and line.get("trace_id") == TRACE_ID for line in lines)


def test_nothing_of_opentelemetry_is_loaded_while_traces_are_off() -> None:
    program = """
import sys
from hinode import tracing
from hinode.jobs.worker import attempt
with tracing.exported("hinode-worker", {"OTEL_EXPORTER_OTLP_ENDPOINT": " "}):
    print(tracing.ids(), tracing.traceparent(), tracing.tracer())
print(sorted(name for name in sys.modules if name.startswith("opentelemetry")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "{} None None\n[]\n"


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "no traces are sent by the protocol grpc"),
        ({"HIDE": "1"}, "install them with: pip install 'hinode[otel]'"),
        ({"OTEL_SDK_DISABLED": "true"}, ""),
    ],
)
def test_what_keeps_traces_from_being_sent_is_logged_and_stops_nothing(
    variables: dict[str, str], sentence: str
) -> None:
    program = f"""
import logging, sys
logging.basicConfig(stream=sys.stdout)
if {"HIDE" in variables}:
    sys.modules["opentelemetry.sdk.trace"] = None
from hinode import tracing
with tracing.exported("x", {{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", **{variables}}}):
    print("runs", tracing.tracer())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "runs None" in done.stdout
    assert sentence in done.stdout
