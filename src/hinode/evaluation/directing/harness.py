"""Where cases are played: requests are drawn, scenes rendered, clips kept as files, and judged."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hinode.clip import Frames
from hinode.directing import footage
from hinode.engines.native.catalog import Card
from hinode.evaluation.directing.ensemble import BatchedEngine, drawn
from hinode.evaluation.evaluate import to_bytes
from hinode.media.timeline import frame_rate
from hinode.request import MASK, SOURCE, Reference, Request, Size
from hinode.world.judge import JudgeNet, judge, load_judge
from hinode.world.render import render
from hinode.world.scene import Scene


@dataclass(frozen=True)
class Stage:
    """What every bar needs.

    Attributes:
        ensemble: draws.
        card: of the model that is measured.
        folder: where files of sources and masks go; it is emptied by who made it.
        steps: sampling steps, or None for the model's own number.
        net: the judge.
    """

    ensemble: BatchedEngine
    card: Card
    folder: Path
    steps: int | None = None
    net: JudgeNet = field(default_factory=load_judge)

    @property
    def fps(self) -> float:
        """Frames per second of the model's first shape."""
        return self.card.shapes[0].fps

    @property
    def rate(self) -> Fraction:
        """The same as a fraction."""
        return frame_rate(self.fps)

    @property
    def size(self) -> Size:
        """Width and height of the model's first shape."""
        return self.card.shapes[0].size

    @property
    def aspect(self) -> float:
        """Width by height of the model's first shape."""
        return self.size[0] / self.size[1]

    def request(self, prompt: str, seed: int, seconds: float, size: Size | None = None) -> Request:
        """A new clip at the size that is drawn."""
        width, height = size or self.size
        return Request(
            prompt, width, height, seconds=seconds, seed=seed, model=self.card.name, steps=self.steps
        )

    def drawn(self, requests: Sequence[Request]) -> list[Frames]:
        """The frames of some requests, uint8 [T, H, W, 3] each."""
        return [clip.frames for clip in drawn(requests, self.ensemble)]

    def rendered(
        self, scenes: Sequence[Scene], seconds: float, start: float = 0.0, size: Size | None = None
    ) -> list[Frames]:
        """The truth: what the world shows from `start` on."""
        width, height = size or self.size
        count = round(seconds * self.fps)
        video = render(scenes, frames=count, fps=self.fps, width=width, height=height, start=start)
        return list(to_bytes(video).numpy())

    def judged(self, clips: Sequence[Frames]) -> list[Mapping[str, str]]:
        """What the judge sees in the first two seconds of each clip; all of one size."""
        frames = torch.from_numpy(np.stack(clips))
        return [verdict.values for verdict in judge(frames, self.fps, self.net)]

    def right(self, clips: Sequence[Frames], expected: Sequence[Mapping[str, str]]) -> list[dict[str, bool]]:
        """Which of the expected facts the judge sees in each clip."""
        return [
            {name: facts[name] == value for name, value in wanted.items()}
            for facts, wanted in zip(self.judged(clips), expected, strict=True)
        ]

    def source(self, frames: Frames) -> Reference:
        """A clip as a video to work on."""
        return footage.keep(frames, self.rate, SOURCE, self.folder)

    def mask(self, frames: Frames) -> Reference:
        """A moving mask as a video, or a still one as a picture."""
        if len(frames) == 1:
            return self.picture(frames[0], MASK)
        return footage.keep(frames, self.rate, MASK, self.folder)

    def picture(self, frame: Frames, role: str, at: float = 0.0) -> Reference:
        """A frame as a PNG."""
        digest = hashlib.sha256(np.ascontiguousarray(frame).tobytes()).hexdigest()
        path = self.folder / f"{digest}.png"
        Image.fromarray(frame).save(path)
        return Reference(role, digest, "image/png", path=str(path), at=at)


def with_references(request: Request, operation: str, *references: Reference) -> Request:
    """A request that works from some references."""
    return dataclasses.replace(request, operation=operation, references=references)
