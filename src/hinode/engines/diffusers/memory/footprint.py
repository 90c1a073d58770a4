"""How much memory a decoder takes beside its weights, without loading them: it runs on meta tensors, which
have a shape and no data, and the bytes that would be alive at once are counted. So no family needs figures of
its own: what counts is the decoder that the model's config describes, as the library runs it."""

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

PROBE_FRAMES = (5, 7)
"""Latent frames of the two clips that are decoded to see what one more frame takes: enough that decoders
which work a few frames at a time are past their beginning."""
PROBE_SIDE = 8
"""Latent positions along the sides of their frames."""


@dataclass(frozen=True)
class Footprint:
    """What decoding takes, per pixel of a frame.

    Attributes:
        constant: bytes however long the clip is.
        per_frame: further bytes for each latent frame.
    """

    constant: float
    per_frame: float

    def bytes(self, latent_frames: int, area: int) -> int:
        """What a clip takes, or a tile of one; `area` is the pixels of a frame, or of a tile."""
        return int(area * (self.constant + self.per_frame * latent_frames))


@functools.lru_cache(maxsize=64)
def of_config(kind: Any, config: str, dtype: torch.dtype, channels: int, compression: int) -> Footprint:
    """The footprint of the decoder that a config describes; cached, because every clip has a plan.

    Args:
        kind: class of the autoencoder.
        config: its config in JSON.
        compression: pixels per latent position along a side.
    """
    with torch.device("meta"):
        autoencoder = kind.from_config(json.loads(config))
    autoencoder = nn.Module.to(autoencoder, dtype).eval()
    few, many = (peak_bytes(autoencoder, channels, frames) for frames in PROBE_FRAMES)
    area = (PROBE_SIDE * compression) ** 2
    per_frame = (many - few) / (PROBE_FRAMES[1] - PROBE_FRAMES[0]) / area
    return Footprint(few / area - per_frame * PROBE_FRAMES[0], per_frame)


def peak_bytes(autoencoder: Any, channels: int, frames: int, side: int = PROBE_SIDE) -> int:
    """The most bytes of tensors at once while an autoencoder on the meta device decodes latents with these
    channels, frames and sides."""
    dtype = next(autoencoder.parameters()).dtype
    latents = torch.zeros((1, channels, frames, side, side), dtype=dtype, device="meta")
    with torch.no_grad(), LiveBytes() as live:
        autoencoder.decode(latents, **_timestep(autoencoder, dtype), return_dict=False)
    return int(live.peak)


def _timestep(autoencoder: nn.Module, dtype: torch.dtype) -> Mapping[str, Tensor]:
    """The timestep, for decoders that do the last step of the denoising."""
    if not getattr(autoencoder, "config", {}).get("timestep_conditioning"):
        return {}
    parameters = inspect.signature(autoencoder.decode).parameters  # type: ignore[arg-type]
    names = [name for name in ("temb", "timestep") if name in parameters]
    return {name: torch.zeros(1, dtype=dtype, device="meta") for name in names}


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that are created while it is entered and not yet freed.

    Attributes:
        peak: the most at once, with what convolutions need for themselves: both kinds of processors rearrange
            their inputs and outputs.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._current = 0
        self._storages: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if storage._cdata not in self._storages:
                self._storages.add(storage._cdata)
                self._current += storage.nbytes()
                weakref.finalize(storage, self._freed, storage._cdata, storage.nbytes())
        convolves = "convolution" in str(function)
        workspace = sum(tensor.nbytes for tensor in (args[0], *tensors)) if convolves else 0
        self.peak = max(self.peak, self._current + workspace)
        return result

    def _freed(self, storage: int, size: int) -> None:
        self._storages.discard(storage)
        self._current -= size
