"""Captions of a video, as players read them."""

from __future__ import annotations

from tests.api.conftest import CheckError, Server


def test_captions_are_a_web_vtt_file(server: Server, check_error: CheckError) -> None:
    path = f"/v1/videos/{server.render()['id']}/captions"
    response = server.client.get(path)
    assert response.headers["content-type"].split(";")[0] == "text/vtt"
    assert response.text == "WEBVTT\n"  # a test card has no plan
    check_error(server.client.get("/v1/videos/video_none/captions"), 404, "video_id")
