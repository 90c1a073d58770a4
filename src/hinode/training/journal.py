"""The log of a training run: one JSON line every few seconds, and a progress bar on a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hinode.model.flow import Loss
from hinode.progress import progress_bar
from hinode.training.distributed.parallel import Team
from hinode.training.loop import Progress, log_line
from hinode.training.recipes import Recipe

LEVEL_EDGES = (0.2, 0.35, 0.55)  # four bins of the noise level
SMOOTHING = 0.98  # of the reported loss, per step


class Journal:
    """Collects the numbers of each step without waiting for the device, and reports them now and then."""

    def __init__(
        self, path: Path, recipe: Recipe, device: torch.device, team: Team, progress: Progress, *, new: bool
    ) -> None:
        """`device`: where the numbers of a step are. `new`: whether to remove the lines of an earlier run."""
        self.path, self.recipe, self.team, self.progress = path, recipe, team, progress
        if new and team.is_main:
            path.unlink(missing_ok=True)
        self.bar = progress_bar(unit="share", keep=True, show=team.is_main)
        self.task = self.bar.add_task(recipe.name, total=1.0)
        self.edges = torch.tensor(LEVEL_EDGES, device=device)
        self.sums = torch.zeros(2, len(LEVEL_EDGES) + 1, device=device)  # errors and counts per bin
        self.loss: Tensor | None = None
        self.norm = torch.zeros((), device=device)
        self.render_seconds = 0.0
        self.reported_at = progress.elapsed
        self.before: tuple[int, int, float] | None = None  # steps, samples and FLOPs at the last report

    def add_step(self, loss: Loss, norm: Tensor, *, render_seconds: float) -> None:
        """Add the numbers of one step; nothing here waits for the device."""
        value = loss.value.detach()
        self.loss = value if self.loss is None else self.loss.lerp(value, 1 - SMOOTHING)
        self.norm = norm
        self.render_seconds += render_seconds
        counted = (loss.levels < 1).flatten()
        bins = torch.bucketize(loss.levels.flatten(), self.edges)
        self.sums[0].index_add_(0, bins, loss.errors.flatten() * counted)
        self.sums[1].index_add_(0, bins, counted.float())

    def report(self, rate: float, fraction: float) -> None:
        """Write one line on everything since the last report, over all processes; they all must call it."""
        progress = self.progress
        loss = float(self.loss) if self.loss is not None else float("nan")  # waits for the device
        seconds = progress.elapsed - self.reported_at
        errors, counts = self.team.sum(self.sums).tolist()
        line: dict[str, Any] = {
            "step": progress.step,
            "elapsed": round(progress.elapsed, 1),
            "fraction": round(fraction, 4),
            "lr": round(rate, 7),
            "loss": round(loss, 5),
            "loss_by_level": [round(e / c, 5) if c else None for e, c in zip(errors, counts, strict=True)],
            "grad_norm": round(float(self.norm), 4),
            "clips": progress.clips,
            "images": progress.images,
            "render_share": round(self.render_seconds / seconds, 3),
        }
        samples = progress.clips + progress.images
        if self.before is not None:
            step, earlier, flops = self.before
            line["steps_per_s"] = round((progress.step - step) / seconds, 3)
            line["samples_per_s"] = round((samples - earlier) / seconds, 2)
            line["gflops_per_s"] = round((progress.flops - flops) / seconds / 1e9, 1)
        self.note(line)
        description = f"{self.recipe.name}  step {progress.step}  loss {loss:.4f}"
        self.bar.update(self.task, completed=fraction, description=description)
        self.before = progress.step, samples, progress.flops
        self.reported_at, self.render_seconds = progress.elapsed, 0.0
        self.sums.zero_()

    def note(self, line: dict[str, Any]) -> None:
        """Append one line to the log; without a terminal, print it as well."""
        if self.team.is_main:
            log_line(self.path, line, echo=not self.bar.console.is_terminal)
