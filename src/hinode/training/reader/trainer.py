"""Train the reader on clips that it draws itself, each as its keys, while it learns from earlier ones."""

from __future__ import annotations

import dataclasses
import json
import random
from collections import deque
from pathlib import Path
from typing import Any

import torch

from hinode.model.layers import compute_type
from hinode.model.reader import Reader, ReaderConfig
from hinode.progress import progress_bar
from hinode.training import loop
from hinode.training.drawing.store import CHUNK
from hinode.training.reader.clips import KeyClip, draw_clip, read_clips
from hinode.training.reader.losses import camera_losses, frame_losses
from hinode.world.book.priors import COLORS, KINDS, PLACES
from hinode.world.book.scene import CAMERAS, TIMES, WEATHERS

POOL, FIRST, EVERY = 2400, 200, 2
"""Clips in memory, and before the first step; steps from new clips to new clips."""
CLIPS = 32  # of a step, for the camera
RATE, WARM_UP, WEIGHT_DECAY = 3e-3, 40, 0.02
AVERAGE = 0.99  # largest decay of the moving average
SAVE_SECONDS, LOG_SECONDS, SEED = 120.0, 30.0, 1
STATE_FILE, LOG_FILE, MODEL_FILE = "state.pt", "log.jsonl", "reader.safetensors"


def config() -> ReaderConfig:
    """The sizes of the shipped reader."""
    return ReaderConfig(len(KINDS), len(COLORS), (len(PLACES), len(TIMES), len(WEATHERS)), len(CAMERAS))


def train_reader(out: Path, *, minutes: float = 60.0, threads: int = 1, resume: bool = True) -> Path:
    """Train the reader and write `out`/reader.safetensors; returns its path.

    It may be stopped at any time, and with `resume` it continues from its last state, two minutes old at
    most. `minutes`: length of the whole run, earlier starts included. Clips that `hinode train drawing-nano`
    drew are read from `out`/clips if there are some, which saves an hour of drawing.
    """
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    run = _Run(out)
    if not (resume and run.restore()):
        (out / LOG_FILE).unlink(missing_ok=True)
    while len(run.pool) < FIRST:
        run.add_clips()
    progress, budget = run.progress, minutes * 60
    with progress_bar(unit="share", keep=True) as bar, loop.stop_on_signal() as stop:
        task = bar.add_task("reader", total=budget)

        def report() -> None:
            line = {"step": progress.step, "elapsed": round(progress.elapsed, 1), "clips": progress.clips}
            losses = {name: round(value, 4) for name, value in run.losses.items()}
            loop.log_line(out / LOG_FILE, {**line, **losses}, echo=not bar.console.is_terminal)

        tasks = ((SAVE_SECONDS, run.save), (LOG_SECONDS, report))
        steps = loop.iterate_steps(lambda: progress.elapsed < budget, progress, tasks=tasks, stop=stop)
        for _ in steps:
            if progress.step % EVERY == 0:
                run.add_clips()
            run.learn(loop.cosine_rate(RATE, progress.step, WARM_UP, min(progress.elapsed, budget), budget))
            bar.update(task, completed=progress.elapsed, description=f"reader step {progress.step}")
        report()
    run.save()
    return run.export()


class _Run:
    """The state of a training run."""

    def __init__(self, out: Path) -> None:
        torch.manual_seed(SEED)
        self.out = out
        self.model, self.average = Reader(config()), Reader(config()).requires_grad_(False)
        self.average.load_state_dict(self.model.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY, fused=True
        )
        self.pool: deque[KeyClip] = deque(maxlen=POOL)
        self.chunks = sorted((out / "clips").glob("*.clips"))[-POOL // CHUNK :]
        self.progress, self.losses = loop.Progress(), dict[str, float]()

    def add_clips(self) -> None:
        """Add a chunk of clips to the pool if there is one, else a clip that is drawn now."""
        with torch.no_grad():
            if self.chunks:
                self.pool.extend(read_clips(self.chunks.pop()))
            else:
                self.pool.append(draw_clip(self.progress.clips))
        self.progress.clips += 1

    def learn(self, rate: float) -> None:
        """Take one step on clips of the pool."""
        step, rng = self.progress.step, random.Random(f"reader/{SEED}/step/{self.progress.step}")
        torch.manual_seed(SEED * 1_000_003 + step)
        bf16 = compute_type(torch.device("cpu")) == torch.bfloat16
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            losses = frame_losses(self.model, list(self.pool), rng)
            losses |= camera_losses(self.model, rng.choices(self.pool, k=CLIPS))
        loop.take_step(torch.stack(list(losses.values())).sum(), self.optimiser, rate)
        decay = min(AVERAGE, (1 + step) / (20 + step))
        with torch.no_grad():
            for mean, value in zip(
                self.average.state_dict().values(), self.model.state_dict().values(), strict=True
            ):
                mean.lerp_(value, 1 - decay) if mean.is_floating_point() else mean.copy_(value)
        for name, value in losses.items():
            before = self.losses.get(name, float(value.detach()))
            self.losses[name] = before + 0.03 * (float(value.detach()) - before)
        self.progress.step += 1

    def save(self) -> None:
        """Write everything that `restore` needs; clips are drawn anew."""
        loop.save_state(self.out / STATE_FILE, {
            "progress": dataclasses.asdict(self.progress),
            "losses": self.losses,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        })  # fmt: skip

    def restore(self) -> bool:
        """Continue from the saved state; returns whether there is one."""
        if not (self.out / STATE_FILE).is_file():
            return False
        state: dict[str, Any] = torch.load(self.out / STATE_FILE, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.progress, self.losses = loop.Progress(**state["progress"]), state["losses"]
        return True

    def export(self) -> Path:
        """Write the averaged weights in halves, with sizes and facts in the header."""
        progress = self.progress
        facts = {"steps": progress.step, "minutes": round(progress.elapsed / 60, 1), "clips": progress.clips}
        header = {"config": dataclasses.asdict(self.model.config), "facts": facts}
        weights = {n: v for n, v in self.average.state_dict().items() if v.is_floating_point()}
        path = self.out / MODEL_FILE
        loop.save_weights(path, weights, {"format": "pt", "hinode": json.dumps(header)})
        return path
