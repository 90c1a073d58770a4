"""The part of the judge that detects several subjects: their kinds, colours, motions and places.

It has one heat map for each kind of subject (a scene has no two of a kind). The colour of a subject is read
from the crop around it, its motion from its path. For two that overlap it tells which is in front.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hinode.world import palette
from hinode.world.scene import COLORS, MOTIONS, SUBJECTS

SIDE = 64  # pixels of the square that is looked at
GRID = 16  # cells of a heat map along a side
CROP = 28  # pixels around a subject
TRIPLES = (0, 2, 4, 6, 8, 10, 12, 13)  # of 16 moments: where the runs of three frames begin
READ = slice(0, None, 2)  # the triples whose crops are read
COLOR_WIDTH, DISC = 0.3, 0.2  # widths of the Gaussians that mark a subject by its colour and by its place
OVERLAP = 0.2  # of the frame: subjects whose centres are nearer than this overlap
KINDS = len(SUBJECTS)


@dataclass(frozen=True)
class Detection:
    """A detected subject. `x`, `y`: the mean of its path, in fractions of the frame."""

    kind: str
    color: str
    motion: str
    x: float
    y: float


@dataclass(frozen=True)
class Cast:
    """The subjects of a clip by kind, and which is in front of which."""

    subjects: dict[str, Detection]
    nearer: frozenset[tuple[str, str]]

    def relation(self, first: str, second: str) -> str | None:
        """Where the kind `first` is, seen from the kind `second`; None if one of them was not detected. Two
        that overlap are behind or in front of each other; otherwise the larger distance decides."""
        if first not in self.subjects or second not in self.subjects:
            return None
        a, b = self.subjects[first], self.subjects[second]
        dx, dy = a.x - b.x, a.y - b.y
        if dx * dx + dy * dy < OVERLAP * OVERLAP:
            return "in front of" if (first, second) in self.nearer else "behind"
        if abs(dx) > abs(dy):
            return "left of" if dx < 0 else "right of"
        return "above" if dy < 0 else "below"


def conv(inputs: int, outputs: int, stride: int | tuple[int, int] = 1) -> nn.Sequential:
    """A 3 x 3 convolution with group norm and GELU."""
    layer = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
    return nn.Sequential(layer, nn.GroupNorm(8, outputs), nn.GELU())


def head(inputs: int, outputs: int) -> nn.Sequential:
    """Features to logits."""
    return nn.Sequential(nn.LayerNorm(inputs), nn.Linear(inputs, 128), nn.GELU(), nn.Linear(128, outputs))


def stem(width: int) -> nn.Sequential:
    """The output of `triples` to features at a quarter of the size."""
    wide = 2 * width
    return nn.Sequential(conv(11, width, stride=2), conv(width, wide, stride=2), conv(wide, wide))


def crop_net(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Crops to flat features, `outputs` at each of 7 x 7 places."""
    layers = conv(inputs, width), conv(width, 2 * width, stride=2), conv(2 * width, outputs, stride=2)
    return nn.Sequential(*layers, nn.Flatten())


def grid(device: torch.device) -> Tensor:
    """x and y of every pixel, -1..1: [2, 64, 64]."""
    axis = torch.linspace(-1.0, 1.0, SIDE, device=device)
    return torch.stack([axis.expand(SIDE, SIDE), axis[:, None].expand(SIDE, SIDE)])


def cells(device: torch.device) -> Tensor:
    """x and y of every cell of a heat map, -1..1: [2, 256]."""
    return F.interpolate(grid(device)[None], (GRID, GRID), mode="area")[0].flatten(1)


def triples(video: Tensor) -> tuple[Tensor, Tensor]:
    """`video` [B, 16, 3, 64, 64] -> the middle frames of the triples [B * 8, 3, 64, 64], and these with the
    changes before and after them and the place of each pixel [B * 8, 11, 64, 64]; all in -1..1."""
    runs = torch.stack([video[:, k : k + 3] for k in TRIPLES], 1)  # (B, 8, 3, 3, 64, 64)
    first, second, third = (runs * 2 - 1).flatten(0, 1).unbind(1)
    changes = ((second - first) * 4, (third - second) * 4)
    places = grid(video.device).expand(len(second), 2, SIDE, SIDE)
    return second, torch.cat([second, *changes, places], 1)


def over_time(values: Tensor) -> Tensor:
    """Values of all triples [B * 8, ...] by clip: [B, 8, ...]."""
    return values.view(-1, len(TRIPLES), *values.shape[1:])


def crop(frames: Tensor, where: Tensor) -> Tensor:
    """Cut 28 x 28 pixels around a place. `frames`: [N, 3, 64, 64], `where`: [N, 2] as x, y in -1..1."""
    axis = (torch.arange(CROP, device=frames.device) - (CROP - 1) / 2) * (2.0 / SIDE)
    x = (where[:, None, None, 0] + axis).expand(-1, CROP, -1)
    y = (where[:, None, None, 1] + axis[:, None]).expand(-1, -1, CROP)
    return F.grid_sample(frames.float(), torch.stack([x, y], -1).float(), align_corners=False)


@dataclass(frozen=True)
class DetectorOutput:
    """The network's output for a batch of B clips."""

    present: Tensor  # logits [B, kinds]
    heat: Tensor  # log heat maps [B, 8, kinds, 256]
    where: Tensor  # x, y in -1..1 [B, 8, kinds, 2]
    motion: Tensor  # logits [B, kinds, motions]
    frames: Tensor  # the middle frames of the triples, -1..1, [B, 8, 3, 64, 64]


class PairNet(nn.Module):
    """Tell which of two subjects that overlap is in front. It sees the crop around both, how near each pixel
    is to the colour of either, and how near to its place."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.look = crop_net(7, width, 2 * width)
        self.answer = head(2 * width * (CROP // 4) ** 2 + 2 * KINDS, 1)

    def forward(self, frames: Tensor, where: Tensor, kinds: Tensor, colors: Tensor) -> Tensor:
        """Logits [N] that the first of each pair is in front of the second. `frames`: [N, M, 3, 64, 64] in
        -1..1. `where`: x, y of both in -1..1, [N, M, 2, 2]. `kinds`, `colors`: of both, [N, 2]."""
        count, moments = frames.shape[:2]
        at = where.detach().flatten(0, 1)
        middle = at.mean(1)
        pixels = crop(frames.flatten(0, 1), middle)  # (N * M, 3, 28, 28)
        paper = torch.tensor([palette.PAPER[name] for name in COLORS], device=frames.device) / 127.5 - 1
        hue = paper[colors].repeat_interleave(moments, 0)[..., None, None]  # (N * M, 2, 3, 1, 1)
        same = torch.exp(-(pixels[:, None] - hue).square().sum(2) / (2 * COLOR_WIDTH**2))
        axis = (torch.arange(CROP, device=frames.device) - (CROP - 1) / 2) * (2.0 / SIDE)
        offset = (at - middle[:, None])[..., None]  # (N * M, 2, 2, 1)
        down, across = (axis - offset[:, :, 1]).square(), (axis - offset[:, :, 0]).square()
        disc = torch.exp(-(down[..., :, None] + across[..., None, :]) / (2 * DISC**2))

        def odds(order: list[int]) -> Tensor:
            features = self.look(torch.cat([pixels, same[:, order], disc[:, order]], 1))
            kind = F.one_hot(kinds[:, order], KINDS).flatten(1).to(features.dtype)
            logits: Tensor = self.answer(torch.cat([features, kind.repeat_interleave(moments, 0)], 1))
            return logits

        # The difference of both orders makes the answer antisymmetric.
        return (odds([0, 1]) - odds([1, 0])).view(count, moments).mean(1)


class CastNet(nn.Module):
    """Detect the kinds of subjects, and read the colour and motion of each."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stem = stem(width)
        self.deep = nn.Sequential(conv(2 * width, 4 * width, stride=2), conv(4 * width, 4 * width))
        self.join = conv(6 * width, 2 * width)
        self.heat = nn.Conv2d(2 * width, KINDS, 1)
        self.there = nn.Parameter(torch.randn(KINDS, 2 * width) * 0.05)
        self.bias = nn.Parameter(torch.zeros(KINDS))
        self.step = nn.Linear(2 * width, 4)
        self.motion = head(len(TRIPLES) * 7, len(MOTIONS))
        self.crop = crop_net(3, width, 2 * width)
        self.color = head(2 * width * (CROP // 4) ** 2 + KINDS, len(COLORS))
        self.pair = PairNet()

    def forward(self, video: Tensor) -> DetectorOutput:
        """`video`: [B, 16, 3, 64, 64] in 0..1."""
        frames, pixels = triples(video)
        fine = self.stem(pixels)
        deep = F.interpolate(self.deep(fine), scale_factor=2.0, mode="nearest")
        features = self.join(torch.cat([fine, deep], 1))  # (B * 8, 2w, 16, 16)
        heat = self.heat(features).flatten(2).float().log_softmax(-1)  # (B * 8, kinds, 256)
        odds = heat.exp()
        where = odds @ cells(video.device).T
        under = odds.to(features.dtype) @ features.flatten(2).transpose(1, 2)  # (B * 8, kinds, 2w)
        present = (under * self.there).sum(-1).float() + self.bias
        path = torch.cat([where.to(under.dtype), present[..., None].tanh(), self.step(under)], -1)
        steps = over_time(path).transpose(1, 2).flatten(2)  # (B, kinds, 8 * 7)
        heat, where, frames = map(over_time, (heat, where, frames))
        return DetectorOutput(over_time(present).mean(1), heat, where, self.motion(steps), frames)

    def read(self, output: DetectorOutput, clip: Tensor, kind: Tensor) -> Tensor:
        """Colour logits [N, colours] of the subjects of `kind` [N] in the clips `clip` [N]."""
        where = output.where[clip, :, kind][:, READ].detach()  # (N, 4, 2)
        features = self.crop(crop(output.frames[clip][:, READ].flatten(0, 1), where.flatten(0, 1)))
        kinds = F.one_hot(kind, KINDS).to(features.dtype).repeat_interleave(where.shape[1], 0)
        logits: Tensor = self.color(torch.cat([features, kinds], 1))
        return logits.view(*where.shape[:2], len(COLORS)).mean(1)

    @torch.no_grad()
    def detect(self, video: Tensor) -> list[Cast]:
        """The subjects of each clip. `video`: [B, 16, 3, 64, 64] in 0..1; see `judge.sample_moments`."""
        output = self(video)
        clip, kind = (output.present > 0).nonzero(as_tuple=True)
        middle = (output.where.mean(1) + 1) / 2  # (B, kinds, 2)
        colors = self.read(output, clip, kind).argmax(-1).tolist() if len(clip) else []
        motions = output.motion[clip, kind].argmax(-1).tolist()
        subjects: list[dict[str, Detection]] = [{} for _ in range(len(video))]
        for row, k, color, motion in zip(clip.tolist(), kind.tolist(), colors, motions, strict=True):
            x, y = middle[row, k].tolist()
            subjects[row][SUBJECTS[k]] = Detection(SUBJECTS[k], COLORS[color], MOTIONS[motion], x, y)
        pairs = [(row, a, b) for row, cast in enumerate(subjects) for a in cast for b in cast if a < b]
        nearer: list[set[tuple[str, str]]] = [set() for _ in subjects]
        if pairs:
            rows = torch.tensor([row for row, _, _ in pairs])
            detections = [(subjects[row][a], subjects[row][b]) for row, a, b in pairs]
            kinds, hues = (
                torch.tensor([[values.index(getattr(d, name)) for d in pair] for pair in detections])
                for name, values in (("kind", SUBJECTS), ("color", COLORS))
            )
            where = torch.stack([output.where[rows, :, kinds[:, k]] for k in (0, 1)], 2)[:, READ]
            odds = self.pair(output.frames[rows][:, READ], where, kinds, hues)
            for (row, a, b), logit in zip(pairs, odds.tolist(), strict=True):
                nearer[row].add((a, b) if logit > 0 else (b, a))
        return [Cast(cast, frozenset(pairs)) for cast, pairs in zip(subjects, nearer, strict=True)]


def facts(cast: Cast, kinds: Sequence[str]) -> dict[str, str]:
    """Facts of the subjects of some kinds, in the order in which a prompt names them: "subject", "color",
    "motion", "subject 2", ...; "none" for a kind that was not detected. Also "count" and "relation"."""
    result = {"count": str(len(cast.subjects))}
    for number, kind in enumerate(kinds, start=1):
        suffix = "" if number == 1 else f" {number}"
        detection = cast.subjects.get(kind)
        for fact, name in (("subject", "kind"), ("color", "color"), ("motion", "motion")):
            result[fact + suffix] = getattr(detection, name, "none")
    if len(kinds) > 1:
        result["relation"] = cast.relation(kinds[0], kinds[1]) or "none"
    return result
