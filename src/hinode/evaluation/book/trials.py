"""How well the measures themselves work: how often each puts true clips above their known damages.

hinode evaluate --suite book --damages
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hinode.evaluation.book import damages, land
from hinode.evaluation.book.pictures import BANDS
from hinode.evaluation.book.poses import FPS
from hinode.evaluation.book.suite import (
    MEASURES,
    REGIONS,
    DrawnClip,
    land_row,
    measure,
    measure_pictures,
    measure_subjects,
)
from hinode.evaluation.records import Record, RecordLog
from hinode.evaluation.results import Row, share
from hinode.progress import progress_bar
from hinode.world.book.picture.render import render
from hinode.world.book.plan import plan_of
from hinode.world.book.scene import Scene, sample_scene

CLIPS, SECONDS, WIDTH, HEIGHT = 100, 2.0, 160, 96
FIRST = 300
"""Number of the first scene: those before it served to choose thresholds and to make pairs."""
SEVERAL = 10
"""Every so many clips has two subjects, the others one."""
MIN_APART = 0.95
"""Share of clips in which a measure has to put the truth above its damage."""
TRIALS: tuple[tuple[str, str, int], ...] = (
    ("shape", "warped", 1),
    ("shape, worst frame", "warped", 1),
    ("change of the fit", "warped", -1),
    ("shape", "missing", 1),
    ("shape, worst frame", "missing", 1),
    ("faults", "missing", -1),
    ("faults", "doubled", -1),
    *((f"sharpness, {region}, {band}", "blurred", 1) for region in REGIONS for band in BANDS),
    ("disorder", "shuffled", -1),
    ("pulse at 4 frames", "pulsing", -1),
    ("edges of the first frame", "crisp start", -1),
    ("distinct frames", "halting", 1),
)  # fmt: skip
"""A measure, a damage that it has to find, and 1 if it is larger for the truth, -1 if smaller."""


def sample(number: int) -> Scene:
    """Scene `number` of an endless list."""
    return sample_scene(random.Random(f"book {number}"), subjects=1 if number % SEVERAL else 2)


def try_clip(scene: Scene) -> Record:
    """The measures of a true clip and of its damages: {"true": {measure: figure, ...}, "warped": ...}, and
    features of its land."""
    frames = round(SECONDS * FPS)
    video = render([scene], frames=frames, fps=FPS, width=WIDTH, height=HEIGHT)[0]
    plan = plan_of(scene, SECONDS, WIDTH / HEIGHT)
    true, fits = measure(DrawnClip(video, plan, video))
    record: Record = {"true": true}
    whole = {
        "warped": damages.warped(video, plan),
        "missing": damages.missing(scene, frames, WIDTH, HEIGHT),
        "doubled": damages.doubled(video, plan),
    }
    for name, damaged in whole.items():
        record[name], _ = measure_subjects(DrawnClip(damaged, plan, video), fits)
    pixels = {
        "blurred": damages.blurred(video),
        "shuffled": damages.shuffled(video),
        "pulsing": damages.pulsing(video),
        "crisp start": damages.crisp_start(video),
        "halting": damages.halting(video),
    }
    for name, damaged in pixels.items():
        record[name] = measure_pictures(DrawnClip(damaged, plan, video))
    record["land"] = land_features(scene)
    return record


def try_damages(*, limit: int | None = None, keep: Path | None = None) -> dict[str, Any]:
    """Try every measure on `CLIPS` true clips, or the first `limit`. `keep`: a folder from which a stopped
    run continues. Returns {"suite", "clips", "rows"}; BadInput if the folder is of another trial."""
    scenes = [sample(FIRST + number) for number in range(CLIPS if limit is None else limit)]
    header = {"suite": "book", "trial": "damages", "width": WIDTH, "height": HEIGHT, "seconds": SECONDS}
    log = RecordLog(keep, "damages", header)
    with progress_bar() as bar:
        records = log.complete(scenes, 1, lambda part, _: [try_clip(scene) for scene in part], bar)
    rows = [_row(records, *trial) for trial in TRIALS]
    rows += _land_rows(records)
    return {"suite": "book", "clips": len(records), "rows": [row.as_json() for row in rows]}


def _row(records: Sequence[Record], name: str, damage: str, sign: int) -> Row:
    """The share of the clips, for which the measure has a meaning, that it tells from their damage."""
    assert name in MEASURES
    pairs = [(record["true"][name], record[damage][name]) for record in records]
    apart = [sign * (true - damaged) > 0 for true, damaged in pairs if not math.isnan(true + damaged)]
    return share(name, f"true clips above {damage} ones", apart, MIN_APART)


def land_features(scene: Scene) -> dict[str, list[list[float]]]:
    """Features of two frames of a scene without subjects, as they are and damaged, and of the same plan in
    other land."""
    empty = dataclasses.replace(scene, subjects=())
    # the way of an orbit is that of the seed's parity
    other = dataclasses.replace(empty, seed=scene.seed + 2)
    starts = [0.0, SECONDS / 2]
    frames, others = (
        render([land_of] * 2, frames=1, fps=FPS, width=WIDTH, height=HEIGHT, start=starts)[:, 0]
        for land_of in (empty, other)
    )
    pictures = {
        "reference": others,
        "true": frames,
        "blurred": damages.blurred(frames),
        "patches shuffled": land.shuffled_patches(frames),
    }
    return {name: land.features(picture).tolist() for name, picture in pictures.items()}


def _land_rows(records: Sequence[Record]) -> list[Row]:
    """Distances of features from those of other land of the same plans, and their order in resamples."""
    if len(records) < 4:
        return []
    names = ("true", "blurred", "patches shuffled")
    sets = {
        name: torch.cat([torch.tensor(record["land"][name]) for record in records])
        for name in ("reference", *names)
    }
    what = "distance from other true frames: "
    rows = [land_row(what + name, sets[name], sets["reference"]) for name in names]
    rng, ordered = np.random.default_rng(0), []
    for _ in range(CLIPS):
        pick = torch.from_numpy(rng.permutation(len(records))[: len(records) // 2])
        part = {
            name: values.view(-1, 2, values.shape[1])[pick].flatten(0, 1) for name, values in sets.items()
        }
        true, blurred, moved = (land.distance(part[name], part["reference"]) for name in names)
        ordered.append(true < blurred < moved)
    what = "halves of the clips in order: true, blurred, shuffled"
    rows.append(share("land and weather", what, ordered, MIN_APART))
    return rows
