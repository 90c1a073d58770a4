"""The tiny decoder of TAEHV (see `registry.tiny_decoders`): latents to frames at a fraction of the cost. It
has convolutions within a frame, and blocks that also see their input for the previous frame. That is all they
remember, so a clip is decoded one latent frame after the other in the memory of one, and the result does not
depend on how many are decoded together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from hinode.engines.diffusers.loading import weight_file
from hinode.registry.tiny_decoders import FIRST, LAST, STAGES, Layout


class Clamp(nn.Module):
    """Limits latents softly to -3..3."""

    def forward(self, x: Tensor) -> Tensor:
        return 3 * torch.tanh(x / 3)


class MemoryBlock(nn.Module):
    """A residual block over each frame and the previous one."""

    def __init__(self, layout: Layout, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, side in layout.block(width).values():
            groups = 1 if side == 1 or not layers else layout.groups(width)
            layers += [
                nn.Conv2d(inputs * groups, outputs, side, padding=side // 2, groups=groups),
                nn.ReLU(inplace=True),
            ]
        self.conv = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor, previous: Tensor) -> Tensor:
        """Both [T, C, H, W]."""
        return functional.relu(self.conv(torch.cat([x, previous], 1)) + x, inplace=True)


class Grow(nn.Module):
    """Makes one, two or more frames of each."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, growth * width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        frames: Tensor = self.conv(x)
        return frames.reshape(-1, *x.shape[1:])


class TinyDecoder(nn.Module):
    """A tiny decoder; its weights have the names of the published files. `paired`: see `Shape`."""

    def __init__(self, layout: Layout, *, paired: bool = False) -> None:
        super().__init__()
        self.layout = layout
        self.paired = paired
        layers: list[nn.Module] = [Clamp(), _convolution(layout.channels, layout.widths[0]), nn.ReLU()]
        for (blocks, _, _), width, growth, next_width in zip(
            STAGES, layout.widths, layout.growth, layout.widths[1:], strict=False
        ):
            layers += [MemoryBlock(layout, width) for _ in blocks]
            layers += [nn.Upsample(scale_factor=2), Grow(width, growth)]
            layers += [_convolution(width, next_width, bias=False)]
        layers += [nn.ReLU(), _convolution(layout.widths[-1], 3 * layout.patch**2)]
        assert len(layers) == LAST + 1
        assert isinstance(layers[FIRST], nn.Conv2d)
        self.decoder = nn.Sequential(*layers)

    @classmethod
    def read(cls, file: Path, layout: Layout, *, paired: bool, device: torch.device) -> TinyDecoder:
        """The decoder in a file that `registry.tiny_decoders.check` accepted, on `device`; ModelError if it
        has values that are not finite."""
        if file.suffix.lower() in (".safetensors", ".sft"):
            weights = safetensors.torch.load_file(file)
        else:
            weights = torch.load(file, map_location="cpu", weights_only=True)
        with torch.device("meta"):
            decoder = cls(layout, paired=paired)
        names = decoder.state_dict()
        weight_file.check_values({name: weights[name] for name in names}, file.name)
        decoder.load_state_dict({name: weights[name].float() for name in names}, assign=True)
        # The files are in float16, and the decoder was made for it; processors compute in it slowly.
        dtype = torch.float32 if device.type == "cpu" else torch.float16
        return decoder.eval().requires_grad_(False).to(device, dtype)

    @torch.no_grad()
    def decode(self, latents: Tensor, *, together: int = 1) -> Tensor:
        """Decode latents [C, T, h, w], as the denoiser outputs them, to float32 [3, frames, H, W] in 0..1, on
        the CPU. `together` latent frames are decoded at once: more take more memory for the same frames."""
        weight = next(self.parameters())
        count = latents.shape[1]
        # Frames before the first are dropped, unless the first latent frame is a whole group like the others.
        dropped = 0 if self.paired and count % 2 == 0 else self.layout.frames - 1
        height, width = (side * self.layout.side for side in latents.shape[2:])
        clip = torch.empty(3, count * self.layout.frames - dropped, height, width)
        memory: dict[int, Tensor] = {}
        start = -dropped
        for part in torch.split(latents, together, dim=1):
            frames = self._run_layers(part.transpose(0, 1).to(weight), memory)
            frames = functional.pixel_shuffle(frames, self.layout.patch).clamp(0, 1)
            end = start + len(frames)
            clip[:, max(0, start) : end] = frames[max(0, -start) :].transpose(0, 1)
            start = end
        return clip

    def _run_layers(self, x: Tensor, memory: dict[int, Tensor]) -> Tensor:
        """Latents [T, C, h, w] through every layer; `memory` carries over to the next ones."""
        for index, layer in enumerate(self.decoder):
            if isinstance(layer, MemoryBlock):
                last = memory.get(index, torch.zeros_like(x[:1]))
                # A copy: a slice would keep the whole tensor in memory.
                memory[index] = x[-1:].clone()
                x = layer(x, torch.cat([last, x[:-1]]))
            else:
                x = layer(x)
        return x


def denormalize(vae: Any, latents: Tensor) -> Tensor:
    """Latents [B, C, T, h, w] as the denoiser output them, from what a pipeline made of them for its own
    decoder `vae`, which knows the mean, the deviation and the scale."""
    latents = latents.float()
    mean, deviation = (_statistic(vae, name, latents) for name in ("latents_mean", "latents_std"))
    if mean is not None and deviation is not None:
        latents = (latents - mean) / deviation
    return latents * float(vae.config.get("scaling_factor") or 1.0)


def _statistic(vae: Any, name: str, like: Tensor) -> Tensor | None:
    # Some autoencoders have it in their config, some among their weights.
    value = vae.config[name] if name in vae.config else getattr(vae, name, None)
    return None if value is None else torch.as_tensor(value).to(like).view(1, -1, 1, 1, 1)


def _convolution(channels: int, width: int, *, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 3, padding=1, bias=bias)
