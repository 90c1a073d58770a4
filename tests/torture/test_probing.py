"""A real server that probes itself: its workers stop and come back, and the status page says so by itself."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.serving import ServerHarness

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE = 180.0
ENVIRONMENT = {"HINODE_STATUS_MODELS": "testcard"}


def test_a_failure_shows_within_a_minute_and_its_incident_closes_by_itself(tmp_path: Path) -> None:
    options = ("--status",)
    with ServerHarness(tmp_path / "home", workers=1, environment=ENVIRONMENT, options=options) as server:

        def status() -> dict[str, Any]:
            time.sleep(60.0 / 100)  # an address may ask 120 times a minute
            code, body = server.request("GET", "/status.json")
            assert code == 200
            result: dict[str, Any] = json.loads(body)
            return result

        def clips() -> dict[str, Any]:
            parts = {part["name"]: part for part in status()["components"]}
            return dict(parts.get("clips/testcard", {"state": "unknown"}))

        def failed_clips() -> dict[str, Any] | None:
            part = clips()
            return part if part["state"] != "operational" else None

        def incident(is_open: bool) -> dict[str, Any] | None:
            entries = [entry for entry in status()["incidents"] if entry["component"] == "clips/testcard"]
            return next((entry for entry in entries if (entry["closed_at"] is None) is is_open), None)

        server.wait_for(lambda: clips()["state"] == "operational", PATIENCE)
        assert incident(is_open=True) is None
        (worker,) = server.workers_running()
        worker.suspend()  # it is there, and does nothing
        stopped_at = time.time()
        try:
            failed = server.wait_for(
                lambda: next((c for c in [clips()] if c["state"] != "operational"), None), PATIENCE
            )
            shown_after = time.time() - stopped_at
            opened = server.wait_for(lambda: incident(is_open=True), PATIENCE)
        finally:
            worker.resume()
        assert failed["message"] == "A clip was not rendered within 30 s."
        assert failed["probed_at"] - stopped_at < 60
        print(f"the failure showed after {shown_after:.1f} s")
        closed = server.wait_for(lambda: incident(is_open=False), PATIENCE)
        assert closed["id"] == opened["id"]
        server.wait_for(lambda: clips()["state"] == "operational", PATIENCE)
        key = server.key("reader")
        code, body = server.request("GET", "/v1/videos", key=key)
        assert (code, json.loads(body)["data"]) == (200, [])
