"""Drawn clips at three times their size, by a small network that has learnt the edges of the drawn world.

The *decoder* reads one frame at native size and predicts what a bicubic enlargement of it lacks; the large
pixels are unfolded from channels at the end (sub-pixel convolution, arXiv 1609.05158). It enlarges only what
the native engine drew. `hinode train decoder` trains it.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from hinode.clip import Frames, FrameSource
from hinode.engines.native import catalog
from hinode.engines.protocol import timed
from hinode.errors import ModelError
from hinode.model.layers import compute_type
from hinode.request import Size

NAME = catalog.DECODER

WINDOW = 8
"""Frames that are enlarged at once: a long clip need not fit into memory at its larger size."""


@dataclass(frozen=True)
class UpscalerConfig:
    """The sizes of a network.

    Attributes:
        factor: of width and height.
        width: channels.
        blocks: pairs of convolutions.
        fold: pixels of a side of the square that its convolutions see as one place.
    """

    factor: int = 3
    width: int = 48
    blocks: int = 3
    fold: int = 2


class Block(nn.Module):
    """Two convolutions and a skip connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        for layer, scale in ((self.first, 1.0), (self.second, 0.1)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            layer.weight.data *= scale

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(F.relu(self.first(x)))
        return out


class UpscalerNet(nn.Module):
    """The network; see the module."""

    def __init__(self, config: UpscalerConfig = UpscalerConfig()) -> None:
        super().__init__()
        self.config, c = config, config
        self.enter = nn.Conv2d(3 * c.fold**2, c.width, 3, padding=1)
        self.body = nn.Sequential(*(Block(c.width) for _ in range(c.blocks)))
        self.leave = nn.Conv2d(c.width, 3 * (c.factor * c.fold) ** 2, 3, padding=1)
        nn.init.kaiming_normal_(self.enter.weight, nonlinearity="relu")
        for values in self.leave.parameters():  # it begins as the bicubic enlargement
            nn.init.zeros_(values)

    def forward(self, frames: Tensor) -> Tensor:
        """float [N, 3, H, W] in 0..1, H and W multiples of `fold` -> float32 [N, 3, factor * H, factor * W],
        not clamped."""
        c = self.config
        x = F.pixel_unshuffle((frames - 0.5).to(self.enter.weight.dtype), c.fold)
        x = x.contiguous(memory_format=torch.channels_last)
        residual = F.pixel_shuffle(self.leave(self.body(F.relu(self.enter(x)))), c.factor * c.fold)
        return bicubic(frames.float(), c.factor).add_(residual)


def bicubic(frames: Tensor, factor: int) -> Tensor:
    """The enlargement that the network corrects: [N, 3, H, W] -> [N, 3, factor * H, factor * W]. With
    antialiasing it is flatter (a = -0.5 instead of -0.75), and twice as quick."""
    return F.interpolate(frames, scale_factor=factor, mode="bicubic", align_corners=False, antialias=True)


class UpscaledFrames:
    """See `FrameSource`: frames at a multiple of their size, computed a window at a time when they are
    read."""

    def __init__(self, frames: FrameSource, net: UpscalerNet, stage_seconds: dict[str, float]) -> None:
        self._frames, self._net, self._stage_seconds = frames, net, stage_seconds
        self._window = -1, np.empty(0, np.uint8)  # number and frames of the last one

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all frames."""
        (count, height, width, channels), factor = self._frames.shape, self._net.config.factor
        return count, factor * height, factor * width, channels

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> Frames:
        if not 0 <= index < len(self):
            raise IndexError(index)
        number, place = divmod(index, WINDOW)
        if self._window[0] != number:
            begin, end = number * WINDOW, min((number + 1) * WINDOW, len(self))
            small = np.stack([self._frames[k] for k in range(begin, end)])
            with timed(self._stage_seconds, "upscale"):
                self._window = number, enlarge(small, self._net)
        frame: Frames = self._window[1][place]
        return frame


@torch.inference_mode()
def enlarge(frames: Frames, net: UpscalerNet) -> Frames:
    """Frames at a multiple of their size: uint8 [T, H, W, 3] -> [T, factor * H, factor * W, 3]."""
    video = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    height, width = (side * net.config.factor for side in frames.shape[1:3])
    odd = [-side % net.config.fold for side in frames.shape[1:3]]
    if any(odd):
        video = F.pad(video, (0, odd[1], 0, odd[0]), mode="replicate")
    levels = net(video)[..., :height, :width].mul_(255).round_().clamp_(0, 255).to(torch.uint8)
    large: Frames = np.ascontiguousarray(levels.permute(0, 2, 3, 1).numpy())
    return large


def upscale(frames: FrameSource, size: Size, stage_seconds: dict[str, float] | None = None) -> FrameSource:
    """Frames of the native engine, uint8 [T, H, W, 3], enlarged for a finished clip of `size`; the frames
    themselves if they are large enough, or if the package has no weights. The time that it takes is added to
    the stage "upscale".

    Raises:
        ModelError: the weights are damaged.
    """
    height, width = frames.shape[1:3]
    if max(size[0] / width, size[1] / height) <= 1 or not available():
        return frames
    return UpscaledFrames(frames, load(path()), {} if stage_seconds is None else stage_seconds)


def path() -> Path:
    """Where the package has the weights."""
    return catalog.shipped() / f"{NAME}.safetensors"


def available() -> bool:
    """Whether the package has weights."""
    return path().is_file()


@lru_cache(maxsize=1)
def load(path: Path) -> UpscalerNet:
    """Read the network from a file, ready to enlarge on the processor.

    Raises:
        ModelError: the file is missing or damaged, or holds another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads((file.metadata() or {})["config"])
            sizes = {field.name: config[field.name] for field in dataclasses.fields(UpscalerConfig)}
            net = UpscalerNet(UpscalerConfig(**sizes))
            net.load_state_dict({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
    except Exception as error:  # safetensors raises its own, undocumented types
        message = f"the {path.stem}'s weights at {path} cannot be read"
        raise ModelError(message, "reinstall hinode, or set HINODE_UPSCALE=0") from error
    return net.to(compute_type(torch.device("cpu"))).eval().requires_grad_(False)
