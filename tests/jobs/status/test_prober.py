"""What is probed by the settings, and providers that answer or do not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from hinode.jobs.status.prober import Prober
from hinode.records.database import Database
from hinode.settings import Settings
from tests.jobs.service import Clock

UPSTREAM = """
[[upstream]]
name = "next-door"
dialect = "hinode"
url = "{}"
models = ["book"]
"""


class Provider(BaseHTTPRequestHandler):
    """Answers every request with 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Provider) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def prober(database: Database, home: Path, **values: object) -> Prober:
    settings = Settings(home, **values)  # type: ignore[arg-type]
    return Prober(settings, database, "http://127.0.0.1:8000", Clock())


def names(prober: Prober) -> list[str]:
    return [name for probe in prober.probes for name in probe.components]


def test_engines_of_this_machine_are_probed_and_others_on_request(database: Database, tmp_path: Path) -> None:
    assert names(prober(database, tmp_path))[:4] == ["api", "latency", "clips/testcard", "queue"]
    chosen = prober(database, tmp_path, status_models=("diffusers/wan",), allow_private_urls=True)
    assert names(chosen) == ["api", "latency", "clips/diffusers", "queue", "webhooks"]


def test_a_provider_that_answers_and_one_that_does_not(
    database: Database, tmp_path: Path, provider: str
) -> None:
    for url, ok in ((provider, True), ("http://127.0.0.1:1", False)):
        (tmp_path / "upstreams.toml").write_text(UPSTREAM.format(url))
        (outcome,) = prober(database, tmp_path).probes[-1].run()
        assert (outcome.component, outcome.ok) == ("providers/next-door", ok)
        assert url not in outcome.message
