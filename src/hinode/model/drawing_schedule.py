"""Noise levels of a drawing, step by step. It needs no torch, so that a quote can count the work with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DrawingSchedule:
    """`steps` from noise to clip; `shift` above 1 spends more of them at high noise; `first`: the level at
    which the first one starts, since pure noise is hardly ever trained. `guidance` above 1 leads away from
    what the network draws without the facts and the land of the plan; the last step then takes a second pass.
    Before the last step it changed nothing that was measured."""

    steps: int = 8
    shift: float = 2.5
    first: float = 0.01
    guidance: float = 1.0

    def levels(self) -> list[float]:
        """Noise levels from the first step to 1, steps + 1 of them."""
        noise = [1 - step / self.steps for step in range(self.steps + 1)]
        return [max(self.first, 1 - self.shift * part / (1 + (self.shift - 1) * part)) for part in noise]

    def first_step(self, strength: float) -> int:
        """The step at which a clip begins that goes so far from its guide, 0 to 1."""
        levels = self.levels()
        return min(range(len(levels)), key=lambda step: abs(levels[step] - (1 - strength)))

    def passes(self, first_step: int = 0) -> int:
        """Passes of the network from a step on."""
        return self.steps - first_step + (self.guidance != 1)
