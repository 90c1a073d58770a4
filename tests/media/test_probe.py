"""What a video file is, found out from its head."""

from __future__ import annotations

import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hinode.errors import BadInput
from hinode.media.reading import probe as probing
from hinode.media.reading.probe import probe


def write(path: Path, size: tuple[int, int] = (64, 36), frames: int = 16, **more: str) -> Path:
    with av.open(str(path), "w", format=more.get("format", "mp4")) as file:
        stream = file.add_stream(more.get("codec", "libx264"), rate=int(more.get("rate", 8)))
        stream.width, stream.height = size
        stream.pix_fmt = more.get("pix_fmt", "yuv420p")
        for _ in range(frames):
            picture = av.VideoFrame.from_ndarray(np.zeros((size[1], size[0], 3), np.uint8), format="rgb24")
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    return path


def test_an_mp4(tmp_path: Path) -> None:
    facts = probe(write(tmp_path / "a.mp4"), max_seconds=120)
    assert (facts.size, facts.codec, facts.fps) == ((64, 36), "h264", Fraction(8))
    assert facts.seconds == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"format": "matroska"}, "not an MP4"),
        ({"codec": "mjpeg", "pix_fmt": "yuvj420p"}, "packed in a way"),
    ],
)
def test_other_kinds(tmp_path: Path, more: dict[str, str], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        probe(write(tmp_path / "a.mp4", **more), max_seconds=120)


@pytest.mark.parametrize(
    ("name", "more", "media_type"),
    [
        ("a.mov", {"format": "mov", "codec": "prores_ks", "pix_fmt": "yuv422p10le"}, "video/quicktime"),
        ("a.webm", {"format": "webm", "codec": "libvpx-vp9"}, "video/x-matroska"),
        ("a.mkv", {"format": "matroska", "codec": "ffv1", "pix_fmt": "yuv444p"}, "video/x-matroska"),
        ("a.avi", {"format": "avi", "codec": "mjpeg", "pix_fmt": "yuvj420p"}, "video/x-msvideo"),
        ("a.ts", {"format": "mpegts", "codec": "mpeg2video", "rate": "25"}, "video/mp2t"),
    ],
)
def test_a_person_s_own_files(tmp_path: Path, name: str, more: dict[str, str], media_type: str) -> None:
    path = write(tmp_path / name, (64, 48), **more)
    facts = probe(path, max_seconds=120, local=True)
    assert (facts.size, facts.media_type) == ((64, 48), media_type)
    assert facts.seconds == pytest.approx(16 / int(more.get("rate", 8)), abs=0.13)
    with pytest.raises(BadInput, match=r"not an MP4|packed in a way"):
        probe(path, max_seconds=120)


def test_bounds(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="2 seconds"):
        probe(write(tmp_path / "long.mp4"), max_seconds=1.5)
    with pytest.raises(BadInput, match="14x14"):
        probe(write(tmp_path / "small.mp4", (14, 14), 2), max_seconds=120)
    with pytest.raises(BadInput, match="4352x64"):
        probe(write(tmp_path / "wide.mp4", (4352, 64), 2), max_seconds=120)


@pytest.mark.parametrize("length", [0, 5, 12, 40, 600])
def test_damage(tmp_path: Path, length: int) -> None:
    path = write(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(BadInput) as raised:
        probe(path, max_seconds=120, field="source")
    assert raised.value.field == "source"


def test_a_playlist_opens_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    write(secret)
    playlist = tmp_path / "list.mp4"
    for text in (f"#EXTM3U\n#EXTINF:1,\n{secret}\n", f"ffconcat version 1.0\nfile {secret}\n"):
        playlist.write_text(text)
        with pytest.raises(BadInput):
            probe(playlist, max_seconds=120)
        playlist.write_bytes(b"\x00\x00\x00\x18ftyp" + text.encode())
        with pytest.raises(BadInput):
            probe(playlist, max_seconds=120)


def test_a_look_that_does_not_end_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(command: list[str], *, timeout: float, **more: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    path = write(tmp_path / "a.mp4")
    monkeypatch.setattr(subprocess, "run", endless)
    with pytest.raises(BadInput, match="takes too long to look at"):
        probe(path, max_seconds=120)


def test_a_look_that_goes_down_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(command: list[str], **more: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess(command, -signal.SIGSEGV, b"")

    path = write(tmp_path / "a.mp4")
    monkeypatch.setattr(subprocess, "run", down)
    with pytest.raises(BadInput, match="damaged"):
        probe(path, max_seconds=120)


def test_a_look_has_bounds_of_its_own(tmp_path: Path) -> None:
    script = "import resource, signal; from hinode.media.reading import probe; probe._limit_process(); " + (
        "kinds = resource.RLIMIT_AS, resource.RLIMIT_CPU; "
        "print(*(resource.getrlimit(kind)[0] for kind in kinds), signal.alarm(0))"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout.split()
    assert [int(word) for word in output[:2]] == [probing.MAX_MEMORY, probing.MAX_SECONDS]
    assert 0 < int(output[2]) <= probing.MAX_WAIT
