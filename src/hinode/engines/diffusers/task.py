"""How one request will be drawn: all that is decided before any weight is read."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from hinode.engines.diffusers import offer
from hinode.engines.families import Family, Profile
from hinode.engines.protocol import Work
from hinode.engines.registry import Entry
from hinode.errors import BadInput
from hinode.request import FIRST_FRAME, Reference, Request, Size
from hinode.settings import Settings


@dataclass(frozen=True)
class Task:
    """A request and everything that follows from it.

    Attributes:
        request: what is asked for.
        entry: the model.
        family: what kind it is.
        profile: how it draws; its steps are those of the request, if it names some.
        size: width and height that are drawn.
        frames: how many are kept.
        drawn: how many are drawn.
    """

    request: Request
    entry: Entry
    family: Family
    profile: Profile
    size: Size
    frames: int
    drawn: int

    @classmethod
    def of(cls, request: Request, settings: Settings) -> Task:
        """Decide how a request is drawn.

        Raises:
            BadInput: it cannot be.
            ModelError: the model is missing or damaged.
        """
        request.check(offer.capabilities(request.model, settings.home))
        entry, family = offer.find(request.model, settings.home)
        profile = family.profiles[entry.profile]
        if request.steps is not None:
            profile = dataclasses.replace(profile, steps=request.steps)
        frames, drawn = family.frames(request.seconds)
        task = cls(request, entry, family, profile, family.size(request.size, profile), frames, drawn)
        if task.role not in family.pipelines:
            raise BadInput(
                f"the model {entry.name} draws from a picture and there is none",
                "give it an image as first frame, or choose a model that draws from words",
                field=FIRST_FRAME,
            )
        return task

    @property
    def first_frame(self) -> Reference | None:
        """The picture that the clip opens with, if there is one."""
        return next((one for one in self.request.references if one.role == FIRST_FRAME), None)

    @property
    def role(self) -> str:
        """Which of the family's pipelines draws."""
        return FIRST_FRAME if self.first_frame else ""

    @property
    def tokens(self) -> int:
        """Tokens that the denoiser sees in one pass, the prompt left out."""
        span, side = self.family.shape.compression
        _, offset = self.family.frame_rule
        latent_frames = 1 + math.ceil((self.drawn - offset) / span)
        edge = side * self.family.shape.patch
        return latent_frames * math.ceil(self.size[0] / edge) * math.ceil(self.size[1] / edge)

    @property
    def passes(self) -> int:
        """Passes through the denoiser in all."""
        return self.profile.steps * (2 if self.profile.guidance > 1 else 1)

    def work(self) -> Work:
        """See `Engine.work`."""
        return Work(
            tokens=self.tokens,
            steps=self.profile.steps,
            passes=self.passes,
            pixels=self.drawn * self.size[0] * self.size[1],
        )
