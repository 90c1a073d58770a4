"""Sound for tests: samples to write, and what a file sounds like to a player."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]


def tone(seconds: float, rate: int = 48_000, channels: int = 2, clicks: tuple[float, ...] = ()) -> Samples:
    """440 Hz on the left, 660 Hz on the right, and loud clicks of 2 ms at some times."""
    times = np.arange(round(seconds * rate)) / rate
    samples = np.stack([0.1 * np.sin(2 * np.pi * hertz * times) for hertz in (440, 660)[:channels]])
    for click in clicks:
        samples[:, round(click * rate) : round((click + 0.002) * rate)] = 0.9
    return samples.astype(np.float32)


def heard(path: Path) -> tuple[Samples, int]:
    """Samples [channels, N] as a player hears them, up to the length that the file says, and their rate."""
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        frames = list(file.decode(stream))
        assert frames[0].pts == 0
        samples = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
        return samples[:, : round(stream.duration * stream.time_base * stream.rate)], stream.rate


def tracks(path: Path) -> list[str]:
    """The kinds of a file's streams, in order."""
    with av.open(str(path)) as file:
        return [stream.type for stream in file.streams]


def clicks(samples: Samples, rate: int, level: float = 0.45) -> list[float]:
    """Times at which clicks begin, in seconds."""
    loud = np.flatnonzero(np.abs(samples[0]) > level) / rate
    return [float(at) for at, before in zip(loud, (-1.0, *loud), strict=False) if at - before > 0.1]


def alike(one: Samples, other: Samples) -> float:
    """Correlation of two sounds sample by sample, without any shift: 1 if they are the same."""
    count = min(one.shape[1], other.shape[1])
    return float(np.corrcoef(one[:, :count].ravel(), other[:, :count].ravel())[0, 1])
