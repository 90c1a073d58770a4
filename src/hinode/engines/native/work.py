"""How much there is to draw for a request: counted without torch, so that a quote is quick."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hinode.engines.native import catalog
from hinode.engines.native.catalog import Card, Shape
from hinode.engines.protocol import Cost
from hinode.model.drawing_schedule import DrawingSchedule
from hinode.registry.profiles import STANDARD
from hinode.request import GUIDE_VIDEO, Request
from hinode.settings import Settings

DEFAULT_STRENGTH = 0.7
"""How far a clip goes from its guide if the request does not say."""


@dataclass(frozen=True)
class DrawingWork:
    """The frames and the steps of one clip.

    Attributes:
        shape: that it is drawn in.
        frames: frames of the clip.
        drawn_frames: frames that are drawn, 1 + 8k and at least `frames`; the last ones are dropped.
        first_step: the step at which drawing starts: later ones for a clip that stays near its guide.
    """

    shape: Shape
    frames: int
    drawn_frames: int
    schedule: DrawingSchedule
    first_step: int

    @classmethod
    def of(cls, request: Request, card: Card) -> DrawingWork:
        """The work of a request for the model of `card`."""
        shape, span = card.shape_for(request.size, request.fps), card.span
        frames = max(1, math.ceil(round(request.seconds * shape.fps, 6)))
        drawn_frames = 1 + span * math.ceil((frames - 1) / span)
        schedule = DrawingSchedule(steps=request.steps or card.steps, guidance=card.guidance)
        first = 0
        if request.reference(GUIDE_VIDEO) is not None:
            first = schedule.first_step(DEFAULT_STRENGTH if request.strength is None else request.strength)
        return cls(shape, frames, drawn_frames, schedule, first)

    def cost(self, card: Card) -> Cost:
        """See `Cost`; a fine token is a patch of one frame."""
        pixels = self.drawn_frames * self.shape.width * self.shape.height
        passes = self.schedule.passes(self.first_step)
        return Cost(pixels // card.patch**2, self.schedule.steps, passes, pixels)


def estimate(request: Request, settings: Settings) -> Cost:
    """See `Engine.estimate`; raises BadInput if the model cannot draw the request."""
    request.check(catalog.capabilities(request.model, settings.models))
    card = catalog.profiles(catalog.find(request.model, settings.models))[request.profile or STANDARD]
    return DrawingWork.of(request, card).cost(card)
