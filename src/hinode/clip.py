"""A finished clip in memory, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hinode.errors import EngineError
from hinode.request import Size

Frames = npt.NDArray[np.uint8]
"""Frames [T, H, W, 3], or one frame [H, W, 3]: sRGB, 0..255."""


class FrameSource(Protocol):
    """Frames [T, H, W, 3] that are only indexed: all of them in memory, or each made when it is asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Frames: ...


Samples = npt.NDArray[np.float32]
"""Samples of sound [channels, N], -1..1."""


@dataclass(frozen=True)
class Provenance:
    """How a clip came to be.

    Attributes:
        engine: name of the engine.
        model: name of the model.
        seed: seed of the noise.
        steps: sampling steps that were taken.
        native_size: width and height that the model drew at, before any resizing.
        stage_seconds: wall-clock seconds of each stage, in the order in which they ran.
        understood: words of the prompt that the model knows.
        not_understood: words of the prompt that it does not know and passed over.
        read_as: what the model took the prompt to mean, and what it was left to choose, in plain words.
        parents: identities of the clips that this one was made from.
        licence: of the weights, a key of `engines.licences.LICENCES` or its name; "" if it is not known.
        upscaler: name of the network that enlarges the frames where they are to be larger, or "" for none.
    """

    engine: str
    model: str
    seed: int
    steps: int
    native_size: Size
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    understood: tuple[str, ...] = ()
    not_understood: tuple[str, ...] = ()
    read_as: str = ""
    parents: tuple[str, ...] = ()
    licence: str = ""
    upscaler: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "stage_seconds", MappingProxyType(dict(self.stage_seconds)))


@dataclass(frozen=True, eq=False)
class Sound:
    """What can be heard from the first frame of a clip on.

    Attributes:
        samples: float32 [channels, N] in -1..1, one channel or left and right; made read-only.
        rate: samples per second and channel, in Hz.
    """

    samples: Samples
    rate: int

    def __post_init__(self) -> None:
        shape = self.samples.shape
        assert self.samples.dtype == np.float32, f"samples are {self.samples.dtype}, not float32"
        assert len(shape) == 2, f"samples have shape {shape}"
        assert shape[0] in (1, 2), f"there are {shape[0]} channels"
        assert self.rate > 0, f"{self.rate} samples per second"
        assert not shape[1] or float(np.abs(self.samples).max()) <= 1, "samples are out of range"
        self.samples.flags.writeable = False

    @classmethod
    def drawn(cls, samples: npt.ArrayLike, rate: int) -> Sound:
        """What a model gave, samples [channels, N]; what is louder than can be is clipped.

        Raises:
            EngineError: there are more than two channels, or some samples are no numbers.
        """
        values = np.array(samples, np.float32, ndmin=2)
        if values.ndim != 2 or values.shape[0] not in (1, 2):
            raise EngineError(
                f"the model gave a sound of shape {values.shape}", "ask for the clip without sound"
            )
        if not np.isfinite(values).all():
            raise EngineError(
                "the sound that the model gave has values that are no numbers",
                "ask for another seed, or for the clip without sound",
            )
        return cls(values.clip(-1.0, 1.0), rate)

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def seconds(self) -> float:
        return int(self.samples.shape[1]) / self.rate

    def until(self, seconds: float) -> Sound:
        """Its first seconds; all of it if it is shorter."""
        return Sound(self.samples[:, : round(seconds * self.rate)].copy(), self.rate)

    def between(self, start: int, end: int) -> Samples:
        """Its samples from number `start` to before `end`; where it is over, there is silence."""
        kept = self.samples[:, start:end]
        return np.pad(kept, ((0, 0), (0, end - start - kept.shape[1])))


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames that follow each other at a fixed rate, and the sound that goes with them.

    Attributes:
        frames: uint8 [T, H, W, 3] in sRGB, at least one frame; made read-only.
        fps: frames per second, above 0.
        provenance: where they came from.
        sound: begins with the first frame, or None for a clip that has none; it may be shorter or longer
            than the frames.
    """

    frames: Frames
    fps: float
    provenance: Provenance
    sound: Sound | None = None

    def __post_init__(self) -> None:
        shape = self.frames.shape
        assert self.frames.dtype == np.uint8, f"frames are {self.frames.dtype}, not uint8"
        assert (len(shape), shape[3:]) == (4, (3,)), f"frames have shape {shape}"
        assert len(self.frames) > 0, "a clip has at least one frame"
        assert self.fps > 0, f"{self.fps} frames per second"
        self.frames.flags.writeable = False

    @property
    def seconds(self) -> float:
        return len(self.frames) / self.fps

    @property
    def size(self) -> Size:
        height, width = self.frames.shape[1:3]
        return width, height
