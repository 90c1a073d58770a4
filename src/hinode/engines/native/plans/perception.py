"""Perception: from pictures back to the plan of a scene of the picture book.

The reader's weights, how they are applied to a video of any length, and the description in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hinode.clip import Frames
from hinode.engines.native import catalog
from hinode.engines.native.plans.plan_values import LEVEL_MOVES, contacts
from hinode.engines.native.plans.tracks import Sighting, distinct, link, subject_plan
from hinode.errors import ModelError
from hinode.media.reading import references
from hinode.model import reader
from hinode.model.layers import compute_type
from hinode.model.reader import KEYS, SHORT, USUAL_SIZE, Reader, ReaderConfig
from hinode.request import Reference
from hinode.world.book import priors
from hinode.world.book.plan import MAX_SECONDS, STEP, CameraPlan, ScenePlan, key_count
from hinode.world.book.priors import PLACES
from hinode.world.book.reading import read_motion
from hinode.world.book.scene import CAMERAS, MAX_SUBJECTS, TIMES, WEATHERS
from hinode.world.book.words.sentence import sentence

RATE = Fraction(6)
"""Keys a second."""
BATCH = 13
PEAKS, MIN_HEAT, MIN_PRESENCE = 6, 0.12, 0.6
"""Places of a frame that are looked at, how warm they have to be, and how sure of a subject."""
MAX_ASPECT = 4.0
NOTHING = "nothing of this world"
FACTS = ("place", "time", "weather")
VALUES = (PLACES, TIMES, WEATHERS)


@dataclass(frozen=True)
class Description:
    """What a video shows.

    `plan`: None if it is nothing of this world. `confidence`: by fact, 0..1; those of a subject are named
    "subject 1 kind" and the like. `motions`: of the subjects, in their order.
    """

    plan: ScenePlan | None
    confidence: dict[str, float]
    motions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The description in a sentence."""
        return NOTHING if self.plan is None else sentence(self.plan, self.motions)

    def as_json(self) -> dict[str, Any]:
        """Plain values: the sentence, whether it is of this world, the motions, the plan, confidences."""
        return {
            "description": self.text,
            "of_this_world": self.plan is not None,
            "motions": list(self.motions),
            "plan": None if self.plan is None else self.plan.model_dump(mode="json"),
            "confidence": {name: round(value, 3) for name, value in self.confidence.items()},
        }


@dataclass(frozen=True, eq=False)
class TrainedReader:
    """A reader ready to use, with the facts of its training."""

    model: Reader
    facts: dict[str, Any]


def path() -> Path:
    """Where the package keeps the weights."""
    return catalog.shipped() / f"{catalog.READER}.safetensors"


@lru_cache(maxsize=2)
def load(file: Path) -> TrainedReader:
    """Load a reader that `hinode train reader` wrote.

    Raises:
        ModelError: the file is missing or damaged, or holds another network.
    """
    header = catalog.read_header(file)
    try:
        config: dict[str, Any] = {**header["config"], "facts": tuple(header["config"]["facts"])}
        model = Reader(ReaderConfig(**config))
        weights = {name: value.float() for name, value in load_file(file).items()}
        lacking = model.load_state_dict(weights, strict=False)
        if lacking.unexpected_keys or any("num_batches" not in name for name in lacking.missing_keys):
            raise ValueError("other weights")
        facts = header["facts"]
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{file} holds another network than the reader", "train or fetch it again"
        ) from error
    return TrainedReader(model.eval().requires_grad_(False), facts)


def plan_of(reference: Reference) -> ScenePlan | None:
    """The plan of what a video or picture shows; None without weights, or if it is nothing of this world.
    Raises as `describe_file` does."""
    return describe_file(reference).plan if path().is_file() else None


def describe_file(reference: Reference, trained: TrainedReader | None = None) -> Description:
    """Describe the video or picture of a reference, of a video its first `MAX_SECONDS`.

    Raises:
        BadInput: it cannot be read.
        ModelError: the weights are missing.
    """
    keys = islice(references.iter_frames(reference, RATE), int(MAX_SECONDS * RATE))
    seconds = STEP if reference.still else float(references.seconds(reference))
    return describe_keys(keys, seconds, trained)


def describe(frames: Frames, fps: float, trained: TrainedReader | None = None) -> Description:
    """Describe a clip or, of one frame, a picture. `frames`: uint8 [T, H, W, 3], sRGB.

    Raises:
        ModelError: the weights are missing.
    """
    seconds = len(frames) / fps if len(frames) > 1 else STEP
    count = min(int((len(frames) - 1) / fps / STEP + 1e-3) + 1, int(MAX_SECONDS * RATE))
    return describe_keys((frames[round(k * STEP * fps)] for k in range(count)), seconds, trained)


@torch.inference_mode()
def describe_keys(
    keys: Iterable[Frames], seconds: float, trained: TrainedReader | None = None
) -> Description:
    """Describe a clip of some seconds by its frames at each `STEP`, uint8 [H, W, 3] each, at least one."""
    model = (trained or load(path())).model
    small, views = map(_reduced, keys), list[_View]()
    while group := list(islice(small, BATCH)):
        views.append(_look(model, torch.stack(group), len(views) * BATCH))
    world = float(torch.cat([view.world for view in views]).mean().sigmoid())
    if world < 0.5:
        return Description(None, {"world": 1 - world})
    frames = torch.cat([view.frames for view in views])
    seconds = min(seconds, MAX_SECONDS)
    count, (height, width) = key_count(seconds), frames.shape[2:]
    aspect = width / height
    confidence = {"world": world}
    facts: dict[str, Any] = {}
    for name, values, logits in zip(
        FACTS, VALUES, zip(*(view.facts for view in views), strict=True), strict=True
    ):
        odds = torch.cat(logits).mean(0).softmax(0)
        facts[name], confidence[name] = values[int(odds.argmax())], float(odds.max())
    camera, confidence["camera"] = _camera(model, frames, count)
    tracks = link([key for view in views for key in view.sightings], MAX_SUBJECTS)
    subjects = []
    for number, track in enumerate(tracks, start=1):
        for name in ("kind", "color"):
            confidence[f"subject {number} {name}"] = float(track.mean(name).max())
        subjects.append(subject_plan(track, count, aspect))
    plan = ScenePlan(seconds=seconds, camera=camera, subjects=tuple(subjects), **facts)
    motions = tuple(read_motion(plan, number, aspect) for number in range(len(subjects)))
    rested = [
        subject.model_copy(update={"rest": priors.rest(subject.kind, plan.place, motion)})
        for subject, motion in zip(plan.subjects, motions, strict=True)
    ]
    plan = plan.model_copy(update={"subjects": tuple(rested)})
    return Description(plan.model_copy(update={"events": contacts(plan, aspect)}), confidence, motions)


@dataclass(frozen=True, eq=False)
class _View:
    """What the first two networks see at some keys."""

    frames: Tensor  # float [K, 3, H, W] in -1..1
    facts: tuple[Tensor, ...]
    world: Tensor
    sightings: list[list[Sighting]]


def _reduced(frame: Frames) -> Tensor:
    """A frame as the reader takes it, float [3, H, W] in -1..1 with a short side of `SHORT`."""
    height, width = frame.shape[:2]
    short = max(min(height, width), max(height, width) / MAX_ASPECT)
    size = max(16, round(height / short * SHORT)), max(16, round(width / short * SHORT))
    pixels = torch.from_numpy(np.array(frame)).permute(2, 0, 1)[None].float() / 127.5 - 1
    return F.interpolate(pixels, size, mode="bilinear", antialias=True)[0]


def _look(model: Reader, frames: Tensor, first: int) -> _View:
    """The view of frames [K, 3, H, W]; `first`: the number of their first key."""
    bf16 = compute_type(torch.device("cpu")) == torch.bfloat16
    height, width = frames.shape[2:]
    small = F.interpolate(frames, reader.small_size(width, height), mode="bilinear", antialias=True)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        sight = model.see(small)
        rows, places, sizes = _peaks(sight, width / height)
        groups: list[list[Sighting]] = [[] for _ in frames]
        if len(rows):
            # The second look is at the place and the size that the first one found.
            for _ in range(2):
                naming = _named(model, reader.crop(frames, rows, places, sizes))
                places = places + naming.shift[:, :2] * sizes[:, None] * reader.REACH
                sizes = (sizes * naming.shift[:, 2].clamp(-0.7, 0.7).exp()).clamp(0.03, 2.0)
            odds = naming.presence.sigmoid(), naming.kind.softmax(1), naming.color.softmax(1), naming.pose
            presence, kind, color, pose = (value.float().numpy().astype(float) for value in odds)
            for n, row in enumerate(rows.tolist()):
                if presence[n] >= MIN_PRESENCE:
                    place = places[n].numpy().astype(float)
                    groups[row].append(Sighting(first + row, place, float(sizes[n]), float(presence[n]),
                                               kind[n], color[n], pose[n]))  # fmt: skip
    return _View(frames, sight.facts, sight.world, [distinct(sightings) for sightings in groups])


def _named(model: Reader, crops: Tensor) -> reader.Subjects:
    """What crops show, as the mean over them and their mirror images."""
    naming, mirrored = model.name(crops), model.name(crops.flip(-1))
    return reader.Subjects(
        (naming.kind + mirrored.kind) / 2,
        (naming.color + mirrored.color) / 2,
        (naming.presence + mirrored.presence) / 2,
        (naming.shift + mirrored.shift * torch.tensor([-1.0, 1.0, 1.0])) / 2,
        (naming.pose + mirrored.pose * torch.tensor([1.0, -1.0, -1.0])) / 2,
    )


def _peaks(sight: reader.Sight, aspect: float) -> tuple[Tensor, Tensor, Tensor]:
    """The warmest places of heat maps: rows [N], places [N, 2] and sizes [N] in short sides."""
    heat = sight.heat.sigmoid()
    rows, columns = heat.shape[1:]
    highest = F.max_pool2d(heat[:, None], 3, 1, 1)[:, 0]
    warmth, spot = heat.where(heat == highest, torch.zeros(())).flatten(1).topk(PEAKS)
    row, rank = (warmth > MIN_HEAT).nonzero(as_tuple=True)
    cell = spot[row, rank]
    y, x = cell // columns, cell % columns
    wide, high = max(aspect, 1.0), max(1 / aspect, 1.0)
    places = torch.stack((((x + 0.5) / columns - 0.5) * wide, ((y + 0.5) / rows - 0.5) * high), 1)
    size = sight.size[row, y // 2, x // 2].clamp(-2.5, 1.6).exp() * USUAL_SIZE
    return row, places, size


def _windows(count: int) -> Iterator[int]:
    """The first keys of windows of `KEYS` keys that meet at their ends and cover `count` keys."""
    yield 0
    for first in range(KEYS - 1, count - 1, KEYS - 1):
        yield min(first, count - KEYS)


def _camera(model: Reader, frames: Tensor, count: int) -> tuple[CameraPlan, float]:
    """The camera of frames at keys, for `count` keys, and how sure its move is."""
    firsts = list(_windows(len(frames)))
    motions = torch.stack([reader.motions_of((frames[first:] + 1) / 2) for first in firsts])
    moves, curves = model.follow(motions)
    odds = moves.mean(0).softmax(0)
    move = CAMERAS[int(odds.argmax())]
    path = torch.zeros(count, 4)
    for first, curve in zip(firsts, curves, strict=True):
        part = curve[: max(1, min(KEYS, count - first))]
        path[first : first + len(part)] = path[first] + part - part[0]
    path[len(frames) :] = path[min(len(frames), count) - 1]
    if move in LEVEL_MOVES:
        path[:, 2:] = 0.0
    if not move.startswith(("pan", "orbit", "follow")):
        path[:, 0] = 0.0
    if not move.startswith("tilt"):
        path[:, 1] = 0.0
    across, down, scale, zoom = (
        tuple(round(value, 4) for value in column.tolist()) for column in path.clamp(-1.0, 1.0).T
    )
    if not move.startswith("zoom"):
        zoom = (0.0,) * count
    scales, zooms = (tuple(round(math.exp(v), 4) for v in values) for values in (scale, zoom))
    return CameraPlan(move=move, x=across, y=down, scale=scales, zoom=zooms), float(odds.max())
