"""The sound of files of all kinds: from their first frame on, at their own rate, in one channel or two."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hinode.clip import Sound
from hinode.media.sound import UnusableSound, read_sound
from tests.sounds import Samples, clicks, correlation, tone


def write(
    path: Path,
    samples: Samples,
    *,
    codec: str,
    kind: str,
    rate: int = 48000,
    layout: str = "stereo",
    late: float = 0.0,
    offset: float = 0.0,
) -> Path:
    """A file of two seconds with sound in it.

    Args:
        late: seconds after the first frame at which the sound begins.
        offset: seconds at which the first frame is shown.
    """
    with av.open(str(path), "w", format=kind) as file:
        video = file.add_stream("mpeg4", rate=8)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = file.add_stream(codec, rate=rate)
        audio.layout = layout
        for index in range(16):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = index + round(offset * 8), Fraction(1, 8)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        if "pcm_" in codec:
            values = np.round(samples.T.reshape(1, -1) * 32767).astype(np.int16)
            sound = av.AudioFrame.from_ndarray(values, format="s16", layout=layout)
        else:
            sound = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
        sound.sample_rate, sound.time_base = rate, Fraction(1, rate)
        sound.pts = round((late + offset) * rate)
        file.mux(audio.encode(sound))
        file.mux(audio.encode(None))
    return path


def read(path: Path, seconds: float = 2.0) -> Sound | None:
    return read_sound(lambda: av.open(str(path)), seconds)


@pytest.mark.parametrize(
    ("codec", "kind", "rate"),
    [
        ("aac", "mp4", 48000),
        ("aac", "mp4", 22050),
        ("libopus", "webm", 48000),
        ("libmp3lame", "mp4", 44100),
        ("pcm_s16le", "avi", 16000),
        ("flac", "matroska", 44100),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_what_was_put_in_comes_out(tmp_path: Path, codec: str, kind: str, rate: int, channels: int) -> None:
    samples = tone(2.0, rate, channels, clicks=(1.0,))
    video = "matroska" if kind == "webm" else kind  # WebM takes no pictures that are at hand here
    layout = "stereo" if channels == 2 else "mono"
    result = read(write(tmp_path / "a", samples, codec=codec, kind=video, rate=rate, layout=layout))
    assert result is not None
    assert (result.rate, result.channels) == (rate, channels)
    assert result.seconds == pytest.approx(2.0, abs=0.03)
    assert clicks(result.samples, rate) == pytest.approx([1.0], abs=0.001)
    assert correlation(result.samples, samples) > 0.97


def test_no_more_than_is_wanted(tmp_path: Path) -> None:
    path = write(tmp_path / "a", tone(2.0), codec="aac", kind="mp4")
    result = read(path, 0.75)
    assert result is not None
    assert result.samples.shape == (2, 36000)


@pytest.mark.parametrize("late", [0.0, 0.5])
@pytest.mark.parametrize("offset", [0.0, 0.25])
def test_time_is_counted_from_the_first_frame(tmp_path: Path, late: float, offset: float) -> None:
    samples = tone(1.0, clicks=(0.25,))
    path = write(tmp_path / "a", samples, codec="pcm_s16le", kind="matroska", late=late, offset=offset)
    result = read(path)
    assert result is not None
    assert clicks(result.samples, 48000) == pytest.approx([0.25 + late], abs=0.002)
    assert not result.samples[:, : max(0, round(late * 48000) - 96)].any()


def test_what_is_heard_before_the_first_frame_is_left_out(tmp_path: Path) -> None:
    samples = tone(1.0, clicks=(0.75,))
    path = write(tmp_path / "a", samples, codec="pcm_s16le", kind="matroska", late=-0.5, offset=0.5)
    result = read(path)
    assert result is not None
    assert clicks(result.samples, 48000) == pytest.approx([0.25], abs=0.002)
    assert result.seconds == pytest.approx(0.5, abs=0.002)


def test_six_channels_become_two(tmp_path: Path) -> None:
    samples = np.zeros((6, 96000), np.float32)
    samples[0] = tone(2.0)[0]
    result = read(write(tmp_path / "a", samples, codec="aac", kind="mp4", layout="5.1"))
    assert result is not None
    assert result.channels == 2
    assert np.abs(result.samples[0]).max() > 0.03
    assert np.abs(result.samples[1]).max() < 0.01


def test_a_file_without_sound(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a"), "w", format="mp4") as file:
        stream = file.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        file.mux(stream.encode(None))
    assert read(tmp_path / "a") is None


def test_what_is_packed_strangely_is_not_tried(tmp_path: Path) -> None:
    path = write(tmp_path / "a", tone(2.0), codec="adpcm_ms", kind="avi")
    with pytest.raises(UnusableSound, match="packed in a way"):
        read(path)


def test_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "a", tone(2.0), codec="flac", kind="matroska")
    whole = path.read_bytes()
    path.write_bytes(whole[:300])
    with pytest.raises(UnusableSound, match="cut off or damaged"):
        read(path)
    path.write_bytes(b"nothing")
    with pytest.raises(UnusableSound, match="cut off or damaged"):
        read(path)
