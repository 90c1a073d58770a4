"""Videos out of videos, over the test card, which shows exactly what it is given."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hinode.clip import Frames
from hinode.media.video import read_video
from tests.api.conftest import Server

Refused = Callable[..., Any]


def frames(server: Server, video: dict[str, Any], folder: Path) -> Frames:
    path = folder / f"{video['id']}.mp4"
    path.write_bytes(server.client.get(f"/v1/videos/{video['id']}/content").content)
    return read_video(path).frames


def finished(server: Server, path: str, **body: Any) -> dict[str, Any]:
    asked = server.client.post(f"/v1/videos/{path}", json=body)
    assert asked.status_code == 200, asked.text
    server.work()
    done = server.client.get(f"/v1/videos/{asked.json()['id']}").json()
    assert done["status"] == "completed", done
    return dict(done)


def apart(one: Frames, other: Frames) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def test_a_loop_from_words(server: Server, tmp_path: Path) -> None:
    video = finished(server, "loops", prompt="a kite", size="64x36", seconds=3)
    assert (video["operation"], video["seconds"], video["source_video_id"]) == ("loop", "3", None)
    assert len(frames(server, video, tmp_path)) == 24


def test_a_loop_that_closes_a_video(server: Server, tmp_path: Path) -> None:
    source = server.finished()
    video = finished(server, "loops", video={"id": source["id"]}, seconds="2")
    assert (video["prompt"], video["seconds"], video["source_video_id"]) == (
        "a red kite",
        "2",
        source["id"],
    )
    kept = frames(server, video, tmp_path)
    assert len(kept) == 16
    assert apart(kept[:8], frames(server, source, tmp_path)) < 6


def test_a_blend_begins_with_one_and_ends_with_the_other(server: Server, tmp_path: Path) -> None:
    one, other = server.finished(seconds="2", seed=1), server.finished(seconds="2", seed=2, prompt="a fish")
    video = finished(
        server,
        "blends",
        videos=[{"id": one["id"]}, {"id": other["id"]}],
        seconds=0.5,
        to=1,
        curve="smooth",
    )
    assert (video["operation"], video["seconds"]) == ("blend", "3")
    made, first, second = (frames(server, each, tmp_path) for each in (video, one, other))
    assert apart(made[:12], first[:12]) < 6
    assert apart(made[16:], second[8:]) < 6


def test_a_retake_keeps_what_is_around_it(server: Server, tmp_path: Path) -> None:
    source = server.finished(seconds="3")
    video = finished(server, "retakes", video={"id": source["id"]}, prompt="a fish", to=2, **{"from": 1})
    made, before = frames(server, video, tmp_path), frames(server, source, tmp_path)
    assert len(made) == 24
    assert apart(made[:8], before[:8]) < 6
    assert apart(made[16:], before[16:]) < 6
    assert apart(made[8:16], before[8:16]) > 6


def test_a_recut_puts_something_before_and_after(server: Server, tmp_path: Path) -> None:
    source = server.finished(seconds="2")
    video = finished(
        server,
        "recuts",
        video={"id": source["id"]},
        prompt="a fish",
        to="1.5",
        before=1,
        after=0.5,
        **{"from": "0.5"},
    )
    made, kept = frames(server, video, tmp_path), frames(server, source, tmp_path)
    assert len(made) == 20
    assert apart(made[8:16], kept[4:12]) < 6


def test_a_storyboard_has_its_shots(server: Server, tmp_path: Path) -> None:
    source = server.finished()
    shots = [
        {"prompt": "a kite rises", "seconds": 1},
        {"video": {"id": source["id"]}, "seconds": "0.5", "from": 0.5},
        {"prompt": "it goes on", "seconds": 0.5, "cut": False},
    ]
    video = finished(server, "storyboards", shots=shots, size="64x36")
    assert (video["operation"], video["seconds"]) == ("storyboard", "2")
    assert video["prompt"] == "a kite rises / it goes on"
    made = frames(server, video, tmp_path)
    assert apart(made[8:12], frames(server, source, tmp_path)[4:]) < 6


def test_extended_backward(server: Server, tmp_path: Path) -> None:
    source = server.finished()
    video = finished(
        server, "extensions", video={"id": source["id"]}, prompt="before", seconds=1, backward=True
    )
    made = frames(server, video, tmp_path)
    assert len(made) == 16
    assert apart(made[8:], frames(server, source, tmp_path)) < 6


def test_keyframes_are_shown_at_their_moments(server: Server, tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (64, 36), (200, 30, 30)).save(picture, "PNG")
    upload = server.client.post(
        "/v1/files", data={"purpose": "vision"}, files={"file": ("a.png", picture.getvalue())}
    ).json()
    video = server.finished(keyframes=[{"at": 0.5, "file_id": upload["id"]}])
    shown = frames(server, video, tmp_path)[4]
    assert np.abs(shown.astype(int) - (200, 30, 30)).max() < 12


@pytest.mark.parametrize(
    ("path", "body", "param", "words"),
    [
        ("loops", {"seconds": 2}, "prompt", "no prompt"),
        ("loops", {"video": {"id": "video_1"}}, "video", "video_1"),
        ("blends", {"videos": []}, "videos", "two videos"),
        ("blends", {"videos": [{"id": "SOURCE"}, {"id": "SOURCE"}], "seconds": 0}, "seconds", "transition"),
        ("blends", {"videos": [{"id": "SOURCE"}, {"id": "SOURCE"}], "from": 9}, "from", "outside"),
        (
            "blends",
            {"videos": [{"id": "SOURCE"}, {"id": "SOURCE"}], "seconds": 0.5, "curve": [[0, 2], [1, 1]]},
            "curve",
            "the point 0,2",
        ),
        ("retakes", {"video": {"id": "SOURCE"}, "prompt": "x"}, "from", "all of the video"),
        ("retakes", {"video": {"id": "SOURCE"}, "prompt": "x", "from": 0.5, "to": 0.2}, "from", "is empty"),
        ("recuts", {"video": {"id": "SOURCE"}, "prompt": "x", "from": 0.5}, "before", "nothing is to be"),
        ("storyboards", {"shots": []}, "shots", "no list"),
        ("storyboards", {"shots": [{"prompt": "x", "seconds": 1}], "sound": True}, "sound", "no sound yet"),
        ("storyboards", {"shots": [{"video": {"id": "SOURCE"}, "seconds": 1}]}, "segments", "would be drawn"),
        ("storyboards", {"shots": [{"video": {"id": "SOURCE"}, "seconds": 9}]}, "shots", "ends at 9"),
        ("retakes", {"video": {"id": "SOURCE"}, "prompt": "x", "to": 0.999}, "seconds", "than a frame"),
        ("storyboards", {"shots": [{"prompt": "x"}]}, "shots", "shot 1 has no seconds"),
        ("storyboards", {"shots": [{"seconds": 2}]}, "shots", "shot 1 has no prompt"),
        ("storyboards", {"shots": [{"prompt": "x", "seconds": 100}] * 2}, "seconds", "200 seconds"),
        ("", {"prompt": "x", "path": [[0, 1]]}, "path", "cannot be read"),
        ("", {"prompt": "x", "path": [[0, 0.5, 0.5]]}, "path", "follows no path"),
        ("", {"prompt": "x", "keyframes": [{"file_id": "file-1"}]}, "keyframes", "at which moment"),
        ("", {"prompt": "x", "expand": "perhaps"}, "expand", "expand"),
        ("edits", {"prompt": "x", "video": {"id": "SOURCE"}, "mask": {"file_id": "file-1"}}, "mask", "mask"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    server: Server, refused: Refused, path: str, body: dict[str, Any], param: str, words: str
) -> None:
    name = server.finished()["id"]

    def named(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: named(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [named(inner) for inner in value]
        return name if value == "SOURCE" else value

    answer = server.client.post(f"/v1/videos/{path}".rstrip("/"), json={"size": "64x36", **named(body)})
    assert answer.status_code in (400, 404), answer.text
    error = answer.json()["error"]
    assert words in error["message"].lower(), error
    assert error["param"] == param, error
