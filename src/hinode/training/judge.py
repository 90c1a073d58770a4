"""Train the judge on ground truth, and measure it on ground truth that it has never seen."""

from __future__ import annotations

import dataclasses
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from hinode.model.layers import compute_type
from hinode.world.detector import GRID, TRIPLES, CastNet
from hinode.world.judge import ATTRIBUTES, MOMENTS, SPAN, JudgeNet, resize_square, sample_moments
from hinode.world.motion import subject_path
from hinode.world.render import render
from hinode.world.scene import CAMERAS, COLORS, MOTIONS, SUBJECTS, Scene, Subject, sample_scene

# native formats that the judge must read: frames, fps, width, height
GLIMPSES = (4, 2.0, SPAN / MOMENTS)  # the moments whose crops are read: `cast.READ` of `cast.TRIPLES`
FORMATS = ((17, 8.0, 64, 64), (17, 8.0, 112, 64), (17, 8.0, 64, 112), (25, 12.0, 64, 64))


def _labels(scenes: list[Scene]) -> dict[str, Tensor]:
    facts = [scene.facts() for scene in scenes]
    return {name: torch.tensor([values.index(f[name]) for f in facts]) for name, values in ATTRIBUTES.items()}


def _places(subjects: list[Subject], aspect: float) -> Tensor:
    """Cell of the judge's 16 x 16 heat map that a subject is in amid each triple; -1 outside. [N, 8]"""
    moments = torch.tensor([[(k + 1) * SPAN / MOMENTS for k in TRIPLES]]).expand(len(subjects), -1)
    path = subject_path(subjects, moments, aspect)
    column, row = (path.x * GRID).floor(), (path.y * GRID).floor()
    inside = (column >= 0) & (column < GRID) & (row >= 0) & (row < GRID)
    return torch.where(inside, row * GRID + column, -1.0).long()


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


class Nets(nn.Module):
    """Both networks of the judge; their parts learn by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.judge, self.cast = JudgeNet(), CastNet()


Errors = dict[str, Tensor]


def _reading(nets: Nets, video: Tensor, scenes: list[Scene], aspect: float) -> Errors:
    """Losses of the part that reads time, place and weather, and the subject of scenes that have only one."""
    logits, heat = nets.judge(video)
    truth = _labels(scenes)
    alone = torch.tensor([len(scene.subjects) == 1 for scene in scenes])
    errors = {}
    for name in ("subject", "color", "motion", "time", "place", "weather"):
        rows = alone if name in ("subject", "color", "motion") else slice(None)
        errors[name] = F.cross_entropy(logits[name][rows].float(), truth[name][rows])
    places = _places([scene.subjects[0] for scene in scenes], aspect)
    found = F.nll_loss(heat[alone].flatten(0, 1), places[alone].flatten(), ignore_index=-1)
    return {**errors, "found": 0.3 * len(errors) * found}


def _camera(nets: Nets, video: Tensor, scenes: list[Scene], aspect: float) -> Errors:
    """Loss of the part that reads the camera. A mirrored clip is another clip, and a pan the other way."""
    truth = _labels(scenes)["camera"]
    logits = nets.judge.camera(torch.cat([video, video.flip(-1)]))
    return {"camera": F.cross_entropy(logits.float(), torch.cat([truth, MIRRORED[truth]]))}


def _cast(nets: Nets, video: Tensor, scenes: list[Scene], aspect: float) -> Errors:
    """Losses of the part that finds several subjects: who is there and where, the colour and the motion of
    each."""
    sight = nets.cast(video)
    cast = [(row, subject) for row, scene in enumerate(scenes) for subject in scene.subjects]
    clip = torch.tensor([row for row, _ in cast])
    kind = torch.tensor([SUBJECTS.index(subject.kind) for _, subject in cast])
    present = torch.zeros(len(scenes), len(SUBJECTS))
    present[clip, kind] = 1.0
    places = _places([subject for _, subject in cast], aspect)
    heat = sight.heat[clip, :, kind]
    motion = torch.tensor([MOTIONS.index(subject.motion) for _, subject in cast])
    color = torch.tensor([COLORS.index(subject.color) for _, subject in cast])
    return {
        "present": 3 * F.binary_cross_entropy_with_logits(sight.present, present),
        "found": F.nll_loss(heat.flatten(0, 1), places.flatten(), ignore_index=-1),
        "motion": F.cross_entropy(sight.motion[clip, kind].float(), motion),
        "color": F.cross_entropy(nets.cast.read(sight, clip, kind).float(), color),
    }


def _pair(nets: Nets, video: Tensor, scenes: list[Scene], aspect: float) -> Errors:
    """Loss of the part that tells which of two is in front. It is told where they are, nearly."""
    count, fps, start = GLIMPSES
    moments = (start + torch.arange(count) / fps).expand(len(scenes), -1)
    paths = [subject_path([scene.subjects[k] for scene in scenes], moments, aspect) for k in (0, 1)]
    where = torch.stack([torch.stack((path.x, path.y), -1) for path in paths], 2) * 2 - 1
    where = where + torch.randn_like(where) * 0.02
    kinds, colors = (
        torch.tensor([[values.index(getattr(one, name)) for one in scene.subjects] for scene in scenes])
        for name, values in (("kind", SUBJECTS), ("color", COLORS))
    )
    front = torch.tensor([float(scene.relation == "in front of") for scene in scenes])
    odds = nets.cast.pair(video * 2 - 1, where, kinds, colors)
    return {"pair": F.binary_cross_entropy_with_logits(odds.float(), front)}


def _scenes(casts: tuple[float, float, float], wet: float = 0.0) -> Callable[[random.Random], Scene]:
    """Scenes with these shares of one, two and three subjects. `wet`: so many of them are in rain or snow,
    which hide pans and skylines."""

    def draw(rng: random.Random) -> Scene:
        scene = sample_scene(rng, held_out=None, casts=casts)
        if rng.random() < wet:
            scene = dataclasses.replace(scene, weather=rng.choice(("rain", "snow", "snow")))
        return scene

    return draw


def _overlapping(rng: random.Random) -> Scene:
    while True:
        scene = sample_scene(rng, subjects=2, held_out=None)
        if scene.relation in ("behind", "in front of"):
            return scene


@dataclass(frozen=True)
class Part:
    """A part of the judge that learns by itself: it shares no weights with the others.

    Attributes:
        prefix: of the names of its weights, its network's first.
        only: number, rate and beginning in seconds of the frames it is shown, where it needs not all.
    """

    name: str
    share: float  # of the whole time
    losses: Callable[[Nets, Tensor, list[Scene], float], Errors]
    scene: Callable[[random.Random], Scene]
    prefix: str
    noise: float  # most grain laid over its clips; the waves of a night sea, which show a pan, drown in more
    only: tuple[int, float, float] | None = None

    def owns(self, parameter: str) -> bool:
        """Whether a parameter of the judge, by name, is of this part: that with the longest prefix."""
        fitting = [part for part in PARTS if parameter.startswith(part.prefix)]
        return max(fitting, key=lambda part: len(part.prefix)).name == self.name


PARTS = (
    Part("reading", 0.4, _reading, _scenes((0.8, 0.15, 0.05), wet=0.3), "judge.", noise=0.05),
    Part("camera", 0.25, _camera, _scenes((0.7, 0.2, 0.1), wet=0.5), "judge.camera.", noise=0.01),
    Part("cast", 0.3, _cast, _scenes((0.25, 0.55, 0.2)), "cast.", noise=0.05),
    Part("pair", 0.05, _pair, _overlapping, "cast.pair.", noise=0.03, only=GLIMPSES),
)


def train_judge(
    out: Path,
    *,
    minutes: float = 40.0,
    batch: int = 32,
    seed: int = 1,
    threads: int = 1,
    go_on: tuple[str, ...] = (),
) -> Path:
    """Train the judge and write `<out>/judge.safetensors` and `<out>/cast.safetensors`; scenes with all pairs
    of colour and kind.

    Its parts are trained one after the other and kept in `<out>/parts/PART.safetensors`. With `go_on`, only
    the parts that it names are trained, from the weights that are there. Returns the folder.
    """
    torch.set_num_threads(threads)
    (out / "parts").mkdir(parents=True, exist_ok=True)
    weights: dict[str, Tensor] = {}
    for part in PARTS:
        path = out / "parts" / f"{part.name}.safetensors"
        if not go_on or part.name in go_on:
            start = load_file(path) if go_on else {}
            _write(path, _train_part(part, minutes * 60 * part.share, batch, seed, start))
        weights |= load_file(path)
    for net in ("judge", "cast"):
        own = {name.removeprefix(f"{net}."): w for name, w in weights.items() if name.startswith(f"{net}.")}
        _write(out / f"{net}.safetensors", own)
    return out


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
    nets = Nets().train()
    nets.load_state_dict(start, strict=False)
    parameters = {name: value for name, value in nets.named_parameters() if part.owns(name)}
    optimizer = torch.optim.AdamW(parameters.values(), lr=2e-3, weight_decay=0.02)
    bf16 = compute_type(torch.device("cpu")) == torch.bfloat16
    begin, step, running = time.monotonic(), 0, 2.0
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(part.name, total=seconds)
        while (elapsed := time.monotonic() - begin) < seconds:
            rate = 2e-3 * min(1.0, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * elapsed / seconds))
            for group in optimizer.param_groups:
                group["lr"] = rate
            scenes = [part.scene(rng) for _ in range(batch)]
            frames, fps, width, height = rng.choice(FORMATS)
            frames, fps, first = part.only or (frames, fps, 0.0)
            with torch.no_grad():
                drawn = render(scenes, frames=frames, fps=fps, width=width, height=height, start=first)
                video = _wear(resize_square(drawn) if part.only else sample_moments(drawn, fps), rng, part.noise)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                errors = part.losses(nets, video, scenes, width / height)
            loss = torch.stack(list(errors.values())).mean()
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(list(parameters.values()), 1.0)
            optimizer.step()
            step += 1
            running += 0.02 * (float(loss.detach()) - running)
            bar.update(task, completed=elapsed, description=f"{part.name} step {step} loss {running:.3f}")
            if step % 100 == 0 and not console.is_terminal:
                print(
                    f"{part.name} step {step} elapsed {elapsed:.0f}s loss {running:.4f} "
                    + " ".join(f"{name} {float(value.detach()):.2f}" for name, value in errors.items()),
                    flush=True,
                )
    return {name: value.detach() for name, value in parameters.items()}
