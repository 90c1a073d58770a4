"""How one request will be drawn: all that is decided before any weight is read."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from hinode.engines.diffusers import capabilities as models
from hinode.engines.protocol import Cost
from hinode.errors import BadInput
from hinode.media import references
from hinode.registry.entries import Entry
from hinode.registry.family import EXTEND, GENERATE, Family, Profile, few_steps
from hinode.request import CHARACTER, FIRST_FRAME, LAST_FRAME, Request, Size
from hinode.settings import Settings

UNCACHED = frozenset({"WanVideoToVideoPipeline"})
"""Pipelines that do not tell their denoisers which of the passes of a step comes next: no blocks can be
reused there."""


@dataclass(frozen=True)
class Task:
    """A request and everything that follows from it.

    Attributes:
        request: what is asked for.
        entry: the model under the profile that was asked for, or under its own.
        family: what kind it is.
        profile: how it draws; its steps are those of the request, if it names some, else those that a LoRA
            of this profile was distilled to.
        size: width and height that are drawn.
        frames: how many the clip has.
        drawn: how many are drawn.
        before: how many of the clip are those of a source that is extended, as they are.
        overlap: how many of these are drawn again at the beginning, for what is new to go on from.
    """

    request: Request
    entry: Entry
    family: Family
    profile: Profile
    size: Size
    frames: int
    drawn: int
    before: int = 0
    overlap: int = 0

    @classmethod
    def of(cls, request: Request, settings: Settings) -> Task:
        """Decide how a request is drawn.

        Raises:
            BadInput: it cannot be.
            ModelError: the model is missing or damaged.
        """
        capabilities = models.capabilities(request.model, settings.home)
        request.check(capabilities)
        length = None
        if request.operation == EXTEND and request.source is not None:
            length = float(references.seconds(request.source))
            request.check(capabilities, length)
        entry, family = models.find(request.model, settings.home)
        entry = entry.under(request.profile or entry.profile)
        profile = family.profiles[entry.profile]
        distilled = next((lora for lora in entry.loras if lora.steps), None)
        if distilled is not None:
            profile = few_steps(profile, family, distilled.steps, distilled.shift)
        if request.negative_prompt and profile.guidance <= 1:
            raise BadInput(
                f"the model {entry.name} takes no negative prompt under the profile {entry.profile}",
                "leave it out or choose a profile that is not distilled",
                field="negative_prompt",
            )
        if request.steps is not None:
            profile = dataclasses.replace(profile, steps=request.steps)
        elif request.operation in family.strengths:
            taken = max(1, int(profile.steps * family.strengths[request.operation]))
            profile = dataclasses.replace(profile, steps=taken)
        frames, drawn = family.frames(request.seconds)
        size = family.size(request.size, profile)
        before = overlap = 0
        if length is not None:
            frames = max(2, frames)
            before, overlap, drawn = _extended(frames, length, family)
        task = cls(request, entry, family, profile, size, frames, drawn, before, overlap)
        if task.role not in family.pipelines:
            raise BadInput(
                f"the model {entry.name} cannot {request.operation} from all of these references at once",
                "leave out one that it can do without",
                field="references",
            )
        if task.pipeline in UNCACHED:
            return dataclasses.replace(task, profile=dataclasses.replace(profile, reuse=0.0))
        return task

    @property
    def role(self) -> str:
        """What it is drawn from, and so which pipeline draws: a key of `Family.pipelines`."""
        pictures = [role for role in (FIRST_FRAME, LAST_FRAME) if self.request.reference(role)]
        operation = self.request.operation
        return "+".join(pictures if operation == GENERATE else [operation, *pictures])

    @property
    def pipeline(self) -> str:
        """The class in diffusers that draws."""
        return self.family.pipelines[self.role]

    @property
    def strength(self) -> float | None:
        """How much of the source is drawn anew, or None where no noise is added to it."""
        return self.family.strengths.get(self.request.operation) if "VideoToVideo" in self.pipeline else None

    @property
    def schedule(self) -> int:
        """Steps from noise to a clip. Those of the profile are taken; a pipeline that begins with a source
        leaves out the first ones of the schedule."""
        steps = self.profile.steps
        while self.strength is not None and int(steps * self.strength) < self.profile.steps:
            steps += 1
        return steps

    @property
    def shown(self) -> list[int]:
        """Which of the frames that are drawn are in the clip, in order: a few more are drawn than asked for
        where the network can only draw certain numbers of them."""
        count = self.frames - self.before
        if self.overlap:
            return list(range(self.overlap, self.overlap + count))
        if self.request.reference(LAST_FRAME) is None:
            return list(range(count))
        if self.request.reference(FIRST_FRAME) is None or count == 1:
            return list(range(self.drawn - count, self.drawn))
        # Both ends have to stay, so frames between them are left out.
        return [round(place * (self.drawn - 1) / (count - 1)) for place in range(count)]

    @property
    def tiny(self) -> bool:
        """Whether the tiny decoder decodes."""
        return self.profile.tiny and bool(self.entry.decoder)

    @property
    def tokens(self) -> int:
        """Tokens that the denoiser sees in one pass, the prompt left out."""
        edge = self.family.shape.compression[1] * self.family.shape.patch
        characters = sum(one.role == CHARACTER for one in self.request.references)
        frames = math.ceil((self.latent_frames + characters) / self.family.shape.frames)
        return frames * math.ceil(self.size[0] / edge) * math.ceil(self.size[1] / edge)

    @property
    def latent_frames(self) -> int:
        """Frames of the latents."""
        _, offset = self.family.frame_rule
        return 1 + math.ceil((self.drawn - offset) / self.family.shape.compression[0])

    @property
    def passes(self) -> int:
        """Passes through the denoiser in all."""
        return self.profile.steps * (2 if self.profile.guidance > 1 else 1)

    def estimate(self) -> Cost:
        """See `Engine.estimate`."""
        return Cost(
            tokens=self.tokens,
            steps=self.profile.steps,
            passes=self.passes,
            pixels=self.drawn * self.size[0] * self.size[1],
        )


def _extended(frames: int, seconds: float, family: Family) -> tuple[int, int, int]:
    """How a clip goes on from a source: `before`, `overlap` and `drawn` of a task.

    Args:
        frames: of the whole clip, 2 or more.
        seconds: length of the source.
        family: who draws.
    """
    before = min(family.frames(seconds)[0], frames - 1)
    every, offset = family.frame_rule
    overlap = offset + every * max(0, (min(before, family.overlap) - offset) // every)
    drawn = overlap + frames - before
    return before, overlap, offset + every * math.ceil((drawn - offset) / every)
