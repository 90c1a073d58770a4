"""Drawn clips at twice their size, by a small network that has learned the edges of the drawn world.

It reads one frame at native size and predicts what a bicubic enlargement of it lacks; the large pixels are
unfolded from channels at the end (sub-pixel convolution, arXiv 1609.05158). It is trained on renders of the
world at both sizes (`hinode train upscaler`), and enlarges only what the native engine drew.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from hinode.clip import Frames, FrameSource
from hinode.engines.native import catalog
from hinode.engines.protocol import timed
from hinode.errors import ModelError
from hinode.model.layers import compute_type
from hinode.request import Size

SCALE = 2
"""Factor of width and height."""

WIDTH, BLOCKS = 32, 3

WINDOW = 8
"""Frames that are enlarged at once: a long clip need not fit into memory at its larger size."""

NAME = catalog.UPSCALER

TWICE_FROM = 3.0
"""From this factor on, the frames are enlarged twice."""


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

    def __init__(self, width: int = WIDTH, blocks: int = BLOCKS) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.leave = nn.Conv2d(width, 3 * SCALE**2, 3, padding=1)
        nn.init.kaiming_normal_(self.enter.weight, nonlinearity="relu")
        for values in self.leave.parameters():  # it begins as the bicubic enlargement
            nn.init.zeros_(values)

    def forward(self, frames: Tensor) -> Tensor:
        """float [N, 3, H, W] in 0..1 -> float32 [N, 3, 2H, 2W], not clamped."""
        x = (frames - 0.5).to(self.enter.weight.dtype).contiguous(memory_format=torch.channels_last)
        residual = F.pixel_shuffle(self.leave(self.body(F.relu(self.enter(x)))).float(), SCALE)
        return bicubic(frames.float()) + residual


def bicubic(frames: Tensor) -> Tensor:
    """The enlargement that the network corrects: [N, 3, H, W] -> [N, 3, 2H, 2W]."""
    return F.interpolate(frames, scale_factor=SCALE, mode="bicubic", align_corners=False)


class UpscaledFrames:
    """See `FrameSource`: frames at twice their size, computed a window at a time when they are read."""

    def __init__(self, frames: FrameSource, net: UpscalerNet, stage_seconds: dict[str, float]) -> None:
        self._frames, self._net, self._stage_seconds = frames, net, stage_seconds
        self._window = -1, np.empty(0, np.uint8)  # number and frames of the last one

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all frames."""
        count, height, width, channels = self._frames.shape
        return count, SCALE * height, SCALE * width, channels

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
    """Frames at twice their size: uint8 [T, H, W, 3] -> [T, 2H, 2W, 3]."""
    video = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    levels = (net(video) * 255).round().clamp(0, 255).to(torch.uint8)
    large: Frames = np.ascontiguousarray(levels.permute(0, 2, 3, 1).numpy())
    return large


def upscale(frames: FrameSource, size: Size, stage_seconds: dict[str, float] | None = None) -> FrameSource:
    """Frames of the native engine, uint8 [T, H, W, 3], enlarged to the size of the finished clip or nearly
    so; the frames themselves if they are large enough, or if the package has no weights. The time that it
    takes is added to the stage "upscale".

    Raises:
        ModelError: the weights are damaged.
    """
    height, width = frames.shape[1:3]
    factor = max(size[0] / width, size[1] / height)
    if factor <= 1 or not available():
        return frames
    net, spent = load(path()), {} if stage_seconds is None else stage_seconds
    larger = UpscaledFrames(frames, net, spent)
    return UpscaledFrames(larger, net, spent) if factor >= TWICE_FROM else larger


def path() -> Path:
    """Where the package keeps the weights."""
    return catalog.shipped() / f"{NAME}.safetensors"


def available() -> bool:
    """Whether the package has weights."""
    return path().is_file()


def flops_per_pixel(net: UpscalerNet) -> float:
    """Floating-point operations for each pixel of a frame that is enlarged once."""
    weights = sum(part.weight.numel() for part in net.modules() if isinstance(part, nn.Conv2d))
    return 2.0 * weights


@lru_cache(maxsize=1)
def load(path: Path) -> UpscalerNet:
    """Read the network from a file, ready to enlarge on the processor.

    Raises:
        ModelError: the file is missing or damaged, or holds another network.
    """
    net = UpscalerNet()
    try:
        net.load_state_dict(load_file(path))
    except Exception as error:  # safetensors raises its own, undocumented types
        message = f"the upscaler's weights at {path} cannot be read"
        raise ModelError(message, "reinstall hinode, or set HINODE_UPSCALE=0") from error
    return net.to(compute_type(torch.device("cpu"))).eval().requires_grad_(False)
