"""Drawn clips on disk: processes keep adding to them while another trains on them.

A chunk is one file of some clips, packed without loss. Its scenes follow from its number, so only pixels are
stored; the plans are computed anew. A chunk that is written is never changed.
"""

from __future__ import annotations

import multiprocessing
import random
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hinode.model.plan_tensors import PlanTensors
from hinode.output import replace_file
from hinode.training.drawing.plans import join_plans, plan_tensors, with_land
from hinode.training.drawing.recipes import FPS, DrawingRecipe
from hinode.training.parallel import Team
from hinode.world.book.picture.render import render
from hinode.world.book.scene import Scene, sample_scene

CHUNK = 8
"""Clips in a file."""
MAX_START = 1.5
"""Seconds into its scene at which a clip may begin."""
WAIT = 0.2  # seconds from one look for new chunks to the next


@dataclass(frozen=True)
class Clips:
    """Clips in memory: `video` uint8 [N, T, 3, H, W] and the plans of all their frames. `scenes`: of a chunk,
    each with the moment at which its clip begins."""

    video: Tensor
    plans: PlanTensors
    scenes: Sequence[tuple[Scene, float]] = ()


def chunk_scenes(recipe: DrawingRecipe, number: int) -> list[tuple[Scene, float]]:
    """The scenes of a chunk and the moments at which its clips begin, in seconds."""
    rng = random.Random(f"{recipe.name}/{recipe.seed}/{number}")
    return [(sample_scene(rng), rng.uniform(0.0, MAX_START)) for _ in range(CHUNK)]


def draw_chunk(recipe: DrawingRecipe, number: int, folder: Path) -> Path:
    """Draw a chunk and write it to the folder."""
    path = folder / f"{number:06d}.clips"
    scenes, (width, height) = chunk_scenes(recipe, number), recipe.shape(number)
    video = torch.cat([
        render([scene], frames=recipe.frames, fps=FPS, width=width, height=height, start=start)
        for scene, start in scenes
    ])  # fmt: skip
    packed = zlib.compress(video.mul(255).round().byte().numpy().tobytes(), 1)
    with replace_file(path) as part:
        part.write_bytes(packed)
    return path


def read_chunk(recipe: DrawingRecipe, path: Path) -> Clips:
    """Read a chunk of `draw_chunk`."""
    number = int(path.stem)
    width, height = recipe.shape(number)
    raw = np.frombuffer(zlib.decompress(path.read_bytes()), np.uint8)
    clock = torch.arange(recipe.frames) / FPS
    scenes = chunk_scenes(recipe, number)
    moments = [clock + start for _, start in scenes]
    plans = plan_tensors([scene for scene, _ in scenes], moments, width / height)
    video = torch.from_numpy(raw.copy()).view(CHUNK, recipe.frames, 3, height, width)
    return Clips(video, plans, scenes)


def keep_drawing(recipe: DrawingRecipe, folder: Path, worker: int, workers: int) -> None:
    """Draw chunk after chunk, every `workers`-th from `worker` on, until the process ends; the oldest give
    way to new ones once there are `store_clips`."""
    torch.set_num_threads(1)
    number = worker
    while True:
        if not (folder / f"{number:06d}.clips").exists():
            draw_chunk(recipe, number, folder)
        old = number - recipe.store_clips // CHUNK
        if old >= 0:
            (folder / f"{old:06d}.clips").unlink(missing_ok=True)
        number += workers


class Store:
    """The clips of a run: draws them in processes beside this one and has the newest of them in memory."""

    def __init__(self, recipe: DrawingRecipe, folder: Path, team: Team | None = None) -> None:
        """`team`: its processes share the folder, and the main one's workers draw for all."""
        self.recipe, self.folder = recipe, folder
        self.workers = recipe.workers if team is None or team.is_main else 0
        self.folder.mkdir(parents=True, exist_ok=True)
        self.chunks: dict[Path, Clips] = {}
        self.looked = 0.0
        self.processes: list[BaseProcess] = []

    def __enter__(self) -> Store:
        context = multiprocessing.get_context("spawn")
        for worker in range(self.workers):
            process = context.Process(
                target=keep_drawing, args=(self.recipe, self.folder, worker, self.workers), daemon=True
            )
            process.start()
            self.processes.append(process)
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.processes:
            process.terminate()
            process.join()

    def refresh(self) -> None:
        """Read chunks that are new; the oldest in memory give way."""
        if time.monotonic() - self.looked < WAIT:
            return
        self.looked = time.monotonic()
        limit = self.recipe.memory_clips // CHUNK
        for path in sorted(self.folder.glob("*.clips"))[-limit:]:
            if path not in self.chunks:
                self.chunks[path] = read_chunk(self.recipe, path)
                if len(self.chunks) > limit:
                    self.chunks.pop(next(iter(self.chunks)))

    def wait(self) -> None:
        """Wait until there is a chunk."""
        self.refresh()
        while not self.chunks:
            time.sleep(WAIT)
            self.refresh()

    def sample(self, count: int, frames: int, rng: random.Random) -> Clips:
        """Parts of `frames` frames of random clips of one shape, some of them mirrored."""
        self.refresh()
        shape = rng.choice(list(self.chunks.values())).video.shape
        chunks = [chunk for chunk in self.chunks.values() if chunk.video.shape == shape]
        videos, plans = [], []
        for _ in range(count):
            chunk, row = rng.choice(chunks), rng.randrange(CHUNK)
            first = rng.randrange(self.recipe.frames - frames + 1)
            video, plan = chunk.video[row, first : first + frames], chunk.plans.part(row, first, frames)
            if self.recipe.network.land:
                scene, start = chunk.scenes[row]
                moments = start + torch.arange(first, first + frames) / FPS
                plan = with_land(plan, scene, moments, shape[-1], shape[-2])
            if rng.random() < 0.5:
                video, plan = video.flip(-1), plan.mirrored()
            videos.append(video)
            plans.append(plan)
        return Clips(torch.stack(videos), join_plans(plans))
