"""Decoding that gives up last: what hours of steps have made is not lost to a lack of memory at the end.

First the whole clip at once, or in tiles where the memory plan says so; then in tiles; then in smaller ones
and fewer frames at a time; then on the processor, in full precision and in tiles; at last by the tiny
decoder, where there is one. A draft begins with that.
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

from hinode.engines.diffusers.loading.tiny_decoder import TinyDecoder, undone

log = logging.getLogger(__name__)

WHOLE, TILES, SMALL_TILES, PROCESSOR = "whole", "in tiles", "in small tiles", "on the processor"
DECODE_FALLBACKS = (WHOLE, TILES, SMALL_TILES, PROCESSOR)
"""How a clip can be decoded by the model's own decoder, the quickest first."""
TINY, TINY_PROCESSOR = "by the tiny decoder", "by the tiny decoder on the processor"
TINY_WAYS = (TINY, TINY_PROCESSOR)
"""The same by the tiny one."""

TILE = 256
"""Pixels along the side of a tile."""
MIN_TILE = 4
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
        tiny: the tiny decoder, if there is one.
        used: the way that succeeded, or "" before.
        failed: whether a decoder failed for another reason than memory.
    """

    vae: nn.Module
    first: str
    compression: int
    make_room: Callable[[], None]
    tiny: TinyDecoder | None = None
    used: str = ""
    failed: bool = False

    @property
    def ways(self) -> tuple[str, ...]:
        """Every way of decoding, in the order in which they are tried."""
        tiny = TINY_WAYS if self.tiny is not None else ()
        return (
            (*tiny, *DECODE_FALLBACKS[1:])
            if self.first == TINY
            else (*DECODE_FALLBACKS[DECODE_FALLBACKS.index(self.first) :], *tiny)
        )

    def __call__(self, latents: Tensor, *arguments: Any, **options: Any) -> Any:
        """As `decode` of the autoencoder.

        Raises:
            RuntimeError: the memory did not suffice in any way, or something else was wrong.
        """
        way, *left = self.ways
        while True:
            try:
                decoded = self._decode(way, latents, arguments, options)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    # More memory would not help this decoder; there may be another.
                    self.failed = True
                    same = DECODE_FALLBACKS if way in DECODE_FALLBACKS else (TINY,)
                    left = [other for other in left if other not in same]
                if not left:
                    raise
                log.warning("decoding %s failed, it is done %s next: %s", way, left[0], error)
            else:
                self.used = way
                return decoded
            # Here, and not where it is caught: the error held on to everything that had been computed.
            self.make_room()
            free()
            way, *left = left

    @property
    def remark(self) -> str:
        """How the clip was decoded, if not as the model's makers do it, and why; else ""."""
        if not self.used or self.used == WHOLE:
            return ""
        if self.used == self.first == TINY:
            return f"decoded {self.used}"
        if self.used == TINY_PROCESSOR and self.first == TINY:
            return f"decoded {self.used}, " + (
                "for its first attempt failed" if self.failed else "for want of memory"
            )
        broken = "the model's own decoder" if self.used in TINY_WAYS else "the tiny decoder"
        return f"decoded {self.used}, " + (f"for {broken} failed" if self.failed else "for want of memory")

    def _decode(self, way: str, latents: Tensor, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        vae = self.vae
        if way in TINY_WAYS:
            assert self.tiny is not None
            tiny = self.tiny if way == TINY else copy.deepcopy(self.tiny).to("cpu", torch.float32)
            return _answer(tiny.decode(undone(vae, latents)[0])[None] * 2 - 1, options)
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


def _answer(video: Tensor, options: dict[str, Any]) -> Any:
    """A video as `decode` of an autoencoder gives it."""
    from diffusers.models.autoencoders.vae import DecoderOutput

    return DecoderOutput(sample=video) if options.get("return_dict", True) else (video,)


def lay_tiles(vae: Any, latents: Tensor, compression: int, *, small: bool = False) -> None:
    """Have an autoencoder decode in tiles that overlap by a quarter.

    Args:
        vae: the autoencoder.
        latents: what will be decoded, [..., height, width]; the tiles are smaller than that.
        compression: pixels per latent position along a side.
        small: whether the tiles are half as large, and few frames are decoded at a time.
    """
    longest = min(max(latents.shape[-2:]) // 2, TILE // compression)
    side = max(MIN_TILE, longest // (2 if small else 1) // MIN_TILE * MIN_TILE)
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
