"""Evaluation: draw given prompts, let the judge look, and say how often the clip shows what was asked for.

Every score comes with its Wilson 95 % interval and, on request, with the floors and ceilings that give it
meaning: the judge's own score on ground truth, on ground truth that went through tokeniser and H.264, on the
model's clips with the prompts shuffled, and on ground truth frozen to one frame.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import random
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from hinode.engines.native import catalog
from hinode.engines.native.engine import Plan, decode_frames, make_sampler, to_frames
from hinode.errors import BadInput
from hinode.evaluation.flicker import DRY, beside, flicker
from hinode.media.label import Label
from hinode.media.timeline import Timeline, frame_rate
from hinode.media.video import read_video, write_mp4
from hinode.model import checkpoint
from hinode.model.layers import compute_type
from hinode.model.tokens import SpacetimePatches
from hinode.request import Request
from hinode.settings import Settings
from hinode.world.caption import parse
from hinode.world.detector import Cast, CastNet
from hinode.world.detector import facts as cast_facts
from hinode.world.judge import ATTRIBUTES, JudgeNet, judge, judge_cast, load_cast, load_judge
from hinode.world.render import render
from hinode.world.scene import MAX_SUBJECTS, RELATIONS, Scene, place_cast, place_subject, sample_scene

BATCH = 8  # clips drawn together
JUDGED = {**ATTRIBUTES, "relation": RELATIONS, "count": tuple(map(str, range(1, MAX_SUBJECTS + 1)))}
Facts = dict[str, str]


@dataclass(frozen=True)
class Case:
    """One line of a prompt file: what is asked for, and the facts that will be judged.

    The facts of a second and a third subject are "subject 2", "color 2" and so on; with them come "count" and
    perhaps "relation", of the first subject to the second.
    """

    prompt: str
    expect: Facts

    @property
    def kinds(self) -> list[str]:
        """The subjects asked for, in order."""
        return [value for name, value in self.expect.items() if attribute(name) == "subject"]


def attribute(name: str) -> str:
    """The attribute that a fact is of: "color 2" is a "color"."""
    return name.rstrip(" 23")


@dataclass(frozen=True)
class Observation:
    """What the judge saw in one clip: as one with a single subject, and whoever is in it; how much its
    background trembles."""

    values: Facts
    cast: Cast | None = None
    flicker: float = math.nan

    def answers(self, case: Case) -> Facts:
        """What was seen of the facts that a case asks for."""
        return self.values if self.cast is None else {**self.values, **cast_facts(self.cast, case.kinds)}


@dataclass(frozen=True)
class Score:
    """`right` of `n`, with the Wilson score interval at 95 % (Wilson 1927)."""

    right: int
    n: int

    def as_json(self) -> dict[str, float | int]:
        """{"accuracy", "low", "high", "n"}; all zero when nothing was judged."""
        if not self.n:
            return {"accuracy": 0.0, "low": 0.0, "high": 0.0, "n": 0}
        z, p, n = 1.959964, self.right / self.n, self.n
        middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
        return {
            "accuracy": round(p, 4),
            "low": round(max(0.0, low), 4),
            "high": round(min(1.0, high), 4),
            "n": n,
        }


def read_cases(path: Path) -> list[Case]:
    """Read a prompt file, one JSON object a line. BadInput names the line that is wrong and how."""

    def wrong(number: int, what: str) -> BadInput:
        return BadInput(
            f"line {number} of {path} {what}",
            'write lines like {"prompt": "a red ball at noon", "expect": {"color": "red", "time": "noon"}}',
            field="prompts",
        )

    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"the prompt file {path} cannot be read", "give a text file", field="prompts"
        ) from error
    cases = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            prompt, expect = entry["prompt"], entry["expect"]
        except (ValueError, KeyError, TypeError):
            raise wrong(number, "is not an object with prompt and expect") from None
        if not isinstance(prompt, str) or not prompt.strip() or not isinstance(expect, dict):
            raise wrong(number, "needs a prompt in words and an object of expected facts")
        facts: Facts = {}
        for name, value in expect.items():
            of = attribute(name)
            if of not in JUDGED or (name != of and of not in ("subject", "color", "motion")):
                raise wrong(number, f"expects {name!r}, but only {', '.join(JUDGED)} are judged")
            known = _canonical(of, str(value))
            if known is None:
                raise wrong(number, f"expects {name} {value!r}, which is none of {', '.join(JUDGED[of])}")
            facts[name] = known
        cases.append(Case(prompt, facts))
    if not cases:
        raise BadInput(f"the prompt file {path} is empty", "give at least one line", field="prompts")
    return cases


def _canonical(name: str, value: str) -> str | None:
    """The judge's word for a value or a synonym ("rising", "sunrise", "pan_left"), or None."""
    plain = value.lower().replace("_", " ").replace("-", " ").strip()
    return plain if plain in JUDGED[name] else parse(plain).facts().get(name)


def tally(seen: Sequence[Observation], cases: Sequence[Case]) -> dict[str, Any]:
    """Scores of what was seen against what was expected; only attributes under `expect` count, those of
    several subjects together."""
    whole, right, asked = 0, dict.fromkeys(JUDGED, 0), dict.fromkeys(JUDGED, 0)
    for clip, case in zip(seen, cases, strict=True):
        facts = clip.answers(case)
        hits = {name: facts.get(name) == value for name, value in case.expect.items()}
        whole += all(hits.values())
        for name, hit in hits.items():
            asked[attribute(name)] += 1
            right[attribute(name)] += hit
    return {
        "n": len(cases),
        "whole_prompt": Score(whole, len(cases)).as_json(),
        "attributes": {name: Score(right[name], asked[name]).as_json() for name in JUDGED if asked[name]},
    }


def draw(
    cases: Sequence[Case], plan: Plan, *, seed: int = 0, threads: int | None = None
) -> Iterator[tuple[range, Tensor]]:
    """Draw the cases in batches: yields (numbers of the cases, uint8 frames [B, T, H, W, 3] at native size).

    Case i is drawn from noise seed `seed + i`, as `hinode generate --seed` would.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    loaded = checkpoint.load(plan.card.path, device, compute_type(device))
    for first in range(0, len(cases), BATCH):
        numbers = range(first, min(first + BATCH, len(cases)))
        asked = [dataclasses.replace(plan.request, prompt=cases[i].prompt, seed=seed + i) for i in numbers]
        sampler = make_sampler(
            [dataclasses.replace(plan, request=request) for request in asked], loaded, device
        )
        for _ in sampler:
            pass
        yield numbers, torch.from_numpy(to_frames(decode_frames(sampler, plan.request)[:, : plan.frames]))


def noise_of(seeds: Iterable[int], shape: Sequence[int]) -> Tensor:
    """Independent noise of each seed, [seeds, *shape]: what the native engine begins a clip with whose camera
    does not pan."""
    return torch.stack([torch.randn(*shape, generator=torch.Generator().manual_seed(one)) for one in seeds])


def to_bytes(video: Tensor) -> Tensor:
    """float [B, T, 3, H, W] in 0..1 -> uint8 [B, T, H, W, 3] on the CPU."""
    return (video * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 1, 3, 4, 2).cpu()


def truth(case: Case, rng: random.Random) -> Scene:
    """A random scene with the expected facts."""
    count = max(1, len(case.kinds))
    scene = sample_scene(rng, subjects=count, held_out=None)
    facts = {**scene.facts(), **case.expect}
    if count == 1:
        relation, subjects = None, [place_subject(rng, facts["subject"], facts["color"], facts["motion"])]
    else:
        ends = ("", *(f" {number}" for number in range(2, count + 1)))
        given = [
            tuple(facts.get(name + end, getattr(one, of)) for name, of in SUBJECT_FACTS)
            for one, end in zip(scene.subjects, ends, strict=True)
        ]
        cast, motions = [(kind, color) for kind, color, _ in given], [motion for *_, motion in given]
        relation, subjects = place_cast(rng, cast, facts.get("relation"), motions)
    return dataclasses.replace(
        scene,
        subjects=tuple(subjects),
        relation=relation,
        time=facts["time"],
        place=facts["place"],
        weather=facts["weather"],
        camera=facts["camera"],
    )


SUBJECT_FACTS = (("subject", "kind"), ("color", "color"), ("motion", "motion"))


def observe(
    frames: Tensor, fps: float, nets: tuple[JudgeNet, CastNet], cases: Sequence[Case]
) -> list[Observation]:
    """What the judge sees in the clips `frames` (uint8 [B, T, H, W, 3]) that were drawn for `cases`; it looks
    for a cast where one is asked for."""
    net, cast_net = nets
    casts: Sequence[Cast | None] = [None] * len(cases)
    if any("count" in case.expect for case in cases):
        casts = judge_cast(frames, fps, cast_net)
    trembling = flicker(frames, fps, net) if frames.shape[1] > 2 else [math.nan] * len(cases)
    return [
        Observation(verdict.values, cast if "count" in case.expect else None, tremble)
        for verdict, cast, tremble, case in zip(judge(frames, fps, net), casts, trembling, cases, strict=True)
    ]


def _through_file(frames: Tensor, fps: float, tokenizer: SpacetimePatches) -> Tensor:
    """Send clips through the tokeniser and through a finished MP4 and back."""
    video = frames.permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    frames = to_bytes((tokenizer.decode(tokenizer.encode(video)) + 1) / 2)
    _, count, height, width, _ = frames.shape
    rate = frame_rate(fps)
    timeline = Timeline(rate, count / rate)
    back = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        for clip in frames:
            write_mp4(path, clip.numpy(), (width, height), timeline, Label())
            back.append(torch.from_numpy(read_video(path).frames))
    return torch.stack(back)


def floors(
    cases: Sequence[Case], seen: Sequence[Observation], plan: Plan, progress: Any = None
) -> dict[str, Any]:
    """The scores beside which the model's own has to be read; same cases, same judge."""
    rng = random.Random("evaluation-truth")
    scenes = [truth(case, rng) for case in cases]
    span, side = plan.card.patch
    tokenizer, fps = SpacetimePatches(span, side), plan.shape.fps
    seen_in: dict[str, list[Observation]] = {"ground_truth": [], "tokeniser_and_h264": [], "static_frame": []}
    nets = load_judge(), load_cast()
    for first in range(0, len(scenes), BATCH):
        frames = to_bytes(
            render(
                scenes[first : first + BATCH],
                frames=plan.drawn_frames,
                fps=fps,
                width=plan.shape.width,
                height=plan.shape.height,
            )
        )
        middle = frames[:, frames.shape[1] // 2 : frames.shape[1] // 2 + 1].expand_as(frames)
        variants = {
            "ground_truth": frames,
            "tokeniser_and_h264": _through_file(frames, fps, tokenizer),
            "static_frame": middle,
        }
        for name, clips in variants.items():
            seen_in[name] += observe(clips, fps, nets, cases[first : first + BATCH])
        if progress is not None:
            progress(len(frames))
    # every clip is held against the next case's expectations
    shuffled = [*cases[1:], cases[0]]
    dry = [number for number, scene in enumerate(scenes) if scene.weather in DRY]
    drawn, true = ([clips[number].flicker for number in dry] for clips in (seen, seen_in["ground_truth"]))
    return {
        **{name: tally(facts, cases) for name, facts in seen_in.items()},
        "shuffled_captions": tally(seen, shuffled),
        "flicker": beside(drawn, true),
    }


def evaluate_file(
    path: Path,
    *,
    model: str | None = None,
    settings: Settings,
    limit: int | None = None,
    size: tuple[int, int] | None = None,
    steps: int | None = None,
    seed: int = 0,
    with_floors: bool = False,
    save_clips: Path | None = None,
) -> dict[str, Any]:
    """Score a model on a prompt file.

    `limit`: only the first cases. `size`: draw in the native shape nearest to it; by default the first one.
    `steps`: instead of the model's default. `with_floors`: add `floors`. `save_clips`: write every clip's
    native frames there as one `.pt` file for contact sheets. Returns {"n", "whole_prompt", "attributes",
    "model", "steps", "guidance", "size", "prompts_sha256", ...}.
    """
    cases = read_cases(path)[:limit]
    card = catalog.find(model, settings.models)
    shape = card.shapes[0] if size is None else card.shape_for(size, None)
    seconds = (shape.frames - 1) / shape.fps
    request = Request(
        "a clip", width=shape.width, height=shape.height, seconds=seconds, steps=steps, model=model
    )
    plan = Plan.of(request, card)
    seen: list[Observation] = []
    kept: list[Tensor] = []
    nets = load_judge(), load_cast()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("drawing", total=len(cases))
        for numbers, frames in draw(cases, plan, seed=seed, threads=settings.threads):
            seen += observe(frames, plan.shape.fps, nets, [cases[i] for i in numbers])
            if save_clips is not None:
                kept.append(frames)
            bar.advance(task, len(numbers))
        result = {
            **tally(seen, cases),
            "model": card.name,
            "steps": plan.sampling.steps,
            "guidance": plan.sampling.guidance,
            "size": [shape.width, shape.height],
            "fps": shape.fps,
            "frames": plan.frames,
            "seed": seed,
            "prompts_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        if with_floors:
            task = bar.add_task("floors", total=len(cases))
            result["floors"] = floors(cases, seen, plan, lambda count: bar.advance(task, count))
    if save_clips is not None:
        save_clips.parent.mkdir(parents=True, exist_ok=True)
        torch.save(
            {
                "frames": torch.cat(kept),
                "seen": [one.answers(case) for one, case in zip(seen, cases, strict=True)],
                "cases": [dataclasses.asdict(case) for case in cases],
            },
            save_clips,
        )
    return result
