"""The pictures, the videos and the mask of a request as tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hinode.clip import Frames
from hinode.engines.native.catalog import CONTEXT_REFERENCES
from hinode.errors import BadInput
from hinode.media.reading import references
from hinode.media.resize import fit_image
from hinode.request import GUIDE_VIDEO, LAST_FRAME, MASK, Reference, Request, Size

WHITE = 128
"""A mask is white, and its pixels are drawn again, from this brightness on."""


@dataclass(frozen=True)
class Canvas:
    """The frames that will be drawn.

    Attributes:
        frames: how many are drawn.
        clip_frames: how many of them become the clip.
    """

    frames: int
    clip_frames: int
    fps: float
    size: Size

    def context_frames(self, request: Request) -> Tensor:
        """The frames that a request fixes, [T, 3, H, W] in -1..1 with NaN where the network draws.

        Raises:
            BadInput: a file cannot be read, or two references are for one moment.
        """
        video = torch.full((self.frames, 3, self.size[1], self.size[0]), torch.nan)
        for reference in request.references:
            if reference.role not in CONTEXT_REFERENCES:
                continue
            last = self.clip_frames - 1
            start = last if reference.role == LAST_FRAME else min(round(reference.at * self.fps), last)
            for index, frame in enumerate(self._pictures(reference), start):
                if index >= self.frames:
                    break
                if not video[index].isnan().all():
                    message = f"two references are for the moment {index / self.fps:g} s"
                    raise BadInput(message, "give one for each moment", field=reference.role)
                video[index] = _values(frame)
        return video.masked_fill_(self._mask(request), torch.nan)

    def guide_frames(self, request: Request) -> Tensor | None:
        """The video that the clip starts from, [T, 3, H, W] in -1..1, or None."""
        reference = request.reference(GUIDE_VIDEO)
        if reference is None:
            return None
        return torch.stack([_values(frame) for frame in self._frames(reference)])

    def _mask(self, request: Request) -> Tensor:
        """Pixels of the context that are drawn again, bool, broadcastable to [T, 3, H, W]."""
        reference = request.reference(MASK)
        if reference is None:
            return torch.zeros(1, 1, 1, 1, dtype=torch.bool)
        masks = torch.from_numpy(np.stack([frame.max(-1) >= WHITE for frame in self._frames(reference)]))
        start = min(round(reference.at * self.fps), self.frames)  # nothing is drawn again before it
        return torch.cat((torch.zeros_like(masks[:start]), masks[: self.frames - start]))[:, None]

    def _frames(self, reference: Reference) -> list[Frames]:
        """A frame of a reference for each one of the canvas; its last is repeated to the end."""
        frames = list(islice(self._pictures(reference), self.frames))
        return frames + frames[-1:] * (self.frames - len(frames))

    def _pictures(self, reference: Reference) -> Iterator[Frames]:
        """The frames of a reference at the rate and size of the canvas: one for a picture."""
        if reference.still:
            yield np.asarray(fit_image(references.picture(reference), self.size))
            return
        for frame in references.iter_frames(reference, Fraction(str(self.fps)).limit_denominator(1001)):
            yield np.asarray(fit_image(Image.fromarray(frame), self.size))


def _values(frame: Frames) -> Tensor:
    """uint8 [H, W, 3] -> float32 [3, H, W] in -1..1."""
    return torch.from_numpy(np.array(frame)).permute(2, 0, 1).float() / 127.5 - 1


def to_frames(video: Tensor) -> Frames:
    """Video [B, T, 3, H, W] in -1..1 -> uint8 [B, T, H, W, 3]."""
    levels = ((video + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    frames: Frames = np.ascontiguousarray(levels.permute(0, 1, 3, 4, 2).cpu().numpy())
    return frames
