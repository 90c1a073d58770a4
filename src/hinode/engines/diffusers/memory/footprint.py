"""How much memory a decoder takes beside its weights, found out before it has any.

The decoder decodes tensors that have a shape and no numbers, which takes no memory and a moment, and all that
would be alive at once is counted. So no family needs figures of its own: what counts is the decoder that the
model's settings describe, as the library runs it.
"""

from __future__ import annotations

import functools
import inspect
import json
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

PROBED = (5, 7)
"""Latent frames of the two clips that are decoded to know what one frame more takes: enough that decoders
which work a few frames at a time are past their beginning."""
SIDE = 8
"""Latent positions along the sides of their frames."""


@dataclass(frozen=True)
class Footprint:
    """What decoding takes.

    Attributes:
        level: bytes for each pixel of a frame, however long the clip is.
        frame: the same again for each latent frame.
    """

    level: float
    frame: float

    def bytes(self, latent_frames: int, area: int) -> int:
        """What a clip takes, or a tile of one.

        Args:
            latent_frames: how many there are.
            area: pixels of a frame, or of a tile.
        """
        return int(area * (self.level + self.frame * latent_frames))


@functools.lru_cache(maxsize=8)
def of(kind: Any, settings: str, dtype: torch.dtype, channels: int, compression: int) -> Footprint:
    """What the decoder takes that some settings describe; found out once, for every clip has a plan.

    Args:
        kind: class of the autoencoder.
        settings: in JSON.
        dtype: what it will compute in.
        channels: of its latents.
        compression: pixels per latent position along a side.
    """
    with torch.device("meta"):
        empty = kind.from_config(json.loads(settings))
    return decoding(nn.Module.to(empty, dtype).eval(), channels, compression)


def decoding(decoder: Any, channels: int, compression: int) -> Footprint:
    """What a decoder takes.

    Args:
        decoder: an autoencoder of diffusers without weights, of the type that it will compute in.
        channels: of its latents.
        compression: pixels per latent position along a side.
    """
    few, many = (_peak(decoder, channels, frames) for frames in PROBED)
    area = (SIDE * compression) ** 2
    frame = (many - few) / (PROBED[1] - PROBED[0]) / area
    return Footprint(few / area - frame * PROBED[0], frame)


def _peak(decoder: Any, channels: int, frames: int) -> int:
    """Most bytes of tensors at once while a clip is decoded."""
    kind = next(decoder.parameters()).dtype
    latents = torch.zeros((1, channels, frames, SIDE, SIDE), dtype=kind, device="meta")
    with torch.no_grad(), Alive() as alive:
        decoder.decode(latents, **_timestep(decoder, kind), return_dict=False)
    return int(alive.most)


def _timestep(decoder: nn.Module, kind: torch.dtype) -> Mapping[str, Tensor]:
    """The time at which some decoders do the last step of the denoising."""
    known = inspect.signature(decoder.decode).parameters  # type: ignore[arg-type]
    wanted = getattr(decoder, "config", {}).get("timestep_conditioning")
    return {
        name: torch.zeros(1, dtype=kind, device="meta")
        for name in ("temb", "timestep")
        if wanted and name in known
    }


class Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that are made while it is entered and not yet let go.

    Attributes:
        most: most of them at once, with what convolutions need for themselves: both kinds of processors
            rearrange what goes into one and what comes out of it.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = 0
        self._now = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, inputs: tuple[Any, ...] = (), options: dict[str, Any] | None = None
    ) -> Any:
        """Carry out one operation, and count what it made."""
        made = function(*inputs, **(options or {}))
        tensors = [one for one in tree_leaves(made) if isinstance(one, Tensor)]
        for tensor in tensors:
            storage = tensor.untyped_storage()
            place = storage._cdata
            if place not in self._known:
                self._known.add(place)
                self._now += storage.nbytes()
                weakref.finalize(storage, self._gone, place, storage.nbytes())
        within = sum(map(_size, (inputs[0], *tensors))) if "convolution" in str(function) else 0
        self.most = max(self.most, self._now + within)
        return made

    def _gone(self, place: int, size: int) -> None:
        self._known.discard(place)
        self._now -= size


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
