"""Decoding with fallbacks: what hours of steps have computed is not lost to a lack of memory at the end. If a
method fails, the next one of `memory.decoding` is tried: the whole clip at once; in tiles; in smaller tiles
and fewer frames at a time; on the processor, in full precision and in tiles; by the tiny decoder."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hinode.engines.diffusers.loading.tiny_decoder import TinyDecoder, denormalize
from hinode.engines.diffusers.memory import decoding
from hinode.engines.diffusers.memory.allocator import free_memory
from hinode.engines.diffusers.memory.decoding import PROCESSOR, TILES, TINY, TINY_PROCESSOR, WHOLE
from hinode.engines.diffusers.memory.needs import TILE_SIDE

log = logging.getLogger(__name__)

MIN_TILE = 4
"""Latent positions along the side of the smallest tile, and what every side is a multiple of, so that the
overlap, a quarter of it, is a whole number."""


class DecodingError(RuntimeError):
    """A decoder returned what is no picture."""


@dataclass
class Decoder:
    """Replaces the `decode` of an autoencoder.

    Attributes:
        vae: the autoencoder; an object of this run alone, though its weights may be shared.
        first: the method to start with.
        compression: pixels per latent position along a side.
        release_memory: takes parts that decoding does not need out of memory.
        method: the method that succeeded, or "" before.
        failed: whether a decoder failed for another reason than memory.
    """

    vae: nn.Module
    first: str
    compression: int
    release_memory: Callable[[], None]
    tiny: TinyDecoder | None = None
    method: str = ""
    failed: bool = False

    def __call__(self, latents: Tensor, *args: Any, **kwargs: Any) -> Any:
        """As `decode` of the autoencoder; RuntimeError if no method succeeds."""
        method, *methods = decoding.methods_from(self.first, tiny=self.tiny is not None)
        while True:
            try:
                decoded = self._decode(method, latents, args, kwargs)
                _check_numbers(decoded)
            except (RuntimeError, MemoryError) as error:
                if device_failed(error):
                    raise
                if not out_of_memory(error):
                    # Less memory would not help this decoder; there may be another one.
                    self.failed = True
                    same = (TINY,) if method in decoding.TINY_FALLBACKS else decoding.DECODE_FALLBACKS
                    methods = [other for other in methods if other not in same]
                if not methods:
                    raise
                log.warning("decoding %s failed, next attempt %s: %s", method, methods[0], error)
            else:
                self.method = method
                return decoded
            # Not in the handler above: there the error would hold everything that had been computed.
            self.release_memory()
            free_memory()
            method, *methods = methods

    @property
    def remark(self) -> str:
        """How the clip was decoded, if not as the model's makers do it, and why; else ""."""
        if self.method in ("", WHOLE):
            return ""
        if self.method == self.first == TINY:
            return f"decoded {self.method}"
        if not self.failed:
            return f"decoded {self.method}, for want of memory"
        if self.method == TINY_PROCESSOR and self.first == TINY:
            return f"decoded {self.method}, for its first attempt failed"
        own = self.method in decoding.TINY_FALLBACKS
        decoder = "the model's own decoder" if own else "the tiny decoder"
        return f"decoded {self.method}, for {decoder} failed"

    def _decode(self, method: str, latents: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        vae = self.vae
        if method in decoding.TINY_FALLBACKS:
            assert self.tiny is not None
            tiny = self.tiny if method == TINY else copy.deepcopy(self.tiny).to("cpu", torch.float32)
            return _decoder_output(tiny.decode(denormalize(vae, latents)[0])[None] * 2 - 1, kwargs)
        if method == PROCESSOR:
            vae = copy.deepcopy(vae).to("cpu", torch.float32)
            latents = latents.to("cpu", torch.float32)
            args = tuple(arg.to("cpu", torch.float32) if isinstance(arg, Tensor) else arg for arg in args)
        if method != WHOLE:
            enable_tiles(vae, latents, self.compression, small=method != TILES)
        kind: Any = type(vae)
        return kind.decode(vae, latents, *args, **kwargs)


def _check_numbers(decoded: Any) -> None:
    """Raise DecodingError if a decoder returned values that are not numbers, which would become black."""
    video = decoded[0] if isinstance(decoded, tuple) else decoded.sample
    if not bool(torch.isfinite(video).all()):
        raise DecodingError("the decoder of the model computed values that are not numbers")


def _decoder_output(video: Tensor, kwargs: dict[str, Any]) -> Any:
    """A video as `decode` of an autoencoder returns it."""
    from diffusers.models.autoencoders.vae import DecoderOutput

    return DecoderOutput(sample=video) if kwargs.get("return_dict", True) else (video,)


def enable_tiles(vae: Any, latents: Tensor, compression: int, *, small: bool = False) -> None:
    """Have an autoencoder work in tiles that overlap by a quarter.

    Args:
        latents: what will be decoded, [..., height, width]; the tiles are smaller than that.
        compression: pixels per latent position along a side.
        small: whether the tiles are half as large, and few frames are decoded at a time.
    """
    maximum = min(max(latents.shape[-2:]) // 2, TILE_SIDE // compression)
    side = max(MIN_TILE, maximum // (2 if small else 1) // MIN_TILE * MIN_TILE)
    stride = side * 3 // 4
    # Each class of autoencoder has some of these attributes.
    attributes = {
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
        attributes["use_framewise_decoding"] = True
    for name, value in attributes.items():
        if hasattr(vae, name):
            setattr(vae, name, value)


def device_failed(error: BaseException) -> bool:
    """Whether an error is one of an accelerator that reports it for everything that follows."""
    return any(phrase in str(error) for phrase in ("CUDA error:", "HIP error:")) and not out_of_memory(error)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that there was not enough memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    phrases = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    message = str(error).lower()
    return isinstance(error, RuntimeError) and any(phrase in message for phrase in phrases)
