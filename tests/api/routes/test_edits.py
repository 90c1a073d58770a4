"""Videos from videos: remixes, edits and extensions."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hinode.engines.native import catalog
from hinode.media.reading.decode import VideoFile
from hinode.request import FIRST_FRAME
from tests.api.conftest import SIZE, SMALL, CheckError, Server


def test_remix(server: Server) -> None:
    source = server.render(seconds=2)
    for body in ({"json": {"prompt": "at night"}}, {"data": {"prompt": "at night"}}):
        remix = server.client.post(f"/v1/videos/{source['id']}/remix", **body).json()
        assert remix["remixed_from_video_id"] == source["id"]
        assert (remix["prompt"], remix["seconds"], remix["size"]) == ("at night", "2", SMALL)
    assert server.run_jobs() == 2
    assert server.client.get(f"/v1/videos/{remix['id']}").json()["status"] == "completed"


@pytest.mark.parametrize(
    "body",
    [
        lambda name: {"json": {"prompt": "blue", "video": {"id": name}}},
        lambda name: {"json": {"prompt": "blue", "video": name}},
        lambda name: {"data": {"prompt": "blue", "video[id]": name}},
        lambda name: {"files": {"prompt": (None, "blue"), "video[id]": (None, name)}},
        lambda name: {"files": {"prompt": (None, "blue"), "video": (None, json.dumps({"id": name}))}},
    ],
)
def test_edit_by_id(server: Server, body: Callable[[str], dict[str, Any]]) -> None:
    source = server.render(model="sora-2-pro", seconds=2)
    response = server.client.post("/v1/videos/edits", **body(source["id"]))
    assert response.status_code == 200, response.text
    edit = response.json()
    assert (edit["operation"], edit["model"], edit["seconds"]) == ("edit", "sora-2-pro", "2")
    assert edit["source_video_id"] == source["id"]
    assert server.run_jobs() == 1
    assert server.client.get(f"/v1/videos/{edit['id']}").json()["status"] == "completed"


def test_edit_of_a_file(server: Server, check_error: CheckError) -> None:
    source = server.render(seconds=2)
    mp4 = server.client.get(f"/v1/videos/{source['id']}/content").content
    edit = server.client.post(
        "/v1/videos/edits",
        data={"prompt": "blue", "model": "sora-2"},
        files={"video": ("../../etc/passwd", mp4, "video/mp4")},
    )
    assert edit.status_code == 200, edit.text
    assert (edit.json()["seconds"], edit.json()["size"]) == ("2", SMALL)
    assert server.run_jobs() == 1
    for broken in (b"", b"not a video", mp4[:200], b"#EXTM3U\nfile:///etc/passwd\n", mp4[:8] + b"\0" * 900):
        response = server.client.post(
            "/v1/videos/edits", data={"prompt": "blue"}, files={"video": ("a.mp4", broken)}
        )
        check_error(response, 400, "video")


def test_a_mask_has_the_size_of_the_video(server: Server, check_error: CheckError) -> None:
    source = server.render()
    body = {"prompt": "blue", "model": "native/book", "video[id]": source["id"]}

    def edit(size: tuple[int, int], **fields: str) -> Any:
        content = io.BytesIO()
        half = Image.new("L", size)
        half.paste(255, (0, 0, size[0] // 2, size[1]))
        half.save(content, "PNG")
        mask = {"mask": ("mask.png", content.getvalue(), "image/png")}
        return server.client.post("/v1/videos/edits", data={**body, **fields}, files=mask)

    assert "60x36" in check_error(edit((60, 36)), 400, "mask")["message"]
    response = edit((60, 36), input_reference_fit="crop")
    assert response.status_code == 200, response.text
    job = server.context.store.job(server.project_id, response.json()["id"])
    assert job is not None
    assert [reference["role"] for reference in job.request["references"]] == ["source", "mask"]


def test_a_mask_moves(server: Server, check_error: CheckError) -> None:
    """It lies where its track says in every frame, and what is outside stays bit for bit."""
    source = server.render(seconds=1)
    content = io.BytesIO()
    picture = Image.new("L", SIZE)
    picture.paste(255, (0, 8, 16, 24))
    picture.save(content, "PNG")
    url = "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
    body = {"prompt": "blue", "model": "native/book", "video": source["id"], "mask": url}

    def edit(**fields: Any) -> Any:
        return server.client.post("/v1/videos/edits", json={**body, **fields})

    for track in ([[0.5, 0, 0], [0.5, 1, 0]], [[-1, 0, 0]]):
        check_error(edit(mask_path=track), 400, "mask_path")
    check_error(edit(mask=None, mask_path=[[0, 0, 0]]), 400, "mask_path")
    response = edit(mask_path=[[0, 0, 0], [0.5, 0.5, 0]])
    assert response.status_code == 200, response.text
    job = server.context.store.job(server.project_id, response.json()["id"])
    assert job is not None
    _, mask = job.request["references"]
    with VideoFile(server.context.objects.path(mask["digest"])) as video:
        frames = [picture.rgb[..., 0] for picture in video]
    assert len(frames) == 24
    for number, left in ((0, 0), (6, 16), (12, 32), (23, 32)):
        columns = np.flatnonzero(frames[number].max(axis=0))
        assert (columns[0], columns[-1]) == (left, left + 15)
        assert np.flatnonzero(frames[number].max(axis=1)).tolist() == list(range(8, 24))


def test_an_extension_is_the_whole_video(server: Server, check_error: CheckError) -> None:
    source = server.render(seconds=2)
    named = {"prompt": "on and on", "video": {"id": source["id"]}}
    extended = server.client.post("/v1/videos/extensions", json={**named, "seconds": "4"}).json()
    assert (extended["operation"], extended["seconds"]) == ("extend", "6")
    assert extended["remixed_from_video_id"] is None
    assert server.run_jobs() == 1
    check_error(server.client.post("/v1/videos/extensions", json=named), 400, "seconds")
    for seconds in (0, -1, 119, "x"):
        response = server.client.post("/v1/videos/extensions", json={**named, "seconds": seconds})
        check_error(response, 400, "seconds")


def test_extensions_are_bounded(server: Server, check_error: CheckError) -> None:
    last = server.render(seconds="0.2")["id"]

    def extend(seconds: str = "0.2") -> Any:
        body = {"prompt": "on and on", "video": {"id": last}, "seconds": seconds}
        return server.client.post("/v1/videos/extensions", json=body)

    assert "at most" in check_error(extend("119.9"), 400, "seconds")["message"]
    for _ in range(6):
        last = extend().json()["id"]
        assert server.run_jobs() == 1
    assert "6 times" in check_error(extend(), 400, "video")["message"]
    # What is made from it anew can be extended again.
    last = server.client.post(f"/v1/videos/{last}/remix", json={"prompt": "at night"}).json()["id"]
    assert server.run_jobs() == 1
    assert extend().status_code == 200


def test_a_source_that_does_not_exist_or_is_unfinished(server: Server, check_error: CheckError) -> None:
    waiting = server.create()["id"]
    check_error(
        server.client.post("/v1/videos/edits", json={"prompt": "x", "video": {"id": waiting}}), 400, "video"
    )
    check_error(server.client.post(f"/v1/videos/{waiting}/remix", json={"prompt": "x"}), 400, "video_id")
    check_error(
        server.client.post("/v1/videos/edits", json={"prompt": "x", "video": {"id": "\0"}}), 404, "video"
    )
    check_error(server.client.post("/v1/videos/edits", json={"prompt": "x"}), 400, "video")
    check_error(server.client.post("/v1/videos/edits", json={"prompt": "x", "video": {}}), 400, "video")


def test_the_source_may_be_deleted_while_the_edit_is_queued(server: Server) -> None:
    source = server.render()
    edit = server.client.post(f"/v1/videos/{source['id']}/remix", json={"prompt": "night"}).json()
    server.client.delete(f"/v1/videos/{source['id']}")
    server.context.objects.sweep(server.context.store.digests(), -3600.0)
    server.run_jobs()
    assert server.client.get(f"/v1/videos/{edit['id']}").json()["status"] == "completed"


def test_an_operation_that_the_model_does_not_support(
    fresh_server: Server, check_error: CheckError, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = fresh_server
    monkeypatch.setattr(catalog, "REFERENCES", (FIRST_FRAME,))
    response = server.client.post("/v1/videos/loops", json={"prompt": "night", "model": "native/book"})
    error = check_error(response, 400, "model")
    assert error["code"] == "operation_not_supported"
    response = server.client.post(
        "/v1/videos",
        json={"prompt": "x", "model": "native/book", "last_frame_reference": {"image_url": "http://[bad"}},
    )
    check_error(response, 400, "last_frame_reference")
