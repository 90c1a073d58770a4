"""Train the upscaler: small frames in, the world's own large ones out.

A step sees two neighbouring moments of each clip, so that the loss also covers how they differ: an error
that is the same in both is less visible than one that flickers.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import Progress as ProgressBar
from torch import Tensor
from torch.nn import functional as F

from hinode.engines.native import catalog, checkpoint
from hinode.engines.native.catalog import Card
from hinode.engines.native.checkpoint import Checkpoint
from hinode.engines.native.plan import default_sampling
from hinode.engines.native.sampling import DirectedSampler
from hinode.engines.native.smoothing import reduce_flicker, smooth_patch_seams
from hinode.engines.native.upscaling import SCALE, UpscalerNet
from hinode.model.layers import compute_type
from hinode.progress import progress_bar
from hinode.settings import Settings
from hinode.training import loop
from hinode.world.caption import caption, words
from hinode.world.render import render
from hinode.world.scene import sample_scene

SHAPES = ((64, 64), (64, 112), (112, 64))  # height, width
FRAMES, FPS = 17, 8.0
LARGE_FRAMES = 4  # neighbouring frames that a pair has in large
SCENES_AT_ONCE = 8  # scenes that are rendered and denoised together
LEVELS = (0.85, 0.71, 0.6, 0.5)  # noise levels from which the model denoises again
STEPS, SCENES, SEED = 3000, 240, 1
BATCH, SIDE = 8, 48  # clips of a step, and the side of their small crop
KINDS = {"small": 0.6, "generated": 0.2, "degraded": 0.2}  # the target is the world's own for all
RATE, WARM_UP, WEIGHT_DECAY = 1.5e-3, 50, 1e-4
CHANGE = 0.5  # loss weight of the difference between neighbours
SAVE_SECONDS = 60.0
PAIRS_FILE, STATE_FILE, LOG_FILE, MODEL_FILE = "pairs.pt", "state.pt", "log.jsonl", "upscaler.safetensors"


def train_upscaler(
    out: Path,
    *,
    settings: Settings,
    steps: int | None = None,
    scenes: int = SCENES,
    threads: int = 1,
    resume: bool = True,
) -> Path:
    """Train the upscaler, for 3000 steps by default, and write `out`/upscaler.safetensors; returns its path.

    The pairs are made once and stored in `out`/pairs.pt. With `resume` an interrupted run continues from its
    last state, a minute old at most. The same number of steps gives the same weights, interrupted or not.
    """
    steps = steps or STEPS
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    state, log = out / STATE_FILE, out / LOG_FILE
    with progress_bar(unit="share", keep=True) as bar:
        pairs = _pairs(out / PAIRS_FILE, settings, scenes, bar)
        torch.manual_seed(SEED)
        net = UpscalerNet().train()
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

        bf16 = compute_type(torch.device("cpu")) == torch.bfloat16
        task = bar.add_task("upscaler", total=steps, completed=progress.step)
        tasks = ((SAVE_SECONDS, save_progress),)
        for _ in loop.iterate_steps(lambda: progress.step < steps, progress, tasks=tasks):
            rate = loop.cosine_rate(RATE, progress.step, WARM_UP, progress.step, steps)
            small, target = sample_crops(pairs, random.Random(f"upscaler-{SEED}-{progress.step}"))
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                large = net(small.flatten(0, 1)).unflatten(0, small.shape[:2])
            loss = _distance(large, target)
            loss = loss + CHANGE * _distance(large[:, 1] - large[:, 0], target[:, 1] - target[:, 0])
            loop.take_step(loss, optimizer, rate)
            progress.step += 1
            average += max(0.02, 1 / progress.step) * (float(loss.detach()) - average)
            text = f"upscaler step {progress.step} loss {average:.5f}"
            bar.update(task, completed=progress.step, description=text)
            if progress.step % 100 == 0:
                line = {"step": progress.step, "elapsed": round(progress.elapsed, 1)}
                loop.log_line(log, {**line, "loss": round(average, 6)}, echo=not bar.console.is_terminal)
        save_progress()
    path = out / MODEL_FILE
    save_upscaler(net, path, {"steps": progress.step, "scenes": scenes, "seed": SEED})
    return path


def save_upscaler(net: UpscalerNet, path: Path, facts: dict[str, int]) -> None:
    """Write the weights as bfloat16."""
    metadata = {"made_by": "hinode train upscaler", "facts": json.dumps(facts)}
    loop.save_weights(path, net.state_dict(), metadata)


@dataclass(frozen=True)
class Pairs:
    """Scenes of one shape; uint8, channels before rows.

    In use the upscaler enlarges what the model generates: nearly what the world shows at that size, and wrong
    at some edges. So each scene has two small versions: the world's own, and the one that the model makes of
    it when the world's is noised and denoised again (SDEdit, arXiv 2108.01073).
    """

    small: Tensor  # the world's own frames, [N, 17, 3, h, w]
    generated: Tensor  # the same as the model makes them, [N, 17, 3, h, w]
    large: Tensor  # frames `at` to `at` + 3 at twice the size, [N, 4, 3, 2h, 2w]
    at: int


def make_pairs(
    count: int, seed: str, card: Card, model: Checkpoint, shapes: tuple[tuple[int, int], ...] = SHAPES
) -> Iterator[Pairs]:
    """Pairs of `count` scenes, a few at a time; the same seed gives the same ones."""
    rng = random.Random(seed)
    done = 0
    while done < count:
        scenes = [sample_scene(rng) for _ in range(min(SCENES_AT_ONCE, count - done))]
        height, width = rng.choice(shapes)
        at = rng.randrange(FRAMES - LARGE_FRAMES + 1)
        small = render(scenes, frames=FRAMES, fps=FPS, width=width, height=height)
        wide, high = 2 * width, 2 * height
        large = render(scenes, frames=LARGE_FRAMES, fps=FPS, width=wide, height=high, start=at / FPS)
        texts = [words(caption(scene, rng, "dense")) for scene in scenes]
        generated = regenerate(small, texts, rng.choice(LEVELS), rng.getrandbits(32), card, model)
        yield Pairs(to_levels(small), to_levels(generated), to_levels(large), at)
        done += len(scenes)


@torch.inference_mode()
def regenerate(
    video: Tensor, texts: list[list[str]], level: float, seed: int, card: Card, model: Checkpoint
) -> Tensor:
    """Noise clips [B, T, 3, H, W] in 0..1 to the model's noise level nearest to `level` and denoise them
    again, by at least one step."""
    tokenizer = model.model.config.tokenizer
    clean = tokenizer.encode(video * 2 - 1)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    ids = model.vocabulary.batch(texts, limit=card.words)
    sampler = DirectedSampler(model.model, ids, FPS, noise, default_sampling(card))
    sampler.follow(clean, 1 - min(level, sampler.times[-2]))
    for _ in sampler:
        pass
    decoded = smooth_patch_seams(tokenizer.decode(sampler.state.latents), tokenizer.frames)
    return (reduce_flicker(decoded) + 1) / 2


def to_levels(video: Tensor) -> Tensor:
    """0..1 -> uint8."""
    return (video * 255).round().clamp(0, 255).to(torch.uint8)


def _pairs(path: Path, settings: Settings, scenes: int, bar: ProgressBar) -> list[Pairs]:
    """The stored pairs if they are of so many scenes, else new ones."""
    fields = {field.name for field in dataclasses.fields(Pairs)}
    stored = torch.load(path, weights_only=True) if path.is_file() else []
    stored = [Pairs(**entry) for entry in stored if entry.keys() == fields]
    if sum(len(batch.small) for batch in stored) == scenes:
        return stored
    card = catalog.find(None, settings.models)
    model = checkpoint.load(card.path, "cpu", compute_type(torch.device("cpu")))
    task, pairs = bar.add_task("pairs", total=scenes), []
    for batch in make_pairs(scenes, f"upscaler-training-{SEED}", card, model):
        pairs.append(batch)
        bar.advance(task, len(batch.small))
    loop.save_state(path, [vars(batch) for batch in pairs])
    return pairs


def sample_crops(pairs: list[Pairs], rng: random.Random) -> tuple[Tensor, Tensor]:
    """One step's small frames [B, 2, 3, 48, 48] and large ones [B, 2, 3, 96, 96], 0..1; the second of two is
    the moment after the first."""
    generator = torch.Generator().manual_seed(rng.getrandbits(48))
    inputs, targets = [], []
    for _ in range(BATCH):
        batch, kind = rng.choice(pairs), rng.choices(list(KINDS), list(KINDS.values()))[0]
        clip, moment = rng.randrange(len(batch.small)), rng.randrange(LARGE_FRAMES - 1)
        height, width = batch.small.shape[-2:]
        top, left = rng.randint(0, height - SIDE), rng.randint(0, width - SIDE)
        first = batch.at + moment
        source = batch.generated if kind == "generated" else batch.small
        small = source[clip, first : first + 2, :, top : top + SIDE, left : left + SIDE].float() / 255
        rows = slice(SCALE * top, SCALE * (top + SIDE))
        columns = slice(SCALE * left, SCALE * (left + SIDE))
        inputs.append(degrade(small, rng, generator) if kind == "degraded" else small)
        targets.append(batch.large[clip, moment : moment + 2, :, rows, columns].float() / 255)
    return torch.stack(inputs), torch.stack(targets)


def degrade(video: Tensor, rng: random.Random, generator: torch.Generator) -> Tensor:
    """Frames [T, 3, H, W] with patches a little out of place, softer and noisier, as a model draws them."""
    frames, _, height, width = video.shape
    if rng.random() < 0.6:  # patches of 8 x 8 are displaced, differently from some moment on
        change, reach = rng.randrange(frames), rng.uniform(0.1, 0.7)
        grid = F.affine_grid(torch.eye(2, 3)[None], [1, 3, height, width], align_corners=False)
        parts = []
        for part in (video[:change], video[change:]):
            shift = torch.randn((1, 2, height // 8, width // 8), generator=generator) * reach
            shift = F.interpolate(shift, (height, width), mode="bilinear").permute(0, 2, 3, 1)
            displaced = (grid + shift * 2 / torch.tensor([width, height])).expand(len(part), -1, -1, -1)
            parts.append(F.grid_sample(part, displaced, padding_mode="border", align_corners=False))
        video = torch.cat(parts)
    if rng.random() < 0.5:
        spread = rng.uniform(0.3, 0.8)
        line = torch.exp(-0.5 * (torch.arange(-2.0, 3.0) / spread) ** 2)
        line = (line / line.sum()).expand(3, 1, 1, 5)
        wide = F.pad(video, (2, 2, 2, 2), mode="replicate")
        video = F.conv2d(F.conv2d(wide, line, groups=3), line.transpose(2, 3), groups=3)
    if rng.random() < 0.6:
        video = video + torch.randn(video.shape, generator=generator) * rng.uniform(0.0, 0.03)
    return video.clamp(0, 1)


def _distance(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error, rounded off at zero (Charbonnier)."""
    return ((output - target).square() + 1e-6).sqrt().mean()
