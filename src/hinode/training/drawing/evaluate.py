"""What a drawing network reached: its errors on clips it never saw, and clips it draws beside the truth."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from hinode.engines.native.drawing_weights import save_pieces
from hinode.model.drawing import Drawer
from hinode.model.drawing_sampler import draw
from hinode.model.drawing_schedule import DrawingSchedule
from hinode.model.plan_tensors import PlanTensors
from hinode.training.drawing.plans import join_plans, plan_tensors, with_land
from hinode.training.drawing.recipes import FPS, RECIPES
from hinode.training.drawing.store import CHUNK, chunk_scenes
from hinode.training.drawing.trainer import DrawingTrainer, subject_mask
from hinode.world.book.picture.render import render

LEVELS = (0.03, 0.07, 0.15, 0.3, 0.5, 0.85)
STEPS, GUIDANCE = 5, 1.2  # of a clip that is drawn
COLUMNS = 6  # frames of a clip on the sheet


def evaluate_drawing(name: str, out: Path, device: torch.device, *, chunks: int = 4) -> dict[str, Any]:
    """Measure the averaged weights in the folder of a run, write them as pieces beside report.json and
    clips.png.

    The clips are of scenes that training never draws. Returns the report.
    """
    recipe = RECIPES[name]()
    trainer = DrawingTrainer(recipe, out, device)
    trainer.restore()
    network = trainer.average.eval()
    unseen_recipe = dataclasses.replace(recipe, name=f"{recipe.name}/held out")
    frames = recipe.lengths[0]
    scenes = [pair for number in range(chunks) for pair in chunk_scenes(unseen_recipe, number)]
    clock = torch.arange(frames) / FPS
    width, height, starts = recipe.width, recipe.height, [start for _, start in scenes]
    cast = [scene for scene, _ in scenes]
    video = render(cast, frames=frames, fps=FPS, width=width, height=height, start=starts) * 2 - 1
    plans = plan_tensors([scene for scene, _ in scenes], [clock + start for _, start in scenes],
                         recipe.width / recipe.height)  # fmt: skip
    if recipe.network.land:
        plans = join_plans([
            with_land(plans.part(row, 0, frames), scene, clock + start, width, height)
            for row, (scene, start) in enumerate(scenes)
        ])  # fmt: skip
    report = {"recipe": recipe.name, "progress": dataclasses.asdict(trainer.progress),
              "psnr": prediction_quality(network, video.to(device), plans.to(device))}  # fmt: skip
    clips = slice(0, CHUNK)
    noise = torch.randn(video[clips].shape, generator=torch.Generator().manual_seed(5)).to(device)
    samples = draw(
        network, plans[clips].to(device), noise, DrawingSchedule(steps=STEPS, guidance=GUIDANCE)
    ).cpu()
    truth = video[clips].add(1).mul(127.5).byte()
    save_sheet(torch.stack((truth, samples), 1).flatten(0, 1), out / "clips.png")
    shapes = [[recipe.frames, FPS, *size] for size in dict.fromkeys(map(recipe.shape, range(10)))]
    facts = {**report, "shapes": shapes, "sampling": {"steps": STEPS, "guidance": GUIDANCE}}
    save_pieces(out / f"{recipe.name}.safetensors", network.state_dict(), recipe.network, facts)
    (out / "report.json").write_text(json.dumps(report, indent=1))
    return report


@torch.no_grad()
def prediction_quality(network: Drawer, video: Tensor, plans: PlanTensors) -> dict[str, list[float]]:
    """Peak signal-to-noise ratio in dB of predictions of clips in -1..1, at several noise levels: of all
    pixels, and of those of subjects."""
    result = {}
    for t in LEVELS:
        whole, subject, weight = 0.0, 0.0, 0.0
        for first in range(0, len(video), CHUNK):
            rows = slice(first, first + CHUNK)
            x, plan = video[rows], plans[rows]
            noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(first)).to(x.device)
            z = t * x + (1 - t) * network.config.noise_scale * noise
            levels = torch.full((len(x), 1 + (x.shape[1] - 1) // network.config.span), t, device=x.device)
            error, mask = (network(z, levels, plan) - x).square(), subject_mask(plan, *x.shape[3:])
            whole += error.mean().item() * len(x) / len(video)
            subject += (error.mean(2, keepdim=True) * mask).sum().item()
            weight += mask.sum().item()
        result[str(t)] = [
            round(10 * math.log10(4 / value), 2) for value in (whole, subject / max(weight, 1.0))
        ]
    return result


def save_sheet(clips: Tensor, path: Path) -> None:
    """A picture with a row of frames of each clip, uint8 [B, T, 3, H, W]."""
    count = clips.shape[1]
    chosen = clips[:, [round(k * (count - 1) / (COLUMNS - 1)) for k in range(COLUMNS)]]
    rows = chosen.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    Image.fromarray(rows.contiguous().numpy()).save(path)
