from __future__ import annotations

import json
import secrets
import shutil
import socket
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from benchmarks.serving import free_port
from benchmarks.stores import Moto
from hinode import cli
from hinode.jobs.files.objects import Objects
from hinode.jobs.files.uploads import Uploads
from hinode.jobs.tenants.tenants import Tenants
from hinode.records.database import Database


def examine(home: Path, *words: str, **variables: str) -> Result:
    environment = {"HINODE_HOME": str(home), "HINODE_DEVICE": "cpu", **variables}
    return CliRunner().invoke(cli.app, ["doctor", *words], env=environment)


def findings(result: Result) -> dict[str, dict[str, str]]:
    return {finding["check"]: finding for finding in json.loads(result.stdout)}


def test_a_new_installation_is_healthy_and_nothing_is_made(tmp_path: Path) -> None:
    home = tmp_path / "home"
    result = examine(home, "--port", str(free_port()))
    assert result.exit_code == 0, result.stdout
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["CHECK", "STATE", "FOUND"]
    state = ["database", "clock", "notifications", "store", "keys", "screening"]
    names = [*state, "disk", "codecs", "device", "models", "port"]
    assert [line.split()[:2] for line in lines[1:]] == [[name, "ok"] for name in names]
    assert "speech is not transcribed" in result.stdout
    assert not home.exists()


def test_what_is_wrong_is_said_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "banks").mkdir()
    (tmp_path / "banks" / "list.txt").write_text("nothing")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        result = examine(
            tmp_path,
            "--json",
            *("--port", str(other.getsockname()[1])),
            HINODE_DATABASE_URL="postgresql://hinode:s3cret@127.0.0.1:1/hinode",
            HINODE_DEVICE="mps",
        )
    assert result.exit_code == 1
    found = findings(result)
    assert "s3cret" not in result.stdout
    wrong = {name for name, finding in found.items() if not finding["ok"]}
    assert wrong == {"database", "clock", "notifications", "store", "screening", "device", "port"}
    assert found["database"]["remedy"] == "check that it is running"
    assert "bank list does not say" in found["screening"]["message"]
    assert "cannot compute on mps" in found["device"]["message"]
    assert "is taken by another program" in found["port"]["message"]


def test_the_version_of_a_database_is_told(tmp_path: Path, sqlite_template: Path) -> None:
    url = f"sqlite:///{tmp_path}/old.db"
    with Database(url).engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE x (y)")
    database = findings(examine(tmp_path, "--json", HINODE_DATABASE_URL=url))["database"]
    assert database["ok"]
    assert database["message"].endswith("migrated at the next start")
    current = f"sqlite:///{sqlite_template}"
    database = findings(examine(tmp_path, "--json", HINODE_DATABASE_URL=current))["database"]
    assert database["message"].endswith("with the tables of this version")


def test_a_store_that_is_lost_is_told(tmp_path: Path, sqlite_template: Path) -> None:
    shutil.copy(sqlite_template, tmp_path / "hinode.db")
    database = Database(f"sqlite:///{tmp_path}/hinode.db")
    project = Tenants(database, time.time).create_project("films")
    (tmp_path / "a.png").write_bytes(b"picture")
    uploads = Uploads(database, Objects(tmp_path / "store"))
    uploads.create(project.id, purpose="vision", filename="", media_type="", path=tmp_path / "a.png")
    database.close()
    assert findings(examine(tmp_path, "--json"))["store"]["ok"]
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    store = findings(examine(tmp_path, "--json"))["store"]
    assert store["message"].endswith("store is empty, and the database names files in it")
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
@pytest.mark.both_databases
def test_the_clock_of_a_database(tmp_path: Path, backend: str, request: pytest.FixtureRequest) -> None:
    if backend == "sqlite":
        url = f"sqlite:///{tmp_path}/hinode.db"
    else:
        url = request.getfixturevalue("postgres_url")
    result = examine(tmp_path, "--json", HINODE_DATABASE_URL=url)
    assert findings(result)["clock"]["ok"], result.stdout
    assert findings(result)["database"]["ok"], result.stdout


@pytest.mark.slow
def test_a_bucket_is_tried(tmp_path: Path, moto: Moto) -> None:
    url = f"{moto.url}/{secrets.token_hex(4)}"
    variables = {**moto.environment, "HINODE_STORE": url}
    store = findings(examine(tmp_path, "--json", **variables))["store"]
    assert store["message"] == f"{url} reads back what is written"
    public = {"HINODE_STORE_PUBLIC_ENDPOINT": f"http://localhost:{moto.port}"}
    store = findings(examine(tmp_path, "--json", **variables, **public))["store"]
    assert store["message"].endswith("signed addresses work")
    public = {"HINODE_STORE_PUBLIC_ENDPOINT": f"http://localhost:{free_port()}"}
    store = findings(examine(tmp_path, "--json", **variables, **public))["store"]
    assert not store["ok"]
    assert store["remedy"] == "check HINODE_STORE_PUBLIC_ENDPOINT"
    inner = {"HINODE_STORE_WORKER_ENDPOINT": f"http://127.0.0.1:{free_port()}"}
    store = findings(examine(tmp_path, "--json", **variables, **inner))["store"]
    assert store["remedy"] == "check HINODE_STORE_WORKER_ENDPOINT"
    gone = {"HINODE_STORE_ENDPOINT": f"http://127.0.0.1:{free_port()}"}
    store = findings(examine(tmp_path, "--json", **{**variables, **gone}))["store"]
    assert store["remedy"] == "check that it is running, and HINODE_STORE_ENDPOINT"
