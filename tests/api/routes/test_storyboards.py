"""Storyboards as documents: revisions, versions, other programs' files, single shots, a film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from starlette.testclient import TestClient

from hinode import yamlfile
from hinode.api.context import Context
from hinode.directing.films import parser
from tests.api.conftest import CheckError, Clock, Server, new_project
from tests.videos import read_video

XSS = "<img src=x onerror=alert(1)>&\"'</script>"


@pytest.fixture(scope="module")
def server(application: tuple[Context, TestClient]) -> Server:
    """One project for the tests of this module."""
    return new_project(*application)


def shot(name: str, frames: int = 29, **more: Any) -> dict[str, Any]:
    return {"id": name, "prompt": f"a kite {name}", "frames": frames, **more}


def create(server: Server, *shots: dict[str, Any], fps: Any = "25", **more: Any) -> dict[str, Any]:
    document = {"fps": fps, "size": "64x36", "model": "testcard/testcard", "shots": list(shots), **more}
    response = server.client.post("/v1/storyboards", json={"title": "A film", "document": document})
    assert response.status_code == 200, response.text
    return dict(response.json())


def post(server: Server, board: dict[str, Any], path: str, **body: Any) -> dict[str, Any]:
    response = server.client.post(f"/v1/storyboards/{board['id']}/{path}", json=body)
    assert response.status_code == 200, response.text
    return dict(response.json())


def take(server: Server, board: dict[str, Any], name: str, **body: Any) -> str:
    """Render a shot, and let the video show it."""
    video = post(server, board, f"shots/{name}/render", **body)["id"]
    server.run_jobs()
    post(server, board, f"shots/{name}/take", video_id=video)
    return str(video)


def content(server: Server, video_id: str) -> bytes:
    response = server.client.get(f"/v1/videos/{video_id}/content")
    assert response.status_code == 200, response.text
    return response.content


def frames(server: Server, video_id: str, folder: Path) -> Any:
    path = folder / f"{video_id}.mp4"
    path.write_bytes(content(server, video_id))
    return read_video(path).frames


def distance(film: Any, expected: Any) -> float:
    """The most that a frame of a film differs from the expected one; small test cards are encoded twice."""
    assert film.shape == expected.shape
    return float(np.abs(film.astype(np.float32) - expected.astype(np.float32)).mean((1, 2, 3)).max())


def test_a_save_to_an_older_revision_is_refused(server: Server, check_error: CheckError) -> None:
    board = create(server, shot("a"))
    path = f"/v1/storyboards/{board['id']}"
    read = server.client.get(path)
    assert read.headers["etag"] == '"1"'
    document = {**board["document"], "style": "paper"}
    saved = server.client.put(path, json={"document": document, "revision": 1})
    assert (saved.status_code, saved.json()["revision"]) == (200, 2)
    for headers, body in (
        ({}, {"revision": 1}),
        ({"if-match": '"1"'}, {}),
        ({"if-match": 'W/"1"'}, {}),  # a proxy has compressed it
        ({"if-match": '"1-gzip"'}, {}),
    ):
        late = server.client.put(path, json={"document": board["document"], **body}, headers=headers)
        error = check_error(late, 409, "revision")
        assert "revision 2" in error["message"]
        assert late.headers["x-should-retry"] == "false"
    again = server.client.put(path, json={"document": document}, headers={"if-match": 'W/"2"'})
    assert again.json()["revision"] == 2, "nothing has changed"
    check_error(server.client.put(path, json={"document": document}), 400, "revision")
    check_error(
        server.client.put(path, json={"document": document}, headers={"if-match": "*"}), 400, "revision"
    )
    take_late = {"video_id": None, "revision": 1}
    check_error(server.client.post(f"{path}/shots/a/take", json=take_late), 409, "revision")


def test_versions_are_restored_as_new_revisions(server: Server, check_error: CheckError) -> None:
    board = create(server, shot("a"))
    path = f"/v1/storyboards/{board['id']}"
    for number in (1, 2, 3):
        document = {**board["document"], "shots": [shot("a", number)]}
        body = {"title": f"Take {number}", "document": document, "revision": number}
        assert server.client.put(path, json=body).status_code == 200
    versions = server.client.get(f"{path}/versions").json()["data"]
    assert [(entry["number"], entry["title"], entry["frames"]) for entry in versions] == [
        (4, "Take 3", 3),
        (3, "Take 2", 2),
        (2, "Take 1", 1),
        (1, "A film", 29),
    ]
    restored = server.client.post(f"{path}/versions/2/restore").json()
    assert (restored["revision"], restored["title"], restored["document"]["shots"][0]["frames"]) == (
        5,
        "Take 1",
        1,
    )
    check_error(server.client.post(f"{path}/versions/9/restore"), 400, "number")
    assert len(server.client.get("/v1/storyboards", params={"limit": 1}).json()["data"]) == 1
    server.client.delete(path)
    check_error(server.client.get(path), 404, "storyboard_id")
    check_error(server.client.post(f"{path}/versions/2/restore"), 404, "storyboard_id")


def test_a_deleted_storyboard_can_be_restored_for_a_day(
    server: Server, clock: Clock, check_error: CheckError
) -> None:
    board = create(server, shot("a"))
    path = f"/v1/storyboards/{board['id']}"
    storyboards = server.context.storyboards
    assert server.client.delete(path).status_code == 200
    storyboards.remove_deleted()
    for _ in range(2):  # also of one that is there
        assert server.client.post(f"{path}/restore").json() == board
    assert server.client.get(path).json() == board
    server.client.delete(path)
    clock.now += 86_400
    storyboards.remove_deleted()
    check_error(server.client.post(f"{path}/restore"), 404, "storyboard_id")


@pytest.mark.parametrize("fps", ["25", "24000/1001", "30000/1001", "25/2"])
@pytest.mark.parametrize("format", ["yaml", "otio"])
def test_files_keep_every_frame(server: Server, fps: str, format: str) -> None:
    lengths = [29, 1, 30, 47, 1001]
    fade = {"kind": "fade", "frames": 5}
    shots = [shot(f"s{number}", count) for number, count in enumerate(lengths)]
    shots[3]["transition"] = fade
    shots[4]["transition"] = {"kind": "blend", "frames": 6}
    shots[2] |= {"transition": {"kind": "continue"}, "camera": "pan left", "path": [[0, 0.2, 0.5]], "seed": 7}
    shots[1] |= {"title": XSS, "prompt": "no", "place": "1e5", "weather": "12:30"}
    board = create(server, *shots, fps=fps, style="~", characters={"Pip": "a red kite"}, seed=3)
    path = f"/v1/storyboards/{board['id']}/export"
    exported = server.client.get(path, params={"format": format})
    assert exported.status_code == 200, exported.text
    assert exported.headers["content-disposition"].startswith("attachment")
    imported = server.client.post("/v1/storyboards/import", json={"text": exported.text})
    assert imported.status_code == 200, imported.text
    assert imported.json()["notes"] == []
    assert imported.json()["document"] == board["document"]
    assert imported.json()["title"] == "A film"
    assert server.client.get(path, params={"format": format}).text == exported.text
    if format == "yaml":  # the command reads it, and counts the same frames
        film = parser.parse_storyboard(yamlfile.read_text(exported.content, "it", "text"))
        assert [shot.frames for shot in film.shots] == lengths
        assert yaml.safe_load(exported.text)["shots"][0]["frames"] == 29


def test_a_timeline_of_an_editing_program_is_read_by_its_frames(server: Server) -> None:
    from opentimelineio import adapters, schema
    from opentimelineio.opentime import RationalTime, TimeRange

    rate = 24000 / 1001
    timeline = schema.Timeline("Cut")
    track = schema.Track("V1", kind=schema.TrackKind.Video)
    timeline.tracks.append(track)
    for number, count in enumerate((29, 30, 31)):
        if number == 2:
            offset = RationalTime(3, rate)
            track.append(schema.Transition("x", schema.TransitionTypes.SMPTE_Dissolve, offset, offset))
        media = schema.ExternalReference(f"file:///home/me/clip%20{number}.mov")
        span = TimeRange(RationalTime(100, rate), RationalTime(count, rate))
        track.append(schema.Clip(f"Clip {number}", media, span))
    text = adapters.write_to_string(timeline, "otio_json")
    imported = server.client.post("/v1/storyboards/import", files={"file": ("a.otio", text.encode())}).json()
    document = imported["document"]
    assert (imported["title"], document["fps"]) == ("Cut", "24000/1001")
    assert [shot["frames"] for shot in document["shots"]] == [29, 33, 34]
    assert document["shots"][2]["transition"] == {"kind": "fade", "frames": 6}
    assert len(imported["notes"]) == 3
    assert "/home" not in str(imported)


def test_one_shot_is_rendered_and_the_film_has_the_frames_of_all(
    server: Server, tmp_path: Path, check_error: CheckError
) -> None:
    board = create(
        server,
        shot("a", 13),
        shot("b", 12, transition={"kind": "continue"}),
        shot("c", 11, title=XSS),
        fps="12",
    )
    path = f"/v1/storyboards/{board['id']}"
    error = check_error(server.client.post(f"{path}/shots/b/render", json={}), 400, "shots.b.transition")
    assert "render that one first" in error["message"]
    error = check_error(server.client.post(f"{path}/film", json={}), 400, "shots.a.video_id")
    assert "a, b and c" in error["message"]
    videos = {name: take(server, board, name) for name in "abc"}
    before = {name: content(server, video) for name, video in videos.items()}
    rendered = server.client.get(f"/v1/videos/{videos['b']}").json()
    assert rendered["source_video_id"] == videos["a"]
    takes = post(server, board, "shots/b/render", takes=2)["videos"]
    server.run_jobs()
    current = server.client.get(path).json()["document"]["shots"]
    assert [part["video_id"] for part in current] == list(videos.values())
    post(server, board, "shots/b/take", video_id=takes[1]["id"])
    current = server.client.get(path).json()["document"]["shots"]
    videos["b"] = takes[1]["id"]
    assert [part["video_id"] for part in current] == list(videos.values())
    assert {name: content(server, videos[name]) for name in "ac"} == {name: before[name] for name in "ac"}
    listed = server.client.get(f"{path}/takes").json()["data"]
    assert [entry["shot_id"] for entry in listed] == ["b", "b", "c", "b", "a"]

    film = post(server, board, "film")
    server.run_jobs()
    done = server.client.get(f"/v1/videos/{film['id']}").json()
    assert (done["status"], done["operation"], done["prompt"]) == ("completed", "storyboard", "A film")
    whole = frames(server, film["id"], tmp_path)
    parts = [frames(server, video, tmp_path) for video in videos.values()]
    assert [len(part) for part in parts] == [13, 12, 11]
    assert len(whole) == 36
    assert distance(whole, np.concatenate(parts)) < 8

    faded = {"kind": "fade", "frames": 4}
    document = server.client.get(path).json()["document"]
    document["shots"][2]["transition"] = faded
    saved = server.client.put(path, json={"document": document}, headers={"if-match": "99"})
    assert saved.status_code == 409
    revision = server.client.get(path).json()["revision"]
    assert server.client.put(path, json={"document": document, "revision": revision}).status_code == 200
    film = post(server, board, "film")
    server.run_jobs()
    whole = frames(server, film["id"], tmp_path)
    assert len(whole) == 32
    shares = (np.arange(4) + 1)[:, None, None, None] / 5
    between = parts[1][8:] * (1 - shares) + parts[2][:4] * shares
    expected = np.concatenate([parts[0], parts[1][:8], between, parts[2][4:]])
    assert distance(whole, expected) < 8


def test_what_cannot_be_rendered_is_refused_by_name(server: Server, check_error: CheckError) -> None:
    video = server.render(seconds="1")["id"]
    board = create(
        server,
        shot("locked", locked=True),
        shot("wordless", prompt=""),
        shot("lost", camera="moves.json"),
        shot("strange", camera="jump"),
        shot("nobody", characters=["char_0"]),
        shot("long", 26, video_id=video),
        shot("next", 10, video_id=video, transition={"kind": "fade", "frames": 20}),
        shot("other", references=[{"file": "file-0"}]),
    )
    path = f"/v1/storyboards/{board['id']}"
    for name, status, param, words in (
        ("locked", 400, "locked", "unlock"),
        ("wordless", 400, "prompt", "add it"),
        ("lost", 400, "camera", "reads no file"),
        ("strange", 400, "camera", "cannot 'jump'"),
        ("nobody", 404, "characters", "char_0"),
        ("other", 404, "references", "file-0"),
    ):
        response = server.client.post(f"{path}/shots/{name}/render", json={"takes": 1})
        assert words in check_error(response, status, f"shots.{name}.{param}")["message"]
    check_error(server.client.post(f"{path}/shots/none/render", json={}), 404, "shot_id")
    check_error(server.client.post(f"{path}/shots/long/take", json={"video_id": "video_0"}), 404, "video_id")
    parts = [part for part in board["document"]["shots"] if part["video_id"]]
    film = create(server, *parts)
    response = server.client.post(f"/v1/storyboards/{film['id']}/film", json={})
    assert "take 20 frames" in check_error(response, 400, "shots.next.frames")["message"]
    film = create(server, parts[0])
    response = server.client.post(f"/v1/storyboards/{film['id']}/film", json={})
    assert "a video that has 25" in check_error(response, 400, "shots.long.frames")["message"]


def test_texts_stay_texts_and_documents_stay_in_their_project(
    server: Server, check_error: CheckError
) -> None:
    board = create(server, shot("a", title=XSS, notes=XSS, prompt=XSS), style=XSS)
    path = f"/v1/storyboards/{board['id']}"
    read = server.client.get(path)
    assert read.headers["content-type"] == "application/json"
    assert [read.json()["document"]["shots"][0][name] for name in ("title", "notes", "prompt")] == [XSS] * 3
    other = server.other_project()
    check_error(server.client.get(path, headers=other), 404, "storyboard_id")
    body = {"document": board["document"], "revision": 1}
    check_error(server.client.put(path, json=body, headers=other), 404, "storyboard_id")
    check_error(server.client.post(f"{path}/film", json={}, headers=other), 404, "storyboard_id")
    check_error(server.client.get(f"{path}/takes", headers=other), 404, "storyboard_id")
    mine = {**board["document"], "shots": [shot("a", video_id=server.render()["id"])]}
    text = {"text": server.client.get(f"{path}/export", params={"format": "otio"}).text}
    server.client.put(path, json={"document": mine, "revision": 1})
    text = {"text": server.client.get(f"{path}/export", params={"format": "otio"}).text}
    imported = server.client.post("/v1/storyboards/import", json=text, headers=other).json()
    assert imported["document"]["shots"][0]["video_id"] is None
    assert "does not have" in imported["notes"][0]


@pytest.mark.parametrize(
    ("document", "param", "words"),
    [
        ({"shots": [shot("a"), shot("a")]}, "document", "an id of its own"),
        ({"shots": [shot("a", 0)]}, "document.shots.a.frames", "give 1 or more"),
        ({"shots": [shot("a", 1.5)]}, "document.shots.a.frames", "whole number"),
        ({"fps": "0/0"}, "document.fps", "24000/1001"),
        ({"fps": 61}, "document.fps", "1 to 60"),
        ({"size": "wide"}, "document.size", "640x360"),
        ({"shots": [shot("a", colour="red")]}, "document.shots.a.colour", "no field"),
        ({"style": "\u0000"}, "document.style", "readable text"),
    ],
)
def test_a_wrong_document_is_refused_in_a_sentence(
    server: Server, check_error: CheckError, document: dict[str, Any], param: str, words: str
) -> None:
    response = server.client.post("/v1/storyboards", json={"document": document})
    assert words in check_error(response, 400, param)["message"]


@pytest.mark.parametrize(
    "text",
    ["", "shots: [", "[1]", "shots: 3", '{"OTIO_SCHEMA": "Timeline.1"}', '{"OTIO_SCHEMA": ' + "[" * 300_000],
)
def test_a_text_that_is_no_storyboard_is_refused(server: Server, check_error: CheckError, text: str) -> None:
    file = {"file": ("a.yaml", text.encode())}
    response = server.client.post("/v1/storyboards/import", files=file)
    check_error(response, 400, "shots" if text == "shots: 3" else "file")
