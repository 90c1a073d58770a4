"""Sampling of the drawing network: from noise and a plan to a clip, one step at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hinode.model.drawing import Drawer, PlanTensors


@dataclass(frozen=True)
class DrawingSchedule:
    """`steps` from noise to clip; `shift` above 1 spends more of them at high noise; `first`: the level at
    which the first one starts, since pure noise is hardly ever trained."""

    steps: int = 8
    shift: float = 2.5
    first: float = 0.01

    def levels(self) -> list[float]:
        """Noise levels from the first step to 1, steps + 1 of them."""
        noise = torch.linspace(1, 0, self.steps + 1, dtype=torch.float64)
        levels = 1 - self.shift * noise / (1 + (self.shift - 1) * noise)
        return levels.clamp(min=self.first).tolist()


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
        NaN where the network draws; what is there stays as it is. state: continue from here."""
        self.network, self.plan = network, plan
        self.levels = schedule.levels()
        self.noise = network.config.noise_scale * noise.float()
        self.mask = None if context is None else ~context.isnan()
        self.context = context
        self.state = state or DrawingState(self.noise)

    def _with_context(self, frames: Tensor, level: float) -> Tensor:
        """Frames at a noise level with the known pixels put in, as noisy as the rest."""
        if self.mask is None or self.context is None:
            return frames
        return torch.where(self.mask, level * self.context + (1 - level) * self.noise, frames)

    @torch.inference_mode()
    def __next__(self) -> DrawingState:
        """Take one step. StopIteration after the last; `state.frames` is then the clip in -1..1."""
        step = self.state.step
        if step + 1 == len(self.levels):
            raise StopIteration
        t, following = self.levels[step : step + 2]
        z = self._with_context(self.state.frames, t)
        latent_frames = 1 + (z.shape[1] - 1) // self.network.config.span
        clean = self.network(z, torch.full((len(z), latent_frames), t, device=z.device), self.plan)
        z = self._with_context(z + (following - t) * (clean - z) / (1 - t), following)
        self.state = DrawingState(z, step + 1)
        return self.state


def draw(network: Drawer, plan: PlanTensors, noise: Tensor, schedule: DrawingSchedule) -> Tensor:
    """Clips of plans, uint8 [B, T, 3, H, W]; see `DrawingSampler`."""
    sampler = DrawingSampler(network, plan, noise, schedule)
    for _ in sampler:
        pass
    return sampler.state.frames.add(1).mul(127.5).round().clamp(0, 255).byte()
