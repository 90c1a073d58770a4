"""How well the reader describes videos: true renders, damaged ones, and pictures of nothing of this world.

    hinode evaluate --suite describe

The scenes are drawn here, from seeds that training does not use. A camera that follows a subject which does
not go across the frame stands still; its true move is "still".
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinode.clip import Frames
from hinode.engines.native.plans import perception
from hinode.engines.native.plans.perception import Description, TrainedReader
from hinode.evaluation.clips import reencode
from hinode.evaluation.results import Row, mean, share, spread, table
from hinode.progress import progress_bar
from hinode.world.book.picture.render import render
from hinode.world.book.plan import ScenePlan, plan_of
from hinode.world.book.scene import Scene, sample_scene

CASES = 200
FPS, FRAMES = 12, 25
SIZES = ((320, 180), (320, 180), (180, 320), (240, 240))
"""Width and height of the clips, in turn."""
MAX_START = 1.5
MIN_WHOLE, MIN_REFUSED, MAX_SECONDS, MAX_DISTANCE = 0.97, 0.95, 1.0, 0.02
IDLE = 0.01
"""Most that a camera moves, in short sides or logarithms, that stands still."""
FACTS = ("count", "kind", "color", "motion", "place", "time", "weather", "camera")


def evaluate_descriptions(*, limit: int | None = None, weights: Path | None = None) -> dict[str, Any]:
    """The shares of scenes and facts that are read, of pictures that are refused, and processor seconds.

    `limit`: only so many cases of each part. `weights`: file of the reader, by default the shipped one.

    Raises:
        ModelError: the weights cannot be read.
    """
    trained = perception.load(weights or perception.path())
    count = min(limit or CASES, CASES)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with progress_bar() as bar:
            task = bar.add_task("clips", total=2 * count + max(1, count // 4))
            rows = _scene_rows(trained, count, lambda: bar.advance(task))
            rows += _pair_rows(trained, max(1, count // 4), lambda: bar.advance(task))
            rows += _refusal_rows(trained, count, lambda: bar.advance(task))
    finally:
        torch.set_num_threads(threads)
    return {"suite": "describe", "rows": [row.as_json() for row in rows], "reader": trained.facts}


def text(result: dict[str, Any]) -> str:
    """The rows of a result as text."""
    return table([Row.of(row) for row in result["rows"]])


def _draw(number: int, *, held_out: bool) -> tuple[Scene, Frames, ScenePlan]:
    """A scene with its clip and its true plan."""
    rng = random.Random(f"descriptions/{held_out}/{number}")
    scene, start, (width, height) = (
        sample_scene(rng, held_out=held_out),
        rng.uniform(0, MAX_START),
        SIZES[number % 4],
    )
    video = render([scene], frames=FRAMES, fps=FPS, width=width, height=height, start=start)[0]
    plan = plan_of(scene, (FRAMES - 1) / FPS, width / height, start)
    return scene, _bytes(video), plan


def _bytes(video: Tensor) -> Frames:
    frames: Frames = video.mul(255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    return frames


def _scene_rows(trained: TrainedReader, count: int, report: Callable[[], object]) -> list[Row]:
    """The rows of true renders."""
    facts: dict[str, list[bool]] = {name: [] for name in FACTS}
    whole, placed, accepted, encoded, still = [], [], [], [], []
    distances, seconds = [], []
    for number in range(count):
        scene, frames, truth = _draw(number, held_out=False)
        begin = time.process_time()
        description = perception.describe(frames, FPS, trained)
        seconds.append(time.process_time() - begin)
        aspect = frames.shape[2] / frames.shape[1]
        hits, far = compare(description, scene, truth, aspect)
        for name, hit in hits:
            facts[name].append(hit)
        distances += far
        accepted.append(description.plan is not None)
        whole.append(all(hit for _, hit in hits))
        placed.append(whole[-1] and all(distance <= MAX_DISTANCE for distance in far))
        if number < count // 4:
            again = perception.describe(reencode(frames, FPS), FPS, trained)
            encoded.append(
                all(hit for _, hit in compare(again, scene, truth, frames.shape[2] / frames.shape[1])[0])
            )
            picture = perception.describe(frames[:1], FPS, trained)
            names = {"place", "time", "weather"}
            still.append(all(h for n, h in compare(picture, scene, truth, aspect)[0] if n in names))
        report()
    rows = [
        share("renders", "whole scenes", whole, MIN_WHOLE),
        share("renders", "whole scenes, every subject within 2 % of the width", placed, MIN_WHOLE),
        share("renders", "taken for this world", accepted),
        *(share("renders", f"{name} right", facts[name]) for name in FACTS),
        share("renders", "subjects within 2 % of the width", [d <= MAX_DISTANCE for d in distances]),
        spread("renders", "distance of a subject, in widths", distances, "widths"),
        share("after H.264", "whole scenes", encoded),
        share("single pictures", "place, time and weather right", still),
    ]
    return [
        *rows,
        mean("renders", "processor seconds of a clip", seconds[1:] or seconds, "s", maximum=MAX_SECONDS),
    ]


def _pair_rows(trained: TrainedReader, count: int, report: Callable[[], object]) -> list[Row]:
    """The row of scenes with a pair of colour and kind that no training clip shows."""
    whole = []
    for number in range(count):
        scene, frames, truth = _draw(number, held_out=True)
        description = perception.describe(frames, FPS, trained)
        hits, _ = compare(description, scene, truth, frames.shape[2] / frames.shape[1])
        whole.append(all(hit for _, hit in hits))
        report()
    return [share("unseen pairs of colour and kind", "whole scenes", whole)]


def compare(
    description: Description, scene: Scene, truth: ScenePlan, aspect: float
) -> tuple[list[tuple[str, bool]], list[float]]:
    """Each fact by its name and whether the description has it, and the mean distance of each subject from
    its true place while that is in the frame, in widths. Subjects are paired by their places."""
    plan = description.plan
    if plan is None:
        return [(name, False) for name in FACTS], []
    moved = max(
        abs(v - keys[0]) for keys in (truth.camera.x, truth.camera.y, truth.camera.scale) for v in keys
    )
    move = "still" if moved < IDLE else truth.camera.move
    visible = [k for k, subject in enumerate(truth.subjects) if sum(_inside(subject.x, subject.y)) > 1]
    hits = [
        ("count", len(plan.subjects) == len(visible)),
        ("place", plan.place == truth.place),
        ("time", plan.time == truth.time),
        ("weather", plan.weather == truth.weather),
        ("camera", plan.camera.move == move),
    ]
    free, distances = set(range(len(plan.subjects))), []
    pairs = sorted((_distance(truth, k, plan, n, aspect), k, n) for k in visible for n in free)
    matched: dict[int, tuple[int, float]] = {}
    for distance, k, n in pairs:
        if k not in matched and n in free:
            matched[k] = n, distance
            free.discard(n)
    for k in visible:
        subject = truth.subjects[k]
        if k not in matched:
            hits += [(name, False) for name in ("kind", "color", "motion")]
            continue
        n, distance = matched[k]
        match = plan.subjects[n]
        distances.append(distance)
        hits += [
            ("kind", match.kind == subject.kind),
            ("color", match.color == subject.color),
            ("motion", description.motions[n] == scene.subjects[k].motion),
        ]
    return hits, distances


def _inside(x: tuple[float, ...], y: tuple[float, ...]) -> list[bool]:
    return [0 <= a <= 1 and 0 <= b <= 1 for a, b in zip(x, y, strict=True)]


def _distance(truth: ScenePlan, k: int, plan: ScenePlan, n: int, aspect: float) -> float:
    """Mean distance of two subjects over the keys at which the true one is in the frame, in widths."""
    one, other = truth.subjects[k], plan.subjects[n]
    keys = min(len(one.x), len(other.x))
    inside = np.array(_inside(one.x, one.y)[:keys])
    across = np.array(one.x[:keys]) - np.array(other.x[:keys])
    down = (np.array(one.y[:keys]) - np.array(other.y[:keys])) / aspect
    return float(np.hypot(across, down)[inside].mean()) if inside.any() else 1.0


def _refusal_rows(trained: TrainedReader, count: int, report: Callable[[], object]) -> list[Row]:
    """The rows of what is nothing of this world."""
    rows = []
    refused: dict[str, list[bool]] = {}
    for number in range(count):
        for name, frames in _others(number):
            refused.setdefault(name, []).append(perception.describe(frames, FPS, trained).plan is None)
        report()
    for name, hits in refused.items():
        rows.append(
            share("nothing of this world", f"refused: {name}", hits, MIN_REFUSED if name == "noise" else None)
        )
    return rows


def _others(number: int) -> Iterator[tuple[str, Frames]]:
    """Short clips of nothing of this world."""
    generator = torch.Generator().manual_seed(90_000 + number)
    width, height = SIZES[number % 4]
    noise = torch.randn((5, 3, height, width), generator=generator)
    yield "noise", _bytes((0.5 + 0.3 * noise).clamp(0, 1))
    color = torch.rand((3, 1, 1), generator=generator)
    yield "plain colours", _bytes(color.expand(5, 3, height, width))
    y, x = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)
    power = (y.square() + x.square()).sqrt().clamp(min=1 / width) ** -1.2
    cloud = torch.fft.irfft2(torch.fft.rfft2(noise[:1]) * power, (height, width))
    cloud = 0.5 + 0.2 * cloud / cloud.std() + 0.2 * (color - 0.5)
    yield "clouds of noise", _bytes(cloud.clamp(0, 1).expand(5, -1, -1, -1))
