"""Tiny decoders in the layout of TAEHV (github.com/madebyollin/taehv, MIT): what a file says of itself, and
whether it fits a model. Shapes are read, weights are not.

A decoder is a sequence of 23 layers, and its tensors are called `decoder.N…` after their positions in it:

    0 clamp, 1 convolution, 2 ReLU
    3, 4, 5 memory blocks, 6 upsampling of height and width, 7 more frames, 8 convolution
    9, 10, 11, 12, 13, 14 and 15, 16, 17, 18, 19, 20 the same again
    21 ReLU, 22 convolution to 3 colours of patch x patch pixels
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from hinode.errors import BadInput, quote
from hinode.registry import inspection
from hinode.registry.families.family import Family

PREFIX = "decoder."
FIRST, LAST = 1, 22
STAGES = (((3, 4, 5), 7, 8), ((9, 10, 11), 13, 14), ((15, 16, 17), 19, 20))
"""By stage, the positions of the memory blocks, of the layer that adds frames, and of the convolution."""
GROUP = 64
"""Channels of one group in a wide block."""

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Layout:
    """What distinguishes one published decoder from another; all of it follows from the shapes.

    Attributes:
        channels: of the latents.
        widths: channels of each of the three stages, and after them.
        growth: frames that each stage makes of one.
        patch: pixels along a side that the last layer outputs at once.
        wide: whether each block has two grouped convolutions, as in `taeltx2_3_wide`.
    """

    channels: int
    widths: tuple[int, ...]
    growth: tuple[int, ...]
    patch: int
    wide: bool = False

    @classmethod
    def of(cls, shapes: Shapes) -> Layout:
        """The layout of a file whose tensors have these shapes; ValueError if it is not such a decoder."""
        actual = {name: tuple(shape) for name, shape in shapes.items() if name.startswith(PREFIX)}
        try:
            width, channels, *_ = actual[f"{PREFIX}{FIRST}.weight"]
            widths = (width, *(actual[f"{PREFIX}{after}.weight"][0] for _, _, after in STAGES))
            layout = cls(
                channels=channels,
                widths=widths,
                growth=tuple(
                    actual[f"{PREFIX}{grow}.conv.weight"][0] // wide
                    for (_, grow, _), wide in zip(STAGES, widths, strict=False)
                ),
                patch=math.isqrt(actual[f"{PREFIX}{LAST}.weight"][0] // 3),
                wide=f"{PREFIX}{STAGES[0][0][0]}.conv.6.weight" in actual,
            )
            expected = layout.shapes()
        except (KeyError, ValueError, ZeroDivisionError, IndexError) as error:
            raise ValueError("it lacks the tensors of a TAEHV decoder") from error
        if actual != expected:
            names = actual.keys() | expected
            wrong = min(name for name in names if actual.get(name) != expected.get(name))
            raise ValueError(f"its tensor {wrong} is not what a TAEHV decoder has there")
        return layout

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all its tensors."""
        shapes = _convolution(FIRST, self.channels, self.widths[0])
        for (blocks, grow, after), width, growth, next_width in zip(
            STAGES, self.widths, self.growth, self.widths[1:], strict=False
        ):
            for position in blocks:
                for index, (inputs, outputs, side) in self.block(width).items():
                    name = f"{PREFIX}{position}.conv.{index}"
                    shapes |= {f"{name}.weight": (outputs, inputs, side, side), f"{name}.bias": (outputs,)}
            shapes[f"{PREFIX}{grow}.conv.weight"] = (growth * width, width, 1, 1)
            shapes[f"{PREFIX}{after}.weight"] = (next_width, width, 3, 3)
        return shapes | _convolution(LAST, self.widths[-1], 3 * self.patch**2)

    def block(self, width: int) -> dict[int, tuple[int, int, int]]:
        """The convolutions of one memory block by their positions in it, with a ReLU between them: input
        channels of one group, output channels, and side of the kernel."""
        if not self.wide:
            return {0: (2 * width, width, 3), 2: (width, width, 3), 4: (width, width, 3)}
        group = width // self.groups(width)
        return {0: (2 * width, width, 1), 2: (group, width, 3), 4: (width, width, 1), 6: (group, width, 3)}

    def groups(self, width: int) -> int:
        """Groups of the convolutions with side 3 in a memory block."""
        return max(1, width // GROUP) if self.wide else 1

    @property
    def frames(self) -> int:
        """Frames for each latent frame; of the first latent frame only the last frame is used."""
        return math.prod(self.growth)

    @property
    def side(self) -> int:
        """Pixels for each latent position along a side."""
        return int(2 ** len(STAGES)) * self.patch

    @property
    def parameters(self) -> int:
        """Number of its weights."""
        return sum(math.prod(shape) for shape in self.shapes().values())

    def peak_elements(self, size: tuple[int, int]) -> int:
        """Elements of the largest tensor while one latent frame is decoded to frames of `size` pixels."""
        area, frames, peak = size[0] * size[1] // self.side**2, 1, 0
        for width, growth in zip(self.widths, self.growth, strict=False):
            # A memory block concatenates its input and the previous one; then both sides double.
            peak = max(peak, 2 * width * frames * area, 4 * width * growth * frames * area)
            area, frames = 4 * area, growth * frames
        return max(peak, self.widths[-1] * frames * area)


def _convolution(position: int, channels: int, width: int) -> dict[str, tuple[int, ...]]:
    name = f"{PREFIX}{position}"
    return {f"{name}.weight": (width, channels, 3, 3), f"{name}.bias": (width,)}


def check(file: Path, family: Family, folder: Path | None, *, pickle: bool) -> Layout:
    """The layout of a tiny decoder for the latents of a model; BadInput if the file is none.

    Args:
        file: safetensors, or a pickle of nothing but tensors.
        folder: of the model in Diffusers' layout, or None if it is not here yet.
        pickle: whether the operator allows pickles.
    """
    inspection.check_weights(file, pickle=pickle, field="decoder")
    name = quote(file.name, 100)
    try:
        layout = Layout.of(_shapes(file))
    except (ValueError, OSError, SafetensorError) as error:
        reason = f": {error}" if isinstance(error, ValueError) else ""
        message = f"{name} is no tiny decoder that can be read{reason}"
        remedy = "take a file of github.com/madebyollin/taehv, see docs/howto/use-open-checkpoints.md"
        raise BadInput(message, remedy, field="decoder") from error
    shape = family.shape
    for what, actual, expected in (
        ("channels", layout.channels, _latent_channels(folder) or shape.channels),
        ("frames to one of the latents", layout.frames, shape.frames_per_latent),
        ("pixels to a side of one latent position", layout.side, shape.pixels_per_latent),
    ):
        if actual != expected:
            raise BadInput(
                f"the tiny decoder {name} has {actual} {what}, and the family {family.name} has {expected}",
                "take the file for this family, see docs/howto/use-open-checkpoints.md",
                field="decoder",
            )
    return layout


def _latent_channels(folder: Path | None) -> int | None:
    """Channels of a model's latents, from the config of its own decoder; None if it cannot be read."""
    try:
        config = json.loads((folder / "vae" / "config.json").read_text()) if folder else {}
        channels = config.get("z_dim") or config.get("latent_channels")
    except (OSError, ValueError, AttributeError):
        return None
    return channels if isinstance(channels, int) else None


def _shapes(file: Path) -> Shapes:
    suffix = file.suffix.lower()
    if suffix in (".safetensors", ".sft"):
        return inspection.tensor_shapes(file)
    if suffix not in inspection.PICKLED:
        raise ValueError("it is neither safetensors nor a .pth")
    from pickle import UnpicklingError

    import torch

    try:
        tensors = torch.load(file, map_location="cpu", weights_only=True)
        return {str(name): tuple(tensor.shape) for name, tensor in tensors.items()}
    except (RuntimeError, UnpicklingError, EOFError, AttributeError, KeyError) as error:
        raise ValueError("it holds something other than named tensors") from error
