"""`hinode workers`, and what `hinode worker` needs to know of a server."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hinode import cli
from hinode.jobs.fleet.tokens import WorkerTokens
from hinode.records.database import Database


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'hinode.db')}"


@pytest.fixture(autouse=True)
def _home(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HINODE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HINODE_DATABASE_URL", database_url)
    monkeypatch.delenv("HINODE_WORKER_TOKEN", raising=False)


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.app, words)


def test_a_token_is_printed_once_and_then_never_again(database: Database) -> None:
    assert run("projects", "create", "--name", "films").exit_code == 0
    created = run("workers", "add", "--name", "attic", "--engines", "testcard, native", "--projects", "films")
    assert created.exit_code == 0, created.output
    token = created.stdout.strip()
    known = WorkerTokens(database, time.time).authenticate(token)
    assert known is not None
    assert known.engines == ("native", "testcard")
    table = run("workers", "list").stdout
    assert token not in table
    for word in (known.id, "attic", "never seen", "native,testcard", "films"):
        assert word in table
    (entry,) = json.loads(run("workers", "list", "--json").stdout)
    assert (entry["state"], entry["token"]["hint"][-4:]) == ("never seen", token[-4:])
    assert run("workers", "remove", "attic").stdout == f"removed {known.id}\n"
    assert "removed" in run("workers", "list").stdout
    assert WorkerTokens(database, time.time).authenticate(token) is None


def test_a_token_in_json() -> None:
    created = run("workers", "add", "--name", "attic", "--json")
    assert created.stderr == ""
    assert set(json.loads(created.stdout)) == {"id", "token"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("workers", "add", "--name", " "), "cannot be a name"),
        (("workers", "add", "--name", "a", "--engines", "sora"), "there is no engine 'sora'; choose"),
        (("workers", "add", "--name", "a", "--engines", ","), "the list of engines is empty"),
        (("workers", "add", "--name", "a", "--projects", "x"), "there is no project 'x'"),
        (("workers", "remove", "nobody"), "there is no worker 'nobody'; see which there are with"),
        (("worker", "--server", "http://localhost:1"), "needs a token; make one there"),
        (("worker", "--token", "t"), "name it with --server"),
        (("worker", "--server", "ftp://x", "--token", "wk-hinode-t"), "is not the URL of a web server"),
        (("worker", "--server", "http://x", "--token", "sk-hinode-t"), "is not the token of a worker"),
        (("worker", "--server", "http://x", "--token", "t", "--token-file", "f"), "there are two tokens"),
        (("worker", "--server", "http://x", "--token-file", "/nowhere"), "cannot be read from '/nowhere'"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    words: tuple[str, ...], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hinode import logs
    from hinode.jobs.worker import process

    # They are for a process of its own.
    monkeypatch.setattr(process, "_handle_signals", lambda stop, attached: None)
    monkeypatch.setattr(logs, "start", lambda: None)
    result = run(*words)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
