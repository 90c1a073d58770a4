"""Train the judge on ground truth, and measure it on ground truth that it has never seen."""

from __future__ import annotations

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

from hinode.world.judge import ATTRIBUTES, MOMENTS, SPAN, TRIPLES, JudgeNet, look
from hinode.world.motion import subject_path
from hinode.world.render import render
from hinode.world.scene import Scene, sample_scene

# native formats that the judge must read: frames, fps, width, height
FORMATS = ((17, 8.0, 64, 64), (17, 8.0, 112, 64), (17, 8.0, 64, 112), (25, 12.0, 64, 64))


def _labels(scenes: list[Scene]) -> dict[str, Tensor]:
    facts = [scene.facts() for scene in scenes]
    return {name: torch.tensor([values.index(f[name]) for f in facts]) for name, values in ATTRIBUTES.items()}


def _places(scenes: list[Scene], aspect: float) -> Tensor:
    """Cell of the judge's 16 x 16 heat map that the subject is in at the middle of each triple; -1 outside. [B, 8]"""
    moments = torch.tensor([[(k + 1) * SPAN / MOMENTS for k in TRIPLES]]).expand(len(scenes), -1)
    path = subject_path([scene.subjects[0] for scene in scenes], moments, aspect)
    column, row = (path.x * 16).floor(), (path.y * 16).floor()
    inside = (column >= 0) & (column < 16) & (row >= 0) & (row < 16)
    return torch.where(inside, row * 16 + column, -1.0).long()


def _wear(video: Tensor, rng: random.Random) -> Tensor:
    """Blur, noise and fading as cameras and codecs do them, so that the judge reads more than perfect pixels."""
    if rng.random() < 0.5:
        factor = rng.uniform(0.5, 1.0)
        side = max(24, round(video.shape[-1] * factor))
        flat = F.interpolate(video.flatten(0, 1), (side, side), mode="bilinear", antialias=True)
        video = F.interpolate(flat, video.shape[-2:], mode="bilinear").view(video.shape)
    if rng.random() < 0.5:
        video = video + torch.randn_like(video) * rng.uniform(0.0, 0.05)
    gain, lift = rng.uniform(0.92, 1.08), rng.uniform(-0.03, 0.03)
    return (video * gain + lift).clamp(0.0, 1.0)


def train_judge(out: Path, *, minutes: float = 15.0, batch: int = 32, seed: int = 1, threads: int = 1) -> Path:
    """Train the judge for `minutes` and write `<out>/judge.safetensors`. One-subject scenes, all pairs."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    rng = random.Random(f"judge-{seed}")
    net = JudgeNet().train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    begin, step, running = time.monotonic(), 0, 2.0
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("judge", total=minutes * 60)
        while (elapsed := time.monotonic() - begin) < minutes * 60:
            fraction = elapsed / (minutes * 60)
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * min(1.0, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * fraction))
            scenes = [sample_scene(rng, subjects=1, held_out=None) for _ in range(batch)]
            frames, fps, width, height = rng.choice(FORMATS)
            with torch.no_grad():
                video = _wear(look(render(scenes, frames=frames, fps=fps, width=width, height=height), fps), rng)
            assert video.shape[1] == MOMENTS
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=torch.backends.cpu.get_cpu_capability() != "DEFAULT"):
                logits, heat = net(video)
            found = F.nll_loss(heat.flatten(0, 1), _places(scenes, width / height).flatten(), ignore_index=-1)
            answers = torch.stack([F.cross_entropy(logits[n].float(), y) for n, y in _labels(scenes).items()])
            loss = answers.mean() + 0.3 * found
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            step += 1
            running += 0.02 * (float(loss.detach()) - running)
            bar.update(task, completed=elapsed, description=f"judge step {step} loss {running:.3f}")
            if step % 100 == 0 and not bar.console.is_terminal:
                print(f"judge step {step} elapsed {elapsed:.0f}s loss {running:.4f} "
                      + " ".join(f"{n} {float(v):.2f}" for n, v in zip(_labels(scenes), answers.detach(), strict=True)), flush=True)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "judge.safetensors"
    half = {name: value.to(torch.bfloat16).contiguous() for name, value in net.state_dict().items()}
    save_file(half, path.with_suffix(".tmp"), {"made_by": f"hinode train judge, {step} steps of {batch} clips"})
    path.with_suffix(".tmp").replace(path)
    return path
