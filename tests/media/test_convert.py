"""Other formats of a finished video, and single frames of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hinode.errors import BadInput, EngineError
from hinode.media.timeline import Timeline
from hinode.media.writing import convert
from hinode.media.writing.label import Label
from hinode.media.writing.video import write_mp4

SIZE = (32, 16)


@pytest.mark.parametrize(("fps", "seconds"), [(24, 12.03), (23.976, 11.5), (50, 6)])
def test_each_frame_is_found_at_its_number(tmp_path: Path, fps: float, seconds: float) -> None:
    """With more than one keyframe, at a broadcast rate, and with a last frame that is cut short."""
    timeline, path = Timeline.of(fps, seconds), tmp_path / "a.mp4"
    assert timeline.frames > 250  # the most that x264 puts between two keyframes
    gray = [10 + (37 * number) % 230 for number in range(timeline.frames)]
    frames = (np.full((16, 32, 3), value, np.uint8) for value in gray)
    write_mp4(path, frames, SIZE, timeline, Label("t"))
    for number in (0, 1, 100, 249, 250, 251, timeline.frames - 2, timeline.frames - 1):
        picture = convert.still(path, number, timeline)
        assert abs(float(np.asarray(picture).mean()) - gray[number]) < 4, number


def test_what_cannot_be_converted(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot show 60 frames per second"):
        convert.check("gif", SIZE, Timeline.of(60, 1))
    with pytest.raises(BadInput, match="cut it to 145 frames"):
        convert.check("webp", (1280, 720), Timeline.of(24, 20))
    convert.check("png", (1280, 720), Timeline.of(24, 20))
    damaged = tmp_path / "a.mp4"
    damaged.write_bytes(b"\0\0\0\x18ftypisom" + bytes(300))
    with pytest.raises(EngineError, match="cut off or damaged"):
        convert.convert(damaged, tmp_path / "a.gif", "gif", SIZE, Timeline.of(24, 1))
    with pytest.raises(EngineError):
        convert.still(damaged, 0, Timeline.of(24, 1))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_the_same_video_gives_the_same_zip(tmp_path: Path) -> None:
    timeline, video = Timeline.of(4, 1), tmp_path / "a.mp4"
    frames = (np.full((16, 32, 3), 50 * number, np.uint8) for number in range(4))
    write_mp4(video, frames, SIZE, timeline, Label("a kite", "made", {"seed": 3}))
    for name in ("a.zip", "b.zip"):
        convert.convert(video, tmp_path / name, "png", SIZE, timeline)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    convert.convert(video, tmp_path / "a.gif", "gif", SIZE, timeline)
    with Image.open(tmp_path / "a.gif") as image:
        assert b"a kite" in image.info["comment"]
        assert b"made" in image.info["comment"]
