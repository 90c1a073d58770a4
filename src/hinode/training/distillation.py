"""Distillation: a student generates in few steps and without guidance what its teacher generates in many.

From every state that the student reaches by itself, the teacher computes where its step should have ended. On
the teacher's states alone it would never see where its own small errors lead; on true clips it would only
learn the mean of everything that a noisy clip may become. Sources: progressive distillation arXiv 2202.00512,
guidance distilled with it 2210.03142, fixed paths 2209.03003, training on the learner's own states 1011.0686.
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
from torch import Tensor

from hinode.engines.native import checkpoint
from hinode.engines.native.checkpoint import Checkpoint
from hinode.engines.native.composition import camera_noise
from hinode.errors import ModelError, join_names
from hinode.model.dit import Condition, DiT
from hinode.model.flow import Loss, Sampler, SamplerState, Sampling
from hinode.model.layers import compute_type
from hinode.model.text import PAD
from hinode.model.tokens import SpacetimePatches
from hinode.training import data
from hinode.training.directions import sample_directions
from hinode.training.loop import stop_on_signal
from hinode.training.recipes import RECIPES, Recipe, Stage
from hinode.training.run import choose_device, run
from hinode.training.trainer import MODEL_FILE, Trainer
from hinode.world.motion import camera_path

MINUTES = 90.0
TEACHER_STEPS = 12
"""More steps do not make the teacher's clips better."""
SCHEDULES = {(0, 5, 8, 10): 0.0, (0, 7): 0.02}
"""The teacher's step at which each step of the student begins, and the first noise level of that schedule,
which tells the one network how far its steps go."""
LEARNING_RATE = 5e-4
AVERAGE = 0.98  # decay of the averaged weights; at the end the learning rate is zero anyway
STEPS_PER_CLIP = 12  # student's steps that are learnt for each new clip
MEMORY_CLIPS = 48  # clips of each shape that are learnt from
VALIDATION_CLIPS = 8
DENSITIES = (("short", 0.15), ("full", 0.55), ("dense", 0.30))
"""Captions as prompts are after expansion."""


@dataclass(frozen=True)
class Leap:
    """A step of the student: from one state of the teacher to a later one."""

    first: int  # the teacher's step where it begins
    last: int  # the teacher's step where it ends
    now: float  # noise level where it begins, as the student sees it
    later: float  # noise level where it ends


def schedules(sampling: Sampling) -> tuple[tuple[float, ...], ...]:
    """The student's noise levels, one row for each number of steps."""
    times = sampling.schedule().tolist()
    return tuple((first, *(times[step] for step in row[1:])) for row, first in SCHEDULES.items())


def leaps(sampling: Sampling) -> list[Leap]:
    """All steps that the student learns."""
    result = []
    for row, levels in zip(SCHEDULES, schedules(sampling), strict=True):
        ends, later = (*row[1:], sampling.steps), (*levels[1:], 1.0)
        result += [Leap(*leap) for leap in zip(row, ends, levels, later, strict=True)]
    return result


@dataclass(frozen=True)
class Rollout:
    """One clip of the student, and the teacher's target for each of its steps."""

    targets: dict[Leap, tuple[Tensor, Tensor]]  # where a leap begins and where it should end, [Tl, h, w, C]
    ids: Tensor  # [L]
    control: Tensor | None  # given pixels and motion, for networks that take them, [Tl, h, w, 2f + 3]
    mask: Tensor  # values that are given, bool [Tl, h, w, C]
    frame_mask: Tensor  # latent frames that are given as a whole, bool [Tl]


def sample_noise(
    batch: data.Batch, mask: Tensor, tokenizer: SpacetimePatches, generator: torch.Generator
) -> Tensor:
    """The noise that clips are generated from, [B, Tl, h, w, C]. As in the engine it moves along with the
    camera, unless a part of the clip is given; `mask`: see `sample_directions`."""
    noise = torch.randn((*mask.shape[:4], tokenizer.channels), generator=generator)
    moments = (batch.start + torch.arange(batch.bucket.frames) / batch.bucket.fps).expand(len(noise), -1)
    pans = camera_path(batch.scenes, moments).pan
    free = ~mask.flatten(1).any(1)
    for number in free.nonzero().flatten().tolist():
        noise[number] = camera_noise(noise[number], pans[number] - pans[number, 0], tokenizer, generator)
    return noise


@torch.no_grad()
def roll_out(
    teacher: Checkpoint, student: DiT, batch: data.Batch, recipe: Recipe, sampling: Sampling, video: Tensor
) -> list[Rollout]:
    """Let the student generate the clips of a batch, and the teacher continue from each of its states.

    `recipe`: which of them are conditioned on pixels and paths. `sampling`: the teacher's. `video`: the clips
    as rendered, [B, T, 3, H, W] in -1..1.
    """
    tokenizer = teacher.model.config.tokenizer
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + batch.step)
    x = tokenizer.encode(video)
    mask, motion = sample_directions(recipe, batch, tokenizer, video.device)
    pixels = x.masked_fill(~mask.repeat_interleave(x.shape[-1] // mask.shape[-1], -1), torch.nan)
    noise = sample_noise(batch, mask.cpu(), tokenizer, generator).to(x)
    ids, fps = batch.ids.to(x.device), batch.bucket.fps
    sampler = Sampler(teacher.model, ids, fps, noise, sampling, context=pixels, motion=motion)
    condition = student.encode_text(ids)
    control = None if sampler.control is None else sampler.control[: len(ids)]
    targets: dict[Leap, tuple[Tensor, Tensor]] = {}
    from_noise = sampler.state  # the first leaps of all schedules share the teacher's steps from noise
    z = start = from_noise.latents.clone()
    for leap in leaps(sampling):
        first = leap.first == 0
        z = start if first else z
        sampler.state = from_noise if first else SamplerState(z, leap.first)
        while sampler.state.step < leap.last:
            next(sampler)
        from_noise = sampler.state if first else from_noise
        targets[leap] = z.to(torch.bfloat16), sampler.state.latents.to(torch.bfloat16)
        if leap.later < 1:  # no leap begins where a schedule ends
            slope = velocity(student, z, [leap] * len(z), condition, fps, control, sampler.frame_mask)
            z = torch.where(sampler.mask, z, z + (leap.later - leap.now) * slope)
    result = []
    for clip in range(len(ids)):
        ends = {leap: (begin[clip], end[clip]) for leap, (begin, end) in targets.items()}
        given = None if control is None else control[clip]
        result.append(Rollout(ends, ids[clip], given, sampler.mask[clip], sampler.frame_mask[clip]))
    return result


def velocity(
    student: DiT,
    z: Tensor,
    steps: list[Leap],
    condition: Condition,
    fps: float,
    control: Tensor | None,
    frame_mask: Tensor,
) -> Tensor:
    """The student's velocity at states z, each of which begins a leap."""
    now = torch.tensor([leap.now for leap in steps], device=z.device)
    levels = now[:, None].expand(frame_mask.shape).masked_fill(frame_mask, 1.0)
    clean: Tensor = student(z, levels, condition, fps, control)
    return (clean - z) / (1 - now.view(-1, 1, 1, 1, 1))


def loss(model: DiT, rollouts: list[Rollout], steps: list[Leap], fps: float) -> Loss:
    """Squared error of the student's velocity against the mean velocity to the target, one leap per clip."""
    targets = [rollout.targets[leap] for rollout, leap in zip(rollouts, steps, strict=True)]
    z, end = (torch.stack(states).float() for states in zip(*targets, strict=True))
    length = max(len(rollout.ids) for rollout in rollouts)
    ids = torch.stack([F.pad(rollout.ids, (0, length - len(rollout.ids)), value=PAD) for rollout in rollouts])
    controls = [rollout.control for rollout in rollouts if rollout.control is not None]
    control = torch.stack(controls) if controls else None
    mask = torch.stack([rollout.mask for rollout in rollouts])
    frame_mask = torch.stack([rollout.frame_mask for rollout in rollouts])
    condition = model.encode_text(ids)
    distance = torch.tensor([leap.later - leap.now for leap in steps], device=z.device).view(-1, 1, 1, 1, 1)
    slope = velocity(model, z, steps, condition, fps, control, frame_mask)
    squared = (slope - (end - z) / distance).square().masked_fill(mask, 0.0)
    # The mean over the values that are not given.
    squared = squared / (1 - mask.float().mean((2, 3, 4), True)).clamp(min=1e-3)
    errors = squared.mean((2, 3, 4))
    counted = (~frame_mask).float()
    levels = torch.tensor([leap.now for leap in steps], device=z.device)[:, None].expand(frame_mask.shape)
    value = (errors * counted).sum() / counted.sum().clamp(min=1)
    return Loss(value, errors.detach(), levels.masked_fill(frame_mask, 1.0))


class Distiller(Trainer):
    """A student with its teacher and its latest rollouts."""

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        device: torch.device,
        teacher: Checkpoint,
        start: Checkpoint,
        name: str,
    ) -> None:
        """`start`: what the student starts as. `name`: of the teacher. ModelError if they do not fit."""
        super().__init__(recipe, out, device)
        for loaded in (teacher, start):
            same = loaded.model.config == self.recipe.model
            if not same or loaded.vocabulary.words != self.vocabulary.words:
                message = f"the recipe {recipe.name} is for another network or vocabulary"
                raise ModelError(message, "distil a model that this version trained")
        self.teacher, self.name = teacher, name
        self.sampling = dataclasses.replace(recipe.sampling, steps=TEACHER_STEPS)
        self.leaps = leaps(self.sampling)
        for network in (self.model, self.average):
            network.load_state_dict(start.model.state_dict())
        self.memory: dict[str, deque[Rollout]] = {}

    def learn(self, batch: data.Batch, video: Tensor, rate: float) -> tuple[Loss, Tensor]:
        """Roll out the clips of a batch, then take one optimiser step on a sample of the latest rollouts."""
        bucket = batch.bucket
        memory = self.memory.setdefault(bucket.name, deque(maxlen=MEMORY_CLIPS))
        memory.extend(roll_out(self.teacher, self.average, batch, self.recipe, self.sampling, video))
        rng = random.Random(f"{self.recipe.name}/leaps/{self.recipe.seed}/{batch.step}")
        pairs = [(rollout, leap) for rollout in memory for leap in self.leaps]
        sample = rng.sample(pairs, min(len(pairs), STEPS_PER_CLIP * bucket.batch_size))
        result = loss(self.model, [pair[0] for pair in sample], [pair[1] for pair in sample], bucket.fps)
        torch.autograd.backward(result.value)
        norm = self.update(rate)
        # Schedules share the teacher's steps from noise to where the first of their leaps ends.
        teacher = sum(leap.last - leap.first for leap in self.leaps) - min(row[1] for row in SCHEDULES)
        student = len(self.leaps) - len(SCHEDULES)
        self.count(batch, 3 * len(sample) + (2 * teacher + student) * bucket.batch_size)
        return result, norm

    @torch.no_grad()
    def validate(self) -> dict[str, Any]:
        """The loss of the averaged weights, overall and by leap, on their own rollouts of a fixed batch."""
        batch = data.validation_batches(self.recipe, self.vocabulary)[0]
        video, fps = data.render_batch(batch, self.device), batch.bucket.fps
        rollouts = roll_out(self.teacher, self.average, batch, self.recipe, self.sampling, video)
        losses = [loss(self.average, rollouts, [leap] * len(rollouts), fps) for leap in self.leaps]
        values = [float(leap_loss.value) for leap_loss in losses]
        mean = sum(values) / len(values)
        return {"validation": round(mean, 5), "validation_by_leap": [round(value, 5) for value in values]}

    def facts(self) -> dict[str, Any]:
        """See `Trainer.facts`: a student samples by its own schedules, without guidance."""
        rows, teacher = schedules(self.sampling), self.sampling
        sampling = Sampling(len(rows[0]), 1.0, teacher.guided, teacher.shift, learnt=rows)
        own, teachers = dataclasses.asdict(sampling), dataclasses.asdict(teacher)
        return super().facts() | {"sampling": own, "teacher": self.name, "teacher_sampling": teachers}


def student_recipe(teacher: Checkpoint, minutes: float) -> Recipe:
    """The recipe for the student of a model: the last stage of the teacher's, in smaller batches. ModelError
    if no recipe of this version trained the teacher."""
    name = teacher.facts.get("recipe")
    if name not in RECIPES:
        remedy = f"distil {join_names(tuple(RECIPES), 'or')}"
        raise ModelError("the teacher was trained by no known recipe", remedy)
    recipe = RECIPES[name]()
    mix = tuple(
        (dataclasses.replace(bucket, batch_size=max(1, bucket.batch_size // STEPS_PER_CLIP)), weight)
        for bucket, weight in recipe.mix(1.0)
    )
    return dataclasses.replace(
        recipe,
        minutes=minutes,
        stages=(Stage(1.0, mix),),
        validation=dataclasses.replace(recipe.validation, batch_size=VALIDATION_CLIPS),
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

    `teacher`: weight file. `start`: weights that the student starts with, by default its teacher's; those of
    an earlier student need less time. All else is as for `train`. ModelError if the networks do not fit.
    """
    device = choose_device(device)
    if threads is not None:
        torch.set_num_threads(threads)
    model = checkpoint.load(teacher, device, compute_type(device))
    student = checkpoint.load(start or teacher, device)
    recipe, out = student_recipe(model, minutes), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    distiller = Distiller(recipe, out, device, model, student, Path(teacher).stem)
    with stop_on_signal() as stop:
        run(distiller, stop, resume=resume)
    return out / MODEL_FILE
