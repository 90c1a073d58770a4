"""A finished clip in memory, and how it was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hinode.errors import EngineError
from hinode.request import Size

Frames = npt.NDArray[np.uint8]
"""Frames [T, H, W, 3], or one frame [H, W, 3]: sRGB, 0..255."""


Mask = npt.NDArray[np.bool_]
"""Pixels [H, W] of a frame."""

Coverage = Callable[[int], Mask | bool]
"""Which pixels of a frame a model has drawn, by the number of the frame: all, none, or those of a mask. The
others come from footage or from a picture, and stay as they are."""


class FrameSource(Protocol):
    """Frames [T, H, W, 3] that are only indexed: all in memory, or each computed when it is read."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Frames: ...


Samples = npt.NDArray[np.float32]
"""Samples of sound [channels, N] in -1..1."""


@dataclass(frozen=True)
class Provenance:
    """How a clip came to be.

    Attributes:
        native_size: width and height that the model drew at, before any resizing.
        stage_seconds: wall-clock seconds of each stage, in the order in which they ran.
        understood: words of the prompt that the model knows.
        not_understood: words of the prompt that it does not know and ignored.
        read_as: what the engine made of the prompt, in words.
        parents: identities of the clips that this one was made from.
        licence: of the weights, a key of `licensing.licences.LICENCES` or its name; "" if it is not known.
        upscaler: name of the network that enlarges the frames where they are to be larger, or "" for none.
        plan: the scene plan that the clip was drawn from, as JSON, or "" for none.
        provider: name of the server that made the clip, or "" for this machine.
        losses: clips that other servers may have made in vain, in JSON values; see `remote.losses.Loss`.
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
    plan: str = ""
    provider: str = ""
    losses: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "stage_seconds", MappingProxyType(dict(self.stage_seconds)))


@dataclass(frozen=True, eq=False)
class Sound:
    """The sound of a clip, from its first frame on.

    Attributes:
        samples: float32 [channels, N] in -1..1, one channel or left and right; read-only.
        rate: samples per second and channel, in Hz.

    Raises:
        ValueError: the samples have another type, shape or range.
    """

    samples: Samples
    rate: int

    def __post_init__(self) -> None:
        samples = self.samples
        if samples.dtype != np.float32 or samples.ndim != 2 or samples.shape[0] not in (1, 2):
            raise ValueError(f"samples are {samples.dtype} {samples.shape}, not float32 [1 or 2, N]")
        if samples.size and not float(np.abs(samples).max()) <= 1:  # also false for NaN
            raise ValueError("samples are not within -1..1")
        if self.rate <= 0:
            raise ValueError(f"the rate is {self.rate} Hz")
        object.__setattr__(self, "samples", _read_only(samples))

    @classmethod
    def from_model(cls, samples: npt.ArrayLike, rate: int) -> Sound:
        """The output of a model, samples [channels, N]; samples outside -1..1 are clipped.

        Raises:
            EngineError: there are more than two channels, or some samples are no numbers.
        """
        values = np.array(samples, np.float32, ndmin=2)
        if values.ndim != 2 or values.shape[0] not in (1, 2):
            message = f"the model gave a sound of shape {values.shape}"
            raise EngineError(message, "ask for the clip without sound")
        if not np.isfinite(values).all():
            message = "the model gave a sound with values that are no numbers"
            raise EngineError(message, "ask for another seed, or for the clip without sound")
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
        """Its samples from number `start` to before `end`, with silence after its end."""
        samples = self.samples[:, start:end]
        return np.pad(samples, ((0, 0), (0, end - start - samples.shape[1])))


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames that follow each other at a fixed rate, and the sound that goes with them.

    Attributes:
        frames: uint8 [T, H, W, 3] in sRGB, at least one frame; read-only.
        fps: frames per second, above 0.
        provenance: how they came to be.
        sound: begins with the first frame and may be shorter or longer than the frames; None for silence.
        coverage: which pixels are drawn; None for all.

    Raises:
        ValueError: the frames have another type or shape, or the rate is not above 0.
    """

    frames: Frames
    fps: float
    provenance: Provenance
    sound: Sound | None = None
    coverage: Coverage | None = None

    def __post_init__(self) -> None:
        frames = self.frames
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not len(frames):
            raise ValueError(f"frames are {frames.dtype} {frames.shape}, not uint8 [T, H, W, 3]")
        if not self.fps > 0:
            raise ValueError(f"the rate is {self.fps} frames per second")
        object.__setattr__(self, "frames", _read_only(frames))

    @property
    def seconds(self) -> float:
        return len(self.frames) / self.fps

    @property
    def size(self) -> Size:
        height, width = self.frames.shape[1:3]
        return width, height


def _read_only(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same values; the array of the caller stays writable."""
    view = values.view()
    view.flags.writeable = False
    return view
