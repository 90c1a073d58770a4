"""Scene plans as the drawing network reads them, frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hinode.model.land import COORDINATES

PANS = (1, 2)  # numbers of the moves that a mirror exchanges: to the left and to the right


@dataclass(frozen=True)
class PlanTensors:
    """A batch of plans at every frame. `facts` [B, 4]: numbers of place, time, weather, camera move; -1 where
    one is not said. `camera` [B, T, 4]: shift x and y of the nearest layer in short sides, logarithms of its
    scale and of the zoom. `kinds`, `colors` [B, S]: -1 where there is no subject. `tracks` [B, S, T, 6]: x
    and y from the middle of the frame and half the size in short sides, tilt in radians, facing, beat.
    `land`: uint8 [B, T, CHANNELS, H, W] of `model.land`, the layout of the land at every pixel; None where
    no plan says it."""

    facts: Tensor
    camera: Tensor
    kinds: Tensor
    colors: Tensor
    tracks: Tensor
    land: Tensor | None = None

    def __getitem__(self, rows: Tensor | slice) -> PlanTensors:
        return self._each(lambda value: value[rows])

    def part(self, row: int, first: int, frames: int) -> PlanTensors:
        """Some frames of one plan, a batch of one."""
        rows, when = slice(row, row + 1), slice(first, first + frames)
        land = None if self.land is None else self.land[rows, when]
        return PlanTensors(self.facts[rows], self.camera[rows, when], self.kinds[rows], self.colors[rows],
                           self.tracks[rows, :, when], land)  # fmt: skip

    def mirrored(self) -> PlanTensors:
        """The plans of frames that are mirrored left to right. The camera's move is told by its shift, and
        its name, which a mirror may change, is that of the mirrored one."""
        sign = torch.tensor([-1.0, 1.0, 1.0, -1.0, -1.0, 1.0], device=self.tracks.device)
        facts = self.facts.clone()
        move = self.facts[:, 3]
        facts[:, 3] = torch.where(move == PANS[0], PANS[1], torch.where(move == PANS[1], PANS[0], move))
        shift = torch.tensor([-1.0, 1.0, 1.0, 1.0], device=self.camera.device)
        land = self.land
        if land is not None:  # u of a cut-out runs the other way
            land = land.flip(-1).clone()
            land[:, :, COORDINATES] = 255 - land[:, :, COORDINATES]
        return PlanTensors(facts, self.camera * shift, self.kinds, self.colors, self.tracks * sign, land)

    def to(self, device: torch.device) -> PlanTensors:
        """The same on a device."""
        return self._each(lambda value: value.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> PlanTensors:
        land = None if self.land is None else change(self.land)
        values = (change(value) for value in (self.facts, self.camera, self.kinds, self.colors, self.tracks))
        facts, camera, kinds, colors, tracks = values
        return PlanTensors(facts, camera, kinds, colors, tracks, land)


def own_coordinates(tracks: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Places (`x` [w], `y` [h], short sides from the middle) in the coordinates of subjects, in halves of
    their size, upright and facing right: two of [..., h, w] for tracks [..., 6]."""
    x0, y0, half, tilt, facing, _ = (tracks[..., k, None, None] for k in range(6))
    dx, dy = (x - x0) / half, (y[:, None] - y0) / half
    cos, sin = tilt.cos(), tilt.sin()
    return (cos * dx + sin * dy) / facing, cos * dy - sin * dx
