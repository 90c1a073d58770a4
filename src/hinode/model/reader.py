"""The reader: frames in, what they show out. It shares nothing with the networks that draw.

Three small convolutional networks. The first sees one small frame: a heat map of the middles of subjects,
their sizes, and the scene. The second sees a crop around each middle and names the subject. The third sees
how parts of slices through the clip have moved from key to key, and measures the camera.
Lengths are in short sides of the frame from its middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHORT, SMALL = 96, 64
"""Short side in pixels of the frames that crops are cut from, and of those that the first network sees."""
CELL = 2  # pixels of a small frame in a cell of the heat map
CROP, REACH = 32, 1.6  # pixels of a crop; its side in sizes of the subject
KEYS, BANDS, ALONG = 13, 16, 128
"""Moments of a slice, bands of slices each way, and pixels along a slice."""
PARTS, LAGS, STEPS = 4, 14, ((1, 4), (3, 2))
"""Parts of a slice, the largest shift in its pixels, and from how many keys to how many later ones it is
measured, each with the number of spans of the clip that are told apart."""
MOTIONS = sum(spans for _, spans in STEPS) * (2 * LAGS + 1)
USUAL_SIZE = 0.3


@dataclass(frozen=True)
class ReaderConfig:
    """All sizes of the network, and how many values each fact has."""

    kinds: int
    colors: int
    facts: tuple[int, ...]  # of the scene: places, times, weathers
    cameras: int
    width: int = 40
    crop_width: int = 32


@dataclass(frozen=True)
class Sight:
    """What the first network sees in B frames: `heat` logits [B, h, w], one cell for `CELL` pixels; `size`
    [B, h / 2, w / 2], logarithms of the size over the usual one; `facts`: logits of each fact of the scene
    [B, n]; `world`: logits of frames of this world [B]."""

    heat: Tensor
    size: Tensor
    facts: tuple[Tensor, ...]
    world: Tensor


@dataclass(frozen=True)
class Subjects:
    """What the second network sees in N crops: logits of `kind`, `color` and of a subject being in the middle
    (`presence` [N]); `shift` [N, 3]: from the crop's middle to the subject's, in sides of the crop, and the
    logarithm of its size over that of the crop; `pose` [N, 3]: cosine and sine of the tilt, facing."""

    kind: Tensor
    color: Tensor
    presence: Tensor
    shift: Tensor
    pose: Tensor


def conv(inputs: int, outputs: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    """A convolution with normalisation and a rectifier."""
    layer = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """Two convolutions beside a direct way."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = conv(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


class Reader(nn.Module):
    """All three networks; each is a method."""

    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        self.config, w, c = config, config.width, config.crop_width
        self.fine = nn.Sequential(conv(3, w // 2, 2), conv(w // 2, w, 2), Residual(w))
        self.middle = nn.Sequential(conv(w, 2 * w, 2), Residual(2 * w))
        self.coarse = nn.Sequential(conv(2 * w, 3 * w, 2), Residual(3 * w))
        self.lift, self.spread = nn.Conv2d(3 * w, 2 * w, 1), nn.Conv2d(2 * w, w, 1)
        self.near = conv(w, w)
        self.map = nn.Conv2d(w, 5, 1)
        self.scene = nn.Linear(6 * w, sum(config.facts) + 1)
        self.crop = nn.Sequential(
            conv(3, c, 2), conv(c, 2 * c), conv(2 * c, 4 * c, 2), conv(4 * c, 4 * c), conv(4 * c, 4 * c, 2)
        )
        self.subject = nn.Sequential(nn.Linear(64 * c, 128), nn.ReLU())
        self.named = nn.Linear(128, config.kinds + config.colors + 7)
        self.across, self.down = (nn.Sequential(conv(MOTIONS, 64, size=1), conv(64, 64)) for _ in "xy")
        self.camera_mlp = nn.Sequential(nn.Linear(2 * 64 * BANDS * PARTS, 64), nn.ReLU())
        self.camera_out = nn.Linear(64, config.cameras + 4 * KEYS)
        nn.init.constant_(self.map.bias, -4.0)  # type: ignore[arg-type]  # subjects are rare

    def see(self, frames: Tensor) -> Sight:
        """Small frames [B, 3, H, W] in -1..1, sides multiples of 16."""
        fine = self.fine(frames.contiguous(memory_format=torch.channels_last))
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        middle = middle + F.interpolate(self.lift(coarse), size=middle.shape[2:])
        fine = F.relu(fine + F.interpolate(self.spread(middle), size=fine.shape[2:]))
        maps = self.map(self.near(fine)).float()
        heat = F.pixel_shuffle(maps[:, :4], 2)[:, 0]
        pooled = torch.cat((coarse.mean((2, 3)), coarse.amax((2, 3))), 1)
        *facts, world = self.scene(pooled).float().split((*self.config.facts, 1), 1)
        return Sight(heat, maps[:, 4] + 4.0, tuple(facts), world[:, 0])

    def name(self, crops: Tensor) -> Subjects:
        """Crops [N, 3, CROP, CROP] in -1..1; see `crop`."""
        config = self.config
        features = self.crop(crops.contiguous(memory_format=torch.channels_last))
        out = self.named(self.subject(features.flatten(1))).float()
        return Subjects(*_squeezed(out.split((config.kinds, config.colors, 1, 3, 3), 1)))

    def follow(self, motions: Tensor) -> tuple[Tensor, Tensor]:
        """Motions of `motions_of` [B, MOTIONS, 2 * BANDS, PARTS]. Returns logits of moves, and for each key
        the camera relative to the first: shift x and y of the nearest layer in short sides, logarithms of
        scale and zoom, [B, KEYS, 4]."""
        across, down = motions.chunk(2, 2)
        features = torch.cat((self.across(across).flatten(1), self.down(down).flatten(1)), 1)
        out = self.camera_out(self.camera_mlp(features)).float()
        moves, curves = out.split((self.config.cameras, 4 * KEYS), 1)
        return moves, curves.unflatten(1, (KEYS, 4)) / 4


def _squeezed(parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return *parts[:2], parts[2][:, 0], *parts[3:]


def crop(frames: Tensor, rows: Tensor, places: Tensor, size: Tensor) -> Tensor:
    """Squares around `places` [N, 2] with sides of `REACH` times `size` [N], out of frames `rows` [N] of
    float [B, 3, H, W]: [N, 3, CROP, CROP]. Lengths are in short sides from the middle of the frame."""
    height, width = frames.shape[2:]
    short, step = min(height, width), (torch.arange(2 * CROP, device=frames.device) + 0.5) / CROP - 1
    half = size * (REACH / 2)
    x = (places[:, :1] + half[:, None] * step) * (2 * short / width)
    y = (places[:, 1:] + half[:, None] * step) * (2 * short / height)
    count = len(rows)
    grid = torch.stack((x[:, None].expand(-1, 2 * CROP, -1), y[:, :, None].expand(-1, -1, 2 * CROP)), -1)
    wide = frames.new_empty(count, 3, 2 * CROP, 2 * CROP)
    for row in sorted(set(rows.tolist())):  # `grid_sample` would need a copy of the frame for each crop
        own = (rows == row).nonzero()[:, 0]
        part = grid[own].flatten(0, 1)[None]
        cut = F.grid_sample(frames[row : row + 1], part, padding_mode="border", align_corners=False)
        wide[own] = cut.view(3, len(own), 2 * CROP, 2 * CROP).transpose(0, 1)
    return F.avg_pool2d(wide, 2)


def small_size(width: int, height: int) -> tuple[int, int]:
    """Height and width of the small frames of the first network, multiples of 16."""
    unit = min(width, height) / SMALL * 16
    return max(1, round(height / unit)) * 16, max(1, round(width / unit)) * 16


def motions_of(frames: Tensor) -> Tensor:
    """How likely each part of each slice through a clip has moved by each lag: frames float [T, 3, H, W] in
    0..1 at up to `KEYS` keys -> [MOTIONS, 2 * BANDS, PARTS].

    Without this a network needs ten times as many steps to learn what motion is. It is the correlation of a
    slice with the shifted one of a later key, both without their means and of equal contrast. The median of
    three keys hides rain and snow. Keys that a clip does not have count as none.
    """
    gray = frames[:KEYS].mean(1)
    before, now, after = gray[:-2], gray[1:-1], gray[2:]
    low, high = torch.minimum(before, now), torch.maximum(before, now)
    gray = torch.cat((gray[:1], torch.maximum(low, torch.minimum(high, after)), gray[1:][-1:]))
    across = F.adaptive_avg_pool2d(gray, (BANDS, ALONG)).transpose(0, 1)
    down = F.adaptive_avg_pool2d(gray, (ALONG, BANDS)).permute(2, 0, 1)
    slices = torch.cat((across, down))  # (2 * BANDS, T, ALONG)
    spread, mean = torch.std_mean(slices, (1, 2), keepdim=True)
    slices = (slices - mean) / (spread + 0.03)
    slices = slices - F.avg_pool1d(slices, 17, 1, 8, count_include_pad=False)
    contrast = F.avg_pool1d(slices.square(), 49, 1, 24, count_include_pad=False).sqrt()
    slices = F.pad(slices / (contrast + 0.02), (0, 0, 0, KEYS - slices.shape[1]))
    motions = []
    for step, spans in STEPS:
        shifted = F.pad(slices[:, step:], (LAGS, LAGS)).unfold(-1, ALONG, 1)
        alike = slices[:, :-step, None] * shifted  # (2 * BANDS, pairs, lags, ALONG)
        spanned = alike.view(2 * BANDS, spans, -1, 2 * LAGS + 1, PARTS, ALONG // PARTS)
        motions.append(spanned.mean((2, 5)))
    return torch.cat(motions, 1).flatten(1, 2).transpose(0, 1)


def mirrored_motions(motions: Tensor) -> Tensor:
    """The motions [B, MOTIONS, 2 * BANDS, PARTS] of clips that are mirrored left to right."""
    across, down = (part.contiguous() for part in motions.chunk(2, 2))
    lags = (
        across.view(len(across), MOTIONS // (2 * LAGS + 1), 2 * LAGS + 1, BANDS, PARTS).flip(2).flatten(1, 2)
    )
    return torch.cat((lags.flip(-1), down.flip(2)), 2)
