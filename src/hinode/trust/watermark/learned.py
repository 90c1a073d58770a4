"""Learned marks, such as those of VideoSeal, behind the interface of our own.

A back end is a TorchScript file that its authors publish; nothing is downloaded and no package is added.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from hinode.clip import Frames
from hinode.errors import BadInput, quote
from hinode.trust.watermark.words import Floats

VIDEOSEAL_BITS = 256
"""Bits of a mark of VideoSeal 1.0 (Meta, MIT)."""


class BackEnd(Protocol):
    """What lays and reads marks of raw bits.

    Attributes:
        bits: of a mark.
    """

    bits: int

    def embed(self, frames: Frames, word: Floats) -> Frames:
        """Marked copies of frames uint8 [T, H, W, 3]; `word` is float32 [bits] of +1 and -1."""
        ...

    def read(self, frames: Frames) -> Floats:
        """Soft values of the bits, float32 [bits], above 0 for +1."""
        ...


class VideoSeal:
    """The network of VideoSeal, from the TorchScript file of its release."""

    bits = VIDEOSEAL_BITS

    def __init__(self, path: Path) -> None:
        """
        Raises:
            BadInput: the file is missing or is no such network.
        """
        if not path.is_file():
            message = f"the network of VideoSeal is missing: there is no file {quote(str(path))}"
            remedy = "download the TorchScript file of VideoSeal 1.0 from its authors and name it"
            raise BadInput(message, remedy, field="watermark")
        import torch

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # its authors publish no other kind
                self._network: Any = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError) as error:
            message = f"{quote(str(path))} is no TorchScript file, or is damaged"
            raise BadInput(message, "download it again", field="watermark") from error
        if not hasattr(self._network, "embed") or not hasattr(self._network, "detect"):
            message = f"{quote(str(path))} holds another network than VideoSeal"
            raise BadInput(message, "name the TorchScript file of VideoSeal 1.0", field="watermark")

    def embed(self, frames: Frames, word: Floats) -> Frames:
        """See `BackEnd.embed`."""
        import torch

        with torch.inference_mode():
            bits = torch.from_numpy((word > 0).astype(np.float32))[None]
            marked = self._network.embed(_pictures(frames), bits, True)
        values = marked.clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1)
        return np.ascontiguousarray(values.numpy())

    def read(self, frames: Frames) -> Floats:
        """See `BackEnd.read`."""
        import torch

        with torch.inference_mode():
            found = self._network.detect(_pictures(frames), True)
        # The first value of each frame says whether there is a mark at all.
        return np.asarray(found[:, 1 : 1 + self.bits].mean(0).numpy(), np.float32)


def _pictures(frames: Frames) -> Any:
    """Frames as the network takes them, float32 [T, 3, H, W] in 0..1."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255
