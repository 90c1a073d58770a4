"""What every metric of the directing suite runs on: requests become clips, scenes become true clips, clips
become reference files, and the judge reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hinode.clip import Frames
from hinode.engines.native.catalog import Card
from hinode.evaluation.directing.batched_engine import BatchedEngine, generate
from hinode.evaluation.directing.cases import Case
from hinode.evaluation.evaluate import to_bytes
from hinode.media import references
from hinode.media.timeline import frame_rate
from hinode.request import SOURCE, Reference, Request, Size
from hinode.world.judge import JudgeNet, judge, load_judge
from hinode.world.render import render
from hinode.world.scene import Scene


@dataclass(frozen=True)
class Harness:
    """An engine, a model, a folder and a judge."""

    engine: BatchedEngine
    card: Card  # of the model that is measured
    folder: Path  # for files of sources and masks; the caller empties it
    steps: int | None = None  # sampling steps, or None for the model's own number
    net: JudgeNet = field(default_factory=load_judge)

    @property
    def fps(self) -> float:
        """Frames per second of the model's first shape."""
        return self.card.shapes[0].fps

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
        """A clip at its native size; `more`: other fields of the request."""
        width, height = size or self.size
        more |= {"seed": seed, "model": self.card.name, "steps": self.steps}
        return Request(prompt, width, height, seconds, **more)

    def requests(self, cases: Sequence[Case], first: int, *length: Any) -> list[Request]:
        """New clips of the prompts and the paths of cases; their seeds count from `first`. `length`: seconds,
        and perhaps a size."""
        return [self.request(case.prompt, k, *length, path=case.path) for k, case in enumerate(cases, first)]

    def generate(self, requests: Sequence[Request]) -> list[Frames]:
        """The frames of some requests, uint8 [T, H, W, 3] each."""
        return [clip.frames for clip in generate(requests, self.engine)]

    def render(
        self, scenes: Sequence[Scene], seconds: float, start: float = 0.0, size: Size | None = None
    ) -> list[Frames]:
        """The true clips of some scenes from `start` on."""
        (width, height), count = size or self.size, round(seconds * self.fps)
        video = render(scenes, frames=count, fps=self.fps, width=width, height=height, start=start)
        return list(to_bytes(video).numpy())

    def check(self, clips: Sequence[Frames], cases: Sequence[Case]) -> list[dict[str, bool]]:
        """Which of the facts of its case the judge finds in the first two seconds of each clip; all of one
        size."""
        verdicts = judge(torch.from_numpy(np.stack(clips)), self.fps, self.net)
        return [
            {name: verdict.values[name] == value for name, value in case.expected().items()}
            for verdict, case in zip(verdicts, cases, strict=True)
        ]

    def reference(self, frames: Frames, role: str = SOURCE) -> Reference:
        """A clip as a video, a single frame as a picture."""
        if len(frames) == 1:
            return self.picture(frames[0], role)
        return references.save_frames(frames, frame_rate(self.fps), role, self.folder)

    def picture(self, frame: Frames, role: str, at: float = 0.0) -> Reference:
        """A frame as a PNG."""
        return references.save_picture(frame, role, self.folder, at)
