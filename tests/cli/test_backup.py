"""`hinode backup` and `hinode restore`."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from benchmarks.serving import ServerHarness
from hinode.jobs.tenants.tenants import Tenants
from hinode.records.database import Database
from hinode.settings import Settings
from tests.cli.conftest import Run

SLOW_STEPS = {
    "HINODE_TESTCARD_STEP_SECONDS": "0.1",
    "HINODE_LEASE_SECONDS": "2",
    "HINODE_CHECKPOINT_SECONDS": "0.1",
}


def test_a_backup_is_made_and_restored(
    run: Run, settings: Settings, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(sqlite_template, home / "hinode.db")
    monkeypatch.setenv("HINODE_HOME", str(home))
    database = Database(Settings(home).database_url)
    key = Tenants(database, time.time).create_key("laptop").key
    database.close()
    made = run("backup", "hinode.backup")
    assert made.exit_code == 0, made.output
    assert made.stdout.startswith("hinode.backup: the database, 0 files of the home, 0 files of the store, ")
    refused = run("restore", "hinode.backup")
    assert refused.exit_code == 1
    assert "there is a database at" in refused.stderr
    monkeypatch.setenv("HINODE_HOME", str(tmp_path / "new"))
    restored = run("restore", "hinode.backup")
    assert restored.exit_code == 0, restored.output
    assert "start the server" in restored.stdout
    database = Database(Settings(tmp_path / "new").database_url)
    assert Tenants(database, time.time).authenticate(key) is not None
    database.close()


def test_what_cannot_be_restored_is_said_in_a_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINODE_HOME", str(tmp_path / "new"))
    missing = run("restore", "nothing.backup")
    assert missing.exit_code == 1
    assert missing.stderr == "error: there is no file nothing.backup; name the file of a backup\n"


@pytest.mark.slow
def test_a_job_that_ran_during_the_backup_goes_on_at_the_restored_server(tmp_path: Path) -> None:
    file = tmp_path / "hinode.backup"
    server = ServerHarness(tmp_path / "home", environment=SLOW_STEPS)
    with server:
        key = server.key("laptop")
        finished = server.finished_video(key, server.submit(key))["id"]
        content = server.request("GET", f"/v1/videos/{finished}/content", key=key)[1]
        running = server.submit(key, seconds="4")
        server.wait_for(lambda: server.video(key, running)["progress"] > 20)
        for worker in server.workers_running():
            worker.suspend()  # so that the job does not end before the backup is made
        server.command("backup", str(file))
        assert server.video(key, running)["status"] != "completed"
        server.kill()
    new = ServerHarness(tmp_path / "new", environment=SLOW_STEPS)
    new.command("restore", str(file))
    with new:
        assert new.request("GET", f"/v1/videos/{finished}/content", key=key)[1] == content
        assert new.finished_video(key, running)["status"] == "completed"
