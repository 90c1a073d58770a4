"""A finished clip in memory, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from hinode.request import Size

Frames = npt.NDArray[np.uint8]
"""Frames [T, H, W, 3], or one frame [H, W, 3]: sRGB, 0..255."""


@dataclass(frozen=True)
class Making:
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "stage_seconds", MappingProxyType(dict(self.stage_seconds)))


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames that follow each other at a fixed rate.

    Attributes:
        frames: uint8 [T, H, W, 3] in sRGB, at least one frame; made read-only.
        fps: frames per second, above 0.
        making: where they came from.
    """

    frames: Frames
    fps: float
    making: Making

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
