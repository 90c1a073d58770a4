"""Distillation: a student draws in few steps, without guidance, what its teacher draws in many with it.

The teacher draws clips from noise, and its way from there is fixed: for every step that the student will
take, where it should end is known, and the student, which begins as a copy, learns to get there in one pass.
Among true clips it would only learn the mean of all that may become of a noisy one. The student's noise
levels are a choice of the teacher's; a run of fewer steps begins at a level of its own, which tells the one
network how far to go.

Sources: progressive distillation arXiv 2202.00512, guidance learnt with it 2210.03142, fixed ways from noise
to clips 2209.03003.
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

from hinode.errors import ModelError, listed
from hinode.model import checkpoint
from hinode.model.checkpoint import Checkpoint
from hinode.model.flow import Loss, Sampler, Sampling
from hinode.model.layers import compute_type
from hinode.model.text import PAD
from hinode.training import data
from hinode.training.cost import flops
from hinode.training.directions import directions
from hinode.training.recipes import RECIPES, Recipe, Stage
from hinode.training.trainer import MODEL_FILE, Trainer, run, stop_on_signal

MINUTES = 40.0
STEPS = 12
"""That the teacher takes: in more it draws no better."""
STARTS = {(0, 5, 8, 10): 0.0, (0, 7): 0.02}
"""Where the student's steps begin, as steps of the teacher; and what the first noise level is said to be."""
LEARNING_RATE = 5e-4
AVERAGE = 0.98  # of the student's weights, per step; at the end the learning rate is zero anyway
AGAIN = 12  # leaps that are learnt for each clip that the teacher draws
KEPT = 48  # clips of each shape in memory


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
    """A clip on its way from noise, as the teacher drew it."""

    states: dict[int, Tensor]  # by step: latents [Tl, h, w, C]
    ids: Tensor  # [L]
    hinted: Tensor | None  # [Tl, h, w, 2f + 3]
    kept: Tensor  # bool, of what was given
    whole: Tensor  # bool [Tl]


def drawn(
    teacher: Checkpoint, script: data.Script, recipe: Recipe, sampling: Sampling, video: Tensor
) -> list[Way]:
    """Let the teacher draw what a script tells, given and shown what the recipe says of its clips."""
    tokenizer = teacher.model.config.tokenizer
    generator = torch.Generator(video.device).manual_seed(recipe.seed * 1_000_003 + script.step)
    x = tokenizer.encode(video)
    known, motion = directions(recipe, script, tokenizer, video.device)
    given = x.masked_fill(~known.repeat_interleave(x.shape[-1] // known.shape[-1], -1), torch.nan)
    noise = torch.randn(x.shape, generator=generator, device=x.device)
    ids = script.ids.to(x.device)
    hinted = teacher.model.config.hints
    sampler = Sampler(
        teacher.model, ids, script.bucket.fps, noise, sampling, given=given, motion=motion if hinted else None
    )
    wanted = {step for leap in leaps(sampling) for step in (leap.first, leap.last)}
    states = {0: sampler.state.latents.clone()}
    states |= {state.step: state.latents.clone() for state in sampler if state.step in wanted}
    half = {step: latents.to(torch.bfloat16) for step, latents in states.items()}
    return [
        Way(
            {step: latents[clip] for step, latents in half.items()},
            ids[clip],
            None if sampler.hinted is None else sampler.hinted[clip],
            sampler.kept[clip],
            sampler.whole[clip],
        )
        for clip in range(len(ids))
    ]


def loss(model: nn.Module, ways: list[Way], steps: list[Leap], fps: float) -> Loss:
    """How far the student is from the mean velocity of the teacher over its leaps, one leap for each clip."""
    z = torch.stack([way.states[leap.first] for way, leap in zip(ways, steps, strict=True)]).float()
    there = torch.stack([way.states[leap.last] for way, leap in zip(ways, steps, strict=True)]).float()
    length = max(len(way.ids) for way in ways)
    ids = torch.stack([F.pad(way.ids, (0, length - len(way.ids)), value=PAD) for way in ways])
    hinted = None if ways[0].hinted is None else torch.stack([w.hinted for w in ways if w.hinted is not None])
    kept, whole = (torch.stack([getattr(way, name) for way in ways]) for name in ("kept", "whole"))
    now, later = torch.tensor([[leap.now, leap.later] for leap in steps], device=z.device).unbind(1)
    levels = now[:, None].expand(whole.shape).masked_fill(whole, 1.0)
    clean = model(z, levels, model.encode_text(ids), fps, None, hinted)  # type: ignore[operator]
    now, later = now.view(-1, 1, 1, 1, 1), later.view(-1, 1, 1, 1, 1)
    squared = ((clean - z) / (1 - now) - (there - z) / (later - now)).square().masked_fill(kept, 0.0)
    squared = squared / (1 - kept.float().mean((2, 3, 4), True)).clamp(min=1e-3)
    errors = squared.mean((2, 3, 4))
    counted = (~whole).float()
    return Loss((errors * counted).sum() / counted.sum().clamp(min=1), errors.detach(), levels)


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
        self.held: tuple[list[Way], float] | None = None

    def learn(self, script: data.Script, video: Tensor, rate: float) -> tuple[Loss, Tensor]:
        """Let the teacher draw a few clips, then take one optimiser step on many of those that it drew."""
        bucket, progress = script.bucket, self.progress
        memory = self.memory.setdefault(bucket.name, deque(maxlen=KEPT))
        memory.extend(drawn(self.teacher, script, self.recipe, self.way, video))
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
        progress.flops += (3 * len(ways) + 2 * self.way.steps * bucket.batch) * forward
        return result, norm

    @torch.no_grad()
    def validate(self) -> dict[str, Any]:
        """The loss of the averaged weights, overall and by leap, on what the teacher drew for a frozen
        batch."""
        if self.held is None:
            script = data.validation_scripts(self.recipe, self.vocabulary)[0]
            video = data.draw(script, self.device)
            self.held = drawn(self.teacher, script, self.recipe, self.way, video), script.bucket.fps
        ways, fps = self.held
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
            "the teacher was trained by no known recipe", f"distil {listed(tuple(RECIPES), 'or')}"
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
