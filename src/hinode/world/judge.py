"""The judge: frames in, attributes out. It measures what a clip shows.

A small video classifier, trained on ground-truth renders only (`hinode train judge`). Its own accuracy on
held-out renders is printed beside every score it gives. It is never used as a loss, a filter or a reward.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

import hinode
from hinode.errors import ModelError
from hinode.world import detector, scene
from hinode.world.detector import GRID, SIDE, TRIPLES, Cast, CastNet, conv, head, over_time

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "subject": scene.SUBJECTS,
    "color": scene.COLORS,
    "motion": scene.MOTIONS,
    "time": scene.TIMES,
    "place": scene.PLACES,
    "weather": scene.WEATHERS,
    "camera": scene.CAMERAS,
}
MOMENTS = 16  # the judge sees every clip as 16 moments of its first two seconds, 64 pixels square
SPAN = 2.0
BANDS = 16
NEAR = 2  # cells around the hottest one of a heat map whose mean is the subject's place
WEIGHTS = Path(hinode.__file__).parent / "weights"

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Verdict:
    """The judge's answer for one clip. `values`: attribute -> value; `confidence`: attribute -> 0..1."""

    values: dict[str, str]
    confidence: dict[str, float]


class CameraNet(nn.Module):
    """Read the camera from slices through the clip: brightness over (time, x) and (time, y), in bands.

    In such a slice a pan is a slanted line and a zoom a fan (epipolar-plane images, Bolles et al. 1987); the
    median of three frames and averaging within a band hide rain and snow.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        wide = 2 * width
        layers = (
            conv(2 * BANDS, width, stride=(1, 2)),
            conv(width, wide, stride=2),
            conv(wide, wide, stride=2),
        )
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.answer = head(wide * (MOMENTS // 4) * (SIDE // 8), len(scene.CAMERAS))

    def forward(self, video: Tensor) -> Tensor:
        """`video`: [B, 16, 3, 64, 64] in 0..1. Returns logits [B, cameras]."""
        gray = video.float().mean(2)
        before, now, after = gray[:, :-2], gray[:, 1:-1], gray[:, 2:]
        low, high = torch.minimum(before, now), torch.maximum(before, now)
        gray = torch.cat([gray[:, :1], torch.maximum(low, torch.minimum(high, after)), gray[:, -1:]], 1)
        count, band = len(gray), SIDE // BANDS
        across = gray.view(count, MOMENTS, BANDS, band, SIDE).mean(3).transpose(1, 2)  # (B, bands, 16, x)
        down = gray.view(count, MOMENTS, SIDE, BANDS, band).mean(4).permute(0, 3, 1, 2)  # (B, bands, 16, y)
        slices = torch.cat([across, down], 1)
        spread, mean = torch.std_mean(slices, (2, 3), keepdim=True)
        logits: Tensor = self.answer(self.body((slices - mean) / (spread + 0.01)))
        return logits


class JudgeNet(nn.Module):
    """Locate the subject, classify it, follow its path, and measure the camera.

    A 2-D network sees eight triples of neighbouring frames. A heat map says where the subject is; its kind
    and colour are read from a crop around it, its motion from its path. `CameraNet` reads the camera, and
    `detector.CastNet` detects several subjects.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        deep = 4 * width
        self.stem = detector.stem(width)
        self.heat = nn.Conv2d(2 * width, 1, 3, padding=1)
        self.body = nn.Sequential(conv(2 * width, deep, stride=2), conv(deep, deep))
        self.crop = detector.crop_net(3, width, 3 * width)
        self.subject = head(3 * width * 49, len(scene.SUBJECTS))
        self.color = head(3 * width * 49, len(scene.COLORS))
        self.motion = head(len(TRIPLES) * 6, len(scene.MOTIONS))
        self.step = nn.Linear(3 * deep, 4)
        self.camera = CameraNet()
        names = "time", "place", "weather"
        self.around = nn.ModuleDict({name: head(2 * deep, len(ATTRIBUTES[name])) for name in names})

    def forward(self, video: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """`video`: [B, 16, 3, 64, 64] in 0..1, with one subject. Returns logits per attribute, [B, values],
        and the log heat map, [B, 8, 16 * 16]."""
        second, pixels = detector.triples(video)
        features = self.stem(pixels)  # (B * 8, 2w, 16, 16)
        heat = self.heat(features).flatten(1).float().log_softmax(-1)  # (B * 8, 256)
        deep = self.body(features)  # (B * 8, 4w, 8, 8)
        where = heat.exp() @ detector.cells(video.device).T  # (B * 8, 2)
        near = F.avg_pool2d(heat.exp().view(-1, 1, 16, 16), 2).flatten(1) * 4
        under = torch.einsum("nk,nck->nc", near.to(deep.dtype), deep.flatten(2))
        pooled = torch.cat([deep.mean((2, 3)), deep.amax((2, 3))], 1)
        read = torch.cat([under, pooled], 1)
        path = torch.cat([where, self.step(read)], 1)
        whole = over_time(pooled).mean(1)
        crops = self.crop(detector.crop(second, where.detach()))
        logits = {
            "subject": over_time(self.subject(crops)).mean(1),
            "color": over_time(self.color(crops)).mean(1),
            "motion": self.motion(over_time(path).flatten(1)),
            "camera": self.camera(video),
            **{name: head(whole) for name, head in self.around.items()},
        }
        return logits, over_time(heat)


def sample_moments(video: Tensor, fps: float) -> Tensor:
    """The judge's input: the first two seconds of clips at 16 moments, 64 x 64. `video`: float [B, T, 3, H,
    W] in 0..1. A still image or a shorter clip is extended by its last frame."""
    steps = torch.arange(MOMENTS, device=video.device) * (SPAN / MOMENTS) * fps
    return resize_square(video[:, steps.round().long().clamp(max=video.shape[1] - 1)])


def resize_square(video: Tensor) -> Tensor:
    """Resize every frame of [B, T, 3, H, W] to a square of 64 pixels."""
    if video.shape[-2:] == (SIDE, SIDE):
        return video
    flat = F.interpolate(video.flatten(0, 1), (SIDE, SIDE), mode="bilinear", antialias=True)
    return flat.view(*video.shape[:3], SIDE, SIDE)


def load_judge(path: Path | None = None) -> JudgeNet:
    """The shipped judge, or the one at `path`. ModelError if the file is missing or damaged."""
    return _load(JudgeNet(), path or WEIGHTS / "judge.safetensors")


def load_cast(path: Path | None = None) -> CastNet:
    """The shipped detector of several subjects, or the one at `path`. ModelError as for `load_judge`."""
    return _load(CastNet(), path or WEIGHTS / "cast.safetensors")


def _load(net: Net, path: Path) -> Net:
    try:
        net.load_state_dict({key: value.float() for key, value in load_file(path).items()})
    except Exception as error:  # safetensors raises its own, undocumented types
        message = f"the judge's weights at {path} cannot be read ({error})"
        raise ModelError(message, "reinstall hinode") from error
    return net.eval()


def _view(frames: Tensor, fps: float) -> Tensor:
    batch = frames if frames.dim() == 5 else frames[None]
    return sample_moments(batch.permute(0, 1, 4, 2, 3).float() / 255.0, fps)


@torch.no_grad()
def judge(frames: Tensor, fps: float, net: JudgeNet | None = None) -> list[Verdict]:
    """Classify clips; returns one verdict for each. `frames`: uint8 [B, T, H, W, 3] (or one clip, [T, H, W,
    3]), sRGB."""
    net, view = net or load_judge(), _view(frames, fps)
    logits, _ = net(view)
    verdicts = []
    for row in range(len(view)):
        odds = {name: values[row].softmax(-1) for name, values in logits.items()}
        best = {name: int(p.argmax()) for name, p in odds.items()}
        values = {name: ATTRIBUTES[name][i] for name, i in best.items()}
        verdicts.append(Verdict(values, {name: float(odds[name][i]) for name, i in best.items()}))
    return verdicts


@torch.no_grad()
def judge_cast(frames: Tensor, fps: float, net: CastNet | None = None) -> list[Cast]:
    """Detect the subjects of clips with any number of them. `frames`: as for `judge`."""
    return (net or load_cast()).detect(_view(frames, fps))


@torch.no_grad()
def places(frames: Tensor, fps: float, net: JudgeNet) -> Tensor:
    """Where the subject is amid each triple of frames, in fractions of width and height: [B, 8, 2].

    The mean of the judge's heat map around its hottest cell. The judge knows neither what it looks for nor
    where; in a clip without a subject it still points somewhere. `frames`: uint8 [B, T, H, W, 3].
    """
    _, heat = net(_view(frames, fps))
    grid = torch.arange(GRID)
    hottest = heat.argmax(-1, keepdim=True)
    row, column = hottest // GRID, hottest % GRID
    near = ((grid - row).abs() <= NEAR)[..., :, None] & ((grid - column).abs() <= NEAR)[..., None, :]
    warm = heat.exp().unflatten(-1, (GRID, GRID)) * near
    warm = warm / warm.sum((2, 3), keepdim=True)
    middle = (grid + 0.5) / GRID
    return torch.stack(((warm.sum(2) * middle).sum(-1), (warm.sum(3) * middle).sum(-1)), -1)
