"""Files with several pictures or sounds, transparent ones, and recordings that begin anywhere."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import Image

from hinode.errors import BadInput
from hinode.media.reading.container import open_container
from hinode.media.reading.decode import VideoFile
from hinode.media.reading.probe import probe
from hinode.media.sound import read_sound

RED, BLUE = (200, 30, 30), (30, 30, 200)
Pixels = np.typing.NDArray[np.uint8]


def add_pictures(stream: VideoStream, container: av.container.OutputContainer, pixels: Pixels) -> None:
    """Four frames, or as many as `pixels` has."""
    stills = [pixels] * 4 if pixels.ndim == 3 else list(pixels)
    for still in stills:
        frame = av.VideoFrame.from_ndarray(still, format="rgb24" if still.shape[2] == 3 else "rgba")
        container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
    container.mux(stream.encode(None))


def video_stream(container: av.container.OutputContainer, codec: str, pixels: str) -> VideoStream:
    stream = container.add_stream(codec, rate=8)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = 48, 32, pixels
    return stream


def add_tone(
    stream: AudioStream, container: av.container.OutputContainer, level: float, seconds: int
) -> None:
    samples = np.full((1, 8000 * seconds), level, np.float32)
    frame = av.AudioFrame.from_ndarray(
        np.round(samples * 32767).astype(np.int16), format="s16", layout="mono"
    )
    frame.sample_rate = 8000
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def plain(color: tuple[int, ...]) -> Pixels:
    return np.full((32, 48, len(color)), color, np.uint8)


@pytest.mark.parametrize("kind", ["mov", "matroska"])
def test_the_streams_that_play_by_default_are_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.mov"
    with av.open(str(path), "w", format=kind) as file:
        pictures = [video_stream(file, "mpeg4", "yuv420p") for _ in range(2)]
        sounds = [file.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(2)]
        for first, second in (pictures, sounds):
            first.disposition, second.disposition = Disposition(0), Disposition.default
        for stream, color in zip(pictures, (RED, BLUE), strict=True):
            add_pictures(stream, file, plain(color))
        for stream, level in zip(sounds, (0.0, 0.5), strict=True):
            add_tone(stream, file, level, 1)
    with VideoFile(path) as video:
        assert np.abs(next(iter(video)).rgb[16, 24].astype(int) - BLUE).max() < 12
    sound = read_sound(lambda: open_container(path), 0.5)
    assert sound is not None
    assert np.abs(sound.samples - 0.5).max() < 0.01


def test_a_cover_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w", format="matroska") as file:
        cover, pictures = video_stream(file, "mjpeg", "yuvj420p"), video_stream(file, "mpeg4", "yuv420p")
        cover.disposition = Disposition.attached_pic
        add_pictures(cover, file, plain(BLUE)[None])
        add_pictures(pictures, file, plain(RED))
    with VideoFile(path) as video:
        frames = [picture.rgb for picture in video]
    assert len(frames) == 4
    assert np.abs(frames[0][16, 24].astype(int) - RED).max() < 12


@pytest.mark.parametrize(
    ("codec", "pixels"), [("qtrle", "argb"), ("png", "rgba"), ("prores_ks", "yuva444p10le")]
)
def test_white_is_behind_a_transparent_video(tmp_path: Path, codec: str, pixels: str) -> None:
    frame = plain((*RED, 255))
    frame[:, 16:32, 3], frame[:, 32:, 3] = 128, 0
    with av.open(str(tmp_path / "a.mov"), "w", format="mov") as file:
        add_pictures(video_stream(file, codec, pixels), file, frame)
    with VideoFile(tmp_path / "a.mov") as video:
        row = next(iter(video)).rgb[16].astype(int)
    for column, color in ((8, RED), (24, (227, 142, 142)), (40, (255, 255, 255))):
        assert np.abs(row[column] - color).max() <= 4


def test_a_transparent_webm_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.webm"), "w", format="webm") as file:
        stream = video_stream(file, "libvpx-vp9", "yuva420p")
        stream.metadata["alpha_mode"] = "1"
        add_pictures(stream, file, plain((*RED, 128)))
    with pytest.raises(BadInput, match="has transparent parts, which are not read from a WebM"):
        probe(tmp_path / "a.webm", max_seconds=9, local=True)


@pytest.mark.parametrize("kind", ["avi", "mov"])
def test_motion_jpeg_of_a_camera_has_exif(tmp_path: Path, kind: str) -> None:
    exif, content = Image.Exif(), io.BytesIO()
    exif[0x010F] = "a camera"
    Image.new("RGB", (48, 32), RED).save(content, "JPEG", exif=exif)
    with av.open(str(tmp_path / "a.avi"), "w", format=kind) as file:
        stream = video_stream(file, "mjpeg", "yuvj420p")
        for number in range(4):
            packet = av.Packet(content.getvalue())
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base, packet.is_keyframe = Fraction(1, 8), True
            file.mux(packet)
    assert probe(tmp_path / "a.avi", max_seconds=9, local=True).size == (48, 32)
    with VideoFile(tmp_path / "a.avi") as video:
        assert np.abs(next(iter(video)).rgb.astype(int) - RED).max() < 12


def test_a_recording_begins_with_its_first_keyframe(tmp_path: Path) -> None:
    path, count = tmp_path / "a.ts", 32
    frames = np.stack([plain((8 * k, 8 * k, 8 * k)) for k in range(count)])
    with av.open(str(path), "w", format="mpegts") as file:
        stream = video_stream(file, "libx264", "yuv420p")
        stream.options = {"g": "16", "keyint_min": "16", "sc_threshold": "0", "bf": "0"}
        sound = file.add_stream("mp2", rate=16000, layout="mono")
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(frames[number], format="rgb24")
            file.mux(stream.encode(frame.reformat(format="yuv420p")))
            level = 0.5 if number >= 16 else 0.0  # loud from the second keyframe on
            wave = level * np.sin(np.arange(2000) * 2 * np.pi * 440 / 16000)
            piece = av.AudioFrame.from_ndarray(
                np.round(wave[None] * 32767).astype(np.int16), format="s16", layout="mono"
            )
            piece.sample_rate, piece.pts, piece.time_base = 16000, 2000 * number, Fraction(1, 16000)
            file.mux(sound.encode(piece))
        for rest in (stream, sound):
            file.mux(rest.encode(None))
    content = path.read_bytes()
    path.write_bytes(content[188 * (len(content) // 188 // 4) :])
    facts = probe(path, max_seconds=9, local=True)
    with VideoFile(path) as video:
        pictures = [picture.rgb for picture in video]
    assert len(pictures) == 16
    assert facts.seconds == pytest.approx(2.0, abs=0.01)
    assert abs(int(pictures[0][16, 24, 0]) - 128) <= 3
    heard = read_sound(lambda: open_container(path), 2.0)
    assert heard is not None
    assert np.abs(heard.samples[0, 1600:8000]).max() > 0.4
    assert np.sqrt((heard.samples[0, 1600:3200] ** 2).mean()) == pytest.approx(0.354, abs=0.05)
