from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hinode import cli
from hinode.jobs.job import Draft
from hinode.jobs.store import Store
from hinode.jobs.tenants.tenants import Tenants
from hinode.records.database import Database
from hinode.request import Request


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite only: what the commands do with a database is tested on both in tests/jobs."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'hinode.db')}"


@pytest.fixture(autouse=True)
def _home(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HINODE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HINODE_DATABASE_URL", database_url)


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.app, words)


def test_a_key_is_printed_once_and_then_never_again(database: Database) -> None:
    created = run("keys", "create", "--name", "laptop")
    assert created.exit_code == 0, created.output
    key = created.stdout.strip()
    assert "not shown again" in created.stderr
    identity = Tenants(database, time.time).authenticate(key)
    assert identity is not None
    table = run("keys", "list").stdout
    assert key not in table
    assert identity.key_id in table
    assert f"…{key[-4:]}" in table
    assert "laptop" in table


def test_a_key_in_json(database: Database) -> None:
    assert run("projects", "create", "--name", "films").exit_code == 0
    created = run(
        *("keys", "create", "--name", "ci", "--json", "--scopes", "read", "--rpm", "60"),
        *("--project", "films"),
    )
    assert created.stderr == ""
    key = json.loads(created.stdout)
    assert set(key) == {"id", "key"}
    identity = Tenants(database, time.time).authenticate(key["key"])
    assert identity is not None
    assert identity.key_id == key["id"]
    assert (identity.scopes, identity.requests_per_minute) == ({"read"}, 60)
    (listed,) = json.loads(run("keys", "list", "--json").stdout)
    assert listed["id"] == key["id"]
    assert listed["scopes"] == ["read"]
    assert key["key"] not in str(listed)
    assert "digest" not in listed


def test_a_revoked_key_is_refused(database: Database) -> None:
    key = json.loads(run("keys", "create", "--name", "lost", "--json").stdout)
    assert run("keys", "revoke", key["id"]).stdout == f"revoked {key['id']}\n"
    assert Tenants(database, time.time).authenticate(key["key"]) is None
    assert json.loads(run("keys", "list", "--json").stdout)[0]["revoked_at"] is not None


def test_limits_of_a_project_are_changed_one_by_one() -> None:
    created = run("projects", "create", "--name", "films", "--weight", "2", "--max-running", "4", "--json")
    project = json.loads(created.stdout)
    assert project["limits"] == {
        "weight": 2.0,
        "max_running": 4,
        "max_queued": None,
        "daily_seconds": None,
    }
    assert run("projects", "set", "films", "--daily-seconds", "600", "--max-running", "none").exit_code == 0
    (listed,) = json.loads(run("projects", "list", "--json").stdout)
    assert listed["limits"] == {
        "weight": 2.0,
        "max_running": None,
        "max_queued": None,
        "daily_seconds": 600.0,
    }
    table = run("projects", "list").stdout
    assert "films" in table
    assert "600" in table


def submit(database: Database, project_id: str, prompt: str) -> str:
    request = Request(prompt, engine="testcard", model="testcard")
    return Store(database).submit([Draft(project_id, None, request, "sora-2")]).jobs[0].id


def test_jobs_are_listed_and_cancelled(database: Database) -> None:
    tenants = Tenants(database, time.time)
    first, second = tenants.create_project("first"), tenants.create_project("second")
    old, new = submit(database, first.id, "old \x1b[2J"), submit(database, second.id, "new")
    listing = json.loads(run("jobs", "list", "--json").stdout)
    assert {job["id"] for job in listing} == {old, new}
    assert listing[0]["status"] == "queued"
    table = run("jobs", "list", "--project", "first").stdout
    assert old in table
    assert new not in table
    assert "\x1b" not in table
    assert len(json.loads(run("jobs", "list", "--limit", "1", "--json").stdout)) == 1
    assert run("jobs", "cancel", new).stdout == f"{new} is cancelled\n"
    assert run("jobs", "cancel", new).stdout == f"{new} is cancelled\n"
    store = Store(database)
    lease = store.claim(store.register_worker("host", 1), host="host")
    assert lease is not None
    assert run("jobs", "cancel", old).stdout == f"{old} is stopping\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["keys", "create", "--name", ""], "cannot be a name"),
        (["keys", "create", "--name", "a", "--scopes", "root"], "no scope 'root'"),
        (["keys", "create", "--name", "a", "--scopes", ","], "allows nothing"),
        (["keys", "create", "--name", "a", "--rpm", "0"], "0 requests a minute"),
        (["keys", "create", "--name", "a", "--project", "b"], "no project 'b'"),
        (["keys", "revoke", "key_x"], "no key 'key_x'"),
        (["projects", "create", "--name", "a", "--weight", "-1"], "weight -1"),
        (["projects", "create", "--name", "a", "--max-running", "1.5"], "'1.5' cannot be a limit"),
        (["projects", "create", "--name", "a", "--daily-seconds", "nan"], "daily seconds"),
        (["projects", "set", "b"], "no project 'b'"),
        (["jobs", "list", "--project", "b"], "no project 'b'"),
        (["jobs", "cancel", "video_x"], "no job 'video_x'"),
    ],
)
def test_bad_input_is_one_plain_sentence(words: list[str], message: str) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
