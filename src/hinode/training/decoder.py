"""Train the decoder of the picture book: frames as its network draws them in, the world's own at three times
the size out.

A diffusion network draws softer than the world and a little out of place, and its patches differ in tone. So
half of the small frames are damaged like that, and the decoder learns to cut their edges anew. What it cannot
know (the light of a clip, the place of a thing) is changed in the target too, or left alone.
"""

from __future__ import annotations

import dataclasses
import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import Progress as ProgressBar
from torch import Tensor
from torch.nn import functional as F

from hinode.engines.native.upscaling import UpscalerConfig, UpscalerNet
from hinode.model.layers import compute_type
from hinode.progress import progress_bar
from hinode.training import loop
from hinode.training.drawing.plans import plan_tensors
from hinode.training.drawing.recipes import FPS
from hinode.training.drawing.store import MAX_START
from hinode.world.book.picture.render import render
from hinode.world.book.scene import sample_scene

FACTOR = UpscalerConfig.factor
SHAPES = {(224, 128): 0.55, (128, 224): 0.3, (160, 160): 0.15}  # width and height of a small frame
WINDOW = 96  # side of the part of it that a pair shows
ON_SUBJECT = 0.7  # share of pairs whose window lies on a subject
LATEST = MAX_START + 2.0  # seconds into its scene
MINUTES, PAIRS, SEED = 40.0, 500, 1
PAIRS_AT_ONCE = 100  # rendered from one time that they are stored to the next
BATCH, SIDE = 8, 64  # crops of a step, and their side in small
EDGES = 0.6  # share of crops that are the richer in edges of two
SLOPES = 1.0  # loss weight of the differences between neighbouring pixels
DAMAGED = 0.5  # share of crops that are damaged; the others have the noise of a good drawing only
PATCH = 16  # of the drawing network
SOFTNESS = math.log(0.3), math.log(2.5)  # of a blur in pixels, as a logarithm
SEAM = 9  # pixels over which a patch passes into its neighbour
PAIRS_FILE, STATE_FILE, LOG_FILE, MODEL_FILE = "pairs.pt", "state.pt", "log.jsonl", "decoder.safetensors"
RATE, WARM_UP, WEIGHT_DECAY = 1.5e-3, 50, 1e-4
SAVE_SECONDS = 60.0


@dataclass(frozen=True)
class Pairs:
    """Parts of frames, uint8: `small` [N, 3, 96, 96] and the same in `large` [N, 3, 288, 288]."""

    small: Tensor
    large: Tensor


def train_decoder(
    out: Path,
    *,
    minutes: float | None = None,
    pairs: int = PAIRS,
    threads: int = 1,
    resume: bool = True,
) -> Path:
    """Train the decoder for 40 minutes by default and write `out`/decoder.safetensors; returns its path.

    The pairs are rendered once, before, and stored in `out`/pairs.pt. With `resume` an interrupted run
    continues from its last state, a minute old at most.
    """
    seconds = 60 * (MINUTES if minutes is None else minutes)
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    with progress_bar(unit="share", keep=True) as bar:
        stored = _pairs(out / PAIRS_FILE, pairs, bar)
        torch.manual_seed(SEED)
        net = UpscalerNet().train()

        def loss(step: int) -> Tensor:
            small, target = sample_crops(stored, random.Random(f"decoder-{SEED}-{step}"))
            large = predict(net, small)
            slopes = [distance(large.diff(dim=dim), target.diff(dim=dim)) for dim in (-1, -2)]
            return distance(large, target) + SLOPES * (slopes[0] + slopes[1])

        progress = optimize(net, loss, seconds, out=out, resume=resume, bar=bar)
    path = out / MODEL_FILE
    save_decoder(net, path, {"steps": progress.step, "pairs": pairs, "seed": SEED})
    return path


def optimize(
    net: UpscalerNet,
    loss: Callable[[int], Tensor],
    seconds: float,
    *,
    out: Path,
    resume: bool,
    bar: ProgressBar,
) -> loop.Progress:
    """Train a network in place for so many seconds; returns how far it came.

    `loss`: of a step, by its number. The state of the run and its log are in the folder `out`; with
    `resume` it continues from them.
    """
    state, log = out / STATE_FILE, out / LOG_FILE
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    progress, average = loop.Progress(), 0.0
    if resume and state.is_file():
        saved = torch.load(state, weights_only=True)
        net.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        progress, average = loop.Progress(saved["step"], saved["elapsed"]), saved["running"]
    else:
        log.unlink(missing_ok=True)

    def save_progress() -> None:
        states = {"model": net.state_dict(), "optimizer": optimizer.state_dict()}
        numbers = {"step": progress.step, "elapsed": progress.elapsed, "running": average}
        loop.save_state(state, states | numbers)

    task = bar.add_task("decoder", total=seconds)
    bar.update(task, completed=progress.elapsed)
    tasks = ((SAVE_SECONDS, save_progress),)
    for _ in loop.iterate_steps(lambda: progress.elapsed < seconds, progress, tasks=tasks):
        done = min(progress.elapsed, seconds)
        rate = loop.cosine_rate(RATE, progress.step, WARM_UP, done, seconds)
        value = loss(progress.step)
        loop.take_step(value, optimizer, rate)
        progress.step += 1
        average += max(0.02, 1 / progress.step) * (float(value.detach()) - average)
        text = f"decoder  step {progress.step} loss {average:.5f}"
        bar.update(task, completed=progress.elapsed, description=text)
        if progress.step % 100 == 0:
            line = {"step": progress.step, "elapsed": round(progress.elapsed, 1)}
            loop.log_line(log, {**line, "loss": round(average, 6)}, echo=not bar.console.is_terminal)
    save_progress()
    return progress


def predict(net: UpscalerNet, frames: Tensor) -> Tensor:
    """What the network makes of frames, computed in bfloat16 where the processor has that."""
    bf16 = compute_type(torch.device("cpu")) == torch.bfloat16
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        large: Tensor = net(frames)
    return large


def save_decoder(net: UpscalerNet, path: Path, facts: dict[str, int]) -> None:
    """Write the weights as bfloat16, with the sizes of the network."""
    config = json.dumps(dataclasses.asdict(net.config))
    metadata = {"made_by": f"hinode train {path.stem}", "facts": json.dumps(facts), "config": config}
    loop.save_weights(path, net.state_dict(), metadata)


def make_pair(rng: random.Random) -> tuple[Tensor, Tensor]:
    """A part of a frame of a random scene in small and in large: uint8 [3, 96, 96] and [3, 288, 288].

    The small one is rendered as the drawing network sees it, at its size and as a part of a clip; the large
    one is a moment of its own, since layers that stand still are sharpest.
    """
    scene, moment = sample_scene(rng), rng.uniform(0.0, LATEST)
    width, height = rng.choices(list(SHAPES), list(SHAPES.values()))[0]
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    if scene.subjects and rng.random() < ON_SUBJECT:
        tracks = plan_tensors([scene], [torch.tensor([moment])], width / height).tracks
        place = tracks[0, rng.randrange(len(scene.subjects)), 0, :2] * min(width, height)
        x, y = (
            float(place[k]) + side / 2 + rng.gauss(0, WINDOW / 6) for k, side in ((0, width), (1, height))
        )
    left, top = (
        min(max(round(middle - WINDOW / 2), 0), side - WINDOW) for middle, side in ((x, width), (y, height))
    )
    pair = []
    for factor, frames in ((1, 2), (FACTOR, 1)):
        window = (factor * left, factor * top, factor * WINDOW, factor * WINDOW)
        video = render([scene], frames=frames, fps=FPS, width=factor * width, height=factor * height,
                       start=moment, window=window)  # fmt: skip
        pair.append(to_levels(video[0, 0]))
    return pair[0], pair[1]


def _pairs(path: Path, count: int, bar: ProgressBar) -> Pairs:
    """The first `count` pairs: those that are stored, and new ones, which are stored now and then."""
    pairs: list[tuple[Tensor, Tensor]] = []
    if path.is_file():
        stored = torch.load(path, weights_only=True)
        pairs = list(zip(stored["small"], stored["large"], strict=True))[:count]
    task = bar.add_task("pairs", total=count, completed=len(pairs))
    for number in range(len(pairs), count):
        pairs.append(make_pair(random.Random(f"decoder-training-{SEED}-{number}")))
        bar.advance(task)
        if len(pairs) % PAIRS_AT_ONCE == 0 or len(pairs) == count:
            small, large = (torch.stack(part) for part in zip(*pairs, strict=True))
            loop.save_state(path, {"small": small, "large": large})
    small, large = (torch.stack(part) for part in zip(*pairs, strict=True))
    return Pairs(small, large)


def sample_crops(pairs: Pairs, rng: random.Random) -> tuple[Tensor, Tensor]:
    """One step's small crops [B, 3, 64, 64] and large ones [B, 3, 192, 192], 0..1."""
    generator = torch.Generator().manual_seed(rng.getrandbits(48))
    inputs, targets = [], []
    for _ in range(BATCH):
        number = rng.randrange(len(pairs.small))
        whole = pairs.small[number].float() / 255
        corners = [(rng.randint(0, WINDOW - SIDE), rng.randint(0, WINDOW - SIDE)) for _ in range(2)]
        crops = [whole[:, top : top + SIDE, left : left + SIDE] for top, left in corners]
        richer = int(_edges(crops[1]) > _edges(crops[0])) if rng.random() < EDGES else 0
        small, (top, left) = crops[richer], (FACTOR * place for place in corners[richer])
        large = pairs.large[number, :, top : top + FACTOR * SIDE, left : left + FACTOR * SIDE].float() / 255
        if rng.random() < 0.5:
            small, large = small.flip(-1), large.flip(-1)
        light = [torch.tensor([rng.gauss(middle, reach) for _ in range(3)])[:, None, None]
                 for middle, reach in ((1.0, 0.04), (0.0, 0.02))]  # fmt: skip
        small, large = ((part * light[0] + light[1]).clamp(0, 1) for part in (small, large))
        inputs.append(damage(small[None], rng, generator, severe=rng.random() < DAMAGED)[0])
        targets.append(large)
    return torch.stack(inputs), torch.stack(targets)


def damage(frames: Tensor, rng: random.Random, generator: torch.Generator, *, severe: bool) -> Tensor:
    """Frames [N, 3, H, W] in 0..1, H and W multiples of 16, as a diffusion network draws them, of 255 levels.

    `severe`: places a little displaced, softer here than there, patches of different tones, blotches; else
    only a trace of softness and noise.
    """
    count, _, height, width = frames.shape
    clean = frames

    def field(cell: float, channels: int) -> Tensor:
        """Smooth random values with a standard deviation of about 1, `cell` pixels from one to the next."""
        size = max(2, round(height / cell)), max(2, round(width / cell))
        values = torch.randn(count, channels, *size, generator=generator)
        smooth = F.interpolate(values, (height, width), mode="bicubic", align_corners=False)
        return smooth / smooth.std().clamp(min=1e-3)

    if severe and rng.random() < 0.6:
        grid = F.affine_grid(
            torch.eye(2, 3).expand(count, 2, 3), [count, 3, height, width], align_corners=False
        )
        shift = field(rng.uniform(5, 12), 2).permute(0, 2, 3, 1) * rng.uniform(0.05, 0.4)
        grid = grid + shift * 2 / torch.tensor([width, height])
        frames = F.grid_sample(frames, grid, padding_mode="border", align_corners=False)
    if severe or rng.random() < 0.5:
        frames = blur(frames, math.exp(rng.uniform(*SOFTNESS)) if severe else rng.uniform(0.2, 0.45))
    if severe and rng.random() < 0.5:  # parts of it, such as a subject, are as sharp as before
        share = 0.5 + rng.uniform(0.5, 4.0) * field(rng.uniform(8, 40), 1)
        frames = torch.lerp(frames, clean, share.clamp(0, 1))
    if severe and rng.random() < 0.5:
        frames = frames + patch_tones(frames.shape, rng, generator) * (0.02 * rng.random() ** 1.5)
    if severe and rng.random() < 0.6:
        frames = frames + field(rng.uniform(1.5, 5), 3) * (0.02 * rng.random() ** 1.5)
    noise = torch.randn(frames.shape, generator=generator)
    frames = frames + noise * ((0.016 if severe else 0.004) * rng.random() ** 1.5)
    return to_levels(frames).float() / 255


def patch_tones(shape: torch.Size, rng: random.Random, generator: torch.Generator) -> Tensor:
    """Errors that patches have as a whole, of a standard deviation of about 1: of their tone, and of a ridge
    along their sides, where they reach into each other."""
    count, channels, height, width = shape
    grid = count, channels, height // PATCH + 1, width // PATCH + 1
    tone, across, down = (
        torch.randn(grid, generator=generator).repeat_interleave(PATCH, -1).repeat_interleave(PATCH, -2)
        for _ in range(3)
    )
    tone = F.avg_pool2d(tone, SEAM, 1, SEAM // 2)
    to_side = (torch.arange(tone.shape[-1]) % PATCH - (PATCH - 1) / 2).abs() - PATCH / 2
    ridge = torch.exp(-((to_side / rng.uniform(0.7, 3.0)) ** 2))
    rows = ridge[:PATCH].repeat(grid[2])[:, None]
    errors = tone + rng.uniform(0.0, 1.0) * (across * ridge + down * rows)
    top, left = rng.randrange(PATCH), rng.randrange(PATCH)  # where the first patch of a crop begins
    return errors[..., top : top + height, left : left + width]


def blur(frames: Tensor, spread: float) -> Tensor:
    """Frames [N, 3, H, W] blurred by a Gaussian of `spread` pixels."""
    reach = max(1, round(3 * spread))
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / spread) ** 2)
    line = (line / line.sum()).expand(3, 1, 1, -1)
    wide = F.pad(frames, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(wide, line, groups=3), line.transpose(2, 3), groups=3)


def distance(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error, rounded off at zero (Charbonnier)."""
    return ((output - target).square() + 1e-6).sqrt().mean()


def to_levels(video: Tensor) -> Tensor:
    """0..1 -> uint8."""
    return (video * 255).round().clamp(0, 255).to(torch.uint8)


def _edges(frame: Tensor) -> float:
    """The strength of edges in a frame [3, H, W]."""
    return float(frame.diff(dim=-1).abs().mean() + frame.diff(dim=-2).abs().mean())
