from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hinode.clip import Frames
from hinode.errors import BadInput, OutputError
from hinode.media.reading.container import DecodeError
from hinode.media.timeline import Timeline
from hinode.media.writing.label import Label
from hinode.media.writing.video import same_bytes, write_mp4
from tests.videos import read_video

LABEL = Label('a "red" balloon\nover the sea', "Made by a test.", {"prompt": "a balloon, 日の出", "seed": 7})
SIZE = (64, 36)


def atoms(path: Path) -> list[str]:
    """Names of the top-level boxes of an MP4, in order."""
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        names.append(name.decode())
        at += length
    return names


def test_reads_back_as_written(tmp_path: Path, frames: Frames) -> None:
    path = tmp_path / "clip.mp4"
    write_mp4(path, frames, SIZE, Timeline.of(8, 2), LABEL)
    video = read_video(path)
    assert video.frames.shape == (16, 36, 64, 3)
    assert video.frames.dtype == np.uint8
    assert video.starts == tuple(Fraction(index, 8) for index in range(16))
    assert (video.seconds, video.fps) == (2, 8)
    error = np.abs(video.frames.astype(int) - frames)
    assert np.median(error) <= 1
    assert error.mean() < 2  # chroma at half size blurs the edges of the square


def test_colours_are_bt709_and_say_so(tmp_path: Path) -> None:
    colours = np.array(
        [(255, 0, 0), (0, 255, 0), (0, 0, 255), (250, 190, 120), (255, 255, 255), (0, 0, 0)], np.uint8
    )
    flat = np.broadcast_to(colours[:, None, None], (6, 36, 64, 3))
    path = tmp_path / "flat.mp4"
    write_mp4(path, flat, SIZE, Timeline.of(6, 1), LABEL)
    assert np.abs(read_video(path).frames.astype(int) - flat).max() <= 4

    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        context = stream.codec_context
        tags = (context.color_primaries, context.color_trc, context.colorspace, context.color_range)
        assert tags == (1, 1, 1, 1)  # BT.709 three times, and limited range
        assert (context.name, context.pix_fmt, stream.width, stream.height) == ("h264", "yuv420p", 64, 36)
        planes = [
            tuple(int(np.asarray(plane).reshape(-1)[0]) for plane in frame.planes)
            for frame in file.decode(stream)
        ]
    # Y'CbCr by hand from the BT.709 coefficients; BT.601 would give red a luma of 81.
    red, green, blue = planes[:3]
    assert np.abs(np.array(red) - (63, 102, 240)).max() <= 2
    assert np.abs(np.array(green) - (173, 42, 26)).max() <= 2
    assert np.abs(np.array(blue) - (32, 240, 118)).max() <= 2


@pytest.mark.parametrize(
    ("fps", "seconds", "count"), [(8, 0.1, 1), (12, 2.05, 25), (23.976, 1.0, 24), (60, 0.5, 30)]
)
def test_is_exactly_as_long_as_asked(
    tmp_path: Path, frames: Frames, fps: float, seconds: float, count: int
) -> None:
    line = Timeline.of(fps, seconds)
    path = tmp_path / "clip.mp4"
    write_mp4(path, (frames[index % 16] for index in range(line.frames)), SIZE, line, LABEL)
    video = read_video(path)
    if fps == 23.976:
        seconds = 1.001  # a whole number of frames, so that the average rate is the nominal one
        with av.open(str(path)) as file:
            assert file.streams.video[0].average_rate == Fraction(24_000, 1001)
    assert len(video.frames) == count
    assert video.seconds == pytest.approx(seconds, abs=1e-4)
    assert video.starts == pytest.approx([index / float(line.fps) for index in range(count)], abs=1e-4)
    with av.open(str(path)) as file:
        assert file.duration is not None
        assert file.duration / av.time_base == pytest.approx(seconds, abs=1e-3)


def test_can_be_played_while_it_loads_and_says_what_it_is(tmp_path: Path, frames: Frames) -> None:
    path = tmp_path / "clip.mp4"
    write_mp4(path, frames, SIZE, Timeline.of(8, 2), LABEL)
    boxes = atoms(path)
    assert boxes.index("moov") < boxes.index("mdat")
    metadata = read_video(path).metadata
    assert metadata["title"] == 'a "red" balloon over the sea'
    assert metadata["comment"] == "Made by a test."
    assert json.loads(metadata["description"]) == {"prompt": "a balloon, 日の出", "seed": 7}


def test_the_same_frames_give_the_same_bytes(tmp_path: Path, frames: Frames) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_mp4(tmp_path / name, frames, SIZE, Timeline.of(8, 2), LABEL)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_x264_keeps_to_the_routines_that_always_decide_alike() -> None:
    flags = "processor\t: 0\nflags\t\t: fpu sse2 avx2 {}\nbugs\t\t: sysret\n"
    assert same_bytes(flags.format("avx512f avx512dq")) == {"x264-params": "asm=avx2"}
    assert same_bytes(flags.format("")) == same_bytes("") == {}


@pytest.mark.parametrize(("size", "nearest"), [((63, 36), "64x36"), ((64, 35), "64x36"), ((63, 35), "64x36")])
def test_odd_sizes_are_refused_with_the_nearest_even_one(
    tmp_path: Path, size: tuple[int, int], nearest: str
) -> None:
    with pytest.raises(BadInput, match=nearest):
        write_mp4(tmp_path / "clip.mp4", [], size, Timeline.of(8, 1), LABEL)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_frame_leaves_nothing(tmp_path: Path, frames: Frames) -> None:
    def broken() -> Iterator[Frames]:
        yield frames[0]
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError, match="bug"):
        write_mp4(tmp_path / "clip.mp4", broken(), SIZE, Timeline.of(8, 1), LABEL)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_grow_is_one_sentence(
    tmp_path: Path, files_of_at_most: Callable[[int], AbstractContextManager[None]]
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (16, 360, 640, 3), dtype=np.uint8)
    with pytest.raises(OutputError, match="beyond the size"), files_of_at_most(20_000):
        write_mp4(tmp_path / "clip.mp4", noise, (640, 360), Timeline.of(8, 2), LABEL)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_one_sentence(tmp_path: Path, frames: Frames) -> None:
    with pytest.raises(OutputError, match="its folder does not exist"):
        write_mp4(tmp_path / "missing" / "clip.mp4", frames, SIZE, Timeline.of(8, 2), LABEL)


@pytest.mark.parametrize("content", [None, b"", b"this is no video", bytes(5000)])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DecodeError, match="does not exist" if content is None else "is no video|is empty"):
        read_video(path)


def test_a_cut_off_video_is_refused(tmp_path: Path, frames: Frames) -> None:
    path = tmp_path / "clip.mp4"
    write_mp4(path, frames, SIZE, Timeline.of(8, 2), LABEL)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DecodeError, match="has no pictures"):
        read_video(path)
