"""How far the land and weather of drawn frames are from true ones: distances between sets of frames.

Frames are compared by features of a convolutional network with fixed random weights: it knows nothing, and so
favours nothing. The same features with a linear read-out that is fitted to true frames tell place, time and
weather.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from hinode.world.book.picture.render import render
from hinode.world.book.priors import PLACES
from hinode.world.book.scene import TIMES, WEATHERS, sample_scene

WIDTHS = (16, 32, 64)  # channels of the network's three levels
FAINT = 0.003  # answer of the network below which all are alike
ROWS = 4  # of a frame whose features are kept apart: sky and land differ
SIDE = (112, 64)  # width and height to which frames are brought
LESSONS = 600  # true frames from which place, time and weather are learnt
RIDGE = 30.0
FACTS = {"place": PLACES, "time": TIMES, "weather": WEATHERS}


@functools.cache
def _network() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    weights, before = [], 3
    for width in WIDTHS:
        weight = torch.randn(width, before, 3, 3, generator=generator)
        weight = weight - weight.mean((2, 3), keepdim=True)  # no answer to plain colour, which is kept apart
        weights.append(weight / weight.square().sum((1, 2, 3), keepdim=True).sqrt())
        before = width
    return weights


def features(frames: Tensor) -> Tensor:
    """float32 [N, 3, H, W], 0..1 -> [N, D]: in each of `ROWS` rows mean and spread of the colours, and the
    logarithm of the mean answer of every channel of the network."""
    x = F.interpolate(frames, (SIDE[1], SIDE[0]), mode="area")
    mean = F.adaptive_avg_pool2d(x, (ROWS, 1))
    spread = (F.adaptive_avg_pool2d(x.square(), (ROWS, 1)) - mean.square()).clamp(min=0).sqrt()
    parts = [mean.flatten(1), spread.flatten(1)]
    for weight in _network():
        x = F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight))
        parts.append((F.adaptive_avg_pool2d(x, (ROWS, 1)) + FAINT).log().flatten(1))
        x = F.avg_pool2d(x, 2)
    return torch.cat(parts, 1)


def distance(candidate: Tensor, true: Tensor) -> float:
    """How far the features [N, D] of drawn frames are from those of true frames of the same plans, frame by
    frame, as distributions: the squared mean of their differences, each in units of its deviation in the
    truth, without what chance adds to it. It is 0 on average for other true frames of the plans, which may
    lie in other land. N is 2 at least."""
    change = (candidate - true) / true.std(0).clamp(min=1e-4)
    count = len(change)
    squares = change.sum(0).square().sum() - change.square().sum()
    return float(squares / (count * (count - 1) * change.shape[1]))


def sample_frames(videos: Sequence[Tensor]) -> Tensor:
    """The first and the middle frame of each clip."""
    return torch.cat([video[[0, len(video) // 2]] for video in videos])


def shuffled_patches(frames: Tensor, side: int = 16) -> Tensor:
    """Frames [N, 3, H, W] cut into squares that lie in another order. H and W are multiples of `side`."""
    count, _, height, width = frames.shape
    patches = F.unfold(frames, side, stride=side)
    generator = torch.Generator().manual_seed(0)
    permutations = [torch.randperm(patches.shape[-1], generator=generator) for _ in range(count)]
    moved = torch.stack([patch[:, order] for patch, order in zip(patches, permutations, strict=True)])
    return F.fold(moved, (height, width), side, stride=side)


@functools.cache
def _judge() -> tuple[Tensor, Tensor, Tensor]:
    """Mean and deviation of the features, and the weights [D + 1, facts] of the read-out."""
    rng = random.Random("lessons of place, time and weather")
    width, height = SIDE
    frames, answers = [], []
    for _ in range(LESSONS):
        scene, start = sample_scene(rng), rng.uniform(0.0, 4.0)
        frames.append(render([scene], frames=1, fps=1, width=width, height=height, start=start)[0])
        answers.append(torch.cat([_one_hot(names, getattr(scene, fact)) for fact, names in FACTS.items()]))
    values = features(torch.cat(frames))
    middle, unit = values.mean(0), values.std(0).clamp(min=1e-4)
    values = torch.cat(((values - middle) / unit, torch.ones(len(values), 1)), 1)
    normal = values @ values.T + RIDGE * torch.eye(len(values))
    weights: Tensor = values.T @ torch.linalg.solve(normal, torch.stack(answers))
    return middle, unit, weights


def _one_hot(names: Sequence[str], name: str) -> Tensor:
    return torch.tensor([float(other == name) for other in names])


def read_land(frames: Tensor) -> list[dict[str, str]]:
    """The place, time and weather that each frame [N, 3, H, W] looks like."""
    middle, unit, weights = _judge()
    values = (features(frames) - middle) / unit
    scores = torch.cat((values, torch.ones(len(values), 1)), 1) @ weights
    best, first = {}, 0
    for fact, names in FACTS.items():
        best[fact] = scores[:, first : first + len(names)].argmax(1).tolist()
        first += len(names)
    return [{fact: FACTS[fact][best[fact][row]] for fact in FACTS} for row in range(len(frames))]
