"""Clips that a model of the picture book draws for the committed prompts, measured beside true clips of the
same plans.

    hinode evaluate --suite book --model book
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from hinode.engines.native import catalog
from hinode.engines.native.engine import NativeEngine
from hinode.errors import BadInput
from hinode.evaluation.book.suite import MIN_FRAMES, DrawnClip, Report, reads_as_planned, score
from hinode.evaluation.plans import CASES, expected_facts
from hinode.evaluation.results import Row, share
from hinode.progress import progress_bar
from hinode.request import Request
from hinode.settings import Settings
from hinode.world.book.picture.preview import render_plan
from hinode.world.book.plan import ScenePlan
from hinode.world.book.reading import check_facts
from hinode.world.prompts.facts import ParsedPrompt


def evaluate_generation(
    path: Path = CASES,
    *,
    model: str | None = None,
    settings: Settings,
    limit: int | None = None,
    steps: int | None = None,
    seconds: float = 2.0,
    save_clips: Path | None = None,
) -> dict[str, Any]:
    """Draw a clip for each prompt of a file (lines {"prompt": "..."}) and measure it; case k has the seed k.
    Where the lines have facts (see `plans.expected_facts`), the first rows are those of whole prompts.

    `seconds`: of each clip. `save_clips`: a `.pt` file that gets the prompts and all frames, for
    runs/book_card.py.

    Raises:
        BadInput: there is no such model, the file cannot be read, or the clips would be too short.
    """
    card = catalog.find(model, settings.models)
    shortest = MIN_FRAMES / card.shapes[0].fps
    if seconds < shortest:
        problem = f"the measures need {MIN_FRAMES} frames, and {seconds:g} seconds have fewer"
        raise BadInput(problem, f"give {shortest:g} seconds at least", field="seconds")
    try:
        cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()][:limit]
        prompts = [case["prompt"] for case in cases]
        facts_of = list(filter(None, map(expected_facts, cases)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path} cannot be read: {error}", "name a file of prompts", field="prompts"
        ) from error
    engine = NativeEngine(settings)
    width, height = card.shapes[0].size
    clips = []
    with progress_bar() as bar:
        task = bar.add_task("draw", total=2 * len(prompts))
        for number, prompt in enumerate(prompts):
            request = Request(prompt, width, height, seconds, seed=number, model=card.name, steps=steps,
                              sound=False)  # fmt: skip
            run = engine.start(request)
            for _ in run:
                pass
            clip = run.clip()
            plan = ScenePlan.model_validate_json(clip.provenance.plan)
            moments = torch.arange(len(clip.frames)) / clip.fps
            truth = render_plan(plan, moments, width=width, height=height, seed=number)
            video = torch.from_numpy(clip.frames.copy()).permute(0, 3, 1, 2).float() / 255
            clips.append(DrawnClip(video, plan, truth))
            bar.advance(task)
        bar.update(task, description="measure")
        report = score(clips, lambda: bar.advance(task))
    if save_clips is not None:
        save_clips.parent.mkdir(parents=True, exist_ok=True)
        frames = torch.stack([clip.video for clip in clips]).permute(0, 1, 3, 4, 2)
        torch.save({"frames": frames.mul(255).round().byte(), "prompts": prompts}, save_clips)
    if len(facts_of) == len(clips):
        rows = whole_prompt_rows(facts_of, clips, report, width / height)
        report = dataclasses.replace(report, rows=(*rows, *report.rows))
    facts = {"model": card.name, "weights": card.fingerprint(), "steps": steps or card.steps}
    return {**report.as_json(), **facts}


def whole_prompt_rows(
    cases: Sequence[tuple[ParsedPrompt, tuple[str, ...]]],
    clips: Sequence[DrawnClip],
    report: Report,
    aspect: float,
) -> list[Row]:
    """How many prompts are drawn wholly: all their facts are in the plan, and the clip has no fault of count
    or path, and place, time and weather as planned.

    Args:
        cases: of each clip, from `plans.expected_facts`.
        clips: each with its true clip.
        report: of the clips.
        aspect: width / height.
    """
    plans = [clip.plan for clip in clips]
    held = [all(hit for _, hit in check_facts(plan, facts, aspect))
            for plan, (facts, _) in zip(plans, cases, strict=True)]  # fmt: skip
    rows, metric = [], "whole prompt"
    truths = [clip.truth for clip in clips if clip.truth is not None]
    videos = {"drawn": [clip.video for clip in clips], "true": truths}
    for (label, shown), measures in zip(videos.items(), (report.drawn, report.true), strict=True):
        land = reads_as_planned(torch.stack([video[0] for video in shown]), plans)
        whole = [holds and reads and not values["faults"] > 0  # nan without a subject
                 for holds, reads, values in zip(held, land, measures, strict=True)]  # fmt: skip
        rows.append(share(metric, label, whole))
    rows.append(share(metric, "all facts in the plan", held))
    missing = Counter(name for _, names in cases for name in names)
    if missing:
        what = f"facts that no plan holds: {', '.join(sorted(missing))}"
        count = missing.total()
        rows.append(Row(metric, what, count, count, count, "all cases", len(cases), "facts"))
    return rows
