"""The sound of an MP4: in step with the pictures, as long as they are, the same bytes every time."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hinode.clip import Frames, Sound
from hinode.errors import OutputError
from hinode.media.sound import RATES, at_rate, rate_for
from hinode.media.timeline import Timeline
from hinode.media.writing import formats
from hinode.media.writing.label import Label
from hinode.media.writing.video import write_mp4
from tests.sounds import clicks, correlation, read_sound, tone, tracks
from tests.videos import read_video

SIZE = (64, 36)


def flashing(timeline: Timeline, flashes: tuple[int, ...]) -> Iterator[Frames]:
    """Dark frames but for some white ones."""
    for index in range(timeline.frames):
        yield np.full((36, 64, 3), 255 if index in flashes else 20, np.uint8)


def write(path: Path, sound: Sound | None, *, fps: float = 8, seconds: float = 2.0) -> Path:
    line = Timeline.of(fps, seconds)
    write_mp4(path, flashing(line, ()), SIZE, line, Label("a kite"), sound)
    return path


@pytest.mark.parametrize(
    ("fps", "seconds", "rate", "channels"),
    [
        (10, 3.3, 48000, 2),
        (24, 2.5, 24000, 2),
        (23.976, 2.05, 44100, 1),
        (1, 12.0, 16000, 1),
        (60, 1.1, 96000, 2),
        (12, 1.5, 37800, 2),
    ],
)
def test_a_click_is_heard_when_a_flash_is_seen(
    tmp_path: Path, fps: float, seconds: float, rate: int, channels: int
) -> None:
    line = Timeline.of(fps, seconds)
    seconds = float(line.seconds)
    flashes = 0, line.frames // 2
    times = tuple(float(Fraction(index) / line.fps) for index in flashes)
    path = tmp_path / "clip.mp4"
    sound = Sound(tone(seconds, rate, channels, times), rate)
    write_mp4(path, flashing(line, flashes), SIZE, line, Label("a kite"), sound)

    pictures = read_video(path)
    brightness = zip(pictures.starts, pictures.frames, strict=True)
    bright = [float(start) for start, frame in brightness if frame.mean() > 150]
    samples, file_rate = read_sound(path)
    assert file_rate == rate_for(rate)
    assert len(bright) == 2
    assert clicks(samples, file_rate) == pytest.approx(bright, abs=0.001)
    assert samples.shape == (channels, round(line.seconds * file_rate))
    assert correlation(samples, at_rate(sound, file_rate).samples) > 0.98
    with av.open(str(path)) as file:
        assert file.duration is not None
        assert file.duration / av.time_base == pytest.approx(seconds, abs=1e-4)
        audio, video = file.streams.audio[0], file.streams.video[0]
        assert video.duration is not None
        assert video.time_base is not None
        assert float(video.duration * video.time_base) == pytest.approx(seconds, abs=1e-4)
        assert (audio.codec_context.name, audio.start_time, video.start_time) == ("aac", 0, 0)


def test_left_is_left(tmp_path: Path) -> None:
    samples = tone(2)
    samples[1] = 0
    left, right = read_sound(write(tmp_path / "clip.mp4", Sound(samples, 48000)))[0]
    assert np.abs(left).max() > 0.09
    assert np.abs(right).max() < 0.001


def test_another_decoder_hears_the_same(tmp_path: Path) -> None:
    """FFmpeg has a second decoder of AAC, written in whole numbers; it knows nothing of edit lists."""
    sound = Sound(tone(2.0, clicks=(1.0,)), 48000)
    path = write(tmp_path / "clip.mp4", sound)
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        decoder = av.CodecContext.create("aac_fixed", "r")
        decoder.extradata = stream.codec_context.extradata
        packets = [packet for packet in file.demux(stream) if packet.size]
        frames = [frame for packet in packets for frame in decoder.decode(packet)]
    samples = np.concatenate([frame.to_ndarray() for frame in frames], axis=1).astype(np.float64)
    samples *= 1 if frames[0].format.name == "fltp" else 2.0 ** -(8 * frames[0].format.bytes - 1)
    assert correlation(samples.astype(np.float32)[:, -(96000 + 256) :][:, :96000], sound.samples) > 0.98


@pytest.mark.parametrize("length", [0.0, 0.5, 2.0, 5.0])
def test_it_is_cut_to_the_clip_or_silence_follows(tmp_path: Path, length: float) -> None:
    samples, rate = read_sound(write(tmp_path / "clip.mp4", Sound(tone(length), 48000)))
    assert samples.shape == (2, 96000)
    over = round(min(length, 2.0) * rate)
    if over:
        assert correlation(samples[:, :over], tone(length)[:, :over]) > 0.98
    assert np.abs(samples[:, over + 2048 :]).max(initial=0.0) < 0.001


def test_a_clip_shorter_than_a_frame_of_sound(tmp_path: Path) -> None:
    samples, _ = read_sound(write(tmp_path / "clip.mp4", Sound(tone(1, 8000, 1), 8000), fps=60, seconds=0.01))
    assert samples.shape == (1, 80)


def test_every_rate_is_one_that_players_take(tmp_path: Path) -> None:
    for rate in RATES:
        assert rate_for(rate) == rate
        samples, file_rate = read_sound(
            write(tmp_path / f"{rate}.mp4", Sound(tone(0.5, rate), rate), seconds=0.5)
        )
        assert file_rate == rate
        assert correlation(samples, tone(0.5, rate)) > 0.97
    assert [rate_for(rate) for rate in (400, 20000, 192000)] == [8000, 22050, 96000]


def test_another_rate_shifts_nothing() -> None:
    sound = Sound(tone(1.0, 37800, clicks=(0.25,)), 37800)
    resampled = at_rate(sound, 44100)
    assert resampled.samples.shape == (2, 44100)
    assert clicks(resampled.samples, 44100) == pytest.approx([0.25], abs=0.0002)
    assert correlation(resampled.samples[:, 22050:], tone(1.0, 44100)[:, 22050:]) > 0.9999


def test_loudness_is_left_alone(tmp_path: Path) -> None:
    sound = Sound(tone(2), 48000)
    samples, _ = read_sound(write(tmp_path / "clip.mp4", sound))
    assert np.sqrt((samples**2).mean()) == pytest.approx(np.sqrt((sound.samples**2).mean()), rel=0.01)


def test_without_sound_there_is_no_track(tmp_path: Path) -> None:
    assert tracks(write(tmp_path / "silent.mp4", None)) == ["video"]
    assert tracks(write(tmp_path / "clip.mp4", Sound(tone(1), 48000))) == ["video", "audio"]
    with_, without = (read_video(tmp_path / name).frames for name in ("clip.mp4", "silent.mp4"))
    np.testing.assert_array_equal(with_, without)


def test_pictures_and_sound_lie_beside_each_other(tmp_path: Path) -> None:
    """So that a player need not read the whole file before it begins."""
    path = write(tmp_path / "clip.mp4", Sound(tone(30), 48000), fps=2, seconds=30)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux() if packet.size]
    places = [(packet.pos or 0, float((packet.dts or 0) * packet.time_base)) for packet in packets]
    ahead = 0.0
    for _, time in sorted(places):
        assert time > ahead - 1.0
        ahead = max(ahead, time)


def test_the_same_sound_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nimport numpy as np\nfrom hinode.clip import Sound\n"
        "from tests.media.test_sound import write\n"
        "noise = np.random.default_rng(1).standard_normal((2, 88200)) * 0.3\n"
        "write(Path(sys.argv[1]), Sound.from_model(noise, 44100))\n"
    )
    digests = set()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], check=True)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("kind", formats.FORMATS)
def test_formats_without_sound_take_the_pictures(tmp_path: Path, kind: str) -> None:
    line = Timeline.of(8, 1)
    for name, sound in (("with", Sound(tone(1), 48000)), ("without", None)):
        formats.write(kind, tmp_path / name, flashing(line, ()), SIZE, line, Label("a kite"), sound)
    if kind not in formats.SOUNDING and kind != "png":
        assert (tmp_path / "with").read_bytes() == (tmp_path / "without").read_bytes()
    assert kind == "png" or ("audio" in tracks(tmp_path / "with")) == (kind in formats.SOUNDING)


def test_the_shortest_of_all(tmp_path: Path) -> None:
    for name, sound in (("a", Sound(tone(1, 8000), 8000)), ("b", Sound(np.zeros((2, 0), np.float32), 7000))):
        samples, rate = read_sound(write(tmp_path / f"{name}.mp4", sound, fps=60, seconds=0.00001))
        assert (samples.shape, rate) == ((2, 1), 8000)


def test_a_failed_frame_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[Frames]:
        yield np.zeros((36, 64, 3), np.uint8)
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError, match="bug"):
        write_mp4(tmp_path / "a.mp4", broken(), SIZE, Timeline.of(8, 1), Label(), Sound(tone(1, 7000), 7000))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_is_one_sentence(
    tmp_path: Path, files_of_at_most: Callable[[int], AbstractContextManager[None]]
) -> None:
    noise = np.random.default_rng(1).standard_normal((2, 48000 * 30)) * 0.3
    with pytest.raises(OutputError, match="beyond the size"), files_of_at_most(60_000):
        write(tmp_path / "a.mp4", Sound.from_model(noise, 48000), seconds=30)
    assert list(tmp_path.iterdir()) == []
