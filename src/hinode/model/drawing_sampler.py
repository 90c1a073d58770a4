"""Sampling of the drawing network: from noise and a plan to a clip, one step at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hinode.model.drawing import Drawer, LandFeatures
from hinode.model.drawing_schedule import DrawingSchedule
from hinode.model.land import hush
from hinode.model.plan_tensors import PlanTensors


@dataclass(frozen=True)
class DrawingState:
    """A run between two steps: frames float32 [B, T, 3, H, W], and how many steps were taken."""

    frames: Tensor
    step: int = 0


class DrawingSampler(Iterator[DrawingState]):
    """Draws clips of plans. Nothing is random after the first noise, so a run that continues from a saved
    `state` gives the same bits as an uninterrupted one."""

    def __init__(
        self,
        network: Drawer,
        plan: PlanTensors,
        noise: Tensor,
        schedule: DrawingSchedule,
        *,
        context: Tensor | None = None,
        state: DrawingState | None = None,
    ) -> None:
        """noise: standard normal [B, T, 3, H, W], T = 1 + span * k. context: frames in -1..1 of that shape,
        NaN where the network draws; what is there enters clean and stays as it is. state: continue from
        here."""
        self.network, self.plan = network, plan
        self.levels, self.schedule = schedule.levels(), schedule
        land = None if plan.land is None else hush(plan.land)
        self.silent = replace(plan, facts=torch.full_like(plan.facts, -1), land=land)
        self.noise = network.config.noise_scale * noise.float()
        self.context = context
        self.context_mask = None if context is None else (~context.isnan()).all(2, keepdim=True).float()
        self._lands: dict[bool, LandFeatures] = {}  # of the plan, and of the silent one
        self.state = state or DrawingState(self._with_context(self.noise))

    def _with_context(self, frames: Tensor) -> Tensor:
        """Frames with the known pixels put in."""
        if self.context_mask is None or self.context is None:
            return frames
        return torch.where(self.context_mask > 0, self.context, frames)

    @torch.inference_mode()
    def __next__(self) -> DrawingState:
        """Take one step. StopIteration after the last; `state.frames` is then the clip in -1..1."""
        step = self.state.step
        if step + 1 == len(self.levels):
            raise StopIteration
        t, following = self.levels[step : step + 2]
        z = self.state.frames
        latent_frames = 1 + (z.shape[1] - 1) // self.network.config.span
        level = torch.full((len(z), latent_frames), t, device=z.device)
        clean = self._predict(z, level, silent=False)
        if self.schedule.guidance != 1 and step + 2 == len(self.levels):
            without = self._predict(z, level, silent=True)
            clean = without + self.schedule.guidance * (clean - without)
        z = self._with_context(z + (following - t) * (clean - z) / (1 - t))
        self.state = DrawingState(z, step + 1)
        return self.state

    def _predict(self, z: Tensor, level: Tensor, *, silent: bool) -> Tensor:
        plan = self.silent if silent else self.plan
        if self.network.config.land and silent not in self._lands:
            self._lands[silent] = self.network.read_land(plan, z.shape)
        clean: Tensor = self.network(z, level, plan, self.context_mask, self._lands.get(silent))
        return clean


def draw(network: Drawer, plan: PlanTensors, noise: Tensor, schedule: DrawingSchedule) -> Tensor:
    """Clips of plans, uint8 [B, T, 3, H, W]; see `DrawingSampler`."""
    sampler = DrawingSampler(network, plan, noise, schedule)
    for _ in sampler:
        pass
    return sampler.state.frames.add(1).mul(127.5).round().clamp(0, 255).byte()
