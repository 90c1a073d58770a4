from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hinode import pipeline
from hinode.clip import Clip, Sound
from hinode.engines.native.engine import NativeEngine
from hinode.engines.protocol import Cost, Progress, State
from hinode.errors import BadInput, EngineError, OutputError
from hinode.request import KEYFRAME, Capabilities, Reference, Request
from hinode.settings import Settings
from hinode.trust.watermark.detect import detect
from hinode.trust.watermark.laying import Watermarking
from tests.marking import MARKING
from tests.sounds import clicks, read_sound, tone, tracks
from tests.videos import read_video, show_the_same

REQUEST = Request("a red balloon over the wibbly sea", 128, 72, seconds=1.0, seed=7)


class Recorded:
    """An engine that plays a clip it already has; it counts how often it was asked to."""

    name = "recorded"

    def __init__(self, clip: Clip, *, failing: bool = False) -> None:
        self.recording, self.failing, self.steps = clip, failing, 0

    def capabilities(self, model: str | None = None) -> Capabilities:
        sizes = ((64, 36),)
        return Capabilities(
            "recorded",
            "toy",
            ("toy",),
            ("generate",),
            (0, 2),
            sizes,
            (8,),
            "CC0",
            100,
            pixels=10**7,
            steps=(1, 9),
        )

    def estimate(self, request: Request) -> Cost:
        return Cost(1, 1, 1, 1)

    def start(self, request: Request, state: State | None = None) -> Recorded:
        request.check(self.capabilities())
        return self

    def __iter__(self) -> Iterator[Progress]:
        self.steps += 1
        if self.failing:
            raise EngineError("the needle is stuck", "lift it")
        yield Progress("sample", 1, 1)

    def state(self) -> State:
        return State(self.name, 0, b"")

    def clip(self) -> Clip:
        return self.recording


def test_a_request_becomes_a_file(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    reports: list[Progress] = []
    result = pipeline.generate(REQUEST, NativeEngine(settings), path, "mp4", reports.append, marking=MARKING)
    video = read_video(path)
    assert video.frames.shape == (8, 72, 128, 3)
    assert (video.seconds, video.fps) == (1, 8)
    stages = list(dict.fromkeys(step.stage for step in reports))
    assert stages == ["load", "plan", "sample", "encode"]
    assert list(result.provenance.stage_seconds) == ["load", "plan", "sample", "sound", "encode", "sign"]
    assert reports[-1].done == reports[-1].total == 8

    facts = json.loads(video.metadata["description"])
    assert REQUEST.prompt not in str(video.metadata)
    assert (facts["seed"], facts["model"], facts["size"], facts["upscaled_from"]) == (
        7,
        "toy",
        "128x72",
        "64x32",
    )
    assert "drawn at 64x32 and resized to 128x72" in video.metadata["comment"]

    values = json.loads(json.dumps(result.as_json()))
    assert values["path"] == str(path)
    assert (values["size"], values["native_size"], values["seconds"]) == ("128x72", "64x32", 1.0)
    assert (values["seed"], values["engine"], values["model"]) == (7, "native", "toy")
    assert values["not_understood"] == ["wibbly"]
    assert "balloon" in values["understood"]
    assert values["bytes"] == path.stat().st_size


def test_the_same_request_gives_the_same_frames(settings: Settings, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        pipeline.generate(REQUEST, NativeEngine(settings), tmp_path / name, "mp4", marking=MARKING)
    assert show_the_same(tmp_path / "a.mp4", tmp_path / "b.mp4")


def test_frames_are_held_to_reach_the_asked_rate(clip: Clip, tmp_path: Path) -> None:
    request = Request("x", 64, 36, seconds=1.0, fps=24.0)
    result = pipeline.generate(request, Recorded(clip), tmp_path / "frames", "png", marking=MARKING)
    assert (result.timeline.frames, result.timeline.fps) == (24, 24)
    pictures = [np.asarray(Image.open(file)) for file in sorted((tmp_path / "frames").glob("*.png"))]
    for index, picture in enumerate(pictures):
        np.testing.assert_array_equal(picture, clip.frames[index // 3])
    assert result.bytes == sum(file.stat().st_size for file in (tmp_path / "frames").iterdir())


def test_a_picture_is_in_an_enlarged_clip_as_it_was(clip: Clip, tmp_path: Path) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (72, 128, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    shown = Reference(KEYFRAME, "a", "image/png", path=str(tmp_path / "a.png"), at=0.5)
    request = Request("x", 128, 72, seconds=1.0, fps=16.0, references=(shown,))
    pipeline.finish(request, clip, tmp_path / "frames", "png", marking=MARKING)
    frames = [np.asarray(Image.open(file)) for file in sorted((tmp_path / "frames").glob("*.png"))]
    assert [np.array_equal(frame, picture) for frame in frames] == [index in (8, 9) for index in range(16)]


@pytest.mark.parametrize(
    ("request_", "name", "field"),
    [
        (Request("", 64, 36), "clip.mp4", "prompt"),
        (Request("x", 63, 36), "clip.mp4", "size"),
        (Request("x", 64, 36), "missing/clip.mp4", "output"),
    ],
)
def test_what_cannot_be_is_known_before_any_work(
    clip: Clip, tmp_path: Path, request_: Request, name: str, field: str
) -> None:
    engine = Recorded(clip)
    with pytest.raises(BadInput) as caught:
        pipeline.generate(request_, engine, tmp_path / name, "mp4", marking=MARKING)
    assert (caught.value.field, engine.steps) == (field, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_leaves_the_old_file(clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("old")
    with pytest.raises(EngineError, match="stuck; lift it"):
        pipeline.generate(Request("x", 64, 36), Recorded(clip, failing=True), path, "mp4", marking=MARKING)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_stopping_while_the_file_is_written_leaves_nothing(clip: Clip, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if (progress.stage, progress.done) == ("encode", 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.generate(
            Request("x", 64, 36), Recorded(clip), tmp_path / "clip.mp4", "mp4", stop, marking=MARKING
        )
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_nothing(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import os

    def full(part: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="the disk is full"):
        pipeline.generate(Request("x", 64, 36), Recorded(clip), tmp_path / "clip.mp4", "mp4", marking=MARKING)
    assert list(tmp_path.iterdir()) == []


def test_sound_stays_in_step_whatever_the_frames_are_held_to(clip: Clip, tmp_path: Path) -> None:
    """Two seconds at 8 frames per second with a click at the second one, shown faster, longer, shorter."""
    sounding = dataclasses.replace(clip, sound=Sound(tone(2.0, 24000, clicks=(1.0,)), 24000))
    for number, (fps, seconds) in enumerate(((None, 2.0), (30.0, 2.0), (23.976, 3.0), (5.0, 1.5))):
        path = tmp_path / f"{number}.mp4"
        request = Request("x", 128, 72, seconds=seconds, fps=fps)
        result = pipeline.finish(request, sounding, path, "mp4", marking=MARKING)
        samples, rate = read_sound(path)
        length = round(result.timeline.seconds * 24000)
        assert (result.sound, rate, samples.shape) == ("stereo, 24000 Hz", 24000, (2, length))
        assert clicks(samples, rate) == pytest.approx([1.0], abs=0.001)
        video = read_video(path)
        first = next(index for index, at in enumerate(video.starts) if at >= 1)
        same = np.abs(video.frames[first][::2, ::2].astype(int) - clip.frames[8]).mean()
        assert same < 8  # the frame that begins with the click, enlarged
        assert json.loads(video.metadata["description"])["sound"] == "stereo, 24000 Hz"


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_a_format_without_sound_says_that_it_left_it_out(clip: Clip, tmp_path: Path, kind: str) -> None:
    request = Request("x", 64, 36, seconds=1.0)
    sounding = dataclasses.replace(clip, sound=Sound(tone(1.0), 48000))
    assert (
        pipeline.generate(request, Recorded(sounding), tmp_path / "a", kind, marking=MARKING).sound
        == "left out"
    )
    assert pipeline.generate(request, Recorded(clip), tmp_path / "b", kind, marking=MARKING).sound is None


def test_a_clip_without_sound_is_a_file_without_a_track(clip: Clip, tmp_path: Path) -> None:
    request = Request("x", 64, 36, seconds=1.0)
    result = pipeline.generate(request, Recorded(clip), tmp_path / "a.mp4", "mp4", marking=MARKING)
    assert (result.sound, tracks(tmp_path / "a.mp4")) == (None, ["video"])
    assert "sound" not in json.loads(read_video(tmp_path / "a.mp4").metadata["description"])


def test_a_clip_of_free_use_shows_that_it_was_generated(clip: Clip, tmp_path: Path) -> None:
    request = Request("x", *clip.size, seconds=len(clip.frames) / clip.fps)
    for name, visible in (("paid", False), ("free", True)):
        request = dataclasses.replace(request, visible_mark=visible)
        off = Watermarking(enabled=False)
        path = tmp_path / name
        pipeline.finish(request, clip, path, "png", marking=MARKING, watermarking=off)
    for frame in sorted((tmp_path / "free").glob("*.png")):
        paid, free = (np.asarray(Image.open(tmp_path / name / frame.name)) for name in ("paid", "free"))
        changed = np.flatnonzero((paid != free).any((1, 2)))
        assert changed.size > 4
        assert changed[0] >= clip.size[1] / 2


def test_the_pictures_of_a_clip_carry_its_notice(clip: Clip, tmp_path: Path) -> None:
    wide = dataclasses.replace(clip, frames=np.full((16, 180, 320, 3), 90, np.uint8))
    Image.fromarray(wide.frames[0]).save(tmp_path / "a.png")
    keyframe = Reference(KEYFRAME, "a", "image/png", path=str(tmp_path / "a.png"), at=8 / wide.fps)
    request = Request("x", *wide.size, seconds=16 / wide.fps, visible_mark=True, references=(keyframe,))
    files = tmp_path / "a.webp", tmp_path / "a.jpg"
    pipeline.write_stills(request, wide, *files, marking=MARKING)
    thumbnail, sheet = (np.asarray(Image.open(file).convert("L")) for file in files)
    assert np.ptp(thumbnail) < 8  # the middle frame is a given picture
    tiles = sheet.reshape(4, 180, 4, 320).swapaxes(1, 2).reshape(16, 180, 320)
    lit = (tiles[:, 90:] > 180).any((1, 2))
    assert not (tiles[:, :90] > 180).any()
    assert lit.tolist() == [index != 8 for index in range(16)]


def test_a_clip_carries_its_mark_except_in_the_pictures_that_it_shows(clip: Clip, tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    frames = np.repeat(random.integers(60, 190, (1, 180, 320, 3), np.uint8), 8, axis=0)
    whole = dataclasses.replace(clip, frames=frames)
    Image.fromarray(frames[0]).save(tmp_path / "a.png")
    shown = Reference(KEYFRAME, "a", "image/png", path=str(tmp_path / "a.png"), at=0.0)
    request = Request("x", 320, 180, seconds=1.0, fps=8.0, references=(shown,))
    result = pipeline.finish(request, whole, tmp_path / "frames", "png", marking=MARKING)
    pictures = [np.asarray(Image.open(file)) for file in sorted((tmp_path / "frames").glob("*.png"))]
    assert [np.array_equal(picture, frames[0]) for picture in pictures] == [True] + 7 * [False]
    assert result.as_json()["watermark"]["state"] == "marked"
    assert detect(pictures, [bytes.fromhex(result.watermark.id)]).has(bytes.fromhex(result.watermark.id))

    video = pipeline.finish(
        request,
        whole,
        tmp_path / "a.mp4",
        "mp4",
        marking=MARKING,
        watermarking=Watermarking(False, aigc_producer="us"),
    )
    assert video.as_json()["watermark"]["state"] == "off"
    assert json.loads(read_video(tmp_path / "a.mp4").metadata["AIGC"])["ContentProducer"] == "us"
