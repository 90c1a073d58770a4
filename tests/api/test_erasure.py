"""The export and the deletion of a project that used everything there is."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from hinode.jobs.tenants import erasure, ownership
from hinode.jobs.tenants.export import export
from hinode.records.tables import jobs, metadata, projects, rights_events
from hinode.rights.notices import Claim
from hinode.rights.people import OPERATOR
from tests.api.conftest import Server
from tests.api.routes.test_consents import add_person, create, grant


@pytest.fixture
def server(fresh_server: Server) -> Server:
    return fresh_server


def fill(server: Server) -> str:
    context, client = server.context, server.client
    ada = add_person(server)
    grant(server, ada, context.clock, access="server")  # type: ignore[arg-type]
    video = str(create(server, ada).json()["id"])
    server.run_jobs()
    client.post("/v1/feed", json={"video_id": video, "caption": "Ada"})
    client.post("/v1/storyboards", json={"title": "secret plot"})
    client.patch(f"/v1/library/{video}", json={"title": "secret title", "tags": ["one"]})
    create(server, ada)
    return video


def test_every_table_belongs_to_somebody() -> None:
    owned = {table.name for table in ownership.conditions("proj_1")}
    assert owned | ownership.SERVER == set(metadata.tables)
    assert not owned & ownership.SERVER


def second_project(server: Server) -> Server:
    """A project that is not the first one."""
    project = server.context.tenants.create_project("films", None)
    server.context.consents.confirm(project.id, "test")
    server.context.tenants.change_project(project.id, feed_enabled=True)
    created = server.context.tenants.create_key("films", project="films")
    server.client.headers["authorization"] = f"Bearer {created.key}"
    return Server(server.client, server.context, project.id, created.key, created.id)


@pytest.mark.slow
def test_an_export_has_everything_with_digests(server: Server, tmp_path: Path) -> None:
    films = second_project(server)
    video = fill(films)
    context = films.context
    path = tmp_path / "films.zip"
    exported = export(context.store.database, context.objects, films.project_id, path, context.clock())
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        for part in manifest["parts"]:
            assert hashlib.sha256(archive.read(part["name"])).hexdigest() == part["sha256"]
        assert {part["name"] for part in manifest["parts"]} | {"manifest.json"} == set(archive.namelist())
        rows = [json.loads(line) for line in archive.read("jobs.jsonl").splitlines()]
        assert video in {row["id"] for row in rows}
        assert "digest" not in json.loads(archive.read("api_keys.jsonl").splitlines()[0])
        assert json.loads(archive.read("consent_receipts.jsonl").splitlines()[0])["signature"]
    assert exported.files >= 4
    assert exported.missing == ()
    assert exported.rows["storyboards"] == 1


@pytest.mark.slow
def test_a_deletion_that_was_interrupted_goes_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    films = second_project(server)
    context, database = films.context, films.context.store.database
    fill(films)

    class Killed(BaseException):
        pass

    delete, calls = erasure.delete_rows, []

    def die_half_way(*arguments: object) -> int:
        calls.append(arguments)
        if len(calls) == 12:
            raise Killed
        return delete(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(erasure, "delete_rows", die_half_way)
    arguments = (database, context.objects, context.consents, films.project_id, OPERATOR, context.clock)
    with pytest.raises(Killed):
        erasure.erase(*arguments)
    assert context.tenants.authenticate(films.key) is None
    assert erasure.unfinished(database) == [films.project_id]
    monkeypatch.undo()
    erasure.erase(*arguments)
    assert erasure.unfinished(database) == []
    with database.read() as connection:
        for table, condition in ownership.conditions(films.project_id).items():
            left = connection.execute(sa.select(table).where(condition)).mappings().all()
            assert len(left) == (table is projects), table.name
        (tombstone,) = connection.scalars(sa.select(projects.c.name).where(projects.c.id == films.project_id))
        log = connection.execute(sa.select(rights_events)).mappings().all()
    assert "films" not in tombstone
    assert {"project.deleted", "consent.revoked"} <= {row["kind"] for row in log}
    assert "Ada" not in str([dict(row) for row in log])


@pytest.mark.slow
def test_evidence_outlives_the_project_until_appeals_end(server: Server) -> None:
    films = second_project(server)
    context, database = films.context, films.context.store.database
    video = fill(films)
    claim = Claim("other", video, "Mary", "mary@example.com", "It is me.", "Mary", True)
    notice = context.takedowns.receive(claim, "").notice.id
    context.takedowns.uphold(notice, OPERATOR)
    arguments = (database, context.objects, context.consents, films.project_id, OPERATOR, context.clock)
    assert erasure.erase(*arguments).exhibits == (video,)
    assert context.takedowns.evidence(notice, video)["video"].bytes > 0
    context.takedowns.close(notice, OPERATOR)
    assert erasure.erase(*arguments).exhibits == ()
    with database.read() as connection:
        assert connection.scalar(sa.select(jobs.c.id).where(jobs.c.project_id == films.project_id)) is None
