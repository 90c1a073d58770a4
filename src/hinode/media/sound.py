"""The sound of files: written beside pictures, and read from videos.

An AAC encoder begins with a frame of its own. FFmpeg marks it in the file (by an edit list) as one to skip,
and players that read the mark begin with the first sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from hinode.clip import Samples, Sound
from hinode.media.reading.container import DecodeError, first_moment, main_stream

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
"""Rates that AAC and players support; any other is resampled to the next higher, or to the highest."""

BITS = 96_000
"""Bits per second of one channel: hard to tell from the samples themselves."""

MAX_BITS = 6144
"""Bits that AAC has for one frame of one channel at most (ISO/IEC 14496-3, 4.5.3)."""

FRAME = 1024
"""Samples of a frame of AAC."""

LEFT_OUT = "left out"
"""The sound of a clip in a file that cannot hold any."""


class SoundEncoder:
    """The sound of a file that is being written."""

    def __init__(self, file: OutputContainer, sound: Sound, seconds: Fraction) -> None:
        """The track becomes the next stream of a file of so many seconds, which was opened with `options`."""
        self.rate = rate_for(sound.rate)
        self.layout = "mono" if sound.channels == 1 else "stereo"
        self._sound = at_rate(sound, self.rate)
        self._count = max(1, round(seconds * self.rate))
        self._next = 0
        stream: AudioStream = file.add_stream("aac", rate=self.rate)
        stream.layout = self.layout
        stream.format = "fltp"
        stream.bit_rate = sound.channels * min(BITS, MAX_BITS * self.rate // FRAME)
        self._file, self._stream = file, stream

    @staticmethod
    def options(sound: Sound) -> dict[str, str]:
        """What the container has to be opened with: times as fine as the samples, and no frame of the one
        stream written long before those of the other, however long the encoder of pictures looks ahead."""
        return {"movie_timescale": str(rate_for(sound.rate)), "max_interleave_delta": "0"}

    def write(self, until: Fraction) -> None:
        """Write what is heard before the time `until`, in whole frames."""
        while self._next < self._count and Fraction(self._next, self.rate) <= until:
            end = min(self._next + FRAME, self._count)
            frame = frame_of(self._sound.between(self._next, end), self.layout, self.rate, self._next)
            self._file.mux(self._stream.encode(frame))
            self._next = end

    def close(self) -> None:
        """Write the rest."""
        self.write(Fraction(self._count, self.rate))
        self._file.mux(self._stream.encode(None))


def describe_sound(sound: Sound | None) -> str | None:
    """A sound as a file holds it, in words: "stereo, 48000 Hz"; None if there is none."""
    if sound is None:
        return None
    return f"{'mono' if sound.channels == 1 else 'stereo'}, {rate_for(sound.rate)} Hz"


def rate_for(rate: int) -> int:
    """The rate to write a sound of `rate` at, in Hz."""
    return next((standard for standard in RATES if standard >= rate), RATES[-1])


def at_rate(sound: Sound, rate: int) -> Sound:
    """The same sound at another rate in Hz; nothing is shifted in time."""
    if sound.rate == rate:
        return sound
    if not sound.samples.size:
        return Sound(sound.samples, rate)
    layout = "mono" if sound.channels == 1 else "stereo"
    resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
    frames = resampler.resample(frame_of(sound.samples, layout, sound.rate, 0)) + resampler.resample(None)
    parts = [frame.to_ndarray() for frame in frames]
    # The filter overshoots a little where the sound is as loud as can be.
    return Sound(np.concatenate(parts, axis=1).clip(-1.0, 1.0), rate)


def frame_of(samples: Samples, layout: str, rate: int, start: int) -> AudioFrame:
    """Samples float32 [channels, N] as FFmpeg takes them; the first is number `start` of its sound."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
    return frame


CODECS = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp2", "mp3", "opus", "vorbis"})
"""What sound may be packed as, beside plain samples."""

MAX_RATE = 96_000
"""Samples per second that are kept; a file may name any number."""

DRIFT = Fraction(1, 20)
"""Seconds by which a piece may lie off the end of the one before it and still be put there: the clocks of
some files are so coarse that every piece would be followed by a click."""


class UnusableSound(Exception):
    """A file has sound that cannot be used; the text says why, after "its sound"."""


def read_sound(opened: Callable[[], InputContainer], seconds: float, start: float = 0.0) -> Sound | None:
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
            stream = main_stream(file.streams.audio)
            return _read(file, stream, seconds, start) if stream is not None else None
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
    stream = main_stream(file.streams.video)
    return first_moment(file, stream) if stream is not None else Fraction(0)
