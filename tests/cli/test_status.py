"""`hinode status` and `hinode probe`."""

from __future__ import annotations

import json
import time

import pytest
from typer.testing import CliRunner, Result

from hinode import cli
from hinode.jobs.status import history
from hinode.jobs.status.history import Sample
from hinode.records.database import Database


@pytest.fixture(autouse=True)
def _home(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HINODE_DATABASE_URL", database_url)


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.app, words)


def test_an_incident_is_listed_and_gets_a_note(database: Database) -> None:
    now = time.time()
    failures = [
        Sample("clips/native", now - 15 * back, False, 30.0, "A clip was not rendered within 30 s.", 60.0)
        for back in (1, 0)
    ]
    with database.write() as connection:
        history.enter(connection, failures)
    table = run("status").stdout
    assert "Clips by native  degraded" in table
    assert "no prober runs" in table
    assert json.loads(run("status", "--json").stdout)["state"] == "unknown"
    (incident,) = json.loads(run("status", "incidents", "--json").stdout)
    assert run("status", "note", incident["id"], "We look into it.").exit_code == 0
    (incident,) = json.loads(run("status", "incidents", "--json").stdout)
    assert [note["text"] for note in incident["notes"]] == ["We look into it."]
    assert incident["id"] in run("status", "incidents").stdout


def test_mistakes_are_one_sentence(database: Database) -> None:
    result = run("status", "note", "incident_x", "We look into it.")
    assert (result.exit_code, result.stderr.startswith("error: there is no incident")) == (2, True)
    result = run("probe")
    assert (result.exit_code, result.stderr.startswith("error: no server was started")) == (1, True)
