"""/v1/detect, the public detector of watermarks."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from benchmarks.watermark.contents import FPS, frames
from hinode.api.limits import Buckets
from hinode.api.verification import desk
from hinode.errors import BadInput
from hinode.media.timeline import Timeline
from hinode.media.writing.label import Label
from hinode.media.writing.video import write_mp4
from hinode.trust.provenance import marks
from hinode.trust.verification import detection
from hinode.trust.verification.detection import LIMITS, detector_of, search
from hinode.trust.verification.process import Limits
from hinode.trust.watermark.laying import Watermarking
from hinode.trust.watermark.words import PUBLIC_KEY, id_of
from tests.api.conftest import Server

MADE_AT = 1_796_000_000
OTHERS = [id_of({"other": number}) for number in range(50)]


@pytest.fixture
def stranger(server: Server) -> TestClient:
    """A client without a key."""
    server.context.verification._detection_buckets = Buckets()
    return TestClient(server.client.app, client=("203.0.113.9", 1))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The id of a watermark, and a small clip with it and without a record."""
    path, size = tmp_path_factory.mktemp("marked") / "clip.mp4", (320, 180)
    mark = Watermarking().lay({"clip": "public"}, frames("natural", 1, size, 12), size)
    write_mp4(path, mark.frames(), size, Timeline(Fraction(FPS), Fraction(12, FPS)), Label())
    return mark.id.hex(), path


def post(client: TestClient, data: bytes, route: str = "detect") -> httpx.Response:
    return client.post(f"/v1/{route}", files={"file": ("clip.mp4", data, "video/mp4")})


def test_an_answer_is_in_plain_words_and_an_address_has_a_rate(
    server: Server, stranger: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    match = {"id": "ab" * 16, "carrier": "sound"}
    with server.context.store.database.write() as connection:
        row = marks.RecordedMark("a" * 64, "urn:c2pa:a", None, match["id"], MADE_AT, operation="remix")
        marks.record(connection, row)
    found = {"present": True, "matches": [match], "frames": 9, "candidates": 2}
    monkeypatch.setattr(detection, "search", lambda *_: found)
    detect = detector_of(server.context.store.database, PUBLIC_KEY)
    monkeypatch.setattr(server.context.verification, "_detect", detect)
    answer = post(stranger, b"any")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["object"], body["verdict"], body["frames"]) == ("detection", "made_here", 9)
    assert "in its sound" in body["text"]
    assert "made on 30 November 2026 by the operation remix" in body["text"]
    [mark] = body["watermarks"]
    assert (mark["id"], mark["made_at"], mark["is_registered"]) == (match["id"], MADE_AT, True)
    assert server.project_id not in answer.text
    found["matches"] = []
    assert post(stranger, b"any").json()["verdict"] == "unknown_id"
    found["present"] = False
    assert "That proves nothing" in post(stranger, b"any").json()["text"]
    assert stranger.get("/v1/detect").status_code == 400
    refused = [stranger.get("/v1/detect").status_code for _ in range(desk.DETECTIONS_PER_MINUTE)]
    assert refused[-1] == 429
    assert post(stranger, b"any", "verify").status_code == 200  # a rate of its own


@pytest.mark.slow
def test_a_clip_of_this_server_is_recognised_by_its_pictures_alone(
    server: Server, stranger: TestClient, clip: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    id, path = clip
    database = server.context.store.database
    with database.write() as connection:
        label = "urn:c2pa:5b0a3d6e-0000-4000-8000-000000000000"
        row = marks.RecordedMark("b" * 64, label, None, id, MADE_AT, operation="generate")
        marks.record(connection, row)
    monkeypatch.setattr(server.context.verification, "_detect", detector_of(database, PUBLIC_KEY))
    body = post(stranger, path.read_bytes()).json()
    assert body["verdict"] == "made_here", body
    assert [mark["id"] for mark in body["watermarks"]] == [id]
    report = post(stranger, path.read_bytes(), "verify").json()
    assert report["verdict"] == "none"
    assert f"this clip was made here as {label}" in report["text"]
    assert report["watermarks"][0]["carrier"] == "pictures"


@pytest.mark.slow
def test_files_of_any_kind_are_searched_within_limits(clip: tuple[str, Path], tmp_path: Path) -> None:
    id, path = clip
    ids = [*OTHERS, bytes.fromhex(id)]
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 160, 3), np.uint8))
    picture.save(tmp_path / "plain.webp")
    assert search(tmp_path / "plain.webp", ids, PUBLIC_KEY)["matches"] == []
    (tmp_path / "text.mp4").write_text("no video")
    assert search(tmp_path / "text.mp4", ids, PUBLIC_KEY) == {"error": "BadInput"}
    (tmp_path / "cut.mp4").write_bytes(path.read_bytes()[:9000])
    assert "error" in search(tmp_path / "cut.mp4", ids, PUBLIC_KEY)
    assert "error" in search(path, ids, PUBLIC_KEY, Limits(memory_bytes=300 << 20))
    # Without a mark, the search goes through all geometry: on a quick machine, too, for longer than this.
    size = (1280, 720)
    timeline = Timeline(Fraction(FPS), Fraction(96, FPS))
    write_mp4(tmp_path / "large.mp4", frames("natural", 2, size, 96), size, timeline, Label())
    limits = Limits(LIMITS.memory_bytes, cpu_seconds=1)
    assert "error" in search(tmp_path / "large.mp4", ids, PUBLIC_KEY, limits)
    with pytest.raises(BadInput):
        search(tmp_path, ids, PUBLIC_KEY)
