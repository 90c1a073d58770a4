"""Distillation: a student draws in few steps, without guidance, what its teacher draws in many with it.

The student, which begins as a copy, goes its own way from noise. From every state that it comes to, the
teacher shows where its step should have ended, and the student learns to get there in one pass. Along the
teacher's way alone it would never see where its own small errors lead; among true clips it would only learn
the mean of all that may become of a noisy one. The student's noise levels are a choice of the teacher's; a
run of fewer steps begins at a level of its own, which tells the one network how far to go.

Sources: progressive distillation arXiv 2202.00512, guidance learnt with it 2210.03142, fixed ways from noise
to clips 2209.03003, learning where the learner goes 1011.0686.
"""

from __future__ import annotations

import dataclasses
import random
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hinode.engines.native.composition import camera_noise
from hinode.errors import ModelError, join_names
from hinode.model import checkpoint
from hinode.model.checkpoint import Checkpoint
from hinode.model.dit import Condition
from hinode.model.flow import Loss, Sampler, SamplerState, Sampling
from hinode.model.layers import compute_type
from hinode.model.text import PAD
from hinode.model.tokens import SpacetimePatches
from hinode.training import data
from hinode.training.cost import flops
from hinode.training.directions import directions
from hinode.training.recipes import RECIPES, Recipe, Stage
from hinode.training.trainer import MODEL_FILE, Trainer, run, stop_on_signal
from hinode.world.motion import camera_path

MINUTES = 90.0
STEPS = 12
"""That the teacher takes: in more it draws no better."""
STARTS = {(0, 5, 8, 10): 0.0, (0, 7): 0.02}
"""Where the student's steps begin, as steps of the teacher; and what the first noise level is said to be."""
LEARNING_RATE = 5e-4
AVERAGE = 0.98  # of the student's weights, per step; at the end the learning rate is zero anyway
AGAIN = 12  # leaps that are learnt for each clip that is drawn
KEPT = 48  # clips of each shape in memory
VALIDATED = 8  # clips of a frozen batch
DENSITIES = (("short", 0.15), ("full", 0.55), ("dense", 0.30))
"""Captions as prompts are when they have been expanded."""


@dataclass(frozen=True)
class Leap:
    """A step of the student: from the teacher's state `first` to its state `last`, and the noise levels there
    as the student is told."""

    first: int
    last: int
    now: float
    later: float


def schedules(sampling: Sampling) -> tuple[tuple[float, ...], ...]:
    """The student's noise levels, one row for each number of steps."""
    times = sampling.schedule().tolist()
    return tuple((start, *(times[step] for step in row[1:])) for row, start in STARTS.items())


def leaps(sampling: Sampling) -> list[Leap]:
    """All steps that the student learns."""
    found = []
    for row, levels in zip(STARTS, schedules(sampling), strict=True):
        ends, later = (*row[1:], sampling.steps), (*levels[1:], 1.0)
        found += [Leap(*leap) for leap in zip(row, ends, levels, later, strict=True)]
    return found


@dataclass(frozen=True)
class Way:
    """A clip on the student's way from noise, and what the teacher made of it."""

    legs: dict[Leap, tuple[Tensor, Tensor]]  # where a leap begins and where it should end, [Tl, h, w, C]
    ids: Tensor  # [L]
    hinted: Tensor | None  # [Tl, h, w, 2f + 3]
    kept: Tensor  # bool, of what was given
    whole: Tensor  # bool [Tl]


def noise_of(
    script: data.Script, known: Tensor, tokenizer: SpacetimePatches, generator: torch.Generator
) -> Tensor:
    """What clips are drawn from, [B, Tl, h, w, C]: as `composition.noise`, going along with the camera where
    nothing is given. known: see `directions`."""
    noise = torch.randn((*known.shape[:4], tokenizer.channels), generator=generator)
    moments = (script.start + torch.arange(script.bucket.frames) / script.bucket.fps).expand(len(noise), -1)
    pans = camera_path(script.scenes, moments).pan
    free = ~known.flatten(1).any(1)
    clips = zip(noise, pans - pans[:, :1], free.tolist(), strict=True)
    return torch.stack(
        [camera_noise(one, pan, tokenizer, generator) if alone else one for one, pan, alone in clips]
    )


@torch.no_grad()
def drawn(
    teacher: Checkpoint,
    student: nn.Module,
    script: data.Script,
    recipe: Recipe,
    sampling: Sampling,
    video: Tensor,
) -> list[Way]:
    """Let the student draw what a script tells, given and shown what the recipe says of its clips, and the
    teacher go on from wherever it is."""
    tokenizer = teacher.model.config.tokenizer
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + script.step)
    x = tokenizer.encode(video)
    known, motion = directions(recipe, script, tokenizer, video.device)
    given = x.masked_fill(~known.repeat_interleave(x.shape[-1] // known.shape[-1], -1), torch.nan)
    noise = noise_of(script, known.cpu(), tokenizer, generator).to(x)
    ids, fps = script.ids.to(x.device), script.bucket.fps
    hinted = motion if teacher.model.config.hints else None
    sampler = Sampler(teacher.model, ids, fps, noise, sampling, given=given, motion=hinted)
    condition = student.encode_text(ids)  # type: ignore[operator]
    legs: dict[Leap, tuple[Tensor, Tensor]] = {}
    alone = sampler.state  # of the teacher, which goes from noise but once
    z = start = alone.latents.clone()
    for leap in leaps(sampling):
        first = leap.first == 0
        z = start if first else z
        sampler.state = alone if first else SamplerState(z, leap.first)
        while sampler.state.step < leap.last:
            next(sampler)
        alone = sampler.state if first else alone
        legs[leap] = z.to(torch.bfloat16), sampler.state.latents.to(torch.bfloat16)
        if leap.later < 1:  # nothing is learnt from where its last leap ends
            slope = velocity(student, z, [leap] * len(z), condition, fps, sampler.hinted, sampler.whole)
            z = torch.where(sampler.kept, z, z + (leap.later - leap.now) * slope)
    return [
        Way(
            {leap: (begin[clip], end[clip]) for leap, (begin, end) in legs.items()},
            ids[clip],
            None if sampler.hinted is None else sampler.hinted[clip],
            sampler.kept[clip],
            sampler.whole[clip],
        )
        for clip in range(len(ids))
    ]


def velocity(
    student: nn.Module,
    z: Tensor,
    steps: list[Leap],
    condition: Condition,
    fps: float,
    hinted: Tensor | None,
    whole: Tensor,
) -> Tensor:
    """Of a student that takes a leap from each of the states z."""
    now = torch.tensor([leap.now for leap in steps], device=z.device)
    levels = now[:, None].expand(whole.shape).masked_fill(whole, 1.0)
    clean: Tensor = student(z, levels, condition, fps, None, hinted)
    return (clean - z) / (1 - now.view(-1, 1, 1, 1, 1))


def loss(model: nn.Module, ways: list[Way], steps: list[Leap], fps: float) -> Loss:
    """How far the student is from the mean velocity that it should have, one leap for each clip."""
    legs = [way.legs[leap] for way, leap in zip(ways, steps, strict=True)]
    z, there = (torch.stack(states).float() for states in zip(*legs, strict=True))
    length = max(len(way.ids) for way in ways)
    ids = torch.stack([F.pad(way.ids, (0, length - len(way.ids)), value=PAD) for way in ways])
    hinted = None if ways[0].hinted is None else torch.stack([w.hinted for w in ways if w.hinted is not None])
    kept, whole = (torch.stack([getattr(way, name) for way in ways]) for name in ("kept", "whole"))
    condition = model.encode_text(ids)  # type: ignore[operator]
    far = torch.tensor([leap.later - leap.now for leap in steps], device=z.device).view(-1, 1, 1, 1, 1)
    slope = velocity(model, z, steps, condition, fps, hinted, whole)
    squared = (slope - (there - z) / far).square().masked_fill(kept, 0.0)
    squared = squared / (1 - kept.float().mean((2, 3, 4), True)).clamp(min=1e-3)
    errors = squared.mean((2, 3, 4))
    counted = (~whole).float()
    levels = torch.tensor([leap.now for leap in steps], device=z.device)[:, None].expand(whole.shape)
    value = (errors * counted).sum() / counted.sum().clamp(min=1)
    return Loss(value, errors.detach(), levels.masked_fill(whole, 1.0))


class Distiller(Trainer):
    """A student with its teacher, and the clips that the teacher drew last."""

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        device: torch.device,
        teacher: Checkpoint,
        start: Checkpoint,
        name: str,
    ) -> None:
        """name: of the teacher."""
        super().__init__(recipe, out, device)
        for one in (teacher, start):
            same = one.model.config == self.recipe.model
            if not same or one.vocabulary.words != self.vocabulary.words:
                raise ModelError(
                    f"the recipe {recipe.name} is for another network or vocabulary",
                    "distil a model that this version trained",
                )
        self.teacher, self.name = teacher, name
        self.way = dataclasses.replace(recipe.sampling, steps=STEPS)
        self.leaps = leaps(self.way)
        for network in (self.model, self.average):
            network.load_state_dict(start.model.state_dict())
        self.memory: dict[str, deque[Way]] = {}

    def learn(self, script: data.Script, video: Tensor, rate: float) -> tuple[Loss, Tensor]:
        """Draw a few clips with the teacher, then take one optimiser step on many of those drawn so far."""
        bucket, progress = script.bucket, self.progress
        memory = self.memory.setdefault(bucket.name, deque(maxlen=KEPT))
        memory.extend(drawn(self.teacher, self.average, script, self.recipe, self.way, video))
        rng = random.Random(f"{self.recipe.name}/leaps/{self.recipe.seed}/{script.step}")
        known = [(way, leap) for way in memory for leap in self.leaps]
        taken = rng.sample(known, min(len(known), AGAIN * bucket.batch))
        ways, steps = [way for way, _ in taken], [leap for _, leap in taken]
        result = loss(self.model, ways, steps, bucket.fps)
        torch.autograd.backward(result.value)
        norm = self.update(rate)

        drawn_images = bucket.batch if bucket.frames == 1 else 0
        progress.step += 1
        progress.images += drawn_images
        progress.clips += bucket.batch - drawn_images
        forward = flops(self.model.config, bucket.frames, bucket.height, bucket.width, script.ids.shape[1])
        # the teacher's steps: schedules share the way from noise to where the first of their leaps ends
        led = sum(leap.last - leap.first for leap in self.leaps) - min(row[1] for row in STARTS)
        progress.flops += (3 * len(ways) + (2 * led + len(self.leaps) - len(STARTS)) * bucket.batch) * forward
        return result, norm

    @torch.no_grad()
    def validate(self) -> dict[str, Any]:
        """The loss of the averaged weights, overall and by leap, on their own way through a frozen batch."""
        script = data.validation_scripts(self.recipe, self.vocabulary)[0]
        video = data.draw(script, self.device)
        ways, fps = drawn(self.teacher, self.average, script, self.recipe, self.way, video), script.bucket.fps
        values = [float(loss(self.average, ways, [leap] * len(ways), fps).value) for leap in self.leaps]
        return {
            "validation": round(sum(values) / len(values), 5),
            "validation_by_leap": [round(value, 5) for value in values],
        }

    def facts(self) -> dict[str, Any]:
        """See `Trainer.facts`: a student draws by its own schedules, without guidance."""
        rows = schedules(self.way)
        sampling = Sampling(len(rows[0]), 1.0, self.way.guided, self.way.shift, learnt=rows)
        return super().facts() | {
            "sampling": dataclasses.asdict(sampling),
            "teacher": self.name,
            "teacher_sampling": dataclasses.asdict(self.way),
        }


def recipe_of(teacher: Checkpoint, minutes: float) -> Recipe:
    """The recipe that a student of a model is trained by: the clips that its teacher ended with, few of them
    at a time."""
    name = teacher.facts.get("recipe")
    if name not in RECIPES:
        raise ModelError(
            "the teacher was trained by no known recipe", f"distil {join_names(tuple(RECIPES), 'or')}"
        )
    recipe = RECIPES[name]()
    few = [
        (dataclasses.replace(bucket, batch=max(1, bucket.batch // AGAIN)), weight)
        for bucket, weight in recipe.mix(1.0)
    ]
    return dataclasses.replace(
        recipe,
        minutes=minutes,
        stages=(Stage(1.0, tuple(few)),),
        validation=dataclasses.replace(recipe.validation, batch=VALIDATED),
        densities=DENSITIES,
        learning_rate=LEARNING_RATE,
        weight_decay=0.0,
        warmup_steps=20,
        average=AVERAGE,
        seed=recipe.seed + 1,
        compile=False,
    )


def distil(
    teacher: Path | str,
    out: Path | str,
    *,
    start: Path | str | None = None,
    minutes: float = MINUTES,
    resume: bool = True,
    device: torch.device | str | None = None,
    threads: int | None = None,
) -> Path:
    """Train a student into the folder `out`; returns the path of the exported model.

    teacher: weight file. start: weights that the student begins with, by default its teacher's; those of an
    earlier student need less time. The others are as for `train`, which goes on and stops in the same way.
    Raises ModelError if the networks do not fit each other.
    """
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if threads is not None:
        torch.set_num_threads(threads)
    shown = checkpoint.load(teacher, where, compute_type(where))
    begun = checkpoint.load(start or teacher, where)
    recipe, out = recipe_of(shown, minutes), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    distiller = Distiller(recipe, out, where, shown, begun, Path(teacher).stem)
    with stop_on_signal() as stop:
        run(distiller, stop, resume=resume)
    return out / MODEL_FILE
