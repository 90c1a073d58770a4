"""How a request will be drawn by a network of the picture book: decided before any weights are read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hinode.engines.native.book.scene_plan import follow_path, go_on, move_camera, with_cast
from hinode.engines.native.catalog import Card, Shape
from hinode.engines.native.conditioning import Canvas
from hinode.engines.native.plans import perception
from hinode.engines.native.plans.planning import REQUEST, PlannedClip, exclude, plan_prompt, read_plan
from hinode.engines.native.work import DrawingWork
from hinode.errors import join_names
from hinode.model.drawing_schedule import DrawingSchedule
from hinode.request import FIRST_FRAME, KEYFRAME, Request
from hinode.world.book.plan import ScenePlan
from hinode.world.book.words.language import BOOK
from hinode.world.prompts.prompt import parse


@dataclass(frozen=True)
class DrawingPlan:
    """How one request will be drawn.

    Attributes:
        frames: frames of the clip.
        drawn_frames: frames that are drawn, 1 + 8k and at least `frames`; the last ones are dropped.
    """

    request: Request
    card: Card
    shape: Shape
    frames: int
    drawn_frames: int
    schedule: DrawingSchedule

    @classmethod
    def of(cls, request: Request, card: Card) -> DrawingPlan:
        """Plan a request that is drawn by the model of `card`.

        Raises:
            BadInput: its scene plan cannot be used.
        """
        work = DrawingWork.of(request, card)
        plan = cls(request, card, work.shape, work.frames, work.drawn_frames, work.schedule)
        if request.plan:
            read_plan(request.plan, request.seconds)
        return plan

    @property
    def aspect(self) -> float:
        """Width over height of the drawn frames."""
        return self.shape.width / self.shape.height

    @property
    def canvas(self) -> Canvas:
        """What is drawn on."""
        return Canvas(self.drawn_frames, self.frames, self.shape.fps, self.shape.size)

    @cached_property
    def planned(self) -> PlannedClip:
        """The plan of the request or of its words, and what became of the words."""
        request = self.request
        if request.plan:
            plan = read_plan(request.plan, request.seconds)
            return PlannedClip.of(parse(request.prompt, BOOK), plan, request.seed, REQUEST)
        words = exclude(request.prompt, request.negative_prompt)
        parsed = parse(words, BOOK)
        pictures = [part for part in request.references if part.role in (FIRST_FRAME, KEYFRAME) and part.path]
        first = min(pictures, default=None, key=lambda picture: picture.at)
        beside = None if first is None else perception.plan_of(first)
        text = words if beside is None else with_cast(words, parsed, beside)
        planned = plan_prompt(text, seconds=request.seconds, size=self.shape.size, seed=request.seed)
        if beside is None:
            return planned
        plan = go_on(beside, planned.plan, parse(text, BOOK), self.aspect)
        return PlannedClip.of(parsed, plan, request.seed, planned.planner)

    @cached_property
    def scene(self) -> ScenePlan:
        """The scene plan that the clip follows, with the path and the camera of the request."""
        request = self.request
        plan = move_camera(self.planned.plan, request.camera, self.aspect, fixed=bool(request.path))
        return follow_path(plan, request.path)

    @property
    def first_step(self) -> int:
        """The step at which drawing starts: later ones for a clip that stays near its guide."""
        return DrawingWork.of(self.request, self.card).first_step


def describe_plan(plan: DrawingPlan) -> str:
    """What was understood, chosen and left out, in one line for the person."""
    scene, planned, request = plan.scene, plan.planned, plan.request
    subjects = [f"{subject.color} {subject.kind}" for subject in scene.subjects]
    facts = [*subjects, f"place {scene.place}", f"time {scene.time}", f"weather {scene.weather}",
             f"camera {scene.camera.move}"]  # fmt: skip
    notes = [", ".join(facts)]
    if planned.chosen:
        notes.append(f"chosen by the seed: {', '.join(planned.chosen)}")
    notes += [f"{words} read as {replacement}" for words, replacement in planned.substituted]
    notes += [f"without {value}" for value in planned.excluded]
    if planned.not_understood:
        notes.append(f"not understood: {join_names(planned.not_understood)}")
    if request.path and not scene.subjects:
        notes.append("the path was not followed, because the clip has no subject")
    return "; ".join(notes)
