"""The object store is killed while a job runs, and comes back."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from benchmarks.serving import ServerHarness
from benchmarks.stores import Rclone
from tests.jobs.files.lying_proxy import lying_proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_job_outlives_its_store(tmp_path: Path) -> None:
    # The proxy gives ranges their status, which this rclone forgets and a start insists on.
    with Rclone(tmp_path / "rclone") as store, lying_proxy(store.endpoint, "mend") as proxy:
        environment = {
            **store.environment,
            "HINODE_STORE_ENDPOINT": proxy.url,
            "HINODE_TESTCARD_STEP_SECONDS": "0.2",
            "HINODE_CHECKPOINT_SECONDS": "0.5",
        }
        with ServerHarness(tmp_path / "home", environment=environment) as server:
            key = server.key("test")
            first = server.submit(key)
            server.wait_for(lambda: server.video(key, first)["progress"] > 0 or None)
            store.kill()
            second = server.submit(key, prompt="a second kite")  # it needs no file
            server.wait_for(lambda: server.request("GET", "/readyz")[0] == 503 or None)
            server.wait_for(lambda: "no job is claimed" in server.last_words() or None)
            for video in (first, second):
                assert server.video(key, video)["status"] in ("queued", "in_progress")
            store.start()
            for video in (first, second):
                assert server.finished_video(key, video)["status"] == "completed"
                status, body = server.request("GET", f"/v1/videos/{video}/content", key=key)
                assert (status, body[4:8]) == (200, b"ftyp")
        stored = list(store.folder.rglob("objects/*/*/*"))
        assert len(stored) >= 6
        for path in stored:
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.parent.name
