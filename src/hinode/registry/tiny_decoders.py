"""Tiny decoders in the layout of TAEHV (github.com/madebyollin/taehv, MIT): what a file of them says of
itself, and whether it fits a model. Shapes are read, weights are not.

A decoder is a row of 23 layers, and its tensors are called `decoder.N…` after their places in it:

    0 clamp, 1 convolution, 2 ReLU
    3, 4, 5 memory blocks, 6 twice the height and width, 7 more frames, 8 convolution
    9, 10, 11, 12, 13, 14 and 15, 16, 17, 18, 19, 20 the same again
    21 ReLU, 22 convolution to 3 colours of patch x patch pixels

The published files differ in the channels of their latents, in their widths, in where the frames become more,
in the patch, and in the blocks: the wide ones (`taeltx2_3_wide`) have two grouped convolutions in each. All
of that follows from the shapes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from hinode.errors import BadInput, quote
from hinode.registry import inspection
from hinode.registry.family import Family

PREFIX = "decoder."
FIRST, LAST = 1, 22
STAGES = (((3, 4, 5), 7, 8), ((9, 10, 11), 13, 14), ((15, 16, 17), 19, 20))
"""Places of the memory blocks, of what makes more frames and of the convolution behind it, by stage."""
GROUP = 64
"""Channels of one group in a wide block."""

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Layout:
    """What distinguishes one tiny decoder from another.

    Attributes:
        channels: of the latents.
        widths: channels of each of the three stages, and behind them.
        growth: how many frames each stage makes of one.
        patch: pixels along a side that the last layer draws at once.
        wide: whether its memory blocks are those of the wide files.
    """

    channels: int
    widths: tuple[int, ...]
    growth: tuple[int, ...]
    patch: int
    wide: bool = False

    @classmethod
    def of(cls, shapes: Shapes) -> Layout:
        """The layout of a file whose tensors have these shapes.

        Raises:
            ValueError: it is no decoder of this kind.
        """
        found = {name: tuple(shape) for name, shape in shapes.items() if name.startswith(PREFIX)}
        try:
            width, channels, *_ = found[f"{PREFIX}{FIRST}.weight"]
            widths = (width, *(found[f"{PREFIX}{after}.weight"][0] for _, _, after in STAGES))
            layout = cls(
                channels=channels,
                widths=widths,
                growth=tuple(
                    found[f"{PREFIX}{grow}.conv.weight"][0] // wide
                    for (_, grow, _), wide in zip(STAGES, widths, strict=False)
                ),
                patch=math.isqrt(found[f"{PREFIX}{LAST}.weight"][0] // 3),
                wide=f"{PREFIX}{STAGES[0][0][0]}.conv.6.weight" in found,
            )
            expected = layout.shapes()
        except (KeyError, ValueError, ZeroDivisionError, IndexError) as error:
            raise ValueError("it has not the tensors of a decoder of TAEHV") from error
        if found != expected:
            odd = sorted(name for name in found.keys() | expected if found.get(name) != expected.get(name))
            raise ValueError(f"its tensor {odd[0]} is not what a decoder of TAEHV has there")
        return layout

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all its tensors."""
        made = _convolution(FIRST, self.channels, self.widths[0])
        for (blocks, grow, after), width, growth, later in zip(
            STAGES, self.widths, self.growth, self.widths[1:], strict=False
        ):
            for place in blocks:
                for inner, (wide_in, wide_out, side) in self.block(width).items():
                    name = f"{PREFIX}{place}.conv.{inner}"
                    made |= {f"{name}.weight": (wide_out, wide_in, side, side), f"{name}.bias": (wide_out,)}
            made[f"{PREFIX}{grow}.conv.weight"] = (growth * width, width, 1, 1)
            made[f"{PREFIX}{after}.weight"] = (later, width, 3, 3)
        return made | _convolution(LAST, self.widths[-1], 3 * self.patch**2)

    def block(self, width: int) -> dict[int, tuple[int, int, int]]:
        """The convolutions of one memory block by their places in it: channels that one output sees, channels
        out, and side. Between them is a ReLU each."""
        if not self.wide:
            return {0: (2 * width, width, 3), 2: (width, width, 3), 4: (width, width, 3)}
        seen = width // self.groups(width)
        return {
            0: (2 * width, width, 1),
            2: (seen, width, 3),
            4: (width, width, 1),
            6: (seen, width, 3),
        }

    def groups(self, width: int) -> int:
        """Groups of the convolutions of side 3 in a memory block."""
        return max(1, width // GROUP) if self.wide else 1

    @property
    def frames(self) -> int:
        """Frames that one latent frame becomes; of the first one all but the last are dropped."""
        return math.prod(self.growth)

    @property
    def side(self) -> int:
        """Pixels that one latent position becomes along a side."""
        return int(2 ** len(STAGES)) * self.patch

    @property
    def numbers(self) -> int:
        """How many weights it has."""
        return sum(math.prod(shape) for shape in self.shapes().values())

    def widest(self, size: tuple[int, int]) -> int:
        """Numbers in the largest tensor on the way from one latent frame to its frames.

        Args:
            size: width and height of the frames in pixels.
        """
        area, frames, most = size[0] * size[1] // self.side**2, 1, 0
        for width, growth in zip(self.widths, self.growth, strict=False):
            # A memory block sees its input and the one before side by side; then both sides double.
            most = max(most, 2 * width * frames * area, 4 * width * growth * frames * area)
            area, frames = 4 * area, growth * frames
        return max(most, self.widths[-1] * frames * area)


def _convolution(place: int, channels: int, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{PREFIX}{place}.weight": (width, channels, 3, 3), f"{PREFIX}{place}.bias": (width,)}


def check(file: Path, family: Family, folder: Path | None, *, pickle: bool) -> Layout:
    """Make sure that a file is a tiny decoder, and one for the latents of a model.

    Args:
        file: safetensors, or a pickle of nothing but tensors.
        family: of the model.
        folder: of the model in Diffusers' layout, or None if it is not here yet.
        pickle: whether the operator lets pickles through.

    Raises:
        BadInput: it is none, or for other latents.
    """
    inspection.check_weights(file, pickle=pickle, field="decoder")
    name = quote(file.name, 100)
    try:
        layout = Layout.of(_shapes(file))
    except (ValueError, OSError, SafetensorError) as error:
        said = f": {error}" if isinstance(error, ValueError) else ""
        raise BadInput(
            f"{name} is no tiny decoder that can be read{said}",
            "take a file of github.com/madebyollin/taehv, see docs/diffusers.md",
            field="decoder",
        ) from error
    frames, side = family.shape.compression
    channels = _channels(folder) or family.shape.channels
    for what, its, models in (
        ("channels", layout.channels, channels),
        ("frames to one of the latents", layout.frames, frames),
        ("pixels to a side of one latent position", layout.side, side),
    ):
        if its != models:
            raise BadInput(
                f"the tiny decoder {name} has {its} {what}, and the family {family.name} has {models}",
                "take the one that was made for this family, see docs/diffusers.md",
                field="decoder",
            )
    return layout


def _channels(folder: Path | None) -> int | None:
    """Channels of the latents of a model, as its own decoder says; None if that cannot be read."""
    try:
        settings = json.loads((folder / "vae" / "config.json").read_text()) if folder else {}
        found = settings.get("z_dim") or settings.get("latent_channels")
    except (OSError, ValueError, AttributeError):
        return None
    return found if isinstance(found, int) else None


def _shapes(file: Path) -> Shapes:
    kind = file.suffix.lower()
    if kind in (".safetensors", ".sft"):
        with safe_open(file, framework="numpy") as opened:
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    if kind not in inspection.PICKLED:
        raise ValueError("it is neither safetensors nor a .pth")
    from pickle import UnpicklingError

    import torch

    try:
        tensors = torch.load(file, map_location="cpu", weights_only=True)
        return {str(name): tuple(tensor.shape) for name, tensor in tensors.items()}
    except (RuntimeError, UnpicklingError, EOFError, AttributeError, KeyError) as error:
        raise ValueError("it holds something other than named tensors") from error
