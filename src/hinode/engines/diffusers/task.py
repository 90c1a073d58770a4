"""What one request means for a model, decided before any weight is read."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from hinode.engines.diffusers import capabilities as models
from hinode.engines.protocol import Cost
from hinode.errors import BadInput
from hinode.media.reading import references
from hinode.registry.entry import Entry
from hinode.registry.families.family import EXTEND, GENERATE, Family
from hinode.registry.profiles import Profile, distil_profile
from hinode.request import CHARACTER, FIRST_FRAME, LAST_FRAME, Request, Size
from hinode.settings import Settings

WITHOUT_CACHE_CONTEXT = frozenset({"WanVideoToVideoPipeline"})
"""Pipelines that do not tell the denoiser which of the two passes of a step comes next, so that no blocks can
be reused."""


@dataclass(frozen=True)
class Task:
    """A request and everything that follows from it.

    Attributes:
        entry: the model under the profile of the request, or under its default.
        profile: with the steps of the request, else those of a distilling LoRA, else those of the family.
        size: width and height that the network samples.
        frames: frames of the clip.
        network_frames: frames that the network samples.
        source_frames: first frames of the clip that are copied from a source that is extended.
        overlap: how many of these the network samples again, to continue from them.
    """

    request: Request
    entry: Entry
    family: Family
    profile: Profile
    size: Size
    frames: int
    network_frames: int
    source_frames: int = 0
    overlap: int = 0

    @classmethod
    def of(cls, request: Request, settings: Settings) -> Task:
        """The task of a request; BadInput if the model cannot do it, ModelError if it is damaged."""
        capabilities = models.capabilities(request.model, settings.home)
        request.check(capabilities)
        source_seconds = None
        if request.operation == EXTEND and request.source is not None:
            source_seconds = float(references.seconds(request.source))
            request.check(capabilities, source_seconds)
        entry, family = models.find(request.model, settings.home)
        entry = entry.with_profile(request.profile or entry.profile)
        profile = _profile(request, entry, family)
        frames, network_frames = family.frame_counts(request.seconds)
        source_frames = overlap = 0
        if source_seconds is not None:
            frames = max(2, frames)
            source_frames, overlap, network_frames = _extension(frames, source_seconds, family)
        size = family.sampled_size(request.size, profile)
        task = cls(request, entry, family, profile, size, frames, network_frames, source_frames, overlap)
        if task.input_mode not in family.pipelines:
            raise BadInput(
                f"the model {entry.name} cannot {request.operation} from all of these references at once",
                "leave out one that it does not require",
                field="references",
            )
        if task.pipeline in WITHOUT_CACHE_CONTEXT:
            return dataclasses.replace(task, profile=dataclasses.replace(profile, reuse=0.0))
        return task

    @property
    def input_mode(self) -> str:
        """What the clip is made from: a key of `Family.pipelines`."""
        pictures = [role for role in (FIRST_FRAME, LAST_FRAME) if self.request.reference(role)]
        operation = self.request.operation
        return "+".join(pictures if operation == GENERATE else [operation, *pictures])

    @property
    def pipeline(self) -> str:
        """Name of the pipeline class in diffusers."""
        return self.family.pipelines[self.input_mode]

    @property
    def strength(self) -> float | None:
        """How much of the source is replaced, or None if no noise is added to it."""
        return self.family.strengths.get(self.request.operation) if "VideoToVideo" in self.pipeline else None

    @property
    def schedule_steps(self) -> int:
        """Steps of the whole schedule. A pipeline that starts from a source leaves out the first of them, so
        that those of the profile remain."""
        steps = self.profile.steps
        while self.strength is not None and int(steps * self.strength) < self.profile.steps:
            steps += 1
        return steps

    @property
    def clip_indices(self) -> list[int]:
        """Indices of the network's frames that are in the clip, in order; the network samples a few more than
        requested where it can only sample certain numbers of frames."""
        count = self.frames - self.source_frames
        if self.overlap:
            return list(range(self.overlap, self.overlap + count))
        if self.request.reference(LAST_FRAME) is None:
            return list(range(count))
        if self.request.reference(FIRST_FRAME) is None or count == 1:
            return list(range(self.network_frames - count, self.network_frames))
        # Both ends must stay, so frames between them are left out.
        return [round(index * (self.network_frames - 1) / (count - 1)) for index in range(count)]

    @property
    def tiny(self) -> bool:
        """Whether the tiny decoder decodes the clip."""
        return self.profile.tiny and bool(self.entry.decoder)

    @property
    def tokens(self) -> int:
        """Tokens of one pass of the denoiser, without those of the prompt."""
        shape = self.family.shape
        characters = sum(reference.role == CHARACTER for reference in self.request.references)
        frames = math.ceil((self.latent_frames + characters) / shape.patch_frames)
        edge = shape.pixels_per_latent * shape.patch
        return frames * math.ceil(self.size[0] / edge) * math.ceil(self.size[1] / edge)

    @property
    def latent_frames(self) -> int:
        """Frames of the latents."""
        _, offset = self.family.frame_rule
        return 1 + math.ceil((self.network_frames - offset) / self.family.shape.frames_per_latent)

    @property
    def passes(self) -> int:
        """Passes of the denoiser over all steps."""
        return self.profile.steps * (2 if self.profile.guidance > 1 else 1)

    def estimate(self) -> Cost:
        """See `Engine.estimate`."""
        return Cost(
            tokens=self.tokens,
            steps=self.profile.steps,
            passes=self.passes,
            pixels=self.network_frames * self.size[0] * self.size[1],
        )


def _profile(request: Request, entry: Entry, family: Family) -> Profile:
    profile = family.profiles[entry.profile]
    distillation = next((lora for lora in entry.loras if lora.steps), None)
    if distillation is not None:
        shift = distillation.shift or family.few_step_shift
        profile = distil_profile(profile, distillation.steps, shift)
    if request.negative_prompt and profile.guidance <= 1:
        message = f"the model {entry.name} takes no negative prompt under the profile {entry.profile}"
        remedy = "leave it out or choose a profile that is not distilled"
        raise BadInput(message, remedy, field="negative_prompt")
    if request.steps is not None:
        return dataclasses.replace(profile, steps=request.steps)
    if request.operation in family.strengths:
        steps = max(1, int(profile.steps * family.strengths[request.operation]))
        return dataclasses.replace(profile, steps=steps)
    return profile


def _extension(frames: int, source_seconds: float, family: Family) -> tuple[int, int, int]:
    """`source_frames`, `overlap` and `network_frames` of a task whose clip of 2 or more `frames` extends a
    source."""
    source_frames = min(family.frame_counts(source_seconds)[0], frames - 1)
    step, offset = family.frame_rule
    overlap = offset + step * max(0, (min(source_frames, family.overlap) - offset) // step)
    return source_frames, overlap, family.round_up(overlap + frames - source_frames)
