"""What happens to clips after they leave: encoders, resizing, crops and the like."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
from PIL import Image, ImageFilter

from hinode.clip import Frames

Change = Callable[[Iterable[Frames]], Iterator[Frames]]


@dataclass(frozen=True)
class Attack:
    """A change of the frames and an encoder.

    Attributes:
        change: of the frames; their count may differ.
        codec, options: of FFmpeg.
        every: of so many frames one is left.
        rate: frames per second that the clip is brought to, or 0 for its own.
    """

    name: str
    change: Callable[[Frames, int], Frames] = field(default=lambda frame, index: frame)
    codec: str = "libx264"
    options: tuple[tuple[str, str], ...] = (("crf", "28"), ("preset", "veryfast"))
    every: int = 1
    rate: int = 0
    bits: int = 0


def _x264(crf: int) -> tuple[tuple[str, str], ...]:
    return (("crf", str(crf)), ("preset", "veryfast"))


def _resize(width: int, height: int) -> Callable[[Frames, int], Frames]:
    def change(frame: Frames, index: int) -> Frames:
        target = (width, height)
        if frame.shape[0] > frame.shape[1]:
            target = (height, width)
        return np.asarray(Image.fromarray(frame).resize(target, Image.Resampling.BICUBIC))

    return change


def _half(frame: Frames, index: int) -> Frames:
    height, width = frame.shape[:2]
    size = (width // 4 * 2, height // 4 * 2)
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC))


def _crop(frame: Frames, index: int) -> Frames:
    """Half of the area, off the middle."""
    height, width = frame.shape[:2]
    rows, columns = int(height * 0.5**0.5) // 2 * 2, int(width * 0.5**0.5) // 2 * 2
    top, left = (height - rows) // 4, (width - columns) * 3 // 4
    return frame[top : top + rows, left : left + columns]


def _turn(frame: Frames, index: int) -> Frames:
    return np.asarray(Image.fromarray(frame).rotate(3, Image.Resampling.BILINEAR))


def _blur_and_noise(frame: Frames, index: int) -> Frames:
    blurred = np.asarray(
        Image.fromarray(frame).filter(ImageFilter.GaussianBlur(1.0 * min(frame.shape[:2]) / 360))
    )
    noise = np.random.default_rng(index).normal(0, 8, frame.shape).astype(np.float32)
    return np.rint((blurred + noise).clip(0, 255)).astype(np.uint8)


ATTACKS = (
    Attack("x264 CRF 23", options=_x264(23)),
    Attack("x264 CRF 28", options=_x264(28)),
    Attack("x264 CRF 32", options=_x264(32)),
    Attack(
        "x265 CRF 28",
        codec="libx265",
        options=(("crf", "28"), ("preset", "veryfast"), ("x265-params", "log-level=none")),
    ),
    Attack("resize 0.5", _half),
    Attack("crop to 50 %", _crop),
    Attack("half frame rate", every=2),
    Attack("rotation 3°", _turn),
    Attack("mirror", lambda frame, index: frame[:, ::-1]),
    Attack("blur and noise", _blur_and_noise),
    Attack("phone", _resize(848, 480), options=(("preset", "veryfast"),), rate=30, bits=1_500_000),
)
"""All but those named after an encoder end in x264 at CRF 28, the phone in 1.5 Mbit/s."""


def encoded(frames: Iterable[Frames], attack: Attack, fps: int) -> bytes:
    """An attacked clip as an MP4."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = None
        rate = attack.rate or Fraction(fps, attack.every)
        for frame in _timed(frames, attack, fps):
            if stream is None:
                stream = out.add_stream(attack.codec, rate=rate)
                stream.height, stream.width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
                stream.pix_fmt = "yuv420p"
                stream.options = dict(attack.options)
                stream.codec_context.thread_count = 1
                if attack.bits:
                    stream.bit_rate = attack.bits
            even = np.ascontiguousarray(frame[: stream.height, : stream.width])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(even, "rgb24")))
        assert stream is not None, "there is a frame"
        out.mux(stream.encode(None))
    return file.getvalue()


def _timed(frames: Iterable[Frames], attack: Attack, fps: int) -> Iterator[Frames]:
    shown = 0
    for index, frame in enumerate(frames):
        if index % attack.every:
            continue
        changed = attack.change(frame, index)
        if not attack.rate:
            yield changed
            continue
        while shown * fps < (index + 1) * attack.rate:
            yield changed
            shown += 1


def decoded(data: bytes) -> Iterator[tuple[float, Frames]]:
    """Times in seconds and frames of an MP4."""
    with av.open(io.BytesIO(data)) as file:
        file.streams.video[0].codec_context.thread_count = 1
        for frame in file.decode(video=0):
            yield float(frame.time or 0), frame.to_ndarray(format="rgb24")
