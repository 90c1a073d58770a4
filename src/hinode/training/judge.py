"""Train the judge on ground truth."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from hinode.model.layers import compute_type
from hinode.progress import progress_bar
from hinode.training.loop import Progress, cosine_rate, iterate_steps, save_weights, take_step
from hinode.world.detector import GRID, TRIPLES, CastNet
from hinode.world.judge import ATTRIBUTES, MOMENTS, SPAN, JudgeNet, resize_square, sample_moments
from hinode.world.motion import subject_path
from hinode.world.render import render
from hinode.world.scene import CAMERAS, COLORS, MOTIONS, SUBJECTS, Scene, Subject, sample_scene

SEED, RATE, WARM_UP, WEIGHT_DECAY = 1, 2e-3, 50, 0.02
FORMATS = ((17, 8.0, 64, 64), (17, 8.0, 112, 64), (17, 8.0, 64, 112), (25, 12.0, 64, 64))
"""Native formats that the judge must read: frames, fps, width, height."""
GLIMPSES = (4, 2.0, SPAN / MOMENTS)
"""Number, rate and start in seconds of the moments whose crops are read: `detector.READ` of its `TRIPLES`."""
_MIRROR = {"pan left": "pan right", "pan right": "pan left"}
MIRRORED = torch.tensor([CAMERAS.index(_MIRROR.get(name, name)) for name in CAMERAS])

Losses = dict[str, Tensor]


class Nets(nn.Module):
    """Both networks of the judge; their parts are trained separately."""

    def __init__(self) -> None:
        super().__init__()
        self.judge, self.cast = JudgeNet(), CastNet()


def _labels(scenes: list[Scene]) -> dict[str, Tensor]:
    facts = [scene.facts() for scene in scenes]
    return {name: torch.tensor([values.index(f[name]) for f in facts]) for name, values in ATTRIBUTES.items()}


def _cells(subjects: list[Subject], aspect: float) -> Tensor:
    """Cell of the judge's 16 x 16 heat map that a subject is in amid each triple; -1 outside. [N, 8]"""
    moments = torch.tensor([[(k + 1) * SPAN / MOMENTS for k in TRIPLES]]).expand(len(subjects), -1)
    path = subject_path(subjects, moments, aspect)
    column, row = (path.x * GRID).floor(), (path.y * GRID).floor()
    inside = (column >= 0) & (column < GRID) & (row >= 0) & (row < GRID)
    return torch.where(inside, row * GRID + column, -1.0).long()


def _augment(video: Tensor, rng: random.Random, noise: float) -> Tensor:
    """Blur, noise and fading, as of cameras and codecs: the judge has to read more than perfect pixels."""
    if rng.random() < 0.5:
        factor = rng.uniform(0.5, 1.0)
        side = max(24, round(video.shape[-1] * factor))
        flat = F.interpolate(video.flatten(0, 1), (side, side), mode="bilinear", antialias=True)
        video = F.interpolate(flat, video.shape[-2:], mode="bilinear").view(video.shape)
    if rng.random() < 0.5:
        video = video + torch.randn_like(video) * rng.uniform(0.0, noise)
    gain, lift = rng.uniform(0.92, 1.08), rng.uniform(-0.03, 0.03)
    return (video * gain + lift).clamp(0.0, 1.0)


def _scene_losses(nets: Nets, video: Tensor, scenes: list[Scene], aspect: float) -> Losses:
    """Losses of the part that reads time, place and weather, and the subject of scenes with a single one."""
    logits, heat = nets.judge(video)
    labels = _labels(scenes)
    single = torch.tensor([len(scene.subjects) == 1 for scene in scenes])
    losses = {}
    for name in ("subject", "color", "motion", "time", "place", "weather"):
        rows = single if name in ("subject", "color", "motion") else slice(None)
        losses[name] = F.cross_entropy(logits[name][rows].float(), labels[name][rows])
    cells = _cells([scene.subjects[0] for scene in scenes], aspect)
    location = F.nll_loss(heat[single].flatten(0, 1), cells[single].flatten(), ignore_index=-1)
    return {**losses, "location": 0.3 * len(losses) * location}


def _camera_losses(nets: Nets, video: Tensor, scenes: list[Scene], aspect: float) -> Losses:
    """Loss of the part that reads the camera. A mirrored clip is another clip, with the opposite pan."""
    labels = _labels(scenes)["camera"]
    logits = nets.judge.camera(torch.cat([video, video.flip(-1)]))
    return {"camera": F.cross_entropy(logits.float(), torch.cat([labels, MIRRORED[labels]]))}


def _cast_losses(nets: Nets, video: Tensor, scenes: list[Scene], aspect: float) -> Losses:
    """Losses of the part that detects several subjects: which kinds are there and where, the colour and the
    motion of each."""
    output = nets.cast(video)
    cast = [(row, subject) for row, scene in enumerate(scenes) for subject in scene.subjects]
    clip = torch.tensor([row for row, _ in cast])
    kind = torch.tensor([SUBJECTS.index(subject.kind) for _, subject in cast])
    present = torch.zeros(len(scenes), len(SUBJECTS))
    present[clip, kind] = 1.0
    cells = _cells([subject for _, subject in cast], aspect)
    heat = output.heat[clip, :, kind]
    motion = torch.tensor([MOTIONS.index(subject.motion) for _, subject in cast])
    color = torch.tensor([COLORS.index(subject.color) for _, subject in cast])
    return {
        "present": 3 * F.binary_cross_entropy_with_logits(output.present, present),
        "location": F.nll_loss(heat.flatten(0, 1), cells.flatten(), ignore_index=-1),
        "motion": F.cross_entropy(output.motion[clip, kind].float(), motion),
        "color": F.cross_entropy(nets.cast.read(output, clip, kind).float(), color),
    }


def _pair_losses(nets: Nets, video: Tensor, scenes: list[Scene], aspect: float) -> Losses:
    """Loss of the part that tells which of two subjects is in front, from their approximate places."""
    count, fps, start = GLIMPSES
    moments = (start + torch.arange(count) / fps).expand(len(scenes), -1)
    paths = [subject_path([scene.subjects[k] for scene in scenes], moments, aspect) for k in (0, 1)]
    where = torch.stack([path.places for path in paths], 2) * 2 - 1
    where = where + torch.randn_like(where) * 0.02
    kinds, colors = (
        torch.tensor([[values.index(getattr(s, name)) for s in scene.subjects] for scene in scenes])
        for name, values in (("kind", SUBJECTS), ("color", COLORS))
    )
    front = torch.tensor([float(scene.relation == "in front of") for scene in scenes])
    odds = nets.cast.pair(video * 2 - 1, where, kinds, colors)
    return {"pair": F.binary_cross_entropy_with_logits(odds.float(), front)}


def _sample(rng: random.Random, *, casts: tuple[float, float, float], precipitation: float = 0.0) -> Scene:
    """Sample a scene with these odds of one, two and three subjects, and these of rain or snow, which hide
    pans and skylines."""
    scene = sample_scene(rng, held_out=None, casts=casts)
    if rng.random() < precipitation:
        scene = dataclasses.replace(scene, weather=rng.choice(("rain", "snow", "snow")))
    return scene


def _sample_overlapping(rng: random.Random) -> Scene:
    while True:
        scene = sample_scene(rng, subjects=2, held_out=None)
        if scene.relation in ("behind", "in front of"):
            return scene


@dataclass(frozen=True)
class Part:
    """A part of the judge that is trained separately: it shares no weights with the others."""

    name: str
    share: float  # of the whole time
    losses: Callable[[Nets, Tensor, list[Scene], float], Losses]
    sample: Callable[[random.Random], Scene]
    prefix: str  # of the names of its weights
    noise: float  # most grain on its clips; too much hides the waves of a night sea, which show a pan
    moments: tuple[int, float, float] | None = None  # as `GLIMPSES`, where it does not see the whole clip

    def owns(self, parameter: str) -> bool:
        """Whether a parameter of `Nets`, by name, belongs to this part: the part with the longest prefix."""
        prefixes = [part.prefix for part in PARTS if parameter.startswith(part.prefix)]
        return max(prefixes, key=len) == self.prefix


_READING = partial(_sample, casts=(0.8, 0.15, 0.05), precipitation=0.3)
_CAMERA = partial(_sample, casts=(0.7, 0.2, 0.1), precipitation=0.5)
PARTS = (
    Part("reading", 0.4, _scene_losses, _READING, "judge.", noise=0.05),
    Part("camera", 0.25, _camera_losses, _CAMERA, "judge.camera.", noise=0.01),
    Part("cast", 0.3, _cast_losses, partial(_sample, casts=(0.25, 0.55, 0.2)), "cast.", noise=0.05),
    Part("pair", 0.05, _pair_losses, _sample_overlapping, "cast.pair.", noise=0.03, moments=GLIMPSES),
)


def train_judge(
    out: Path, *, minutes: float = 40.0, batch: int = 32, threads: int = 1, only: tuple[str, ...] = ()
) -> Path:
    """Train the judge and write `out`/judge.safetensors and `out`/cast.safetensors; returns the folder.

    The parts are trained one after the other and written to `out`/parts/PART.safetensors. `only`: the parts
    that are trained further, from the weights in that folder. No pair of colour and kind is held out.
    """
    torch.set_num_threads(threads)
    (out / "parts").mkdir(parents=True, exist_ok=True)
    metadata = {"made_by": "hinode train judge"}
    weights: dict[str, Tensor] = {}
    for part in PARTS:
        path = out / "parts" / f"{part.name}.safetensors"
        if not only or part.name in only:
            start = load_file(path) if only else {}
            save_weights(path, _train_part(part, minutes * 60 * part.share, batch, start), metadata)
        weights |= load_file(path)
    for net in ("judge", "cast"):
        own = {name.removeprefix(f"{net}."): w for name, w in weights.items() if name.startswith(f"{net}.")}
        save_weights(out / f"{net}.safetensors", own, metadata)
    return out


def _train_part(part: Part, seconds: float, batch: int, start: dict[str, Tensor]) -> dict[str, Tensor]:
    torch.manual_seed(SEED)
    rng = random.Random(f"judge-{part.name}-{SEED}")
    nets = Nets().train()
    nets.load_state_dict(start, strict=False)
    parameters = {name: value for name, value in nets.named_parameters() if part.owns(name)}
    optimizer = torch.optim.AdamW(parameters.values(), lr=RATE, weight_decay=WEIGHT_DECAY)
    bf16 = compute_type(torch.device("cpu")) == torch.bfloat16
    progress, average = Progress(), 2.0
    with progress_bar(unit="share", keep=True) as bar:
        task = bar.add_task(part.name, total=seconds)
        for _ in iterate_steps(lambda: progress.elapsed < seconds, progress):
            rate = cosine_rate(RATE, progress.step, WARM_UP, progress.elapsed, seconds)
            scenes = [part.sample(rng) for _ in range(batch)]
            frames, fps, width, height = rng.choice(FORMATS)
            frames, fps, first = part.moments or (frames, fps, 0.0)
            with torch.no_grad():
                clips = render(scenes, frames=frames, fps=fps, width=width, height=height, start=first)
                clips = resize_square(clips) if part.moments else sample_moments(clips, fps)
                video = _augment(clips, rng, part.noise)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                losses = part.losses(nets, video, scenes, width / height)
            loss = torch.stack(list(losses.values())).mean()
            take_step(loss, optimizer, rate)
            progress.step += 1
            average += 0.02 * (float(loss.detach()) - average)
            text = f"{part.name} step {progress.step} loss {average:.3f}"
            bar.update(task, completed=progress.elapsed, description=text)
            if progress.step % 100 == 0 and not bar.console.is_terminal:
                values = " ".join(f"{name} {float(value.detach()):.2f}" for name, value in losses.items())
                print(f"{text} elapsed {progress.elapsed:.0f} s {values}", flush=True)
    return {name: value.detach() for name, value in parameters.items()}
