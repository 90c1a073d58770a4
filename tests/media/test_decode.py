"""Videos decoded one picture at a time, and shown at another rate."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc
from av.video.stream import VideoStream

from hinode.clip import Frames
from hinode.errors import BadInput
from hinode.media.reading.container import DecodeError
from hinode.media.reading.decode import Picture, VideoFile, at_rate
from hinode.media.reading.probe import probe
from hinode.media.writing.video import write_lossless


@pytest.fixture
def video(frames: Frames, tmp_path: Path) -> Path:
    """The sixteen frames of `frames` at 8 per second, without loss."""
    write_lossless(tmp_path / "video.mp4", frames, Fraction(8))
    return tmp_path / "video.mp4"


def test_pictures_come_in_order_with_their_times(video: Path, frames: Frames) -> None:
    with VideoFile(video) as file:
        assert (file.size, file.codec, file.average_rate, file.seconds) == ((64, 36), "h264", 8, 2)
        for index, picture in enumerate(file):
            assert (picture.start, picture.end) == (Fraction(index, 8), Fraction(index + 1, 8))
            assert np.array_equal(picture.rgb, frames[index])


def test_an_open_file_is_as_good_as_a_path(video: Path, frames: Frames) -> None:
    with VideoFile(io.BytesIO(video.read_bytes())) as file:
        assert np.array_equal(np.stack([picture.rgb for picture in file]), frames)


def test_only_what_is_looked_at_is_converted(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted: list[int] = []
    rgb = Picture.rgb.func  # type: ignore[attr-defined]
    monkeypatch.setattr(Picture, "rgb", property(lambda self: converted.append(1) or rgb(self)))
    with VideoFile(video) as file:
        pictures = list(file)
        assert (len(pictures), converted) == (16, [])
        assert pictures[5].rgb.shape == (36, 64, 3)
        assert len(converted) == 1


def test_threads_do_not_share_a_converter(video: Path, frames: Frames) -> None:
    results: list[bool] = []

    def read() -> None:
        with VideoFile(video) as file:
            results.append(np.array_equal(np.stack([picture.rgb for picture in file]), frames))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (Fraction(8), list(range(16))),
        (Fraction(24), [index // 3 for index in range(48)]),
        (Fraction(4), list(range(0, 16, 2))),
        (Fraction(3), [0, 2, 5, 8, 10, 13]),
    ],
)
def test_another_rate_shows_the_picture_of_each_moment(
    video: Path, fps: Fraction, expected: list[int]
) -> None:
    with VideoFile(video) as file:
        assert [int(picture.start * 8) for picture in at_rate(file, fps)] == expected


def test_pictures_may_last_differently_and_begin_late() -> None:
    def lasting(start: float, end: float) -> Picture:
        return Picture(Fraction(str(start)), Fraction(str(end)), (1, 1), None, None)  # type: ignore[arg-type]

    uneven = [lasting(5, 5.1), lasting(5.1, 6), lasting(6, 6.05)]
    assert [float(picture.start) for picture in at_rate(uneven, Fraction(4))] == [5, 5.1, 5.1, 5.1, 6]
    assert [float(picture.start) for picture in at_rate([lasting(5, 5)], Fraction(4))] == [5]
    assert list(at_rate([], Fraction(4))) == []


def test_what_is_no_video_is_refused(video: Path, tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="does not exist"):
        VideoFile(tmp_path / "missing.mp4")
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(video.read_bytes()[:300])
    with pytest.raises(DecodeError, match="cut off or damaged"):
        VideoFile(damaged)
    (tmp_path / "words.mp4").write_text("only words")
    with pytest.raises(DecodeError, match="is no video"):
        VideoFile(tmp_path / "words.mp4")
    with av.open(str(tmp_path / "sound.mp4"), "w", format="mp4") as file:
        stream = file.add_stream("aac", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with pytest.raises(DecodeError, match="has no pictures"):
        VideoFile(tmp_path / "sound.mp4")


def test_no_playlist_opens_another_file(video: Path, tmp_path: Path) -> None:
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile {video.name}\n")
    with pytest.raises(DecodeError, match="is no video"):
        VideoFile(playlist)


def write_bars(path: Path, prepare: Callable[[VideoStream], None]) -> None:
    """Two frames of 48x32, brown at the left, blue above, black at the right; `prepare` says how
    they are meant."""
    bars = np.zeros((32, 48, 3), np.uint8)
    bars[:, :24] = 200, 120, 90
    bars[:16, :24] = 40, 60, 200
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.options = {"qp": "1"}
        prepare(stream)
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(bars, format="rgb24")
            file.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU601)))
        file.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("degrees", "size", "blue", "red"),
    [(0, (48, 32), (8, 8), (24, 8)), (90, (32, 48), (40, 8), (40, 24)), (270, (32, 48), (8, 24), (8, 8))],
)
def test_a_turned_video_is_upright(
    tmp_path: Path, degrees: int, size: tuple[int, int], blue: tuple[int, int], red: tuple[int, int]
) -> None:
    write_bars(tmp_path / "a.mp4", lambda stream: stream.set_display_rotation(degrees))
    with VideoFile(tmp_path / "a.mp4") as file:
        picture = next(iter(file))
    assert (picture.size, picture.rgb.shape) == (size, (size[1], size[0], 3))
    assert np.abs(picture.rgb[blue].astype(int) - (40, 60, 200)).max() <= 3
    assert np.abs(picture.rgb[red].astype(int) - (200, 120, 90)).max() <= 3  # without a tag, small: BT.601
    assert probe(tmp_path / "a.mp4", max_seconds=9).size == size


def test_pixels_become_square(tmp_path: Path) -> None:
    def widen(stream: VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(64, 45)

    write_bars(tmp_path / "a.mp4", widen)
    with VideoFile(tmp_path / "a.mp4") as file:
        picture = next(iter(file))
        assert file.size == picture.size == (68, 32)
    assert picture.rgb.shape == (32, 68, 3)


@pytest.mark.parametrize(
    ("transfer", "primaries", "color"),
    # By FFmpeg 5.1: zscale=t=linear:npl=100, zscale=p=bt709, tonemap=hable:desat=0 (for HDR), zscale=t=bt709.
    [
        (ColorTrc.ARIB_STD_B67, ColorPrimaries.BT2020, (223, 62, 58)),
        (ColorTrc.SMPTE2084, ColorPrimaries.SMPTE432, (255, 37, 0)),
        (ColorTrc.BT2020_10, ColorPrimaries.BT2020, (235, 104, 82)),
        (ColorTrc.BT709, ColorPrimaries.SMPTE432, (213, 115, 82)),
    ],
)
def test_colors_for_other_screens_become_srgb(
    tmp_path: Path, transfer: ColorTrc, primaries: ColorPrimaries, color: tuple[int, int, int]
) -> None:
    def tag(stream: VideoStream) -> None:
        stream.codec_context.color_trc, stream.codec_context.color_primaries = transfer, primaries

    write_bars(tmp_path / "a.mp4", tag)
    with VideoFile(tmp_path / "a.mp4") as file:
        assert np.abs(next(iter(file)).rgb[24, 8].astype(int) - color).max() <= 3


def test_colors_without_a_look_are_refused(tmp_path: Path) -> None:
    write_bars(tmp_path / "a.mp4", lambda stream: setattr(stream.codec_context, "color_trc", ColorTrc.LINEAR))
    with pytest.raises(BadInput, match="colours that cannot be read here"):
        probe(tmp_path / "a.mp4", max_seconds=9)
