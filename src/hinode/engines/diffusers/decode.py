"""Decoding that gives up last: what hours of steps have made is not lost to a lack of memory at the end.

First the whole clip at once, or in tiles where the memory plan says so; then in tiles; then in smaller ones
and fewer frames at a time; at last on the processor, in full precision and in tiles.
"""

from __future__ import annotations

import copy
import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)

WHOLE, TILES, SMALL_TILES, PROCESSOR = "whole", "in tiles", "in small tiles", "on the processor"
WAYS = (WHOLE, TILES, SMALL_TILES, PROCESSOR)
"""How a clip can be decoded, the quickest first."""

TILE = 256
"""Pixels along the side of a tile."""
LEAST_TILE = 4
"""Latent positions along the side of the smallest tile, and what every side is a multiple of: the overlap, a
quarter of it, is a whole number of them."""


@dataclass
class Decoder:
    """Stands in for a `decode` of an autoencoder; see the module.

    Attributes:
        vae: the autoencoder; of this run alone, though its weights may be shared.
        first: the way to begin with.
        compression: pixels per latent position along a side.
        make_room: moves out of the way what decoding does not need.
        used: the way that succeeded, or "" before.
    """

    vae: nn.Module
    first: str
    compression: int
    make_room: Callable[[], None]
    used: str = ""

    def __call__(self, latents: Tensor, *arguments: Any, **options: Any) -> Any:
        """As `decode` of the autoencoder.

        Raises:
            RuntimeError: the memory did not suffice in any way, or something else was wrong.
        """
        ways = WAYS[WAYS.index(self.first) :]
        for place, way in enumerate(ways):
            try:
                decoded = self._decode(way, latents, arguments, options)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error) or place == len(ways) - 1:
                    raise
                log.warning("decoding %s ran out of memory; it is done %s next", way, ways[place + 1])
            else:
                self.used = way
                return decoded
            # Here, and not where it is caught: the error held on to everything that had been computed.
            self.make_room()
            free()
        raise AssertionError("there is no way left")

    def _decode(self, way: str, latents: Tensor, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        vae = self.vae
        if way == PROCESSOR:
            vae = copy.deepcopy(vae).to("cpu", torch.float32)
            latents = latents.to("cpu", torch.float32)
            arguments = tuple(
                part.to("cpu", torch.float32) if isinstance(part, Tensor) else part for part in arguments
            )
        if way != WHOLE:
            lay_tiles(vae, latents, self.compression, small=way != TILES)
        kind: Any = type(vae)
        return kind.decode(vae, latents, *arguments, **options)


def lay_tiles(vae: Any, latents: Tensor, compression: int, *, small: bool = False) -> None:
    """Have an autoencoder decode in tiles that overlap by a quarter.

    Args:
        vae: the autoencoder.
        latents: what will be decoded, [..., height, width]; the tiles are smaller than that.
        compression: pixels per latent position along a side.
        small: whether the tiles are half as large, and few frames are decoded at a time.
    """
    longest = min(max(latents.shape[-2:]) // 2, TILE // compression)
    side = max(LEAST_TILE, longest // (2 if small else 1) // LEAST_TILE * LEAST_TILE)
    stride = side * 3 // 4
    # Each kind of autoencoder has some of these.
    wanted = {
        "use_tiling": True,
        "tile_sample_min_height": side * compression,
        "tile_sample_min_width": side * compression,
        "tile_sample_stride_height": stride * compression,
        "tile_sample_stride_width": stride * compression,
        "tile_latent_min_height": side,
        "tile_latent_min_width": side,
        "tile_overlap_factor": 1 / 4,
        "tile_overlap_factor_height": 1 / 4,
        "tile_overlap_factor_width": 1 / 4,
    }
    if small:
        wanted["use_framewise_decoding"] = True
    for name, value in wanted.items():
        if hasattr(vae, name):
            setattr(vae, name, value)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the memory did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        words in said
        for words in ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    )


def free() -> None:
    """Give back to the machine what is no longer used."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
