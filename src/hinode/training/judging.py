"""Train the judge on ground truth, and measure it on ground truth that it has never seen."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from hinode.world.judge import ATTRIBUTES, MOMENTS, SPAN, TRIPLES, JudgeNet, look
from hinode.world.motion import subject_path
from hinode.world.render import render
from hinode.world.scene import CAMERAS, Scene, sample_scene

# native formats that the judge must read: frames, fps, width, height
FORMATS = ((17, 8.0, 64, 64), (17, 8.0, 112, 64), (17, 8.0, 64, 112), (25, 12.0, 64, 64))


def _labels(scenes: list[Scene]) -> dict[str, Tensor]:
    facts = [scene.facts() for scene in scenes]
    return {name: torch.tensor([values.index(f[name]) for f in facts]) for name, values in ATTRIBUTES.items()}


def _places(scenes: list[Scene], aspect: float) -> Tensor:
    """Cell of the judge's 16 x 16 heat map that the subject is in amid each triple; -1 outside. [B, 8]"""
    moments = torch.tensor([[(k + 1) * SPAN / MOMENTS for k in TRIPLES]]).expand(len(scenes), -1)
    path = subject_path([scene.subjects[0] for scene in scenes], moments, aspect)
    column, row = (path.x * 16).floor(), (path.y * 16).floor()
    inside = (column >= 0) & (column < 16) & (row >= 0) & (row < 16)
    return torch.where(inside, row * 16 + column, -1.0).long()


def _wear(video: Tensor, rng: random.Random, noise: float) -> Tensor:
    """Blur, noise and fading, as of cameras and codecs: the judge is to read more than perfect pixels."""
    if rng.random() < 0.5:
        factor = rng.uniform(0.5, 1.0)
        side = max(24, round(video.shape[-1] * factor))
        flat = F.interpolate(video.flatten(0, 1), (side, side), mode="bilinear", antialias=True)
        video = F.interpolate(flat, video.shape[-2:], mode="bilinear").view(video.shape)
    if rng.random() < 0.5:
        video = video + torch.randn_like(video) * rng.uniform(0.0, noise)
    gain, lift = rng.uniform(0.92, 1.08), rng.uniform(-0.03, 0.03)
    return (video * gain + lift).clamp(0.0, 1.0)


_SWAP = {"pan left": "pan right", "pan right": "pan left"}
MIRRORED = torch.tensor([CAMERAS.index(_SWAP.get(name, name)) for name in CAMERAS])


@dataclass(frozen=True)
class Part:
    """A part of the judge that learns by itself: it shares no weights with the other."""

    name: str
    share: float  # of the whole time
    answers: tuple[str, ...]
    noise: float  # most grain laid over its clips; the waves of a night sea, which show a pan, drown in more


PARTS = (
    Part("reading", 0.6, tuple(name for name in ATTRIBUTES if name != "camera"), noise=0.05),
    Part("camera", 0.4, ("camera",), noise=0.01),
)


def train_judge(
    out: Path,
    *,
    minutes: float = 25.0,
    batch: int = 32,
    seed: int = 1,
    threads: int = 1,
    go_on: tuple[str, ...] = (),
) -> Path:
    """Train the judge and write `<out>/judge.safetensors`; one-subject scenes, all pairs of colour and kind.

    Its two parts are trained one after the other and kept in `<out>/PART.safetensors`. With `go_on`, only the
    parts that it names are trained, from the weights that are there. Returns the path of the whole.
    """
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    weights: dict[str, Tensor] = {}
    for part in PARTS:
        path = out / f"{part.name}.safetensors"
        if not go_on or part.name in go_on:
            start = load_file(path) if go_on else {}
            _write(path, _train_part(part, minutes * 60 * part.share, batch, seed, start))
        weights |= load_file(path)
    path = out / "judge.safetensors"
    _write(path, weights)
    return path


def _write(path: Path, weights: dict[str, Tensor]) -> None:
    half = {name: value.to(torch.bfloat16).contiguous() for name, value in weights.items()}
    beside = path.with_suffix(".part")
    save_file(half, beside, {"made_by": "hinode train judge"})
    beside.replace(path)


def _train_part(
    part: Part, seconds: float, batch: int, seed: int, start: dict[str, Tensor]
) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    rng = random.Random(f"judge-{part.name}-{seed}")
    net = JudgeNet().train()
    net.load_state_dict(start, strict=False)
    alone = part.name == "camera"
    parameters = {n: p for n, p in net.named_parameters() if n.startswith("camera.") == alone}
    optimizer = torch.optim.AdamW(parameters.values(), lr=2e-3, weight_decay=0.02)
    bf16 = torch.backends.cpu.get_cpu_capability() != "DEFAULT"
    begin, step, running = time.monotonic(), 0, 2.0
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(part.name, total=seconds)
        while (elapsed := time.monotonic() - begin) < seconds:
            rate = 2e-3 * min(1.0, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * elapsed / seconds))
            for group in optimizer.param_groups:
                group["lr"] = rate
            scenes = [sample_scene(rng, subjects=1, held_out=None) for _ in range(batch)]
            frames, fps, width, height = rng.choice(FORMATS)
            with torch.no_grad():
                drawn = render(scenes, frames=frames, fps=fps, width=width, height=height)
                video = _wear(look(drawn, fps), rng, part.noise)
            truth = _labels(scenes)
            if alone:  # a mirrored clip is another clip, and a pan the other way
                video = torch.cat([video, video.flip(-1)])
                truth = {"camera": torch.cat([truth["camera"], MIRRORED[truth["camera"]]])}
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                if alone:
                    logits, found = {"camera": net.camera(video)}, torch.zeros(())
                else:
                    logits, heat = net(video)
                    places = _places(scenes, width / height)
                    found = F.nll_loss(heat.flatten(0, 1), places.flatten(), ignore_index=-1)
            errors = torch.stack(
                [F.cross_entropy(logits[name].float(), truth[name]) for name in part.answers]
            )
            loss = errors.mean() + 0.3 * found
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(list(parameters.values()), 1.0)
            optimizer.step()
            step += 1
            running += 0.02 * (float(loss.detach()) - running)
            bar.update(task, completed=elapsed, description=f"{part.name} step {step} loss {running:.3f}")
            if step % 100 == 0 and not console.is_terminal:
                each = zip(part.answers, errors.tolist(), strict=True)
                print(
                    f"{part.name} step {step} elapsed {elapsed:.0f}s loss {running:.4f} "
                    + " ".join(f"{name} {value:.2f}" for name, value in each),
                    flush=True,
                )
    return {name: value.detach() for name, value in parameters.items()}
