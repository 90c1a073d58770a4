"""The sound of a video file that a clip is made from, or that another server made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from hinode.clip import Sound
from hinode.media.decode import DecodeError

CODECS = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp2", "mp3", "opus", "vorbis"})
"""What sound may be packed as, beside plain samples."""

MAX_RATE = 96_000
"""Samples per second that are kept; a file may name any number."""

DRIFT = Fraction(1, 20)
"""Seconds by which a piece may lie off the end of the one before it and still be put there: the clocks of
some files are so coarse that every piece would be followed by a click."""


class UnusableSound(Exception):
    """A file has sound that cannot be used; the text says why, after "its sound"."""


def read(opened: Callable[[], InputContainer], seconds: float, start: float = 0.0) -> Sound | None:
    """The sound of a video, from its first frame on.

    Args:
        opened: opens the file anew; it is closed here.
        seconds: how much to read at most.
        start: seconds after the first frame at which to begin.

    Returns:
        One channel or two; more are mixed down to two. None if the file has no sound.

    Raises:
        UnusableSound: it has sound that cannot be decoded.
    """
    try:
        with opened() as file:
            return _read(file, file.streams.audio[0], seconds, start) if file.streams.audio else None
    except (DecodeError, av.error.FFmpegError, ValueError, OverflowError) as error:
        raise UnusableSound("is cut off or damaged") from error


def _read(file: InputContainer, stream: AudioStream, seconds: float, start: float) -> Sound | None:
    context = stream.codec_context
    codec = context.codec.canonical_name
    if codec not in CODECS and not codec.startswith("pcm_"):
        raise UnusableSound("is packed in a way that cannot be read here")
    if context.sample_rate <= 0 or context.channels <= 0:
        raise UnusableSound("has no sensible rate or channels")
    rate, channels = min(context.sample_rate, MAX_RATE), min(context.channels, 2)
    begin = _begin(file) + Fraction(start)
    if stream.duration is not None and stream.time_base is not None:
        # The last frame of a codec is filled up beyond what is to be heard.
        seconds = min(seconds, float(((stream.start_time or 0) + stream.duration) * stream.time_base - begin))
    samples = np.zeros((channels, max(1, round(seconds * rate))), np.float32)
    place, end = None, 0
    for piece in _pieces(file, stream, AudioResampler("fltp", "mono" if channels == 1 else "stereo", rate)):
        due = round(((piece.pts or 0) * (piece.time_base or Fraction(1, rate)) - begin) * rate)
        if place is None or abs(due - place) > DRIFT * rate:
            place = due
        values = piece.to_ndarray()[:, max(0, -place) :]
        target = samples[:, max(0, place) :][:, : values.shape[1]]
        target[:] = values[:, : target.shape[1]]
        place += piece.samples
        end = max(end, min(place, samples.shape[1]))
        if place >= samples.shape[1]:
            break
    if not np.isfinite(samples).all():
        raise UnusableSound("has values that are no numbers")
    return Sound(samples[:, :end].clip(-1.0, 1.0), rate) if place is not None else None


def _pieces(file: InputContainer, stream: AudioStream, resampler: AudioResampler) -> Iterator[AudioFrame]:
    for frame in file.decode(stream):
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


def _begin(file: InputContainer) -> Fraction:
    """When the first frame is shown, in seconds."""
    if not file.streams.video:
        return Fraction(0)
    stream = file.streams.video[0]
    return (stream.start_time or 0) * (stream.time_base or Fraction(0))
