"""A training run from its start to its end: it may be stopped at any time and continues where it was."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path
from typing import Any

import torch

from hinode.errors import BadInput
from hinode.training import data
from hinode.training.distributed.parallel import join_team
from hinode.training.loop import Journal, iterate_steps, stop_on_signal
from hinode.training.recipes import RECIPES, Recipe
from hinode.training.trainer import MODEL_FILE, Trainer

LOG_FILE = "log.jsonl"


def train(
    recipe: Recipe | str,
    out: Path | str,
    *,
    start: Path | None = None,
    minutes: float | None = None,
    resume: bool = True,
    device: torch.device | str | None = None,
    threads: int | None = None,
    shard: bool = False,
) -> Path:
    """Train a recipe (or the one of that name) into the folder `out`; returns the path of the exported model.

    The folder gets model.safetensors (the latest averaged weights), state.pt and log.jsonl.

    `start`: weights to start with, of the same recipe; their minutes count. `minutes`: length of the whole
    run, earlier starts included; by default the recipe's. A resumed run may be given more, since its schedule
    is a function of elapsed / minutes. `shard`: each process of a `torchrun` keeps only its part of the
    weights. BadInput: the recipe is unknown, the processes cannot share it, or `start` had all these minutes.
    ModelError: the saved state or `start` does not fit the recipe.
    """
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            remedy = f"choose one of {', '.join(RECIPES)}"
            raise BadInput(f"there is no recipe called {recipe}", remedy, field="recipe")
        recipe = RECIPES[recipe]()
    if minutes is not None:
        recipe = dataclasses.replace(recipe, minutes=minutes)
    if threads is not None:
        torch.set_num_threads(threads)
    device = choose_device(device)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with join_team(device, shard=shard) as team, stop_on_signal() as stop:
        run(Trainer(recipe, out, device, team), stop, start=start, resume=resume)
    return out / MODEL_FILE


def choose_device(device: torch.device | str | None) -> torch.device:
    """The device that is named, else a GPU if there is one, else the CPU."""
    return torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def run(trainer: Trainer, stop: threading.Event, *, start: Path | None = None, resume: bool) -> None:
    """Train until the time of the recipe is over or `stop` is set; log, save and export meanwhile."""
    recipe, team = trainer.recipe, trainer.team
    resumed = resume and trainer.restore()
    event: dict[str, Any] = {"event": "resume" if resumed else "start"}
    if start is not None and not resumed:
        trainer.start_from(start)
        minutes = trainer.progress.elapsed / 60
        if minutes >= recipe.minutes:
            message = f"{start.name} had {minutes:g} minutes of training, and the whole run takes"
            raise BadInput(f"{message} {recipe.minutes:g}", "give more", field="minutes")
        event["begins_as"] = start.stem
    event |= {
        "recipe": recipe.name,
        "minutes": recipe.minutes,
        "parameters": trainer.model.parameters_count(),
        "dtype": str(trainer.model.compute).removeprefix("torch."),
        "device": str(trainer.device),
        "processes": team.size,
        "sharded": team.sharded,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    journal = Journal(trainer.out / LOG_FILE, recipe, trainer.device, team, trainer.progress, new=not resumed)
    with journal.bar:
        journal.note(event)
        _run_steps(trainer, journal, stop)


def _run_steps(trainer: Trainer, journal: Journal, stop: threading.Event) -> None:
    recipe, progress, device, team = trainer.recipe, trainer.progress, trainer.device, trainer.team
    budget = recipe.minutes * 60
    rate = 0.0

    def fraction() -> float:
        return min(1.0, progress.elapsed / budget)

    ahead, multiple = 8 if device.type == "cuda" and team.size == 1 else 0, 16 if recipe.compile else 8
    batches = data.iterate_batches(
        recipe, progress.step, fraction, trainer.vocabulary, ahead=ahead, multiple=multiple
    )
    tasks = (
        (recipe.log_seconds, lambda: journal.report(rate, fraction())),
        (recipe.save_minutes * 60, trainer.save),
        (recipe.validate_minutes * 60, lambda: journal.note({"event": "export", **trainer.export()})),
    )

    def unfinished() -> bool:
        return progress.elapsed < budget

    try:
        # All that hangs on the clock is done by all processes together, so they agree on one.
        for _ in iterate_steps(unfinished, progress, tasks=tasks, stop=stop, agree=team.agree):
            batch = next(batches)
            start = time.monotonic()
            video = data.render_batch(team.share(batch), device)
            render_seconds = time.monotonic() - start
            rate = recipe.rate(progress.step - progress.begun, fraction())
            loss, norm = trainer.learn(batch, video, rate)
            journal.add_step(loss, norm, render_seconds=render_seconds)
    finally:
        batches.close()
    trainer.save()
    journal.note({"event": "stopped" if unfinished() else "done", **trainer.export()})
