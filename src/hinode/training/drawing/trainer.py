"""The trainer of the drawing network: images first, then clips; may be stopped at any time and continues."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hinode.engines.native.drawing_weights import load_pieces
from hinode.errors import BadInput, ModelError
from hinode.model.drawing import Drawer, share_noise
from hinode.model.layers import compute_type
from hinode.model.plan_tensors import PlanTensors, own_coordinates
from hinode.training.drawing.recipes import RECIPES, DrawingRecipe
from hinode.training.drawing.store import Clips, Store
from hinode.training.drawing.tasks import choose_context, choose_shares, silence
from hinode.training.loop import Progress, iterate_steps, log_line, save_state, set_rate, stop_on_signal
from hinode.training.muon import Muon
from hinode.training.parallel import Team, join_team

STATE_FILE, LOG_FILE, CLIPS_FOLDER = "state.pt", "log.jsonl", "clips"
LEVEL_MEAN, LEVEL_SPREAD = -0.3, 1.2  # of the logit-normal noise level
INDEPENDENT, EARLY, EARLIEST = (
    0.10,
    0.20,
    0.15,
)  # clips with a level per latent frame; clips below a low level
NEAREST = 0.2  # a level nearer to clean than this counts as if it were that far
SAVE_SECONDS, LOG_SECONDS = 180.0, 30.0
NEAR = 0.95  # of half a subject's size: the pixels that count as its own
TEXTURES = ("pixels.texture", "land.texture")
_MATRICES = re.compile(r"(fine|below)\.(before|after)|coarse\.|details\.(enter|rise|fall)")
NEW_PARTS = (
    "details.",
    "land.",
    "land_hint.",
    "specks.",
)  # may be missing in the weights that a run starts with


class DrawingTrainer:
    """The state of a run and the operations on it."""

    def __init__(
        self, recipe: DrawingRecipe, out: Path, device: torch.device, team: Team | None = None
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.out, self.device, self.team = recipe, out, device, team or Team()
        self.network = Drawer(recipe.network).to(device)
        self.network.compute = compute_type(device)
        self.average = Drawer(recipe.network).to(device).requires_grad_(False)
        self.average.compute = self.network.compute
        self.average.load_state_dict(self.network.state_dict())
        self.optimisers = build_optimisers(self.network, recipe)
        self.progress = Progress()
        if recipe.compile:
            for block in (*self.network.coarse, *self.network.fine.before, *self.network.fine.after):
                block.compile(dynamic=False)

    def learn(self, video: Tensor, plan: PlanTensors, generator: torch.Generator, rate: float) -> Tensor:
        """Take one step on frames [B, T, 3, H, W] in -1..1 and their plans; returns the loss."""
        value = velocity_loss(self.network, video, plan, generator, self.recipe.emphasis)
        torch.autograd.backward(value)
        self.team.average_gradients(list(self.network.parameters()))
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        set_rates(self.optimisers, rate)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        progress = self.progress
        progress.step += 1
        if video.shape[1] == 1:
            progress.images += len(video) * self.team.size
        else:
            progress.clips += len(video) * self.team.size
        steps = progress.step - progress.begun
        decay = min(self.recipe.average, (1 + steps) / (10 + steps))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)
        return value.detach()

    def save(self) -> None:
        """Write everything that `restore` needs; all processes have to call it."""
        if self.team.is_main:
            self._save()
        self.team.wait()

    def _save(self) -> None:
        save_state(self.out / STATE_FILE, {
            "config": dataclasses.asdict(self.recipe.network), "progress": dataclasses.asdict(self.progress),
            "network": self.network.state_dict(), "average": self.average.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        })  # fmt: skip

    def start_from(self, path: Path) -> None:
        """Begin with weights of `save_pieces` and with new optimisers. ModelError: they are not whole, or of
        another network."""
        weights, facts = load_pieces(path, self.device)
        try:
            missing, surplus = self.network.load_state_dict(weights.state_dict(), strict=False)
        except RuntimeError:
            missing, surplus = ["a matrix of the same size"], []
        if surplus or any(not name.startswith(NEW_PARTS) for name in missing):
            raise ModelError(f"{path} is of another network", "start with a model of the same recipe")
        self.average.load_state_dict(self.network.state_dict())
        progress = Progress.of(facts["progress"])
        self.progress = dataclasses.replace(progress, begun=progress.step, origin=progress.elapsed)

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
        self.progress = Progress.of(state["progress"])
        return True


def build_optimisers(network: Drawer, recipe: DrawingRecipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside blocks, AdamW for everything else, and one of its own for learnt textures;
    a group's `gain` is its learning rate in learning rates."""
    named = dict(network.named_parameters())
    inside = [n for n, p in named.items() if p.ndim == 2 and _MATRICES.match(n) and "modulation" not in n]
    textures = [named[n] for n in TEXTURES if n in named]
    rest = [p for n, p in named.items() if n not in inside and n not in TEXTURES]
    rate, decay, betas = recipe.learning_rate, recipe.weight_decay, (0.9, 0.95)
    optimisers: list[torch.optim.Optimizer] = [
        Muon([named[n] for n in inside], lr=rate, weight_decay=decay, dtype=network.compute),
        torch.optim.AdamW(rest, lr=rate, betas=betas, weight_decay=decay, fused=True),
    ]
    if textures:  # a texel is seen in few clips: it must move far each time, and not be pulled to zero
        adam = torch.optim.AdamW(textures, lr=rate, betas=betas, weight_decay=0.0, fused=True)
        adam.param_groups[0]["gain"] = recipe.texture_gain
        optimisers.append(adam)
    return optimisers


def set_rates(optimisers: Sequence[torch.optim.Optimizer], rate: float) -> None:
    """Set the learning rate of every group, times its gain."""
    for optimiser in optimisers:
        set_rate(optimiser, rate * optimiser.param_groups[0].get("gain", 1.0))


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
    picture = torch.randn(x[:, 0].shape, generator=generator, device=device)
    share = choose_shares(len(x), generator)
    noise = share_noise(noise, picture, plan.camera, share)
    context_mask = choose_context(x, generator)
    z = torch.where(context_mask > 0, x, level * x + (1 - level) * config.noise_scale * noise)
    predicted = network(z, t, silence(plan, generator), context_mask)
    error = (
        (1 - context_mask)
        * (predicted - x).square()
        * (1 + emphasis * subject_mask(plan, x.shape[3], x.shape[4]))
    )
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
    start: Path | None = None,
    minutes: float | None = None,
    rate: float | None = None,
    resume: bool = True,
    threads: int | None = None,
    device: torch.device | str | None = None,
) -> Path:
    """Train a drawing recipe (or the one of that name) until its minutes are over or a signal comes. Returns
    the path of the saved state.

    The folder gets state.pt, log.jsonl and the folder of drawn clips. `start`: weights that a new run begins
    with. `minutes`: of the whole run, earlier sittings and those of `start` included. `rate`: the largest
    learning rate, in place of the recipe's. ModelError: the saved state or the weights are of another
    network.
    """
    recipe = RECIPES[recipe]() if isinstance(recipe, str) else recipe
    recipe = recipe if minutes is None else dataclasses.replace(recipe, minutes=minutes)
    recipe = recipe if rate is None else dataclasses.replace(recipe, learning_rate=rate)
    if threads is not None:
        torch.set_num_threads(threads)
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    out.mkdir(parents=True, exist_ok=True)
    with join_team(device) as team, stop_on_signal() as stop:
        trainer = DrawingTrainer(recipe, out, device, team)
        resumed = resume and trainer.restore()
        if start is not None and not resumed:
            trainer.start_from(start)
        _run(trainer, stop, resumed=resumed)
        if team.is_main:
            (out / "recipe.json").write_text(json.dumps(dataclasses.asdict(recipe)))
    return out / STATE_FILE


def _run(trainer: DrawingTrainer, stop: threading.Event, *, resumed: bool) -> None:
    recipe, out, team, device = trainer.recipe, trainer.out, trainer.team, trainer.device
    progress, budget = trainer.progress, recipe.minutes * 60
    if progress.origin >= budget:
        message = f"the weights had {progress.origin / 60:g} minutes of training, and the whole run takes"
        raise BadInput(f"{message} {recipe.minutes:g}", "give more", field="minutes")
    mean = torch.zeros((), device=device)

    def note(line: dict[str, Any]) -> None:
        if team.is_main:
            log_line(out / LOG_FILE, line, echo=True)

    def report() -> None:
        note({"step": progress.step, "seconds": round(progress.elapsed), "images": progress.images,
              "clips": progress.clips, "loss": round(float(mean), 4)})  # fmt: skip

    note({"event": "resume" if resumed else "start", "recipe": recipe.name, "processes": team.size})

    def number(step: int) -> int:
        return step * team.size + team.rank

    def read(step: int, fraction: float) -> Clips:
        rng = random.Random(f"{recipe.seed}/{step}")  # the kind of a step is the same in all processes
        image = fraction < recipe.image_part or rng.random() < recipe.image_share
        frames = 1 if image else rng.choice(recipe.lengths)
        count = recipe.image_batch if image else max(1, recipe.clip_batch * recipe.lengths[0] // frames)
        return store.sample(count, frames, random.Random(f"{recipe.seed}/clips/{number(step)}"))

    tasks = ((LOG_SECONDS, report), (SAVE_SECONDS, trainer.save))
    with Store(recipe, out / CLIPS_FOLDER, team) as store, ThreadPoolExecutor(1) as reader:
        store.wait()  # before the clock of the run starts
        team.wait()
        next_clips = reader.submit(read, progress.step, progress.fraction(budget))
        for _ in iterate_steps(
            lambda: progress.elapsed < budget, progress, tasks=tasks, stop=stop, agree=team.agree
        ):
            fraction, step = progress.fraction(budget), progress.step
            clips = next_clips.result()
            next_clips = reader.submit(read, step + 1, fraction)  # while this step is taken
            generator = torch.Generator(device).manual_seed(recipe.seed * 1_000_003 + number(step))
            video = clips.video.to(device).float() / 127.5 - 1
            rate = recipe.rate(step - progress.begun, fraction)
            value = trainer.learn(video, clips.plans.to(device), generator, rate)
            mean = value if step == progress.begun else mean.lerp(value, 0.05)
    trainer.save()
    report()
