"""What a request gives the network beside words, as tensors: pictures, videos, a mask, a path, a camera."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from hinode.clip import Frames
from hinode.engines.native.catalog import CONTEXT_REFERENCES
from hinode.errors import BadInput
from hinode.media import references
from hinode.media.resize import fit_image
from hinode.model import controls
from hinode.model.tokens import SpacetimePatches
from hinode.request import GUIDE_VIDEO, LAST_FRAME, MASK, Reference, Request, Size, Trajectory

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
    tokenizer: SpacetimePatches

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Latent frames, rows and columns."""
        width, height = self.size
        side = self.tokenizer.size
        return self.tokenizer.latent_frames(self.frames), height // side, width // side

    def context(self, request: Request) -> Tensor:
        """The frames that a request fixes, as clean latents [1, Tl, h, w, C] with NaN where the network
        draws.

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
        video.masked_fill_(self._mask(request), torch.nan)
        return self.tokenizer.encode(video[None])

    def guide(self, request: Request) -> Tensor | None:
        """The video that the clip starts from, as clean latents [1, Tl, h, w, C], or None."""
        reference = request.reference(GUIDE_VIDEO)
        if reference is None:
            return None
        return self.tokenizer.encode(torch.stack([_values(frame) for frame in self._frames(reference)])[None])

    def path(self, request: Request) -> Tensor:
        """The path of the subject, [T, 2] in fractions of the width and height; NaN without one."""
        return _interpolated(request.path, np.arange(self.frames) / self.fps)

    def camera(self, request: Request) -> Tensor:
        """The camera in numbers, [T, 2]: pan to the right since the first frame in short sides, and the
        logarithm of the zoom since then; NaN without one."""
        camera = _interpolated(request.camera, np.arange(self.frames) / self.fps)
        camera[:, 1] = camera[:, 1].log()
        return camera - camera[:1]

    def motion(self, request: Request, paths: Tensor) -> Tensor:
        """Paths [K, T, 2], each with the camera of the request, [K, Tl, h, w, f + 3]; see
        `controls.encode_motion`."""
        _, rows, columns = self.latent_shape
        camera = self.camera(request).expand(len(paths), -1, -1)
        return controls.encode_motion(paths, camera, rows, columns, self.tokenizer.frames)

    def _mask(self, request: Request) -> Tensor:
        """Pixels of the context that are drawn again, bool, broadcastable to [T, 3, H, W]; whole patches of a
        frame."""
        reference = request.reference(MASK)
        if reference is None:
            return torch.zeros(1, 1, 1, 1, dtype=torch.bool)
        side = self.tokenizer.size
        masks = torch.from_numpy(np.stack([frame.max(-1) >= WHITE for frame in self._frames(reference)]))
        count, height, width = masks.shape
        patches = masks.view(count, height // side, side, width // side, side).any(-1).any(2)
        start = min(round(reference.at * self.fps), self.frames)  # nothing is drawn again before it
        patches = torch.cat((torch.zeros_like(patches[:start]), patches[: self.frames - start]))
        return patches.repeat_interleave(side, 1).repeat_interleave(side, 2)[:, None]

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


def _interpolated(track: Trajectory, moments: npt.NDArray[np.float64]) -> Tensor:
    """The values of a track at some moments, [T, 2]; NaN without a track."""
    if not track:
        return torch.full((len(moments), 2), math.nan)
    when, *values = zip(*track, strict=True)
    return torch.from_numpy(np.stack([np.interp(moments, when, value) for value in values], -1)).float()
