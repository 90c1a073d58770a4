"""What every metric of the directing suite runs on: requests become clips as in the product, scenes become
true clips and plans, and true clips become files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from hinode.clip import Clip, Frames
from hinode.directing.material import load_video
from hinode.engines.native.book.scene_plan import cut_plan
from hinode.engines.native.catalog import Card
from hinode.engines.protocol import Engine
from hinode.evaluation.book.poses import FPS
from hinode.evaluation.directing.cases import SECONDS
from hinode.evaluation.directing.reader import Reader, Reading
from hinode.media.writing.label import Label
from hinode.media.writing.video import write_lossless
from hinode.request import MediaFile, Request, Size
from hinode.world.book.picture.render import render
from hinode.world.book.plan import ScenePlan, plan_of
from hinode.world.book.scene import Scene


@dataclass(frozen=True)
class Harness:
    """A directed engine, a model, and a folder.

    Attributes:
        folder: for files of sources and masks; the caller empties it.
        steps: sampling steps, or None for the model's own number.
    """

    engine: Engine
    card: Card
    folder: Path
    steps: int | None = None

    @property
    def size(self) -> Size:
        """Width and height of the model's first shape."""
        return self.card.shapes[0].size

    @property
    def aspect(self) -> float:
        """Width by height of the model's first shape."""
        return self.size[0] / self.size[1]

    def request(
        self, prompt: str, seed: int, seconds: float, size: Size | None = None, **more: Any
    ) -> Request:
        """A silent clip at its native size; `more`: other fields of the request."""
        width, height = size or self.size
        more |= {"seed": seed, "model": self.card.name, "steps": self.steps, "sound": False}
        return Request(prompt, width, height, seconds, **more)

    def generate(self, request: Request) -> Clip:
        """The clip of a request."""
        run = self.engine.start(request)
        for _ in run:
            pass
        return run.clip()

    def render(self, scene: Scene, seconds: float, start: float = 0.0) -> Frames:
        """The true clip of a scene from `start` on."""
        width, height = self.size
        count = round(seconds * FPS)
        video = render([scene], frames=count, fps=FPS, width=width, height=height, start=start)[0]
        frames: Frames = video.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        return frames

    def plan(self, scene: Scene, seconds: float, start: float = 0.0) -> ScenePlan:
        """The true plan of a scene from `start` on."""
        return plan_of(scene, seconds, self.aspect, start)

    def source(self, frames: Frames, plan: ScenePlan | None = None) -> MediaFile:
        """A clip as a file without loss, with a plan inside where the product puts it, or without one."""
        path = self.folder / f"{len(list(self.folder.iterdir()))}.mp4"
        facts = {} if plan is None else {"plan": plan.model_dump(mode="json")}
        write_lossless(path, frames, Fraction(round(FPS)), Label(facts=facts))
        return load_video(path)

    def read(
        self, clip: Clip, start: float, true: ScenePlan, facts: Mapping[str, str]
    ) -> tuple[Reader, Reading]:
        """What two seconds of a clip show from `start` on, by the plan that it carries; `true`: the plan of
        these seconds instead, if it carries none with a subject."""
        frames, text = clip.frames, clip.provenance.plan
        own = ScenePlan.model_validate_json(text) if text else true
        plan = cut_plan(own, start, SECONDS) if text and own.subjects else true
        first, count = round(start * FPS), round(SECONDS * FPS)
        reader = Reader(plan, facts, count, (frames.shape[2], frames.shape[1]))
        return reader, reader.read(frames[first : first + count])
