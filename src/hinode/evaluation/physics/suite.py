"""Does a drawn world go on as it should? Object permanence and motion, against the exact continuation.

The model is given the first second of a scene and draws the next three. Where the subject then is, is found
by drawing: the scene is rendered with the subject at many places (and in every colour, as every kind), and
the rendering nearest to the model's frame is what that frame shows. No network judges, and the true frames
are found at their true places to within the grid.

Sources: continuing deterministic scenes from footage, arXiv 2411.02385 (phyworld); permanence as in Sora's
report, made countable.
"""

from __future__ import annotations

import dataclasses
import math
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from hinode.engines.native import catalog
from hinode.engines.native.engine import CONDITIONED_GUIDANCE, Plan, decode_frames
from hinode.errors import BadInput, join_names
from hinode.evaluation.directing.rows import Row, mean, share
from hinode.evaluation.directing.suite import Kept
from hinode.evaluation.evaluate import noise_of
from hinode.model import checkpoint
from hinode.model.flow import Sampler
from hinode.model.layers import compute_type
from hinode.request import Request
from hinode.settings import Settings
from hinode.world.caption import caption, words
from hinode.world.motion import CIRCLE_PERIOD, SPEED, subject_path
from hinode.world.render import render
from hinode.world.scene import COLORS, MOTIONS, SUBJECTS, Scene, Subject, place_subject, sample_scene

GIVEN, LENGTH = 1.0, 4.0  # seconds of footage, and of the whole clip
BATCH = 4  # clips drawn together
MOMENTS = (1.25, 1.75, 2.25, 2.75, 3.25, 3.75)  # seconds at which moving subjects are looked for
GRIDS = (0.06, 0.03, 0.015)  # steps of the search, coarse to fine, in fractions of the frame
REACH = 0.3  # the coarse grid goes this far; a subject that is not found counts as this far off
MIN_VISIBLE = (
    0.5  # of the best candidate's pixels, how much nearer a frame must be to it than to no subject at all
)
VISIBLE = 0.5  # of what is to be seen of it at its true place, what a place must show to count
SOLID = ("ball", "balloon")  # cut-outs that hide what is behind them


@dataclass(frozen=True)
class Case:
    """A scene whose beginning is given.

    watched: which of its subjects is looked for. at: seconds at which, after it went out of sight and came
    back or, for plain motion, at any time.
    """

    scene: Scene
    watched: int
    at: tuple[float, ...]
    prompt: str


def motion(rng: random.Random, number: int) -> Case:
    """One subject on its way, every kind of motion in turn."""
    scene = dataclasses.replace(sample_scene(rng, subjects=1), camera="still")
    (one,) = scene.subjects
    one = place_subject(rng, one.kind, one.color, MOTIONS[number % len(MOTIONS)])
    return _case(rng, dataclasses.replace(scene, subjects=(one,)), 0, MOMENTS)


def behind(rng: random.Random, number: int) -> Case:
    """A subject passes behind a larger one that stands still."""
    scene = _plain(rng)
    right = number % 2 == 0
    y, speed = rng.uniform(0.38, 0.46), rng.uniform(1.06, 1.12)
    x = 0.06 + rng.uniform(-0.01, 0.01)
    first, second = _pair(rng)
    near = Subject(rng.choice(SOLID), first, "still", 0.5, y, 0.30, 1.0, rng.random())
    kind = rng.choice([kind for kind in SUBJECTS if kind not in SOLID])
    far = Subject(
        kind, second, "right" if right else "left", x if right else 1 - x, y, 0.22, speed, rng.random()
    )
    out = (0.27 + 0.5 - x) / (SPEED * speed)  # seconds until it has come out on the other side
    return _case(rng, dataclasses.replace(scene, subjects=(near, far)), 1, (out, out + 0.2, out + 0.4))


def beyond(rng: random.Random, number: int) -> Case:
    """A subject circles out of the picture and comes back on the same side."""
    scene = _plain(rng)
    right = number % 2 == 0
    speed = rng.uniform(0.95, 1.05)
    turn = speed / CIRCLE_PERIOD  # per second
    phase = (
        (-0.2 - turn * GIVEN) % 1.0 if right else (0.3 - turn * GIVEN) % 1.0
    )  # 72 degrees before its farthest
    x = 1.02 if right else -0.02
    color, _ = _pair(rng)
    one = Subject(rng.choice(SUBJECTS), color, "circle", x, rng.uniform(0.38, 0.46), 0.29, speed, phase)
    back = GIVEN + 0.55 / turn  # 126 degrees after its farthest
    return _case(rng, dataclasses.replace(scene, subjects=(one,)), 0, (back, back + 0.2, back + 0.4))


def around(rng: random.Random, number: int) -> Case:
    """A subject leaves on one side and enters on the other, as paths in this world do."""
    scene = _plain(rng)
    right = number % 2 == 0
    x, speed = rng.uniform(0.78, 0.8), rng.uniform(1.06, 1.12)
    color, _ = _pair(rng)
    one = Subject(
        rng.choice(SUBJECTS),
        color,
        "right" if right else "left",
        x if right else 1 - x,
        rng.uniform(0.38, 0.46),
        0.29,
        speed,
        rng.random(),
    )
    return _case(rng, dataclasses.replace(scene, subjects=(one,)), 0, (3.5, 3.7, 3.9))


INVENTORS: dict[str, tuple[Callable[[random.Random, int], Case], int]] = {
    "motion": (motion, 70),
    "behind": (behind, 48),
    "beyond": (beyond, 48),
    "around": (around, 48),
}
"""Kinds of cases and how many of each."""


def _plain(rng: random.Random) -> Scene:
    return dataclasses.replace(sample_scene(rng, subjects=1), camera="still", weather="clear")


def _pair(rng: random.Random) -> tuple[str, str]:
    first, second = rng.sample(COLORS, 2)
    return first, second


def _case(rng: random.Random, scene: Scene, watched: int, at: tuple[float, ...]) -> Case:
    return Case(scene, watched, at, caption(scene, rng, "full"))


def cases(bar: str, count: int | None = None, namespace: str = "evaluation") -> list[Case]:
    """The cases of one kind, always the same ones; of another namespace for choosing settings."""
    invent, usual = INVENTORS[bar]
    rng = random.Random(f"physics/{namespace}/{bar}")
    return [invent(rng, number) for number in range(usual if count is None else count)]


@dataclass(frozen=True)
class Finding:
    """What a few frames show of the watched subject.

    off: [moments, 2], how far it is from its true place, in fractions of the frame. there: [moments], whether
    it is there at all. color, kind: what it looks like, over all moments.
    """

    off: Tensor
    there: Tensor
    color: str
    kind: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "off": [[round(value, 4) for value in pair] for pair in self.off.tolist()],
            "there": self.there.tolist(),
            "color": self.color,
            "kind": self.kind,
        }

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Finding:
        """What `as_json` gave."""
        return cls(
            torch.tensor(record["off"]), torch.tensor(record["there"]), record["color"], record["kind"]
        )


def find(frames: Tensor, case: Case) -> Finding:
    """Look for the subject of a case in frames [moments, 3, H, W] in 0..1, those at `case.at`."""
    count = len(frames)
    empty = _rendered([_changed(case, None)] * count, case.at, frames)
    zero = (frames - empty).square().sum((1, 2, 3))

    def gains(variants: Sequence[Sequence[Scene]]) -> tuple[Tensor, Tensor]:
        """Variants of each moment: how much nearer each is than no subject, its pixels, [moments, V]."""
        several = len(variants[0])
        flat = [scene for per_moment in variants for scene in per_moment]
        at = [moment for moment in case.at for _ in range(several)]
        shown = _rendered(flat, at, frames).view(count, several, *frames.shape[1:])
        near = zero[:, None] - (frames[:, None] - shown).square().sum((2, 3, 4))
        return near, (shown - empty[:, None]).square().sum((2, 3, 4))

    # A place where hardly anything would be seen of it (behind another, outside) explains any frame.
    least = VISIBLE * gains([[case.scene]] * count)[1]
    best = torch.zeros(count, 2)
    gain, own = torch.zeros(2, count)
    for level, step in enumerate(GRIDS):
        reach = round(REACH / step) if level == 0 else 1
        axis = torch.arange(-reach, reach + 1) * step
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).flatten(0, 1)
        places = best[:, None] + grid
        near, pixels = gains([[_changed(case, at) for at in row] for row in places.tolist()])
        gain, chosen = near.masked_fill(pixels < least, -torch.inf).max(1)
        own = pixels.gather(1, chosen[:, None])[:, 0]
        best = places[torch.arange(count), chosen]

    # It is there if it is there in any colour or as any kind; which one is seen in all moments together.
    there, likeliest = gain > MIN_VISIBLE * own, []
    colors = [[_changed(case, at, color=value) for value in COLORS] for at in best.tolist()]
    kinds = [[_changed(case, at, kind=value) for value in SUBJECTS] for at in best.tolist()]
    for values, looks in ((COLORS, colors), (SUBJECTS, kinds)):
        near, pixels = gains(looks)
        there = there | (near > MIN_VISIBLE * pixels).any(1)
        likeliest.append(values[int(near.sum(0).argmax())])
    return Finding(best, there, *likeliest)


def _changed(
    case: Case, shift: Sequence[float] | None, color: str | None = None, kind: str | None = None
) -> Scene:
    """The scene with the watched subject moved by (x, y) and looking otherwise; without it for None."""
    cast = list(case.scene.subjects)
    if shift is None:
        cast.pop(case.watched)
    else:
        one = cast[case.watched]
        cast[case.watched] = dataclasses.replace(
            one, x=one.x + shift[0], y=one.y + shift[1], color=color or one.color, kind=kind or one.kind
        )
    return dataclasses.replace(case.scene, subjects=tuple(cast))


def _rendered(scenes: Sequence[Scene], at: Sequence[float], like: Tensor) -> Tensor:
    """Single frames of scenes at moments, in the size of `like`: [N, 3, H, W]."""
    height, width = like.shape[-2:]
    return render(scenes, frames=1, fps=1.0, width=width, height=height, start=list(at))[:, 0]


def place(case: Case, moments: Sequence[float], aspect: float) -> Tensor:
    """Where the watched subject is, [moments, 2] in fractions of the frame."""
    path = subject_path([case.scene.subjects[case.watched]], torch.tensor([list(moments)]), aspect)
    return torch.stack((path.x[0], path.y[0]), -1)


def true_clips(some: Sequence[Case], plan: Plan) -> Tensor:
    """The whole clips as they are, [B, T, 3, H, W] in 0..1."""
    scenes = [case.scene for case in some]
    shape = plan.shape
    return render(scenes, frames=plan.drawn_frames, fps=shape.fps, width=shape.width, height=shape.height)


@torch.inference_mode()
def continued(some: Sequence[Case], plan: Plan, model: checkpoint.Checkpoint, first: int = 0) -> Tensor:
    """What the model draws when it is given the first second: [B, T, 3, H, W] in 0..1. Case i is drawn from
    noise seed `first` + i."""
    tokenizer, device = model.model.config.tokenizer, next(model.model.parameters()).device
    given = tokenizer.encode(true_clips(some, plan) * 2 - 1)
    given[:, tokenizer.latent_frames(1 + round(GIVEN * plan.shape.fps)) :] = torch.nan
    ids = model.vocabulary.batch([words(case.prompt) for case in some], limit=plan.card.words)
    noise = noise_of(range(first, first + len(some)), given.shape[1:])
    sampler = Sampler(
        model.model, ids.to(device), plan.shape.fps, noise.to(device), plan.sampling, given=given.to(device)
    )
    for _ in sampler:
        pass
    return ((decode_frames(sampler, plan.request).cpu() + 1) / 2).clamp(0, 1)


def seen_case(case: Case, fps: float) -> Case:
    """The case with its moments moved to the nearest frames."""
    return dataclasses.replace(case, at=tuple(min(round(at * fps), LENGTH * fps) / fps for at in case.at))


def at_moments(clip: Tensor, case: Case, fps: float) -> Tensor:
    """The frames of a clip [T, 3, H, W] at the moments of a case that is `seen_case`."""
    return clip[[round(at * fps) for at in case.at]]


def measured(bar: str, findings: Sequence[tuple[Case, Finding]], fps: float, aspect: float) -> list[Row]:
    """The table of one kind of case."""
    rows: list[Row] = []
    if bar != "motion":
        there = [bool(found.there.sum() * 2 > len(found.there)) for _, found in findings]
        rows.append(share(bar, "there again", there))
        for name in ("color", "kind"):
            same = [
                is_there and getattr(found, name) == getattr(case.scene.subjects[case.watched], name)
                for is_there, (case, found) in zip(there, findings, strict=True)
            ]
            rows.append(share(bar, f"there again, its {name} kept", same))
        rows += _off(bar, "after it came back", [(c, f, range(len(c.at))) for c, f in findings], fps, aspect)
        return rows
    for second in (1, 2, 3):
        part = [
            (case, found, [k for k, moment in enumerate(case.at) if second <= moment < second + 1])
            for case, found in findings
        ]
        rows += _off(bar, f"{second} to {second + 1} s", part, fps, aspect)
    speeds = []
    for case, found in findings:
        if bool(found.there.all()):
            for k in range(0, len(case.at) - 1, 2):
                speeds.append(_far(found.off[k + 1] - found.off[k], aspect) / (case.at[k + 1] - case.at[k]))
    rows.append(mean(bar, "velocity off, where found throughout, from frame to frame", speeds, "widths/s"))
    return rows


def _off(
    bar: str,
    when: str,
    part: Sequence[tuple[Case, Finding, Sequence[int]]],
    fps: float,
    aspect: float,
) -> list[Row]:
    """Distances from the true place, wherever that is in the frame: the model's, and of two ways to guess
    it."""
    drawn, copied, straight = [], [], []
    last = GIVEN - 1 / fps
    for case, found, numbers in part:
        truth = place(case, case.at, aspect)
        before, end = place(case, (last, GIVEN), aspect)
        step = (end - before) * fps
        step = torch.where(step.abs() > 2 * SPEED + 1, 0.0, step)  # entered on the other side just then
        for k in numbers:
            if not bool(((truth[k] >= 0) & (truth[k] <= 1)).all()):
                continue  # more than half of it is out of sight
            drawn.append(_far(found.off[k], aspect) if bool(found.there[k]) else REACH)
            copied.append(_far(end - truth[k], aspect))
            straight.append(_far(end + step * (case.at[k] - GIVEN) - truth[k], aspect))
    what = f"off its place, {when}"
    return [
        mean(bar, what, drawn, "widths"),
        mean(bar, f"{what}: copy of the last frame", [min(value, REACH) for value in copied], "widths"),
        mean(bar, f"{what}: straight on", [min(value, REACH) for value in straight], "widths"),
    ]


def _far(apart: Tensor, aspect: float) -> float:
    return math.hypot(float(apart[0]), float(apart[1]) / aspect)


def evaluate_physics(
    *,
    model: str | None = None,
    settings: Settings,
    only: Sequence[str] = (),
    limit: int | None = None,
    steps: int | None = None,
    keep: Path | None = None,
) -> dict[str, Any]:
    """Continue every case and say where the subjects are.

    Args:
        model: to measure, by default the best.
        settings: where models are.
        only: kinds of cases, by default all.
        limit: only the first of each kind.
        steps: sampling steps, by default the model's own number.
        keep: folder for what was found in each case; a run that was stopped goes on from there.

    Returns:
        {"model", "weights", "steps", "guidance", "rows": see `Row.as_json`}; lengths are in frame widths.

    Raises:
        BadInput: a kind of cases or the model is not known, or `keep` holds records of others.
    """
    for bar in only:
        if bar not in INVENTORS:
            raise BadInput(
                f"there is no bar {bar!r}", f"name some of {join_names(tuple(INVENTORS))}", field="only"
            )
    card = catalog.find(model, settings.models)
    shape = card.shapes[0]
    request = Request(
        "a clip", width=shape.width, height=shape.height, seconds=LENGTH, steps=steps, model=card.name
    )
    plan = Plan.of(request, card)
    guidance = min(plan.sampling.guidance, CONDITIONED_GUIDANCE)
    plan = dataclasses.replace(plan, sampling=dataclasses.replace(plan.sampling, guidance=guidance))
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    loaded = checkpoint.load(card.path, device, compute_type(device))
    weights, fps, aspect = card.fingerprint(), shape.fps, shape.width / shape.height
    rows: list[Row] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        for bar in only or INVENTORS:
            some = [seen_case(case, fps) for case in cases(bar)[:limit]]
            kept = Kept(keep, f"physics-{bar}", {"weights": weights, "steps": steps, "cases": repr(some[:1])})
            task = progress.add_task(bar, total=len(some), completed=len(kept.records))
            while (first := len(kept.records)) < len(some):
                part = some[first : first + BATCH]
                clips = continued(part, plan, loaded, first)
                kept.add(
                    [
                        find(at_moments(clip, case, fps), case).as_json()
                        for clip, case in zip(clips, part, strict=True)
                    ]
                )
                progress.update(task, completed=len(kept.records))
            findings = [Finding.of(record) for record in kept.records[: len(some)]]
            rows += measured(bar, list(zip(some, findings, strict=True)), fps, aspect)
    return {
        "model": card.name,
        "weights": weights,
        "steps": plan.sampling.steps,
        "guidance": plan.sampling.guidance,
        "rows": [row.as_json() for row in rows],
    }
