"""Files from before signing: `hinode trust sign --all` makes signed copies, which are served from then on."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image
from typer.testing import CliRunner, Result

from hinode import cli
from hinode.records.tables import artifacts, fingerprints, marks
from hinode.trust.provenance import marks as registry
from tests.api.conftest import Server
from tests.manifests import read_manifest
from tests.trust.verification.signing import video as write_video

ROLES = ("video", "thumbnail", "spritesheet")


@pytest.fixture
def command(fresh_server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    settings = fresh_server.context.settings
    monkeypatch.setenv("HINODE_HOME", str(settings.home))
    monkeypatch.setenv("HINODE_DATABASE_URL", settings.database_url)

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli.app, ["trust", "sign", *words])

    return run


def strip(server: Server, video_id: str, tmp_path: Path) -> dict[str, str]:
    """Let the files of a video be as an earlier version left them; returns their digests by role."""
    plain: dict[str, bytes] = {"video": write_video(tmp_path / "plain.mp4")}
    for role, form in (("thumbnail", "WEBP"), ("spritesheet", "JPEG")):
        picture = io.BytesIO()
        content = server.client.get(f"/v1/videos/{video_id}/content?variant={role}").content
        Image.open(io.BytesIO(content)).save(picture, form)
        plain[role] = picture.getvalue()
    digests = {role: server.context.objects.put(content)[0] for role, content in plain.items()}
    with server.context.store.database.write() as connection:
        for role, digest in digests.items():
            mine = artifacts.c.job_id == video_id, artifacts.c.role == role
            connection.execute(artifacts.update().where(*mine).values(digest=digest))
        connection.execute(marks.delete().where(marks.c.job_id == video_id))
        conversion = {"job_id": video_id, "role": "video.gif", "digest": digests["thumbnail"]}
        connection.execute(artifacts.insert().values(conversion | {"media_type": "image/gif", "bytes": 1}))
        values = {"digest": digests["video"], "hashes": b"1234", "created_at": 1.0}
        connection.execute(fingerprints.insert().values(values))
    return digests


def test_earlier_files_get_signed_copies_and_stay_themselves(
    fresh_server: Server, command: Any, tmp_path: Path
) -> None:
    server, objects = fresh_server, fresh_server.context.objects
    marked, earlier = server.render()["id"], server.render(seed="7")["id"]
    before = strip(server, earlier, tmp_path)
    content = server.client.get(f"/v1/videos/{earlier}/content").content
    assert hashlib.sha256(content).hexdigest() == before["video"]
    refused = command()
    assert (refused.exit_code, "--all" in refused.stderr) == (2, True)

    tried = command("--all", "--dry-run", "--json")
    assert json.loads(tried.stdout)["files"] == 3
    done = command("--all")
    assert (done.exit_code, done.stdout) == (0, "signed 3 files\n"), done.output
    authority = server.context.marking.authority
    job = server.context.store.job(server.project_id, earlier)
    assert job is not None
    for role in ROLES:
        path = tmp_path / role
        path.write_bytes(server.client.get(f"/v1/videos/{earlier}/content?variant={role}").content)
        read = read_manifest(path, authority)
        assert (read.state, read.actions[0]) == ("Trusted", "c2pa.created")
        assert read.source_types == {"trainedAlgorithmicMedia"}
        assert read.assertion("org.hinode.copy") == {"of": f"sha256:{before[role]}"}
        assert read.assertion("org.hinode.generation")["model"] == job.model
        action = read.assertion("c2pa.actions.v2")["actions"][0]
        assert action["when"] < "2027-02"  # when it was made, by the clock of the test
        assert objects.has(before[role])
        with server.context.store.database.read() as connection:
            mark = registry.find(connection, hashlib.sha256(path.read_bytes()).hexdigest())
        assert mark is not None
        assert (mark.job_id, mark.label) == (earlier, read.label)
    with server.context.store.database.read() as connection:
        rows = connection.execute(sa.select(artifacts).where(artifacts.c.job_id == earlier)).all()
        copy = next(row.digest for row in rows if row.role == "video")
        assert (
            connection.scalar(sa.select(fingerprints.c.hashes).where(fingerprints.c.digest == copy))
            == b"1234"
        )
    assert {row.role for row in rows} == {*ROLES, *(f"unsigned.{role}" for role in ROLES)}
    assert set(before.values()) < server.context.store.digests()
    assert server.context.store.artifacts(marked).keys() == set(ROLES)

    again = command("--all", "--json")
    assert json.loads(again.stdout) == {"signed": 0, "entered": 0, "gone": 0, "missing": [], "failed": {}}


def test_what_cannot_be_signed_is_named_and_the_rest_is_signed(
    fresh_server: Server, command: Any, tmp_path: Path
) -> None:
    server = fresh_server
    video = server.render()["id"]
    before = strip(server, video, tmp_path)
    server.context.objects.path(before["video"]).unlink()
    with server.context.store.database.write() as connection:  # signed here, and the registry was lost
        connection.execute(marks.delete())
    done = command("--all")
    assert done.exit_code == 1
    assert "signed 2 files" in done.stdout
    assert before["video"] in done.stderr
    with server.context.store.database.write() as connection:
        connection.execute(marks.delete())
    assert "2 were signed already" in command("--all").stdout
