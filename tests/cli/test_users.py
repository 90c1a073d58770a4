"""`hinode link` and `hinode users` on the database of a server."""

from __future__ import annotations

import json
import shutil
import time
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hinode import cli
from hinode.api.serving import serve
from hinode.jobs.tenants.members import Members
from hinode.jobs.tenants.sessions import Sessions
from hinode.records.database import Database


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'hinode.db')}"


@pytest.fixture
def sessions(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    monkeypatch.setenv("HINODE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HINODE_DATABASE_URL", database.url.render_as_string())
    return Sessions(database, time.time)


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.app, words)


def test_a_link_signs_in_once(sessions: Sessions) -> None:
    link = run("link").stdout.strip()
    base, _, token = link.partition("/#token=")
    assert base == "http://localhost:8000"
    assert sessions.open_with_token(token, "").session.role == "owner"
    sessions.announce("http://localhost:9000")
    assert run("link").stdout.startswith("http://localhost:9000/#token=")
    assert run("link", "--url", "https://studio.example.com/x/").stdout.startswith(
        "https://studio.example.com/x/#token="
    )
    assert run("link", "--url", "studio.example.com").exit_code == 2
    assert "there is no project 'films'" in run("link", "--project", "films").stderr


def test_users_are_added_listed_and_removed(sessions: Sessions, database: Database) -> None:
    added = json.loads(run("users", "add", "Ada@Example.com", "--role", "viewer", "--json").stdout)
    token = added["invitation_url"].partition("#invitation=")[2]
    assert "not yet" in run("users", "list").stdout
    opened = Members(database, sessions, time.time).set_password(token, "a good password", "")
    (listed,) = json.loads(run("users", "list", "--json").stdout)
    assert (listed["email"], listed["role"], listed["accepted"]) == ("ada@example.com", "viewer", True)
    assert "is a member already" in run("users", "add", "ada@example.com").stderr
    assert "there is no role 'king'" in run("users", "add", "bob@example.com", "--role", "king").stderr
    assert "is no email address" in run("users", "add", "bob").stderr
    assert run("users", "remove", "ADA@example.com").stdout == f"removed {added['id']}\n"
    assert sessions.authenticate(opened.token) is None
    assert run("users", "remove", "ada@example.com").exit_code == 2


def test_what_there_is_of_a_removed_person_is_exported_and_deleted(
    sessions: Sessions, tmp_path: Path
) -> None:
    assert run("users", "add", "ada@example.com").exit_code == 0
    assert run("users", "remove", "ada@example.com").exit_code == 0
    path = tmp_path / "ada.zip"
    exported = run("users", "export", "Ada@Example.com", str(path))
    assert exported.exit_code == 0, exported.output
    with zipfile.ZipFile(path) as archive:
        index = json.loads(archive.read("index.json"))
        (account,) = index["accounts"]
        (row,) = archive.read(f"{account['id']}/own/users.jsonl").splitlines()
    assert json.loads(row)["email"] == "ada@example.com"
    assert path.stat().st_mode & 0o777 == 0o600
    refused = CliRunner().invoke(cli.app, ["users", "delete", "ada@example.com"], input="n\n")
    assert refused.exit_code == 1
    assert run("users", "delete", account["id"], "--yes").stdout.startswith(
        f"deleted {account['id']}: 1 rows"
    )
    gone = run("users", "export", "ada@example.com", str(tmp_path / "none.zip"))
    assert gone.exit_code == 2
    assert "there is no user 'ada@example.com'" in gone.stderr
    assert not (tmp_path / "none.zip").exists()


def test_without_a_desktop_no_browser_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(serve.webbrowser, "open", lambda link: opened.append(link) is None)
    monkeypatch.setattr(serve.sys, "platform", "linux")
    monkeypatch.setattr(serve.sys.stdout, "isatty", lambda: True, raising=False)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert serve.open_in_browser("http://localhost/#token=x") is False
    monkeypatch.setenv("DISPLAY", ":0")
    assert serve.open_in_browser("http://localhost/#token=x") is True
    assert opened == ["http://localhost/#token=x"]
