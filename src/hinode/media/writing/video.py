"""MP4 files written through PyAV (FFmpeg): H.264 pictures and AAC sound, for every player and browser."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.packet import Packet
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream

from hinode.clip import Frames, Sound
from hinode.errors import BadInput
from hinode.media.reading.decode import INTERPOLATION
from hinode.media.sound import SoundEncoder
from hinode.media.timeline import Timeline
from hinode.media.writing.formats import Seal
from hinode.media.writing.label import Label
from hinode.output import replace_file
from hinode.request import Size

CRF = 16
"""Constant rate factor of x264: 16 is hard to tell from the frames themselves."""

PRESET = "medium"

MIN_TICKS = 90_000
"""The file's clock ticks at least this often per second."""


def check_size(size: Size) -> None:
    """Raise BadInput if a side is odd: chroma is stored at half the width and height."""
    width, height = size
    if width % 2 or height % 2:
        message = f"an MP4 cannot be {width}x{height}, for its sides have to be even"
        raise BadInput(message, f"ask for {width + width % 2}x{height + height % 2}", field="size")


def write_mp4(
    path: Path,
    frames: Iterable[Frames],
    size: Size,
    timeline: Timeline,
    label: Label,
    sound: Sound | None = None,
    seal: Seal = lambda part: None,
) -> None:
    """Write an MP4: H.264, yuv420p, BT.709, index at the front, exact times; the sound as AAC.

    See `formats.write`. Both sides of `size` are even. A sound that is longer than `timeline` is cut, and
    silence follows one that is shorter.
    """
    check_size(size)
    # A clock on which every frame begins at a whole tick.
    ticks = timeline.fps.numerator * -(-MIN_TICKS // timeline.fps.numerator)
    durations = dict(zip(timeline.starts(ticks), timeline.durations(ticks), strict=False))
    # FFmpeg writes names of its own into the file only when all are written so.
    flags = "+faststart+use_metadata_tags" if label.tags else "+faststart"
    options = {"movflags": flags, **(SoundEncoder.options(sound) if sound else {})}
    with replace_file(path) as part:
        with _os_errors(), av.open(str(part), "w", format="mp4", container_options=options) as file:
            file.metadata.update(
                title=label.heading, comment=label.comment, description=label.json, **label.tags
            )
            stream = file.add_stream("libx264", rate=timeline.fps)
            context = stream.codec_context
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.time_base = context.time_base = Fraction(1, ticks)
            # Without B-frames decoding order is showing order, so the times in the file are the times meant.
            stream.options = {"crf": str(CRF), "preset": PRESET, "bf": "0", **same_bytes(_processor())}
            context.color_primaries = ColorPrimaries.BT709
            context.color_trc = ColorTrc.BT709
            context.colorspace = Colorspace.ITU709
            context.color_range = ColorRange.MPEG
            reformatter = VideoReformatter()
            track = None if sound is None else SoundEncoder(file, sound, timeline.seconds)

            def mux(packets: Iterable[Packet[VideoStream]]) -> None:
                for packet in packets:
                    packet.duration = durations[packet.pts or 0]
                    file.mux(packet)

            for start, frame in zip(durations, frames, strict=True):
                if track is not None:
                    track.write(Fraction(start, ticks))
                picture = _to_yuv(frame, reformatter)
                picture.pts, picture.time_base = start, Fraction(1, ticks)
                mux(context.encode(picture))
            if track is not None:
                track.close()
            mux(context.encode(None))
        seal(part)


def write_lossless(path: Path, frames: Iterable[Frames], fps: Fraction, label: Label | None = None) -> None:
    """Write frames uint8 [H, W, 3], at least one, all of one size, so that `VideoFile` gives the same bits
    back; few players open it."""
    with av.open(str(path), "w", format="mp4") as file:
        if label is not None:
            file.metadata.update(title=label.heading, comment=label.comment, description=label.json)
        stream: VideoStream | None = None
        for frame in frames:
            if stream is None:
                stream = file.add_stream("libx264rgb", rate=fps)
                stream.height, stream.width, _ = frame.shape
                stream.pix_fmt = "rgb24"
                stream.options = {"qp": "0", "preset": "ultrafast"}
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")))
        assert stream is not None, "there is a frame"
        file.mux(stream.encode())


def same_bytes(processor: str) -> dict[str, str]:
    """Options for x264 under which equal frames always become equal bytes.

    Its routines for AVX-512 (seen with PyAV 18.1 on an AMD EPYC) once in some hundred clips choose otherwise,
    by what happens to lie in memory beside theirs; those up to AVX2 do not and take 8 % longer. `processor`
    is the text of /proc/cpuinfo, or "" where there is none.
    """
    return {"x264-params": "asm=avx2"} if re.search(r"^flags\b.*\bavx512f\b", processor, re.M) else {}


@functools.cache
def _processor() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return ""


def _to_yuv(frame: Frames, reformatter: VideoReformatter) -> av.VideoFrame:
    return reformatter.reformat(
        av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"),
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation=INTERPOLATION,
    )


@contextmanager
def _os_errors() -> Iterator[None]:
    """Turn FFmpeg's errors into the OSErrors that they stand for."""
    try:
        yield
    except av.error.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error
