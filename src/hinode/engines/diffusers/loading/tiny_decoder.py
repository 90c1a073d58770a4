"""The tiny decoder: latents to frames at a small part of the price, for drafts, for previews, and for a clip
that can be decoded in no other way.

It is TAEHV's (see `engines.taehv`): convolutions within a frame, and blocks that also see what they were
given for the frame before. That is all they remember, so a clip is decoded one latent frame after the other
in the memory of one, and it makes no difference how many are taken together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from hinode.errors import BadInput, ModelError
from hinode.registry.family import Family
from hinode.registry.tiny_decoders import FIRST, LAST, STAGES, Layout, check


class Clamp(nn.Module):
    """Holds latents within -3..3, softly."""

    def forward(self, x: Tensor) -> Tensor:
        return 3 * torch.tanh(x / 3)


class MemoryBlock(nn.Module):
    """Adds to each frame what convolutions make of it and of the one before."""

    def __init__(self, layout: Layout, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for seen, out, side in layout.block(width).values():
            groups = 1 if side == 1 or not layers else layout.groups(width)
            layers += [
                nn.Conv2d(seen * groups, out, side, padding=side // 2, groups=groups),
                nn.ReLU(inplace=True),
            ]
        self.conv = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        """Both [T, C, H, W]."""
        return functional.relu(self.conv(torch.cat([x, before], 1)) + x, inplace=True)


class Grow(nn.Module):
    """Makes one, two or more frames of each, one after the other."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, growth * width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        frames: Tensor = self.conv(x)
        return frames.reshape(-1, *x.shape[1:])


class TinyDecoder(nn.Module):
    """A tiny decoder; its weights have the names of the published files.

    Attributes:
        layout: see `Layout`.
        paired: see `families.Shape`.
    """

    def __init__(self, layout: Layout, *, paired: bool = False) -> None:
        super().__init__()
        self.layout = layout
        self.paired = paired
        layers: list[nn.Module] = [Clamp(), _convolution(layout.channels, layout.widths[0]), nn.ReLU()]
        for (blocks, _, _), width, growth, later in zip(
            STAGES, layout.widths, layout.growth, layout.widths[1:], strict=False
        ):
            layers += [MemoryBlock(layout, width) for _ in blocks]
            layers += [nn.Upsample(scale_factor=2), Grow(width, growth)]
            layers += [_convolution(width, later, bias=False)]
        layers += [nn.ReLU(), _convolution(layout.widths[-1], 3 * layout.patch**2)]
        assert len(layers) == LAST + 1
        assert isinstance(layers[FIRST], nn.Conv2d)
        self.decoder = nn.Sequential(*layers)

    @classmethod
    def read(cls, file: Path, layout: Layout, *, paired: bool, device: torch.device) -> TinyDecoder:
        """The decoder in a file, ready to decode on `device`.

        Args:
            file: one that `layout_of` knows.
            layout: what it said.
            paired: see `families.Shape`.
            device: where it decodes.
        """
        if file.suffix.lower() in (".safetensors", ".sft"):
            weights = safetensors.torch.load_file(file)
        else:
            weights = torch.load(file, map_location="cpu", weights_only=True)
        with torch.device("meta"):
            made = cls(layout, paired=paired)
        wanted = made.state_dict()
        made.load_state_dict({name: weights[name].float() for name in wanted}, assign=True)
        # The files are in float16 and were made for it; a processor knows no float16 worth the name.
        kind = torch.float32 if device.type == "cpu" else torch.float16
        return made.eval().requires_grad_(False).to(device, kind)

    @torch.no_grad()
    def decode(self, latents: Tensor, *, together: int = 1) -> Tensor:
        """Frames of a clip.

        Args:
            latents: [C, T, h, w], as the denoiser gives them, neither scaled nor shifted.
            together: latent frames that are decoded at once: more memory, and the same frames.

        Returns:
            float32 [3, frames, H, W] in 0..1, on the processor.
        """
        weight = next(self.parameters())
        count = latents.shape[1]
        # What lies before the first frame is dropped, except where the first one is a whole group too.
        dropped = 0 if self.paired and count % 2 == 0 else self.layout.frames - 1
        height, width = (side * self.layout.side for side in latents.shape[2:])
        made = torch.empty(3, count * self.layout.frames - dropped, height, width)
        memory: dict[int, Tensor] = {}
        begin = -dropped
        for part in torch.split(latents, together, dim=1):
            frames = self._through(part.transpose(0, 1).to(weight), memory)
            frames = functional.pixel_shuffle(frames, self.layout.patch).clamp(0, 1)
            end = begin + len(frames)
            made[:, max(0, begin) : end] = frames[max(0, -begin) :].transpose(0, 1)
            begin = end
        return made

    def _through(self, x: Tensor, memory: dict[int, Tensor]) -> Tensor:
        """Latents [T, C, h, w] through every layer; `memory` goes on to the next ones."""
        for place, layer in enumerate(self.decoder):
            if isinstance(layer, MemoryBlock):
                last = memory.get(place, torch.zeros_like(x[:1]))
                # A copy: a part of it would keep the whole in memory.
                memory[place] = x[-1:].clone()
                x = layer(x, torch.cat([last, x[:-1]]))
            else:
                x = layer(x)
        return x


def layout_of(file: Path, family: Family, folder: Path, *, pickle: bool) -> Layout:
    """What the file of a model's tiny decoder says of itself; see `taehv.check`.

    Raises:
        ModelError: it cannot be read, or is for other latents.
    """
    try:
        return check(file, family, folder, pickle=pickle)
    except BadInput as error:
        raise ModelError(error.message, error.remedy) from error


def undone(vae: Any, latents: Tensor) -> Tensor:
    """Latents as the denoiser gave them, from what a pipeline made of them for its own decoder.

    Args:
        vae: that decoder; it knows the mean, the deviation and the scale.
        latents: [B, C, T, h, w].
    """
    latents = latents.float()
    mean, deviation = (_known(vae, name, latents) for name in ("latents_mean", "latents_std"))
    if mean is not None and deviation is not None:
        latents = (latents - mean) / deviation
    return latents * float(vae.config.get("scaling_factor") or 1.0)


def _known(vae: Any, name: str, like: Tensor) -> Tensor | None:
    # Some keep it among their settings, some among their weights.
    value = vae.config[name] if name in vae.config else getattr(vae, name, None)
    return None if value is None else torch.as_tensor(value).to(like).view(1, -1, 1, 1, 1)


def _convolution(channels: int, width: int, *, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 3, padding=1, bias=bias)
