"""Videos out of videos, over the test card, which shows exactly what it is given."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from hinode.api.context import Context
from hinode.clip import Frames
from tests.api.conftest import Server, new_project, picture
from tests.tiny_book import save_tiny_book
from tests.videos import read_video


@pytest.fixture(scope="module")
def server(application: tuple[Context, TestClient]) -> Server:
    """One project for all tests of this module, since most only need a finished video in it."""
    return new_project(*application)


@pytest.fixture(scope="module")
def source(server: Server) -> dict[str, Any]:
    """A finished video of one second."""
    return server.render()


def frames(server: Server, video: dict[str, Any], folder: Path) -> Frames:
    path = folder / f"{video['id']}.mp4"
    path.write_bytes(server.client.get(f"/v1/videos/{video['id']}/content").content)
    return read_video(path).frames


def render(server: Server, path: str, **body: Any) -> dict[str, Any]:
    response = server.client.post(f"/v1/videos/{path}", json=body)
    assert response.status_code == 200, response.text
    server.run_jobs()
    video = server.client.get(f"/v1/videos/{response.json()['id']}").json()
    assert video["status"] == "completed", video
    return dict(video)


def difference(first: Frames, second: Frames) -> float:
    return float(np.abs(first.astype(int) - second).mean())


def test_a_loop_from_a_prompt(server: Server, tmp_path: Path) -> None:
    video = render(server, "loops", prompt="a kite", size="64x36", seconds=3)
    assert (video["operation"], video["seconds"], video["source_video_id"]) == ("loop", "3", None)
    assert len(frames(server, video, tmp_path)) == 24


def test_a_loop_that_closes_a_video(server: Server, source: dict[str, Any], tmp_path: Path) -> None:
    video = render(server, "loops", video={"id": source["id"]}, seconds="2")
    assert (video["prompt"], video["seconds"], video["source_video_id"]) == (
        "a red kite",
        "2",
        source["id"],
    )
    loop = frames(server, video, tmp_path)
    assert len(loop) == 16
    assert difference(loop[:8], frames(server, source, tmp_path)) < 6


def test_a_blend_begins_with_one_and_ends_with_the_other(server: Server, tmp_path: Path) -> None:
    first, second = server.render(seconds="2", seed=1), server.render(seconds="2", prompt="a fish")
    video = render(
        server,
        "blends",
        videos=[{"id": first["id"]}, {"id": second["id"]}],
        seconds=0.5,
        to=1,
        curve="smooth",
    )
    assert (video["operation"], video["seconds"]) == ("blend", "3")
    blend = frames(server, video, tmp_path)
    assert difference(blend[:12], frames(server, first, tmp_path)[:12]) < 6
    assert difference(blend[16:], frames(server, second, tmp_path)[8:]) < 6


def test_a_retake_preserves_the_frames_around_it(server: Server, tmp_path: Path) -> None:
    source = server.render(seconds="3")
    video = render(server, "retakes", video={"id": source["id"]}, prompt="a fish", to=2, **{"from": 1})
    after, before = frames(server, video, tmp_path), frames(server, source, tmp_path)
    assert len(after) == 24
    assert difference(after[:8], before[:8]) < 6
    assert difference(after[16:], before[16:]) < 6
    assert difference(after[8:16], before[8:16]) > 6


def test_a_recut_adds_seconds_before_and_after(server: Server, tmp_path: Path) -> None:
    source = server.render(seconds="2")
    video = render(
        server,
        "recuts",
        video={"id": source["id"]},
        prompt="a fish",
        to="1.5",
        before=1,
        after=0.5,
        **{"from": "0.5"},
    )
    recut, before = frames(server, video, tmp_path), frames(server, source, tmp_path)
    assert len(recut) == 20
    assert difference(recut[8:16], before[4:12]) < 6


def test_a_storyboard_has_its_shots(server: Server, source: dict[str, Any], tmp_path: Path) -> None:
    shots = [
        {"prompt": "a kite rises", "seconds": 1},
        {"video": {"id": source["id"]}, "seconds": "0.5", "from": 0.5},
        {"prompt": "it goes on", "seconds": 0.5, "cut": False},
    ]
    video = render(server, "storyboards", shots=shots, size="64x36")
    assert (video["operation"], video["seconds"]) == ("storyboard", "2")
    assert video["prompt"] == "a kite rises / it goes on"
    film = frames(server, video, tmp_path)
    assert difference(film[8:12], frames(server, source, tmp_path)[4:]) < 6


KITE, FISH = {"prompt": "a kite", "seconds": 1}, {"prompt": "a fish", "seconds": 1}


@pytest.mark.parametrize(
    ("body", "segments"),
    [
        ({"shots": [KITE, FISH]}, [("a kite", False), ("a fish", True)]),
        ({"shots": [KITE, {**FISH, "cut": "false"}]}, [("a kite", False), ("a fish", False)]),
        ({"shots": [KITE, {**FISH, "transition": "continue"}]}, [("a kite", False), ("a fish", False)]),
        (
            {"shots": [KITE, {**FISH, "transition": {"kind": "cut"}}]},
            [("a kite", False), ("a fish", True)],
        ),
        (
            {"shots": [{**KITE, "id": "rise"}, {**FISH, "transition": "continue", "from": "rise"}]},
            [("a kite", False), ("a fish", False)],
        ),
        (
            {"style": "paper", "place": "over the sea", "shots": [KITE, {**FISH, "place": "in a bay"}]},
            [("paper, a kite, over the sea", False), ("paper, a fish, in a bay", True)],
        ),
        (
            {"characters": {"Pip": "a red kite"}, "shots": [{"prompt": "@Pip rises", "seconds": 1}]},
            [("a red kite rises", False)],
        ),
        (
            {"title": "Kites", "engine": "testcard", "fps": 8, "seed": 3, "steps": 2, "shots": [KITE]},
            [("a kite", False)],
        ),
        ({"shots": [KITE, {"video": "SOURCE", "seconds": 1}]}, [("a kite", False), ("", True)]),
        ({"shots": json.dumps([KITE]), "characters": '{"Pip": "a kite"}'}, [("a kite", False)]),
    ],
)
def test_a_storyboard_speaks_the_language_of_storyboard_files(
    server: Server, source: dict[str, Any], body: dict[str, Any], segments: list[tuple[str, bool]]
) -> None:
    text = json.dumps({"size": "64x36", **body}).replace("SOURCE", source["id"])
    response = server.client.post("/v1/videos/storyboards", content=text)
    assert response.status_code == 200, response.text
    job = server.context.store.job(server.project_id, response.json()["id"])
    saved = job.request["segments"]
    assert [(part.get("prompt", ""), part.get("cut", False)) for part in saved] == segments
    if "title" in body:
        assert (response.json()["prompt"], job.request["seed"], job.request["fps"]) == ("Kites", 3, 8)


def test_a_shot_of_a_storyboard_may_be_a_file_of_the_form(
    server: Server, source: dict[str, Any], tmp_path: Path
) -> None:
    film = server.client.get(f"/v1/videos/{source['id']}/content").content
    form = {
        "shots[0][prompt]": "a kite",
        "shots[0][seconds]": "1",
        "shots[1][seconds]": "0.5",
        "shots[1][from]": "0.5",
    }
    response = server.client.post(
        "/v1/videos/storyboards", data=form, files={"shots[1][video]": ("a.mp4", film)}
    )
    assert response.status_code == 200, response.text
    assert (response.json()["size"], response.json()["seconds"]) == ("64x36", "1.5")


@pytest.mark.parametrize(
    ("body", "param", "remedy"),
    [
        ({"shots": [KITE, {**FISH, "transition": "fade"}]}, "shots.2.transition", "choose cut or continue"),
        ({"shots": [KITE, {**FISH, "transition": "blend"}]}, "shots.2.transition", "hinode storyboard"),
        ({"shots": [{**KITE, "camera": "pan left"}]}, "shots.1.camera", "of the whole film"),
        ({"shots": [{**KITE, "path": [[0, 0.5, 0.5]]}]}, "shots.1.path", "of the whole film"),
        ({"shots": [{**KITE, "seed": 0}]}, "shots.1.seed", "of the whole film"),
        ({"shots": [{**KITE, "keyframes": [{"file": "a.png"}]}]}, "shots.1.keyframes", "leave them out"),
        (
            {"shots": [{**KITE, "references": [{"file": "a.mp4", "as": "guide"}]}]},
            "shots.1.references",
            "hinode storyboard",
        ),
        ({"shots": [{"video": "kite.mp4", "seconds": 1}, KITE]}, "shots.1.video", "/v1/files"),
        ({"shots": [{**KITE, "from": "kite.mp4"}]}, "shots.1.from", "hinode storyboard"),
        ({"shots": [KITE, FISH, {**KITE, "from": "1"}]}, "shots.3.from", "order of the shots"),
        ({"characters": {"Pip": {"image": "a.png"}}, "shots": [KITE]}, "characters.Pip", "in words"),
        ({"shots": [{"prompt": "@Pip", "seconds": 1}]}, "shots.1.prompt", "add it to the characters"),
        ({"shots": [{**KITE, "id": "a"}, {**FISH, "id": "a"}]}, "shots", "give each its own"),
        ({"shots": [{**KITE, "transition": "continue"}]}, "shots.1.transition", "leave it out"),
        ({"shots": [KITE], "weathr": "rain"}, "weathr", "weather"),
    ],
)
def test_a_storyboard_is_refused_where_one_job_cannot_render_it(
    server: Server, body: dict[str, Any], param: str, remedy: str
) -> None:
    response = server.client.post("/v1/videos/storyboards", json={"size": "64x36", **body})
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["param"] == param, error
    assert remedy in error["message"], error


def test_extended_backward(server: Server, source: dict[str, Any], tmp_path: Path) -> None:
    video = render(
        server, "extensions", video={"id": source["id"]}, prompt="before", seconds=1, backward=True
    )
    extended = frames(server, video, tmp_path)
    assert len(extended) == 16
    assert difference(extended[8:], frames(server, source, tmp_path)) < 6


def test_keyframes_are_shown_at_their_moments(server: Server, tmp_path: Path) -> None:
    red = picture(color=(200, 30, 30))
    upload = server.client.post(
        "/v1/files", data={"purpose": "vision"}, files={"file": ("a.png", red)}
    ).json()
    video = server.render(keyframes=[{"at": 0.5, "file_id": upload["id"]}])
    frame = frames(server, video, tmp_path)[4]
    assert np.abs(frame.astype(int) - (200, 30, 30)).max() < 12


def test_a_keyframe_in_the_last_half_frame_is_shown(server: Server, tmp_path: Path) -> None:
    red = "data:image/png;base64," + base64.encodebytes(picture(color=(200, 30, 30))).decode()
    video = server.render(keyframes=[{"at": 0.99, "image_url": red}])
    frame = frames(server, video, tmp_path)[-1]
    assert np.abs(frame.astype(int) - (200, 30, 30)).max() < 12


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keyframes": [{"at": 0.5}, {"at": 0.51}]}, "fall into one frame"),
        ({"keyframes": [{"at": 0}], "input_reference": {}}, "two keyframes are at 0 s"),
        ({"keyframes": [{"at": 0.99}], "last_frame_reference": {}}, "two keyframes are at 0.875 s"),
    ],
)
def test_two_pictures_for_one_frame_are_refused(server: Server, fields: dict[str, Any], message: str) -> None:
    image = {"image_url": "data:image/png;base64," + base64.b64encode(picture()).decode()}
    body = {
        name: [{**entry, **image} for entry in value] if isinstance(value, list) else image
        for name, value in fields.items()
    }
    response = server.client.post(
        "/v1/videos", json={"prompt": "a kite", "size": "96x64", "seconds": 1, **body}
    )
    assert response.status_code == 400
    assert message in response.json()["error"]["message"].lower()


def test_a_model_with_short_windows_makes_long_videos_but_no_loops(fresh_server: Server) -> None:
    """Seventeen frames are too few for frames of both neighbours: each window continues the last picture."""
    folder = fresh_server.context.settings.home / "models"
    save_tiny_book(folder / "short.safetensors", shapes=((17, 8, 32, 32),))
    body = {"prompt": "a red kite", "model": "native/short", "size": "64x64", "seconds": 12}
    assert fresh_server.client.post("/v1/videos", json=body).status_code == 200
    response = fresh_server.client.post("/v1/videos/loops", json=body)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["code"] == "operation_not_supported"


PAIR = {"videos": [{"id": "SOURCE"}, {"id": "SOURCE"}]}
SINGLE = {"video": {"id": "SOURCE"}, "prompt": "x"}


@pytest.mark.parametrize(
    ("path", "body", "param", "words"),
    [
        ("loops", {"seconds": 2}, "prompt", "prompt is missing"),
        ("loops", {"video": {"id": "video_1"}}, "video", "video_1"),
        ("loops", {"video": {"id": "SOURCE"}, "size": "128x72"}, "size", "which is 64x36; leave it out"),
        ("blends", {"videos": []}, "videos", "give 2 at least"),
        ("blends", {**PAIR, "seconds": 0}, "seconds", "give more than 0"),
        ("blends", {**PAIR, "from": 9}, "from", "outside"),
        ("blends", {**PAIR, "seconds": 0.5, "curve": [[0, 2], [1, 1]]}, "curve", "the point 0,2"),
        ("blends", {**PAIR, "curve": "fast"}, "curve", "linear, smooth, early or late"),
        ("retakes", SINGLE, "from", "all of the video"),
        ("retakes", {**SINGLE, "from": 0.5, "to": 0.2}, "from", "is empty"),
        ("retakes", {**SINGLE, "to": 0.999}, "seconds", "than a frame"),
        ("retakes", {**SINGLE, "from": -1}, "from", "is -1; give 0 or more"),
        ("recuts", {**SINGLE, "from": 0.5}, "before", "nothing is to be"),
        ("storyboards", {"shots": []}, "shots", "give 1 at least"),
        ("storyboards", {"shots": [{"prompt": "x", "seconds": 1}], "sound": True}, "sound", "no sound yet"),
        (
            "storyboards",
            {"shots": [{"video": "SOURCE", "seconds": 9}]},
            "shots.1.seconds",
            "ends at 9",
        ),
        ("storyboards", {"shots": [{"prompt": "x"}]}, "shots.1.seconds", "is missing"),
        ("storyboards", {"shots": [{"seconds": 2}]}, "shots.1.prompt", "needs one; add it"),
        ("storyboards", {"shots": [{**SINGLE, "seconds": 1}]}, "shots.1.prompt", "leave it or the video out"),
        ("storyboards", {"shots": [{"prompt": "x", "seconds": 1, "from": 1}]}, "shots.1.from", "no video"),
        ("storyboards", {"shots": [{"prompt": "x", "seconds": 100}] * 2}, "seconds", "200 seconds"),
        ("", {"prompt": "x", "path": [[0, 1]]}, "path.1", "give seconds, x and y"),
        ("", {"prompt": "x", "path": [[0, 0.5, 0.5]]}, "path", "follows no path"),
        ("", {"prompt": "x", "keyframes": [{"file_id": "file-1"}]}, "keyframes.1.at", "is missing"),
        ("", {"prompt": "x", "expand": False}, "expand", "the body has no field 'expand'"),
        ("edits", {**SINGLE, "mask": {"file_id": "file-1"}}, "mask", "mask"),
    ],
)
def test_invalid_fields_are_refused_in_one_sentence(
    server: Server, source: dict[str, Any], path: str, body: dict[str, Any], param: str, words: str
) -> None:
    text = json.dumps(body).replace("SOURCE", source["id"])
    response = server.client.post(f"/v1/videos/{path}".rstrip("/"), content=text)
    assert response.status_code in (400, 404), response.text
    error = response.json()["error"]
    assert words in error["message"].lower(), error
    assert error["param"] == param, error


def test_another_frame_for_the_same_scene(fresh_server: Server, tmp_path: Path) -> None:
    """The plan and the seed stay; a video without a plan is cropped."""
    client = fresh_server.client
    card = fresh_server.render()
    refused = client.post(f"/v1/videos/{card['id']}/reframe", json={"size": "36x64", "fit": "compose"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "fit")
    cropped = render(fresh_server, f"{card['id']}/reframe", size="20x36")
    before, after = frames(fresh_server, card, tmp_path), frames(fresh_server, cropped, tmp_path)
    middle = before[:, :, before.shape[2] // 2 - 10 :][:, :, :20].astype(int)
    assert (before.shape[1:], after.shape) == ((36, 64, 3), (len(before), 36, 20, 3))
    assert np.abs(after - middle).mean() < 6  # encoded once more
    save_tiny_book(fresh_server.context.settings.home / "models" / "tiny.safetensors")
    fields = {"model": "native/tiny", "prompt": "a red kite circles over the sea", "seed": 5}
    drawn = fresh_server.render(**fields, seconds="0.5", steps=1)
    tall = render(fresh_server, f"{drawn['id']}/reframe", size="36x64", steps=1)
    assert (tall["size"], tall["seed"], tall["source_video_id"]) == ("36x64", 5, drawn["id"])
    assert (tall["operation"], tall["making"]["plan"]) == ("generate", drawn["making"]["plan"])
    assert frames(fresh_server, tall, tmp_path).shape == (12, 64, 36, 3)
