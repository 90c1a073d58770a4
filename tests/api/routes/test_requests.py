"""The request of a video comes back as it was made, with the files that it refers to."""

from __future__ import annotations

import base64
import io

from PIL import Image

from tests.api.conftest import CheckError, Server


def test_a_request_comes_back_with_its_files(server: Server, check_error: CheckError) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 60, 40)).save(stream, "PNG")
    picture = stream.getvalue()
    body = {
        "prompt": "a red balloon over the sea",
        "model": "testcard",
        "size": "64x48",
        "seconds": 1,
        "seed": 9,
        "sound": False,
        "input_reference": {"image_url": "data:image/png;base64," + base64.b64encode(picture).decode()},
    }
    video = server.client.post("/v1/videos", json=body).json()
    assert video.get("id"), video
    made = server.client.get(f"/v1/videos/{video['id']}/request").json()
    expected = {"operation": "generate", "model": "testcard", "seconds": 1.0, "plan": None, "camera": []}
    expected |= {name: body[name] for name in ("prompt", "size", "seed", "sound")}
    assert {name: made[name] for name in expected} == expected
    (reference,) = made["references"]
    assert (reference["role"], reference["media_type"]) == ("first_frame", "image/png")
    answer = server.client.get(reference["url"])
    assert answer.content == picture
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    check_error(server.client.get(f"/v1/videos/{video['id']}/references/1"), 404, param="number")
    check_error(server.client.get("/v1/videos/video_0/request"), 404, param="video_id")
