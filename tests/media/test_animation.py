from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageSequence

from hinode.clip import Frames
from hinode.errors import BadInput, OutputError
from hinode.media.timeline import Timeline
from hinode.media.writing.animation import check_gif_rate, write_gif, write_webp
from hinode.media.writing.label import Label

LABEL = Label("a balloon 日の出", "Made by a test.", {"seed": 7})


def played(path: Path) -> tuple[list[Frames], list[int]]:
    """Frames and times (milliseconds) of an animation."""
    with Image.open(path) as image:
        frames, times = [], []
        for frame in ImageSequence.Iterator(image):
            frames.append(np.asarray(frame.convert("RGB")))
            times.append(frame.info["duration"])
        return frames, times


def test_gif_plays_every_frame_for_its_time_and_forever(tmp_path: Path, frames: Frames) -> None:
    path = tmp_path / "clip.gif"
    write_gif(path, frames, Timeline.of(8, 2), LABEL)
    pictures, times = played(path)
    assert len(pictures) == 16
    assert sum(times) == 2000
    assert set(times) == {120, 130}  # 12.5 hundredths, rounded so that the error does not pile up
    assert np.abs(np.stack(pictures).astype(int) - frames).mean() < 4
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        assert "a balloon 日の出" in image.info["comment"].decode()


def test_what_stands_still_in_a_gif_does_not_flicker(tmp_path: Path, frames: Frames) -> None:
    path = tmp_path / "clip.gif"
    write_gif(path, frames, Timeline.of(8, 2), LABEL)
    pictures, _ = played(path)
    sky = np.stack(pictures)[:, :12]
    assert (sky == sky[0]).all()


def test_a_small_flame_keeps_its_colour_in_a_gif(tmp_path: Path) -> None:
    # A wide sky over wide hills, in which nearly every pixel has its own shade, and one small flame.
    down, across = np.mgrid[0:180, 0:320] / 320
    sky = np.stack([90 + 200 * down + 20 * across, 130 + 100 * down, 200 + 0 * down], -1)
    hills = np.stack([40 + 120 * across, 100 + 150 * across, 70 + 120 * down], -1)
    picture = np.where(down[..., None] < 0.3, sky, hills).astype(np.uint8)
    picture[90:93, 160:168] = (255, 150, 20)
    video = np.repeat(picture[None], 8, 0)
    path = tmp_path / "clip.gif"
    write_gif(path, video, Timeline.of(8, 1), LABEL)
    flames = np.stack(played(path)[0])[:, 90:93, 160:168]
    assert np.abs(flames.astype(int) - (255, 150, 20)).max() < 16


def test_gif_keeps_the_length_of_a_clip_that_stands_still(tmp_path: Path, frames: Frames) -> None:
    path = tmp_path / "clip.gif"
    write_gif(path, [frames[0]] * 16, Timeline.of(8, 2), LABEL)
    assert sum(played(path)[1]) == 2000


def test_gif_has_no_time_for_more_than_50_frames_a_second(tmp_path: Path, frames: Frames) -> None:
    check_gif_rate(Fraction(50))
    with pytest.raises(BadInput, match="50 or fewer") as caught:
        write_gif(tmp_path / "clip.gif", frames, Timeline.of(60, 0.1), LABEL)
    assert caught.value.field == "fps"


def test_webp_plays_every_frame_for_its_time_and_forever(tmp_path: Path, frames: Frames) -> None:
    path = tmp_path / "clip.webp"
    label = dataclasses.replace(LABEL, title="a balloon 日の出 & <more>")
    write_webp(path, frames, Timeline.of(12, 16 / 12), label)
    pictures, times = played(path)
    assert len(pictures) == 16
    assert sum(times) == 1333
    assert np.abs(np.stack(pictures).astype(int) - frames).mean() < 5
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        description = ElementTree.fromstring(image.info["xmp"]).findtext(".//{*}li")
        assert description == 'a balloon 日の出 & <more>\nMade by a test.\n{"seed": 7}'


@pytest.mark.parametrize("name", ["clip.gif", "clip.webp"])
def test_one_frame_is_enough(tmp_path: Path, frames: Frames, name: str) -> None:
    write = {"clip.gif": write_gif, "clip.webp": write_webp}[name]
    write(tmp_path / name, frames[:1], Timeline.of(8, 0.1), LABEL)
    with Image.open(tmp_path / name) as image:
        assert image.size == (64, 36)


@pytest.mark.parametrize("write", [write_gif, write_webp])
def test_a_missing_folder_is_one_sentence(tmp_path: Path, frames: Frames, write: object) -> None:
    with pytest.raises(OutputError, match="its folder does not exist"):
        write(tmp_path / "missing" / "clip", frames, Timeline.of(8, 2), LABEL)  # type: ignore[operator]
