"""What a run tells about itself: one JSON line every few seconds in a file, and a progress bar for a
person."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from hinode.model.flow import Loss
from hinode.training.distributed.parallel import Team
from hinode.training.recipes import Recipe

if TYPE_CHECKING:
    from hinode.training.trainer import Progress as RunProgress

LEVEL_EDGES = (0.2, 0.35, 0.55)  # four bins of the noise level
SMOOTHING = 0.98  # of the reported loss, per step


class Journal:
    """Collects the numbers of each step without waiting for the device, and reports them now and then."""

    def __init__(
        self, path: Path, recipe: Recipe, device: torch.device, team: Team, began: float, *, fresh: bool
    ) -> None:
        """began: seconds of training before now. fresh: whether to forget what the file tells."""
        self.path, self.recipe, self.device, self.team = path, recipe, device, team
        if fresh and team.leads:
            path.unlink(missing_ok=True)
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn(f"[bold]{recipe.name}"),
            BarColumn(),
            TextColumn("{task.percentage:>5.1f}%  {task.description}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not team.leads or not self.console.is_terminal,
        )
        self.task = self.bar.add_task("starting", total=1.0)
        self.edges = torch.tensor(LEVEL_EDGES, device=device)
        self.smooth: Tensor | None = None
        self.norm = torch.zeros((), device=device)
        self._reset(began, None)

    def __enter__(self) -> Journal:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def _reset(self, now: float, progress: RunProgress | None) -> None:
        self.since = now
        self.before = (progress.step, progress.clips + progress.images, progress.flops) if progress else None
        self.render_seconds = 0.0
        self.sums = torch.zeros(2, len(LEVEL_EDGES) + 1, device=self.device)  # errors and counts per bin

    def step(self, result: Loss, norm: Tensor, *, render_seconds: float) -> None:
        """Take in one step; nothing here waits for the device."""
        value = result.value.detach()
        self.smooth = value if self.smooth is None else self.smooth.lerp(value, 1 - SMOOTHING)
        self.norm = norm
        self.render_seconds += render_seconds
        counted = (result.levels < 1).flatten()
        bins = torch.bucketize(result.levels.flatten(), self.edges)
        self.sums[0].index_add_(0, bins, result.errors.flatten() * counted)
        self.sums[1].index_add_(0, bins, counted.float())

    def due(self, now: float) -> bool:
        """Whether it is time for a report, by seconds of training."""
        return now - self.since >= self.recipe.log_seconds

    def report(self, progress: RunProgress, rate: float, fraction: float) -> None:
        """Write one line on everything since the last report, over all processes; they all must call it."""
        smooth = float(self.smooth) if self.smooth is not None else float("nan")  # waits for the device
        now = progress.elapsed
        seconds = now - self.since
        errors, counts = self.team.add(self.sums).tolist()
        line: dict[str, Any] = {
            "step": progress.step,
            "elapsed": round(progress.elapsed, 1),
            "fraction": round(fraction, 4),
            "lr": round(rate, 7),
            "loss": round(smooth, 5),
            "loss_by_level": [round(e / c, 5) if c else None for e, c in zip(errors, counts, strict=True)],
            "grad_norm": round(float(self.norm), 4),
            "clips": progress.clips,
            "images": progress.images,
            "render_share": round(self.render_seconds / seconds, 3),
        }
        if self.before is not None:
            step, samples, flops = self.before
            line["steps_per_s"] = round((progress.step - step) / seconds, 3)
            line["samples_per_s"] = round((progress.clips + progress.images - samples) / seconds, 2)
            line["gflops_per_s"] = round((progress.flops - flops) / seconds / 1e9, 1)
        self.note(line)
        self.bar.update(self.task, completed=fraction, description=f"step {progress.step}  loss {smooth:.4f}")
        self._reset(now, progress)

    def note(self, line: dict[str, Any]) -> None:
        """Append one line to the log; without a terminal, print it as well."""
        if not self.team.leads:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if not self.console.is_terminal:
            print(json.dumps(line), flush=True)
