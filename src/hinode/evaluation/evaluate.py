"""Evaluation on prompts: generate clips, let the judge read them, count how often they show what was asked.

Every score has its Wilson 95 % interval and, on request, floors and ceilings that give it meaning.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinode.clip import Frames
from hinode.engines.native import catalog, checkpoint
from hinode.engines.native.catalog import Card
from hinode.engines.native.checkpoint import Checkpoint
from hinode.engines.native.plan import Plan
from hinode.engines.native.sampling import decode_frames, make_sampler, to_frames
from hinode.evaluation.flicker import STEADY_WEATHER, compare_flicker, flicker
from hinode.evaluation.prompts import Case, read_cases
from hinode.evaluation.scores import Observation, tally
from hinode.media.decode import VideoFile
from hinode.media.label import Label
from hinode.media.timeline import Timeline, frame_rate
from hinode.media.video import write_mp4
from hinode.model.layers import compute_type
from hinode.model.tokens import SpacetimePatches
from hinode.progress import progress_bar
from hinode.request import Request, Size
from hinode.settings import Settings
from hinode.world.detector import Cast, CastNet
from hinode.world.judge import JudgeNet, judge, judge_cast, load_cast, load_judge
from hinode.world.render import render
from hinode.world.scene import Scene, place_cast, sample_scene

BATCH = 8  # clips that go through the network together


def plan_of(
    card: Card, *, size: Size | None = None, seconds: float | None = None, steps: int | None = None
) -> Plan:
    """How the engine generates a clip of a model in the native shape nearest to `size`, by default its first
    one, and of its length unless `seconds` says otherwise."""
    shape = card.shapes[0] if size is None else card.shape_for(size, None)
    seconds = (shape.frames - 1) / shape.fps if seconds is None else seconds
    request = Request("a clip", shape.width, shape.height, seconds=seconds, steps=steps, model=card.name)
    return Plan.of(request, card)


def load_model(card: Card) -> tuple[Checkpoint, torch.device]:
    """A model, on a GPU if there is one."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return checkpoint.load(card.path, device, compute_type(device)), device


def generate(cases: Sequence[Case], plan: Plan, *, seed: int = 0) -> Iterator[tuple[range, Tensor]]:
    """Generate the clips of cases in batches: (numbers of the cases, uint8 [B, T, H, W, 3] at native size).
    Case i has the noise seed `seed + i`, as with `hinode generate --seed`."""
    model, device = load_model(plan.card)
    for first in range(0, len(cases), BATCH):
        numbers = range(first, min(first + BATCH, len(cases)))
        requests = [dataclasses.replace(plan.request, prompt=cases[i].prompt, seed=seed + i) for i in numbers]
        plans = [dataclasses.replace(plan, request=request) for request in requests]
        yield numbers, torch.from_numpy(generate_batch(plans, model, device)[:, : plan.frames])


def generate_batch(plans: Sequence[Plan], model: Checkpoint, device: torch.device) -> Frames:
    """The clips of plans that go through the network together: uint8 [B, T, H, W, 3]."""
    sampler = make_sampler(plans, model, device)
    for _ in sampler:
        pass
    return to_frames(decode_frames(sampler, plans[0].request))


def sample_noise(seeds: Iterable[int], shape: Sequence[int]) -> Tensor:
    """Noise of each seed, [seeds, *shape]: what the native engine starts from if the camera does not pan."""
    generators = (torch.Generator().manual_seed(seed) for seed in seeds)
    return torch.stack([torch.randn(*shape, generator=generator) for generator in generators])


def to_bytes(video: Tensor) -> Tensor:
    """float [B, T, 3, H, W] in 0..1 -> uint8 [B, T, H, W, 3] on the CPU."""
    return (video * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 1, 3, 4, 2).cpu()


def true_scene(case: Case, rng: random.Random) -> Scene:
    """A random scene with the facts that a case expects."""
    scene = sample_scene(rng, subjects=max(1, len(case.kinds)), held_out=None)
    facts = {**scene.facts(), **case.expect}
    cast, motions = [], []
    for subject, suffix in zip(scene.subjects, ("", " 2", " 3"), strict=False):
        cast.append((facts.get("subject" + suffix, subject.kind), facts.get("color" + suffix, subject.color)))
        motions.append(facts.get("motion" + suffix, subject.motion))
    relation, subjects = place_cast(rng, cast, facts.get("relation"), motions)
    around: Any = {name: facts[name] for name in ("time", "place", "weather", "camera")}
    return dataclasses.replace(scene, subjects=tuple(subjects), relation=relation, **around)


def render_native(scenes: Sequence[Scene], plan: Plan) -> Tensor:
    """The true clips of scenes, as long and as large as the network's: [B, T, 3, H, W] in 0..1."""
    fps, width, height = plan.shape.fps, plan.shape.width, plan.shape.height
    return render(scenes, frames=plan.drawn_frames, fps=fps, width=width, height=height)


def observe(
    frames: Tensor, fps: float, nets: tuple[JudgeNet, CastNet], cases: Sequence[Case]
) -> list[Observation]:
    """The judge's reading of the clips `frames` (uint8 [B, T, H, W, 3]) of `cases`; it detects several
    subjects where a case expects them."""
    net, cast_net = nets
    several = any("count" in case.expect for case in cases)
    casts: Sequence[Cast | None] = judge_cast(frames, fps, cast_net) if several else [None] * len(cases)
    flickers = flicker(frames, fps, net) if frames.shape[1] > 2 else [math.nan] * len(cases)
    return [
        Observation(verdict.values, cast if "count" in case.expect else None, value)
        for verdict, cast, value, case in zip(judge(frames, fps, net), casts, flickers, cases, strict=True)
    ]


def reencode(frames: Frames, fps: float) -> Frames:
    """A clip [T, H, W, 3] after it was written to an MP4 file and read again."""
    _, height, width, _ = frames.shape
    rate = frame_rate(fps)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_mp4(path, frames, (width, height), Timeline(rate, len(frames) / rate), Label())
        with VideoFile(path) as file:
            decoded: Frames = np.stack([picture.rgb for picture in file])
            return decoded


def compress(frames: Tensor, fps: float, tokenizer: SpacetimePatches) -> Tensor:
    """Clips after they went through the tokeniser and an MP4 file."""
    video = frames.permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    decoded = to_bytes((tokenizer.decode(tokenizer.encode(video)) + 1) / 2)
    return torch.stack([torch.from_numpy(reencode(clip.numpy(), fps)) for clip in decoded])


def floors(
    cases: Sequence[Case], observations: Sequence[Observation], plan: Plan, report: Callable[[int], object]
) -> dict[str, Any]:
    """Scores to read the model's own beside, by the same judge on the same cases: of ground truth, also after
    tokeniser and H.264 or frozen to one frame, and of the model's clips with the prompts shuffled. `report`
    gets the size of each batch."""
    rng = random.Random("evaluation-truth")
    scenes = [true_scene(case, rng) for case in cases]
    tokenizer, shape = SpacetimePatches(*plan.card.patch), plan.shape
    results: dict[str, list[Observation]] = {"ground_truth": [], "tokeniser_and_h264": [], "static_frame": []}
    nets = load_judge(), load_cast()
    for first in range(0, len(scenes), BATCH):
        part = slice(first, first + BATCH)
        frames = to_bytes(render_native(scenes[part], plan))
        middle = frames[:, frames.shape[1] // 2 : frames.shape[1] // 2 + 1].expand_as(frames)
        variants = frames, compress(frames, shape.fps, tokenizer), middle
        for readings, clips in zip(results.values(), variants, strict=True):
            readings += observe(clips, shape.fps, nets, cases[part])
        report(len(frames))
    steady = [number for number, scene in enumerate(scenes) if scene.weather in STEADY_WEATHER]
    pairs = observations, results["ground_truth"]
    generated, true = ([clips[number].flicker for number in steady] for clips in pairs)
    return {
        **{name: tally(readings, cases) for name, readings in results.items()},
        # every clip is judged by the next case's expectations
        "shuffled_captions": tally(observations, [*cases[1:], cases[0]]),
        "flicker": compare_flicker(generated, true),
    }


def evaluate_file(
    path: Path,
    *,
    model: str | None = None,
    settings: Settings,
    limit: int | None = None,
    size: Size | None = None,
    steps: int | None = None,
    seed: int = 0,
    with_floors: bool = False,
    save_clips: Path | None = None,
) -> dict[str, Any]:
    """Score a model, by default the best, on a prompt file.

    `limit`: only so many cases. `size`: the clips have the native shape nearest to it, by default the first.
    `with_floors`: add `floors`. `save_clips`: a `.pt` file that gets all native frames, for contact sheets.
    Returns {"n", "whole_prompt", "attributes", "model", "steps", "guidance", "size", "prompts_sha256", ...}.
    """
    cases = read_cases(path)[:limit]
    plan = plan_of(catalog.find(model, settings.models), size=size, steps=steps)
    observations: list[Observation] = []
    clips: list[Tensor] = []
    nets = load_judge(), load_cast()
    with progress_bar() as bar:
        task = bar.add_task("clips", total=len(cases))
        for numbers, frames in generate(cases, plan, seed=seed):
            observations += observe(frames, plan.shape.fps, nets, [cases[i] for i in numbers])
            if save_clips is not None:
                clips.append(frames)
            bar.advance(task, len(numbers))
        result = {
            **tally(observations, cases),
            "model": plan.card.name,
            "steps": plan.sampling.steps,
            "guidance": plan.sampling.guidance,
            "size": list(plan.shape.size),
            "fps": plan.shape.fps,
            "frames": plan.frames,
            "seed": seed,
            "prompts_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        if with_floors:
            task = bar.add_task("floors", total=len(cases))
            result["floors"] = floors(cases, observations, plan, lambda count: bar.advance(task, count))
    if save_clips is not None:
        save_clips.parent.mkdir(parents=True, exist_ok=True)
        seen = [reading.facts(case) for reading, case in zip(observations, cases, strict=True)]
        prompts = [dataclasses.asdict(case) for case in cases]
        torch.save({"frames": torch.cat(clips), "seen": seen, "cases": prompts}, save_clips)
    return result
