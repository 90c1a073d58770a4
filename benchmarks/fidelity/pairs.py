"""The clips of pairs, made from true clips of the picture book by damages of several strengths."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hinode.evaluation.book import damages
from hinode.evaluation.book.poses import FPS
from hinode.evaluation.book.suite import DrawnClip
from hinode.evaluation.book.trials import HEIGHT, SECONDS, WIDTH, sample
from hinode.world.book.picture.render import render
from hinode.world.book.plan import plan_of

FILE = Path(__file__).with_name("pairs.jsonl")
FRAMES = round(SECONDS * FPS)
Recipe = tuple[tuple[str, float], ...]
"""Damages, each with its strength, one after the other; nothing for a true clip."""


@dataclass(frozen=True)
class Pair:
    """Two clips of one scene. `scene`: its number for `trials.sample`. `better`: the one that holds together
    better to a careful look, "a" or "b"; "" before the look. `why`: in words."""

    scene: int
    a: Recipe
    b: Recipe
    better: str = ""
    why: str = ""


def read_pairs(path: Path = FILE) -> list[Pair]:
    """The committed pairs."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for record in records:
        for side in ("a", "b"):
            record[side] = tuple((name, strength) for name, strength in record[side])
    return [Pair(**record) for record in records]


def write_pairs(pairs: list[Pair], path: Path = FILE) -> None:
    """One line for each pair."""
    path.write_text("".join(json.dumps(vars(pair)) + "\n" for pair in pairs), encoding="utf-8")


def draw(number: int, recipes: tuple[Recipe, ...]) -> list[DrawnClip]:
    """The damaged clips of a scene, each beside the true one."""
    scene = sample(number)
    plan = plan_of(scene, SECONDS, WIDTH / HEIGHT)
    true = render([scene], frames=FRAMES, fps=FPS, width=WIDTH, height=HEIGHT)[0]
    clips = []
    for recipe in recipes:
        video = true
        for name, strength in recipe:
            match name:
                case "missing":
                    video = damages.missing(scene, FRAMES, WIDTH, HEIGHT)
                case "warped":
                    video = damages.warped(video, plan, strength)
                case "doubled":
                    video = damages.doubled(video, plan)
                case "blurred":
                    video = damages.blurred(video, strength)
                case "pulsing":
                    video = damages.pulsing(video, strength)
                case "shuffled" | "halting" | "crisp_start":
                    video = getattr(damages, name)(video)
        clips.append(DrawnClip(video, plan, true))
    return clips


TRUE: Recipe = ()
KINDS: tuple[tuple[Recipe, Recipe], ...] = (
    (TRUE, (("warped", 0.04),)), (TRUE, (("warped", 0.08),)),
    ((("warped", 0.05),), (("warped", 0.12),)), ((("warped", 0.08),), (("warped", 0.2),)),
    ((("warped", 0.15),), (("warped", 0.3),)),
    (TRUE, (("blurred", 0.6),)), (TRUE, (("blurred", 0.9),)), ((("blurred", 0.6),), (("blurred", 1.2),)),
    ((("blurred", 1.0),), (("blurred", 2.0),)), ((("blurred", 1.5),), (("blurred", 3.0),)),
    (TRUE, (("doubled", 1.0),)), (TRUE, (("missing", 1.0),)),
    ((("warped", 0.1),), (("missing", 1.0),)), ((("doubled", 1.0),), (("missing", 1.0),)),
    (TRUE, (("pulsing", 0.03),)), ((("pulsing", 0.05),), (("pulsing", 0.12),)),
    (TRUE, (("shuffled", 1.0),)), ((("blurred", 0.7),), (("shuffled", 1.0),)),
    (TRUE, (("halting", 1.0),)), ((("halting", 1.0),), (("shuffled", 1.0),)),
    (TRUE, (("crisp_start", 1.0),)), ((("crisp_start", 1.0),), (("blurred", 1.0),)),
    ((("warped", 0.06),), (("doubled", 1.0),)), ((("blurred", 2.0),), (("warped", 0.06),)),
    ((("blurred", 0.6),), (("warped", 0.25),)), ((("pulsing", 0.1),), (("warped", 0.05),)),
    ((("pulsing", 0.03),), (("blurred", 2.0),)),
    ((("blurred", 1.0),), (("blurred", 1.0), ("warped", 0.12))),
    ((("warped", 0.3),), (("missing", 1.0),)), ((("doubled", 1.0),), (("warped", 0.25),)),
)  # fmt: skip
"""What is compared with what."""
FIRST = 200
"""Number of the first scene: none of those on which the measures are tried."""


def propose() -> list[Pair]:
    """The pairs in another order than `KINDS`, each with its sides exchanged or not, so that a look does not
    know which is which."""
    rng = random.Random("pairs")
    kinds = rng.sample(KINDS, len(KINDS))
    return [
        Pair(FIRST + number, *(kind if rng.random() < 0.5 else kind[::-1]))
        for number, kind in enumerate(kinds)
    ]


def sheet(pairs: list[Pair]) -> Tensor:
    """A contact sheet, uint8 [H, W, 3]: clip a above clip b, five frames in a row and four farther apart."""
    rows = []
    for pair in pairs:
        for clip in draw(pair.scene, (pair.a, pair.b)):
            frames = clip.video[[8, 9, 10, 11, 12, 0, 20, 32, 47]]
            rows.append(torch.cat(list(frames), -1))
        rows.append(torch.ones(3, 6, rows[-1].shape[-1]))
    return (torch.cat(rows, -2) * 255).round().to(torch.uint8).permute(1, 2, 0)
