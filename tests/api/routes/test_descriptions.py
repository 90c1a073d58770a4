"""Descriptions: what a video of the project or an uploaded one shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from hinode.engines.native import catalog
from tests.api.conftest import CheckError, Server, picture
from tests.tiny_reader import write_reader

PATH = "/v1/videos/descriptions"


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toy reader in place of the shipped one."""
    monkeypatch.setattr(catalog, "shipped", lambda: tmp_path)
    return write_reader(tmp_path / "reader.safetensors")


def test_a_video_is_described_by_its_id_and_as_a_file(server: Server, reader: Path) -> None:
    video = server.render()["id"]
    content = server.client.get(f"/v1/videos/{video}/content").content
    answers = [
        server.client.post(PATH, json={"video": {"id": video}}),
        server.client.post(PATH, files={"video": ("v.mp4", content, "video/mp4")}),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["object"] == "video.description"
        assert body["of_this_world"]
        assert "; camera " in body["description"]
        assert set(body["plan"]) >= {"place", "time", "weather", "camera", "subjects"}
    assert answers[0].json() == answers[1].json()


def test_what_cannot_be_described_is_refused(server: Server, reader: Path, check_error: CheckError) -> None:
    check_error(server.client.post(PATH, json={"video": {"id": "video_0"}}), 404, param="video")
    check_error(server.client.post(PATH, json={}), 400, param="video")
    check_error(server.client.post(PATH, files={"video": ("v.png", picture(), "image/png")}), 400, "video")
    video = server.create()["id"]
    check_error(server.client.post(PATH, json={"video": {"id": video}}), 400, param="video")
    server.run_jobs()
    other = server.client.post(PATH, json={"video": {"id": video}}, headers=server.other_project())
    check_error(other, 404, param="video")
