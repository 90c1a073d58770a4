"""Which tokens should the drawing network have? Arms of equal cost, trained for equal CPU time on the same
clips.

    python -m research.representation data --out DIR
    python -m research.representation arm NAME --out DIR --minutes 20
    python -m research.representation table --out DIR

Every arm sees the true plan, but `unplanned`. A result is one JSON file and one picture of drawn clips.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import random
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hinode.model.drawing import Drawer, DrawingConfig
from hinode.model.drawing_sampler import DrawingSchedule, draw
from hinode.model.plan_tensors import PlanTensors
from hinode.training.drawing.evaluate import LEVELS, prediction_quality, save_sheet
from hinode.training.drawing.plans import plan_tensors
from hinode.training.drawing.recipes import nano
from hinode.training.drawing.trainer import build_optimisers, set_rates, velocity_loss
from hinode.world.book.picture.render import render
from hinode.world.book.scene import Scene, sample_scene

WIDTH, HEIGHT, FPS, FRAMES = 160, 96, 24, 17
CLIPS, STILLS, HELD_BACK = 1200, 7000, 48
ARMS: dict[str, DrawingConfig] = {
    "packed": DrawingConfig(pack=4, patch=8, fine_width=176),  # (a) four frames of 8x8 pixels a token
    "frames": DrawingConfig(),  # (b) one frame of 16x16 pixels a token
    "levels": DrawingConfig(below=128, fine_in=1, fine_out=2),  # (c) with 8x8 pixels below them
    "coarse": DrawingConfig(fine_in=1, fine_out=2, width=448, depth=12),  # (d) work moved to coarse blocks
    "textures": DrawingConfig(textures=16),  # (e) with pixels of subjects from learnt textures
    "overlap": DrawingConfig(textures=16, overlap=4),  # (f) that, and patches that reach into each other
    "gain": DrawingConfig(textures=16, overlap=4),  # (g) that, and textures that learn six times as fast
    "unplanned": DrawingConfig(planned=False),  # (b) without the plan
}
GAINS = {"gain": 6.0}
RATE, IMAGE_PART, CLIP_BATCH, IMAGE_BATCH, EMPHASIS = 1.5e-3, 0.4, 4, 40, 5.0


def main() -> None:
    """Read the command line and do one step of the experiment."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("data", "arm", "table"))
    parser.add_argument("name", nargs="?", choices=tuple(ARMS))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0, help="CPU minutes of training")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.step == "data":
        draw_data(arguments.out)
    elif arguments.step == "arm":
        run_arm(arguments.name, arguments.out, arguments.minutes)
    else:
        print_table(arguments.out)


def scenes(name: str, count: int) -> list[tuple[Scene, float]]:
    """Scenes and the moment at which each begins, the same for every arm."""
    rng = random.Random(f"representation/{name}")
    return [(sample_scene(rng), rng.uniform(0.0, 1.5)) for _ in range(count)]


def draw_data(out: Path) -> None:
    """Draw the clips and stills that all arms share."""
    for name, count, frames in (("held", HELD_BACK, FRAMES), ("clips", CLIPS, FRAMES), ("stills", STILLS, 1)):
        video = torch.empty(count, frames, 3, HEIGHT, WIDTH, dtype=torch.uint8)
        for number, (scene, start) in enumerate(scenes(name, count)):
            picture = render([scene], frames=frames, fps=FPS, width=WIDTH, height=HEIGHT, start=start)
            video[number] = (picture[0] * 255).round().byte()
            if number % 100 == 0:
                print(name, number, flush=True)
        torch.save(video, out / f"{name}.pt")


def load(out: Path, name: str, count: int) -> tuple[Tensor, PlanTensors]:
    """Frames uint8 [N, T, 3, H, W] and their plans."""
    video = torch.load(out / f"{name}.pt", mmap=True)
    cast = scenes(name, count)
    clock = torch.arange(video.shape[1]) / FPS
    return video, plan_tensors([s for s, _ in cast], [clock + start for _, start in cast], WIDTH / HEIGHT)


def run_arm(name: str, out: Path, minutes: float) -> None:
    """Train an arm and write what it reached."""
    torch.manual_seed(0)
    net = Drawer(ARMS[name])
    held = load(out, "held", HELD_BACK)
    average, record = train(name, net, out, minutes)
    net.load_state_dict(average)
    video, plans = held[0].float() / 127.5 - 1, held[1]
    record |= {"arm": name, "minutes": minutes, "psnr": prediction_quality(net, video, plans)}
    noise = torch.randn(video[:8].shape, generator=torch.Generator().manual_seed(5))
    save_sheet(
        draw(net, plans[slice(0, 8)], noise, DrawingSchedule(steps=16)), out / f"representation-{name}.png"
    )
    (out / f"representation-{name}.json").write_text(json.dumps(record, indent=1))
    torch.save(net.state_dict(), out / f"representation-{name}.weights.pt")
    print(record, flush=True)


def train(name: str, net: Drawer, out: Path, minutes: float) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Images first, then clips, for so many CPU minutes. Returns averaged weights and counts."""
    stills, clips = load(out, "stills", STILLS), load(out, "clips", CLIPS)
    recipe = dataclasses.replace(nano(), learning_rate=RATE, texture_gain=GAINS.get(name, 1.0))
    optimisers = build_optimisers(net, recipe)
    average = {n: p.detach().clone() for n, p in net.named_parameters()}
    generator = torch.Generator().manual_seed(1)
    begin, step, counts, mean, report = time.process_time(), 0, [0, 0], math.nan, 0.0
    while (part := (time.process_time() - begin) / 60 / minutes) < 1:
        image = part < IMAGE_PART or torch.rand(1, generator=generator).item() < 0.1
        pool, size = (stills, IMAGE_BATCH) if image else (clips, CLIP_BATCH)
        index = torch.randint(len(pool[0]), (size,), generator=generator)
        x, plan = pool[0][index].float() / 127.5 - 1, pool[1][index]
        value = velocity_loss(net, x, plan, generator, EMPHASIS)
        for optimiser in optimisers:
            optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        rate = RATE * min(1.0, (step + 1) / 40) * min(1.0, (1 - part) / 0.5)
        set_rates(optimisers, rate)
        for optimiser in optimisers:
            optimiser.step()
        step, counts[not image] = step + 1, counts[not image] + size
        decay = min(0.995, (1 + step) / (10 + step))
        with torch.no_grad():
            for n, p in net.named_parameters():
                average[n].lerp_(p, 1 - decay)
        mean = value.item() if math.isnan(mean) else 0.95 * mean + 0.05 * value.item()
        if time.time() - report > 30:
            report = time.time()
            print(f"{part:.0%} step {step} images {counts[0]} clips {counts[1]} loss {mean:.4f}", flush=True)
    size = sum(p.numel() for p in net.parameters())
    counted = {"steps": step, "images": counts[0], "clips": counts[1], "loss": round(mean, 4)}
    return average, {**counted, "parameters": size, "gflop": call_gflop(net)}


def call_gflop(net: Drawer) -> float:
    """Floating-point operations of one call on one clip, in 1e9."""
    x, plan = (
        torch.zeros(1, FRAMES, 3, HEIGHT, WIDTH),
        plan_tensors([scenes("held", 1)[0][0]], [torch.arange(FRAMES) / FPS], WIDTH / HEIGHT),
    )
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(x, torch.zeros(1, 3), plan)
    return round(counter.get_total_flops() / 1e9, 2)


def print_table(out: Path) -> None:
    """All results as one Markdown table."""
    print("| arm | GFLOP | images | clips | " + " | ".join(f"t {t}" for t in LEVELS) + " |")
    print("|---" * (4 + len(LEVELS)) + "|")
    for name in ARMS:
        if (path := out / f"representation-{name}.json").exists():
            record = json.loads(path.read_text())
            cells = (f"{whole} / {subject}" for whole, subject in record["psnr"].values())
            print(
                f"| {name} | {record['gflop']} | {record['images']} | {record['clips']} | "
                + " | ".join(cells)
                + " |"
            )


if __name__ == "__main__":
    main()
