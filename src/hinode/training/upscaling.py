"""Train the upscaler: small pictures in, the world's own large ones out.

A step sees two neighbouring moments of each clip, so that it can also be held to how they differ: an error
that is the same in both is seen less than one that flickers. Some clips are as the world draws them, some as
the model does, some are worn on purpose; the large picture is the world's own for all.
"""

from __future__ import annotations

import json
import math
import random
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from hinode.engines.native import catalog
from hinode.engines.native.upscaling import SCALE, UpscalerNet
from hinode.model import checkpoint
from hinode.model.layers import compute_type
from hinode.settings import Settings
from hinode.training.pairs import SHOWN, Pairs, gather

STEPS, SCENES = 3000, 240
BATCH, SIDE = 8, 48  # clips a step, and the side of the small crop that is looked at
KINDS = {"small": 0.6, "drawn": 0.2, "worn": 0.2}
RATE, WARM_UP = 1.5e-3, 50
CHANGE = 0.5  # weight of the error of what changes between neighbours
SAVE_SECONDS = 60.0
PAIRS_FILE, STATE_FILE, LOG_FILE, MODEL_FILE = "pairs.pt", "state.pt", "log.jsonl", "upscaler.safetensors"


def train_upscaler(
    out: Path,
    *,
    settings: Settings,
    steps: int = STEPS,
    scenes: int = SCENES,
    seed: int = 1,
    threads: int = 1,
    resume: bool = True,
) -> Path:
    """Train the upscaler and write `<out>/upscaler.safetensors`, bfloat16; returns its path.

    The pairs are drawn once and kept in `<out>/pairs.pt`; with `resume` a run that was broken off goes on
    from the last minute. The same seed and steps give the same weights whether it was or not.
    """
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        pairs = _pairs(out / PAIRS_FILE, settings, scenes, seed, bar)
        torch.manual_seed(seed)
        net = UpscalerNet().train()
        optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-4)
        state, log = out / STATE_FILE, out / LOG_FILE
        step, elapsed, running = 0, 0.0, 0.0
        if resume and state.is_file():
            saved = torch.load(state, weights_only=True)
            net.load_state_dict(saved["model"])
            optimizer.load_state_dict(saved["optimizer"])
            step, elapsed, running = saved["step"], saved["elapsed"], saved["running"]
        else:
            log.unlink(missing_ok=True)
        bf16 = compute_type(torch.device("cpu")) == torch.bfloat16
        began, kept = time.monotonic() - elapsed, time.monotonic()
        task = bar.add_task("upscaler", total=steps, completed=step)
        while step < steps:
            rate = RATE * min(1.0, (step + 1) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
            for group in optimizer.param_groups:
                group["lr"] = rate
            given, wanted = batch(pairs, random.Random(f"upscaler-{seed}-{step}"))
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                made = net(given.flatten(0, 1)).unflatten(0, given.shape[:2])
            loss = _distance(made, wanted) + CHANGE * _distance(
                made[:, 1] - made[:, 0], wanted[:, 1] - wanted[:, 0]
            )
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            step += 1
            running += max(0.02, 1 / step) * (float(loss.detach()) - running)
            bar.update(task, completed=step, description=f"upscaler step {step} loss {running:.5f}")
            if step % 100 == 0:
                line = {
                    "step": step,
                    "elapsed": round(time.monotonic() - began, 1),
                    "loss": round(running, 6),
                }
                with log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                if not console.is_terminal:
                    print(json.dumps(line), flush=True)
            if time.monotonic() - kept > SAVE_SECONDS or step == steps:
                kept = time.monotonic()
                numbers = {"step": step, "elapsed": kept - began, "running": running}
                _keep(state, net, optimizer, numbers)
    path = out / MODEL_FILE
    save(net, path, {"steps": step, "scenes": scenes, "seed": seed})
    return path


def save(net: UpscalerNet, path: Path, facts: dict[str, int]) -> None:
    """Write the weights as bfloat16, whole or not at all."""
    half = {name: value.to(torch.bfloat16).contiguous() for name, value in net.state_dict().items()}
    beside = path.with_suffix(".part")
    save_file(half, beside, {"made_by": "hinode train upscaler", "facts": json.dumps(facts)})
    beside.replace(path)


def _keep(path: Path, net: UpscalerNet, optimizer: torch.optim.Optimizer, numbers: dict[str, float]) -> None:
    beside = path.with_suffix(".part")
    torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict(), **numbers}, beside)
    beside.replace(path)


def _pairs(path: Path, settings: Settings, scenes: int, seed: int, bar: Progress) -> list[Pairs]:
    """Those that were drawn before, or new ones."""
    if path.is_file():
        kept = [Pairs(**one) for one in torch.load(path, weights_only=True)]
        if sum(len(one.small) for one in kept) == scenes:
            return kept
    card = catalog.find(None, settings.models)
    model = checkpoint.load(card.path, "cpu", compute_type(torch.device("cpu")))
    task, found = bar.add_task("drawing pairs", total=scenes), []
    for one in gather(scenes, f"upscaler-training-{seed}", card, model):
        found.append(one)
        bar.advance(task, len(one.small))
    beside = path.with_suffix(".part")
    torch.save([vars(one) for one in found], beside)
    beside.replace(path)
    return found


def batch(pairs: list[Pairs], rng: random.Random) -> tuple[Tensor, Tensor]:
    """What one step sees: small frames [B, 2, 3, 48, 48] and large ones [B, 2, 3, 96, 96], 0..1; the second
    of two is the moment after the first."""
    generator = torch.Generator().manual_seed(rng.getrandbits(48))
    given, wanted = [], []
    for _ in range(BATCH):
        one, kind = rng.choice(pairs), rng.choices(list(KINDS), list(KINDS.values()))[0]
        clip, shown = rng.randrange(len(one.small)), rng.randrange(SHOWN - 1)
        height, width = one.small.shape[-2:]
        top, left = rng.randint(0, height - SIDE), rng.randint(0, width - SIDE)
        first = one.at + shown
        source = one.drawn if kind == "drawn" else one.small
        small = source[clip, first : first + 2, :, top : top + SIDE, left : left + SIDE].float() / 255
        if kind == "worn":
            small = worn(small, rng, generator)
        rows = slice(SCALE * top, SCALE * (top + SIDE))
        columns = slice(SCALE * left, SCALE * (left + SIDE))
        given.append(small)
        wanted.append(one.large[clip, shown : shown + 2, :, rows, columns].float() / 255)
    return torch.stack(given), torch.stack(wanted)


def worn(video: Tensor, rng: random.Random, generator: torch.Generator) -> Tensor:
    """Frames [T, 3, H, W] with patches a little out of place, softer and noisier, as a model might draw."""
    frames, _, height, width = video.shape
    if rng.random() < 0.6:  # patches of 8 x 8, elsewhere from some moment on
        change, reach = rng.randrange(frames), rng.uniform(0.1, 0.7)
        grid = F.affine_grid(torch.eye(2, 3)[None], [1, 3, height, width], align_corners=False)
        parts = []
        for part in (video[:change], video[change:]):
            shift = torch.randn((1, 2, height // 8, width // 8), generator=generator) * reach
            shift = F.interpolate(shift, (height, width), mode="bilinear").permute(0, 2, 3, 1)
            moved = grid + shift * 2 / torch.tensor([width, height])
            moved = moved.expand(len(part), -1, -1, -1)
            parts.append(F.grid_sample(part, moved, padding_mode="border", align_corners=False))
        video = torch.cat(parts)
    if rng.random() < 0.5:
        spread = rng.uniform(0.3, 0.8)
        line = torch.exp(-0.5 * (torch.arange(-2.0, 3.0) / spread) ** 2)
        line = (line / line.sum()).expand(3, 1, 1, 5)
        wide = F.pad(video, (2, 2, 2, 2), mode="replicate")
        video = F.conv2d(F.conv2d(wide, line, groups=3), line.transpose(2, 3), groups=3)
    if rng.random() < 0.6:
        video = video + torch.randn(video.shape, generator=generator) * rng.uniform(0.0, 0.03)
    return video.clamp(0, 1)


def _distance(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute error, rounded off at zero (Charbonnier)."""
    return ((made - wanted).square() + 1e-6).sqrt().mean()
