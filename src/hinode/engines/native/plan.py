"""How a request will be drawn: everything that is decided before any weights are read."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hinode.engines.native import catalog, composition
from hinode.engines.native.catalog import Card, Shape
from hinode.engines.native.composition import Composition
from hinode.engines.native.conditioning import Canvas
from hinode.engines.native.expansion import expand_prompt
from hinode.engines.protocol import Cost
from hinode.errors import BadInput, ModelError, join_names
from hinode.model.flow import Sampling
from hinode.model.tokens import SpacetimePatches
from hinode.registry.profiles import STANDARD
from hinode.request import GUIDE_VIDEO, Request

DEFAULT_STRENGTH = 0.7
"""How far a clip goes from its guide if the request does not say."""

CONDITIONED_GUIDANCE = 2.5
"""Largest guidance with references, a path or a camera: with more, the clip leaves them for what its words
usually look like."""

EDIT_GUIDANCE = 2.0
"""Guidance of edits: more of it changes no more of what the prompt names, and moves the subject."""


@dataclass(frozen=True)
class Plan:
    """How one request will be drawn.

    Attributes:
        card: the model that draws it, which may be a student of the one that the request names.
        frames: frames of the clip.
        drawn_frames: frames that are drawn, 1 + 4k and at least `frames`; the last ones are dropped.
    """

    request: Request
    card: Card
    shape: Shape
    frames: int
    drawn_frames: int
    sampling: Sampling

    @classmethod
    def of(cls, request: Request, card: Card) -> Plan:
        """Plan a request that is drawn by the model of `card`.

        Raises:
            BadInput: the model cannot draw in so many steps.
        """
        shape = card.shape_for(request.size, request.fps)
        frames = max(1, math.ceil(round(request.seconds * shape.fps, 6)))
        span = card.patch[0]
        return cls(
            request=request,
            card=card,
            shape=shape,
            frames=frames,
            drawn_frames=1 + span * math.ceil((frames - 1) / span),
            sampling=_sampling(request, card),
        )

    @property
    def canvas(self) -> Canvas:
        """What is drawn on."""
        patches = SpacetimePatches(*self.card.patch)
        return Canvas(self.drawn_frames, self.frames, self.shape.fps, self.shape.size, patches)

    @cached_property
    def prompt(self) -> str:
        """The prompt, expanded unless the request has it so already, or forbids it."""
        request = self.request
        if request.expanded_prompt or not request.expand:
            return request.expanded_prompt or request.prompt
        return expand_prompt(request.prompt, request.seed, motion=not request.path, camera=request.camera)

    @cached_property
    def composition(self) -> Composition:
        """The texts that the network reads, and where each of them holds."""
        return composition.compose(self.request, self.prompt, self.canvas, follows_paths=self.card.control)

    @property
    def strength(self) -> float:
        """How far the clip may go from its guide, 0 to 1."""
        return DEFAULT_STRENGTH if self.request.strength is None else self.request.strength

    @property
    def cost(self) -> Cost:
        times = self.sampling.schedule().tolist()[:-1]
        low, high = self.sampling.guided
        guided = sum(low <= t <= high for t in times) if self.sampling.guidance != 1 else 0
        texts = 2 if self.request.guide_prompt else len(self.composition.texts)
        return Cost(
            tokens=math.prod(self.canvas.latent_shape),
            steps=self.sampling.steps,
            passes=self.sampling.steps * texts + guided,
            pixels=self.drawn_frames * self.shape.width * self.shape.height,
        )


def choose_card(request: Request, home: Path) -> Card:
    """The card of the model that draws a request: the one that its profile names, except that the model
    itself draws what its student has not learned.

    Raises:
        BadInput: the profile allows no negative prompt.
    """
    card = catalog.find(request.model, home)
    profiles = catalog.profiles(card, home)
    profile = request.profile or STANDARD
    choice = profiles[profile]
    if not choice.learnt:
        return choice
    if request.reference(GUIDE_VIDEO):
        return card
    if profile == STANDARD:
        suits = not request.negative_prompt and request.steps in (None, *choice.learnt)
        return choice if suits else card
    if request.negative_prompt:
        others = tuple(name for name in profiles if name != profile)
        message = f"the model {card.name} takes no negative prompt under the profile {profile}"
        remedy = f"leave it out or choose {join_names(others, 'or')}"
        raise BadInput(message, remedy, field="negative_prompt")
    return choice


def default_sampling(card: Card) -> Sampling:
    """How a model draws unless a request says otherwise.

    Raises:
        ModelError: the file names a sampler of another version.
    """
    # Older files say whether they are drawn by Heun's method; none ever was.
    values = {name: value for name, value in card.sampling.items() if (name, value) != ("heun", False)}
    try:
        return Sampling(**values)
    except TypeError as error:
        message = f"{card.path} asks for a sampler that is not known"
        raise ModelError(message, "use a model published for this version") from error


def _sampling(request: Request, card: Card) -> Sampling:
    sampling = default_sampling(card)
    if request.steps is not None:
        sampling = dataclasses.replace(sampling, steps=request.steps)
    if card.learnt and sampling.steps not in card.learnt:
        message = f"{card.name} cannot draw in {sampling.steps} steps"
        remedy = f"give {join_names(tuple(map(str, card.learnt)), 'or')}, or choose the model {card.teacher}"
        raise BadInput(message, remedy, field="steps")
    if sampling.guidance <= 1:  # a student, which has learned its teacher's guidance
        return sampling
    guidance = sampling.guidance
    if request.guide_prompt:
        guidance = EDIT_GUIDANCE
    elif request.references or request.path or request.camera:
        guidance = min(guidance, CONDITIONED_GUIDANCE)
    return dataclasses.replace(sampling, guidance=guidance)
