"""What a request gives the network beside words, as tensors: pictures, footage, a mask, a path, a camera."""

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
from hinode.errors import BadInput
from hinode.media import references
from hinode.media.resize import fit_image
from hinode.model import hints
from hinode.model.tokens import SpacetimePatches
from hinode.request import (
    CONTEXT_VIDEO,
    FIRST_FRAME,
    GUIDE_VIDEO,
    KEYFRAME,
    LAST_FRAME,
    MASK,
    Reference,
    Request,
    Size,
    Trajectory,
)

WHITE = 128
"""A mask is drawn anew where it is at least this bright."""


@dataclass(frozen=True)
class Canvas:
    """The clip that will be drawn, before anything is on it.

    Attributes:
        frames: that are drawn.
        kept: how many of them are shown.
        fps: frames per second.
        size: width and height in pixels.
        tokenizer: cuts it into patches.
    """

    frames: int
    kept: int
    fps: float
    size: Size
    tokenizer: SpacetimePatches

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Latent frames, rows and columns."""
        width, height = self.size
        side = self.tokenizer.size
        return self.tokenizer.latent_frames(self.frames), height // side, width // side

    def given(self, request: Request) -> Tensor | None:
        """What the request gives, as clean latents [1, Tl, h, w, C] with NaN where the network draws; None if
        nothing is given.

        Raises:
            BadInput: a file cannot be read, or two things are given for one moment.
        """
        roles = (FIRST_FRAME, LAST_FRAME, KEYFRAME, CONTEXT_VIDEO)
        wanted = [one for one in request.references if one.role in roles]
        if not wanted:
            return None
        video = torch.full((self.frames, 3, self.size[1], self.size[0]), torch.nan)
        drawn_anew = self._mask(request)
        for reference in wanted:
            last = reference.role == LAST_FRAME
            start = self.kept - 1 if last else min(round(reference.at * self.fps), self.kept - 1)
            for index, frame in enumerate(self._pictures(reference), start):
                if index >= self.frames:
                    break
                if not video[index].isnan().all():
                    raise BadInput(
                        f"two things are given for the moment {index / self.fps:g} s",
                        "give each moment once",
                        field=reference.role,
                    )
                video[index] = _values(frame)
        video.masked_fill_(drawn_anew, torch.nan)
        return self.tokenizer.encode(video[None])

    def guide(self, request: Request) -> Tensor | None:
        """Footage to draw over, as clean latents [1, Tl, h, w, C]; its last frame is held to the end."""
        reference = next((one for one in request.references if one.role == GUIDE_VIDEO), None)
        if reference is None:
            return None
        frames = [_values(frame) for frame in islice(self._pictures(reference), self.frames)]
        frames += frames[-1:] * (self.frames - len(frames))
        return self.tokenizer.encode(torch.stack(frames)[None])

    def path(self, request: Request) -> Tensor:
        """Where the request says that the subject is, [T, 2] in fractions of the width and height; NaN if it
        does not."""
        return _followed(request.path, np.arange(self.frames) / self.fps)

    def camera(self, request: Request) -> Tensor:
        """The camera that the request tells in numbers, [T, 2]: how far it has panned to the right since the
        first frame, in short sides, and the logarithm of how far it has zoomed in; NaN if it tells none."""
        camera = _followed(request.camera, np.arange(self.frames) / self.fps)
        camera[:, 1] = camera[:, 1].log()
        return camera - camera[:1]

    def motion(self, request: Request, paths: Tensor) -> Tensor:
        """Paths [K, T, 2] as of `path`, each with the camera of the request, as `hints.draw_motion` has them:
        [K, Tl, h, w, f + 3]."""
        _, rows, columns = self.latent_shape
        camera = self.camera(request).expand(len(paths), -1, -1)
        return hints.draw_motion(paths, camera, rows, columns, self.tokenizer.frames)

    def _mask(self, request: Request) -> Tensor:
        """Where footage is drawn anew from the moment of the mask on, bool, broadcastable to [T, 3, H, W];
        whole patches of a frame."""
        reference = next((one for one in request.references if one.role == MASK), None)
        if reference is None:
            return torch.zeros(1, 1, 1, 1, dtype=torch.bool)
        frames = [frame.max(-1) >= WHITE for frame in islice(self._pictures(reference), self.frames)]
        frames += frames[-1:] * (self.frames - len(frames))
        side = self.tokenizer.size
        masks = torch.from_numpy(np.stack(frames[: self.frames]))
        count, height, width = masks.shape
        patches = masks.view(count, height // side, side, width // side, side).any(-1).any(2)
        start = min(round(reference.at * self.fps), self.frames)
        patches = torch.cat((torch.zeros_like(patches[:start]), patches[: self.frames - start]))
        return patches.repeat_interleave(side, 1).repeat_interleave(side, 2)[:, None]

    def _pictures(self, reference: Reference) -> Iterator[Frames]:
        """The frames of a reference at this canvas's rate and size: one for a picture."""
        if reference.still:
            yield np.asarray(fit_image(references.picture(reference), self.size))
            return
        for frame in references.iter_frames(reference, Fraction(str(self.fps)).limit_denominator(1001)):
            yield np.asarray(fit_image(Image.fromarray(frame), self.size))


def _values(frame: Frames) -> Tensor:
    return torch.from_numpy(np.array(frame)).permute(2, 0, 1).float() / 127.5 - 1


def _followed(track: Trajectory, moments: npt.NDArray[np.float64]) -> Tensor:
    """A track at some moments, [T, 2]; NaN without one."""
    if not track:
        return torch.full((len(moments), 2), math.nan)
    when, *values = zip(*track, strict=True)
    return torch.from_numpy(np.stack([np.interp(moments, when, value) for value in values], -1)).float()
