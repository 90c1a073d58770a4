"""The commands about the rights of people, on a home without a server."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hinode import cli
from hinode.jobs.files.characters import WORDS, Characters
from hinode.jobs.files.stores import open_store
from hinode.jobs.rights.takedowns import Takedowns
from hinode.jobs.tenants.tenants import Tenants
from hinode.records.database import Database
from hinode.request import MediaFile
from hinode.rights.notices import Claim
from hinode.settings import Settings


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


def test_a_consent_from_grant_to_verify(database: Database, tmp_path: Path) -> None:
    project = Tenants(database, time.time).project(None).id
    ada = Characters(database).create(project, "Ada", MediaFile("0" * 64, WORDS, 3), person=True).id
    assert "--confirm" in run("consents", "grant", ada, "--person", "Ada").stderr
    granted = run("consents", "grant", ada, "--person", "Ada", "--days", "30", "--confirm")
    assert granted.exit_code == 0, granted.output
    consent = granted.stdout.strip()
    assert "active" in run("consents", "list").stdout
    file = tmp_path / "receipts.json"
    assert run("consents", "revoke", consent).exit_code == 0
    assert run("consents", "export", consent, str(file)).exit_code == 0
    assert "2 valid receipts" in run("consents", "verify", str(file)).stdout
    receipts = json.loads(file.read_text())
    receipts[0]["document"] = receipts[0]["document"].replace("Ada", "Eve")
    file.write_text(json.dumps(receipts))
    assert "changed after it was signed" in run("consents", "verify", str(file)).stderr


def test_a_notice_from_list_to_report(database: Database, tmp_path: Path) -> None:
    project = Tenants(database, time.time).project(None).id
    ada = Characters(database).create(project, "Ada", MediaFile("0" * 64, "image/png", 3)).id
    objects = open_store(Settings(tmp_path / "home"), time.time)
    claim = Claim("likeness", ada, "Ada", "ada@example.com", "It is me.", "ada", True)
    notice = Takedowns(database, objects).receive(claim, "").notice.id
    assert notice in run("takedowns", "list", "--status", "open").stdout
    assert "named" in run("takedowns", "show", notice).stdout
    assert run("takedowns", "decide", notice, "uphold", "--reason", "It is she.").stdout.strip() == ada
    assert run("takedowns", "decide", notice, "reject").exit_code == 2
    assert run("takedowns", "decide", notice, "restore").stdout.strip() == ada
    report = json.loads(run("takedowns", "report", "--json").stdout)
    assert (report["restored"], report["late"]) == (1, 0)
    assert "likeness" in run("takedowns", "report").stdout


@pytest.mark.slow
def test_a_project_is_exported_and_deleted(database: Database, tmp_path: Path) -> None:
    tenants = Tenants(database, time.time)
    first, films = tenants.project(None), tenants.create_project("films")
    key = tenants.create_key("k", project="films").key
    file = tmp_path / "films.zip"
    assert run("projects", "export", "films", str(file)).exit_code == 0
    assert file.stat().st_mode & 0o077 == 0
    assert key.encode() not in file.read_bytes()
    assert "operator" in run("projects", "delete", first.name, "--yes").stderr
    assert run("projects", "delete", "films", "--yes").exit_code == 0
    assert tenants.authenticate(key) is None
    assert films.id not in run("projects", "list").stdout
