"""The physics suite: continue every case, search for the subject, and compare with where it truly is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hinode.engines.native import catalog
from hinode.engines.native.checkpoint import Checkpoint
from hinode.engines.native.plan import CONDITIONED_GUIDANCE, Plan
from hinode.engines.native.sampling import decode_frames
from hinode.evaluation.evaluate import load_model, plan_of, render_native, sample_noise
from hinode.evaluation.physics.cases import CONTEXT_SECONDS, METRICS, SECONDS, Case, make_cases
from hinode.evaluation.physics.search import REACH, find
from hinode.evaluation.records import Record, RecordLog, check_names
from hinode.evaluation.results import Row, mean, share
from hinode.model.flow import Sampler
from hinode.progress import progress_bar
from hinode.settings import Settings
from hinode.world.caption import words
from hinode.world.motion import SPEED, subject_path

BATCH = 4  # clips that go through the network together
Findings = Sequence[tuple[Case, Record]]
"""Cases with what `find` returned for them."""


def evaluate_physics(
    *,
    model: str | None = None,
    settings: Settings,
    only: Sequence[str] = (),
    limit: int | None = None,
    steps: int | None = None,
    keep: Path | None = None,
) -> dict[str, Any]:
    """Measure how a model, by default the best, continues the cases; arguments and errors are those of
    `evaluate_directing`. Returns {"model", "weights", "steps", "guidance", "rows": see `Row.as_json`}, with
    lengths in frame widths."""
    names = check_names(only, tuple(METRICS))
    plan = plan_of(catalog.find(model, settings.models), seconds=SECONDS, steps=steps)
    guidance = min(plan.sampling.guidance, CONDITIONED_GUIDANCE)
    plan = dataclasses.replace(plan, sampling=dataclasses.replace(plan.sampling, guidance=guidance))
    loaded, device = load_model(plan.card)
    weights, fps = plan.card.fingerprint(), plan.shape.fps
    rows: list[Row] = []

    def measure(cases: Sequence[Case], first: int) -> list[Record]:
        clips = continue_cases(cases, plan, loaded, device, first)
        pairs = zip(clips, cases, strict=True)
        return [find(frames_at(clip, case, fps), case) for clip, case in pairs]

    with progress_bar(keep=True) as bar:
        for name in names:
            cases = [case.snapped(fps) for case in make_cases(name)[:limit]]
            header = {"weights": weights, "steps": steps, "cases": repr(cases[:1])}
            records = RecordLog(keep, f"physics-{name}", header).complete(cases, BATCH, measure, bar)
            findings = list(zip(cases, records, strict=True))
            rows += summarize(name, findings, fps, plan.shape.width / plan.shape.height)
    return {
        "model": plan.card.name,
        "weights": weights,
        "steps": plan.sampling.steps,
        "guidance": plan.sampling.guidance,
        "rows": [row.as_json() for row in rows],
    }


@torch.inference_mode()
def continue_cases(
    cases: Sequence[Case], plan: Plan, model: Checkpoint, device: torch.device, first: int = 0
) -> Tensor:
    """What the model generates from the first second of each case: [B, T, 3, H, W] in 0..1. Case i has the
    noise seed `first` + i."""
    tokenizer = model.model.config.tokenizer
    pixels = tokenizer.encode(render_native([case.scene for case in cases], plan) * 2 - 1)
    pixels[:, tokenizer.latent_frames(1 + round(CONTEXT_SECONDS * plan.shape.fps)) :] = torch.nan
    ids = model.vocabulary.batch([words(case.prompt) for case in cases], limit=plan.card.words).to(device)
    noise = sample_noise(range(first, first + len(cases)), pixels.shape[1:]).to(device)
    sampler = Sampler(model.model, ids, plan.shape.fps, noise, plan.sampling, context=pixels.to(device))
    for _ in sampler:
        pass
    return ((decode_frames(sampler, plan.request).cpu() + 1) / 2).clamp(0, 1)


def frames_at(clip: Tensor, case: Case, fps: float) -> Tensor:
    """The frames of a clip [T, 3, H, W] at the moments of a case, which lie on frames (`Case.snapped`)."""
    return clip[[round(at * fps) for at in case.at]]


def true_place(case: Case, moments: Sequence[float], aspect: float) -> Tensor:
    """Where the watched subject truly is, [moments, 2] in fractions of the frame."""
    return subject_path([case.scene.subjects[case.watched]], torch.tensor([moments]), aspect).places[0]


def summarize(metric: str, findings: Findings, fps: float, aspect: float) -> list[Row]:
    """The rows of one metric."""
    if metric == "motion":
        return _motion_rows(findings, fps, aspect)
    present = [sum(record["there"]) * 2 > len(record["there"]) for _, record in findings]
    rows = [share(metric, "there again", present)]
    for name in ("color", "kind"):
        looks = [
            record[name] == getattr(case.scene.subjects[case.watched], name) for case, record in findings
        ]
        same = [back and like for back, like in zip(present, looks, strict=True)]
        rows.append(share(metric, f"there again, its {name} kept", same))
    moments = [range(len(case.at)) for case, _ in findings]
    return rows + _distance_rows(metric, "after it came back", findings, moments, fps, aspect)


def _motion_rows(findings: Findings, fps: float, aspect: float) -> list[Row]:
    rows = []
    for second in (1, 2, 3):
        moments = [[k for k, at in enumerate(case.at) if second <= at < second + 1] for case, _ in findings]
        rows += _distance_rows("motion", f"{second} to {second + 1} s", findings, moments, fps, aspect)
    speeds = [
        _distance(torch.tensor(record["off"]).diff(dim=0)[k], aspect) / (case.at[k + 1] - case.at[k])
        for case, record in findings
        if all(record["there"])
        for k in range(0, len(case.at) - 1, 2)
    ]
    what = "velocity off, where found throughout, from frame to frame"
    return [*rows, mean("motion", what, speeds, "widths/s")]


def _distance_rows(
    metric: str, when: str, findings: Findings, moments: Sequence[Sequence[int]], fps: float, aspect: float
) -> list[Row]:
    """Distances from the true place, where that is in the frame, at some moments of each case: of the model,
    and of two ways to guess."""
    what, unit, last = f"off its place, {when}", "widths", CONTEXT_SECONDS - 1 / fps
    generated, copied, straight = [], [], []
    for (case, record), numbers in zip(findings, moments, strict=True):
        truth, offsets = true_place(case, case.at, aspect), torch.tensor(record["off"])
        before, end = true_place(case, (last, CONTEXT_SECONDS), aspect)
        step = (end - before) * fps
        step = torch.where(step.abs() > 2 * SPEED + 1, 0.0, step)  # it has just entered on the other side
        for k in numbers:
            if not bool(((truth[k] >= 0) & (truth[k] <= 1)).all()):
                continue  # more than half of it is out of sight
            generated.append(_distance(offsets[k], aspect) if record["there"][k] else REACH)
            copied.append(_distance(end - truth[k], aspect))
            straight.append(_distance(end + step * (case.at[k] - CONTEXT_SECONDS) - truth[k], aspect))
    return [
        mean(metric, what, generated, unit),
        mean(metric, f"{what}: copy of the last frame", [min(d, REACH) for d in copied], unit),
        mean(metric, f"{what}: straight on", [min(d, REACH) for d in straight], unit),
    ]


def _distance(offset: Tensor, aspect: float) -> float:
    """Length of an offset in fractions of the frame, in frame widths."""
    return math.hypot(float(offset[0]), float(offset[1]) / aspect)
