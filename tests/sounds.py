"""Sound for tests: samples to write, and the samples of a file as a player has them."""

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


def read_sound(path: Path) -> tuple[Samples, int]:
    """The samples of a file [channels, N], up to the length in its header, and their rate."""
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
    return [float(time) for time, before in zip(loud, (-1.0, *loud), strict=False) if time - before > 0.1]


def correlation(first: Samples, second: Samples) -> float:
    """Correlation of two sounds sample by sample, without a shift: 1 if they are the same."""
    count = min(first.shape[1], second.shape[1])
    return float(np.corrcoef(first[:, :count].ravel(), second[:, :count].ravel())[0, 1])
