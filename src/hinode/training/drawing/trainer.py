"""The trainer of the drawing network: images first, then clips; may be stopped at any time and continues."""

from __future__ import annotations

import dataclasses
import json
import random
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hinode.errors import ModelError
from hinode.model.drawing import Drawer, PlanTensors, own_coordinates
from hinode.model.layers import compute_type
from hinode.training.drawing.recipes import RECIPES, DrawingRecipe
from hinode.training.drawing.store import Store
from hinode.training.loop import Progress, iterate_steps, log_line, save_state, set_rate, stop_on_signal
from hinode.training.muon import Muon
from hinode.training.run import choose_device

STATE_FILE, LOG_FILE, CLIPS_FOLDER = "state.pt", "log.jsonl", "clips"
LEVEL_MEAN, LEVEL_SPREAD = -0.8, 0.9  # of the logit-normal noise level
INDEPENDENT, EARLY, EARLIEST = (
    0.10,
    0.20,
    0.15,
)  # clips with a level per latent frame; clips below a low level
NEAREST = 0.05  # a level nearer to clean than this counts as if it were that far
SAVE_SECONDS, LOG_SECONDS = 180.0, 30.0
NEAR = 0.95  # of half a subject's size: the pixels that count as its own
_MATRICES = re.compile(r"(fine|below)\.(before|after)|coarse\.")


class DrawingTrainer:
    """The state of a run and the operations on it."""

    def __init__(self, recipe: DrawingRecipe, out: Path, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.out, self.device = recipe, out, device
        self.network = Drawer(recipe.network).to(device)
        self.network.compute = compute_type(device)
        self.average = Drawer(recipe.network).to(device).requires_grad_(False)
        self.average.compute = self.network.compute
        self.average.load_state_dict(self.network.state_dict())
        named = dict(self.network.named_parameters())
        inside = [n for n, p in named.items() if p.ndim == 2 and _MATRICES.match(n) and "modulation" not in n]
        rate, decay = recipe.learning_rate, recipe.weight_decay
        self.optimisers: list[torch.optim.Optimizer] = [
            Muon([named[n] for n in inside], lr=rate, weight_decay=decay, dtype=self.network.compute),
            torch.optim.AdamW([p for n, p in named.items() if n not in inside], lr=rate, betas=(0.9, 0.95),
                              weight_decay=decay, fused=True),
        ]  # fmt: skip
        self.progress = Progress()
        if recipe.compile:
            for block in (*self.network.coarse, *self.network.fine.before, *self.network.fine.after):
                block.compile(dynamic=False)

    def learn(self, video: Tensor, plan: PlanTensors, generator: torch.Generator, rate: float) -> Tensor:
        """Take one step on frames [B, T, 3, H, W] in -1..1 and their plans; returns the loss."""
        value = velocity_loss(self.network, video, plan, generator, self.recipe.emphasis)
        torch.autograd.backward(value)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimiser in self.optimisers:
            set_rate(optimiser, rate)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        progress = self.progress
        progress.step += 1
        if video.shape[1] == 1:
            progress.images += len(video)
        else:
            progress.clips += len(video)
        decay = min(self.recipe.average, (1 + progress.step) / (10 + progress.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)
        return value.detach()

    def save(self) -> None:
        """Write everything that `restore` needs."""
        save_state(self.out / STATE_FILE, {
            "config": dataclasses.asdict(self.recipe.network), "progress": dataclasses.asdict(self.progress),
            "network": self.network.state_dict(), "average": self.average.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        })  # fmt: skip

    def restore(self) -> bool:
        """Continue from the saved state; returns whether there is one. ModelError: it is of another
        network."""
        path = self.out / STATE_FILE
        if not path.exists():
            return False
        state: dict[str, Any] = torch.load(path, map_location=self.device)
        if state["config"] != dataclasses.asdict(self.recipe.network):
            raise ModelError(f"{path} is the state of another network", "use another --out")
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.progress = Progress(**state["progress"])
        return True


def velocity_loss(
    network: Drawer, x: Tensor, plan: PlanTensors, generator: torch.Generator, emphasis: float
) -> Tensor:
    """Velocity error of the network on clean frames [B, T, 3, H, W], a scalar; pixels of subjects weigh
    1 + `emphasis`."""
    config, device = network.config, x.device
    latent_frames = 1 + (x.shape[1] - 1) // config.span
    spread = torch.randn(len(x), latent_frames, generator=generator, device=device)
    each = torch.sigmoid(LEVEL_MEAN + LEVEL_SPREAD * spread)
    alone, early, low = torch.rand(3, len(x), 1, generator=generator, device=device)
    t = torch.where(alone < INDEPENDENT, each, torch.where(early < EARLY, EARLIEST * low, each[:, :1]))
    level = torch.cat((t[:, :1], t[:, 1:].repeat_interleave(config.span, 1)), 1)[..., None, None, None]
    noise = torch.randn(x.shape, generator=generator, device=device)
    z = level * x + (1 - level) * config.noise_scale * noise
    error = (network(z, t, plan) - x).square() * (1 + emphasis * subject_mask(plan, x.shape[3], x.shape[4]))
    value: Tensor = (error.mean((2, 3, 4)) / (1 - level[..., 0, 0, 0]).clamp(min=NEAREST).square()).mean()
    return value


def subject_mask(plan: PlanTensors, height: int, width: int) -> Tensor:
    """1 where a subject is, 0 elsewhere: [B, T, 1, H, W]."""
    device, short = plan.tracks.device, min(height, width)
    x, y = ((torch.arange(n, device=device) + 0.5 - n / 2) / short for n in (width, height))
    u, v = own_coordinates(plan.tracks, x, y)
    inside = (torch.hypot(u, v) < NEAR) & (plan.kinds >= 0)[:, :, None, None, None]
    return inside.any(1).float()[:, :, None]


def train_drawing(
    recipe: DrawingRecipe | str,
    out: Path,
    *,
    minutes: float | None = None,
    resume: bool = True,
    threads: int | None = None,
    device: torch.device | str | None = None,
) -> Path:
    """Train a drawing recipe (or the one of that name) until its minutes are over or a signal comes. Returns
    the path of the saved state.

    The folder gets state.pt, log.jsonl and the folder of drawn clips. `minutes`: of the whole run, earlier
    sittings included. ModelError: the saved state is of another network.
    """
    recipe = RECIPES[recipe]() if isinstance(recipe, str) else recipe
    recipe = recipe if minutes is None else dataclasses.replace(recipe, minutes=minutes)
    if threads is not None:
        torch.set_num_threads(threads)
    device = choose_device(device)
    out.mkdir(parents=True, exist_ok=True)
    trainer = DrawingTrainer(recipe, out, device)
    resumed = resume and trainer.restore()
    progress, budget = trainer.progress, recipe.minutes * 60
    note: dict[str, Any] = {"event": "resume" if resumed else "start", "recipe": recipe.name}
    log_line(out / LOG_FILE, note, echo=True)
    mean = torch.zeros((), device=device)

    def report() -> None:
        line = {"step": progress.step, "seconds": round(progress.elapsed), "images": progress.images,
                "clips": progress.clips, "loss": round(float(mean), 4)}  # fmt: skip
        log_line(out / LOG_FILE, line, echo=True)

    tasks = ((LOG_SECONDS, report), (SAVE_SECONDS, trainer.save))
    with Store(recipe, out / CLIPS_FOLDER) as store, stop_on_signal() as stop:
        store.wait()  # before the clock of the run starts
        for _ in iterate_steps(lambda: progress.elapsed < budget, progress, tasks=tasks, stop=stop):
            fraction, step = progress.elapsed / budget, progress.step
            rng = random.Random(f"{recipe.seed}/{step}")
            generator = torch.Generator(device).manual_seed(recipe.seed * 1_000_003 + step)
            image = fraction < recipe.image_part or rng.random() < recipe.image_share
            frames = 1 if image else rng.choice(recipe.lengths)
            count = recipe.image_batch if image else max(1, recipe.clip_batch * recipe.lengths[0] // frames)
            clips = store.sample(count, frames, rng)
            video = clips.video.to(device).float() / 127.5 - 1
            value = trainer.learn(video, clips.plans.to(device), generator, recipe.rate(step, fraction))
            mean = value if step == 0 else mean.lerp(value, 0.05)
    trainer.save()
    report()
    (out / "recipe.json").write_text(json.dumps(dataclasses.asdict(recipe)))
    return out / STATE_FILE
