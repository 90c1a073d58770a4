"""Metrics of clips that have to fit to something: frames of a clip, extensions, loops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hinode.directing import operations
from hinode.evaluation.book.poses import FPS
from hinode.evaluation.directing import measures
from hinode.evaluation.directing.cases import SECONDS, Case
from hinode.evaluation.directing.harness import Harness
from hinode.evaluation.directing.measures import changes, column, of_kind, psnr, ratios, seam, with_truth
from hinode.evaluation.directing.reader import Reader
from hinode.evaluation.records import Record
from hinode.evaluation.results import Row, lowest, mean, share, spread
from hinode.media.reading.references import save_picture
from hinode.request import FIRST_FRAME, KEYFRAME

MIN_SHARE, MIN_EXTENSIONS = 0.95, 0.9
"""Targets where a metric has to hold for nearly all cases."""
MIN_DB = 35.0
MAX_SEAM = 1.5
SOURCE_SECONDS = 1.5
LOOP_SECONDS = 3.0
FACTS = ("subject", "color", "motion", "place", "time", "weather")
SOURCES = {"plan": "with its plan", "bare": "without a plan"}
"""What the file of a source carries."""


def measure_frames(case: Case, number: int, harness: Harness) -> Record:
    """Give frames of the truth; measure whether they are in the clip and whether it moves around them."""
    truth, rest = (harness.render(scene, SECONDS) for scene in (case.scene, measures.at_rest(case.scene)))
    at = [min(round(moment * FPS), len(truth) - 1) for moment in case.at]
    role = FIRST_FRAME if case.kind == "first" else KEYFRAME
    pictures = tuple(save_picture(truth[k], role, harness.folder, k / FPS) for k in at)
    frames = harness.generate(harness.request(case.prompt, number, SECONDS, references=pictures)).frames
    others = [step for step in range(len(frames) - 1) if not {step, step + 1} & set(at)]
    clips = {"motion": frames, "motion_at_rest": rest, "motion_in_truth": truth}
    return {
        "kind": case.kind,
        "psnr": min(psnr(frames[index], truth[index]) for index in at),
        "psnr_elsewhere": psnr(np.delete(frames, at, 0), np.delete(truth, at, 0)),
        **{name: float(changes(clip)[others].mean()) for name, clip in clips.items()},
    }


def frames_rows(records: Sequence[Record]) -> list[Row]:
    metric = "frames"
    kinds = [(kind, of_kind(records, kind)) for kind in ("first", "last", "keyframes")]
    return [
        *(lowest(metric, f"{kind}: PSNR of the worst given frame", column(part, "psnr"), "dB", MIN_DB)
          for kind, part in kinds if part),
        *_motion_rows(metric, records),
        spread(metric, "PSNR of the other frames to the truth's", column(records, "psnr_elsewhere"), "dB"),
    ]  # fmt: skip


def _motion_rows(metric: str, records: Sequence[Record]) -> list[Row]:
    rest = column(records, "motion_at_rest")
    moves, truth = (
        [motion > still for motion, still in zip(column(records, name), rest, strict=True)]
        for name in ("motion", "motion_in_truth")
    )
    return [
        *with_truth(metric, "moves more than the scene at rest", moves, truth, MIN_SHARE),
        spread(metric, "motion as a multiple of the truth's",
               ratios(records, "motion", "motion_in_truth"), "x"),
        spread(metric, "motion at rest as a multiple of the truth's (floor)",
               ratios(records, "motion_at_rest", "motion_in_truth"), "x"),
    ]  # fmt: skip


def measure_extension(case: Case, number: int, harness: Harness) -> Record:
    """Extend a true clip by two seconds, forward or backward, from a file with its plan and from one without.
    What is new is the scene's seconds 0 to 2, in which its subject is in the frame."""
    scene, forward = case.scene, case.kind == "forward"
    start, begin = (-SOURCE_SECONDS, SOURCE_SECONDS) if forward else (SECONDS, 0.0)
    frames, true_new = harness.render(scene, SOURCE_SECONDS, start), harness.render(scene, SECONDS)
    truth = np.concatenate((frames, true_new) if forward else (true_new, frames))
    edge, join = (frames[-1], len(frames)) if forward else (frames[0], len(true_new))
    plan, true_plan = harness.plan(scene, SOURCE_SECONDS, start), harness.plan(scene, SECONDS)
    facts, (path,) = case.facts(*FACTS), true_plan.subjects
    true_reader = Reader(true_plan, facts, len(true_new), harness.size)
    record: Record = {
        "kind": case.kind,
        "seam_in_truth": seam(truth, join),
        "right_in_truth": true_reader.true.right,
        "right_if_held": true_reader.read(np.repeat(edge[None], len(true_new), 0)).right,
    }
    for name, inside in (("plan", plan), ("bare", None)):
        base = harness.request(case.prompt, number, SECONDS)
        source = harness.source(frames, inside)
        clip = harness.generate(operations.extend(base, source, SECONDS, backward=not forward))
        reader, reading = harness.read(clip, begin, true_plan, facts)
        away = reader.distance(reading, path.x, path.y)
        record[name] = {"seam": seam(clip.frames, join), "right": reading.right, "away": away}
    return record


def extension_rows(records: Sequence[Record]) -> list[Row]:
    metric, rows = "extension", []
    for kind in ("forward", "backward"):
        part = of_kind(records, kind)
        if not part:
            continue
        for name, source in SOURCES.items():
            what, minimum = f"{kind}, source {source}: ", MIN_EXTENSIONS if name == "plan" else None
            seams = [value <= MAX_SEAM for value in column(part, name, "seam")]
            whole = [all(right.values()) for right in column(part, name, "right")]
            rows.append(share(metric, f"{what}seam <= {MAX_SEAM} x the median step", seams, minimum))
            rows.append(share(metric, f"{what}all facts unchanged", whole, minimum))
        seams = [value <= MAX_SEAM for value in column(part, "seam_in_truth")]
        rows.append(share(metric, f"{kind}: seam <= {MAX_SEAM} x the median step (truth)", seams))
        for name, note in (("right_in_truth", "truth"), ("right_if_held", "last frame held")):
            hits = [all(right.values()) for right in column(part, name)]
            rows.append(share(metric, f"{kind}: all facts unchanged ({note})", hits))
    for fact in FACTS:
        hits, true = column(records, "plan", "right", fact), column(records, "right_in_truth", fact)
        rows += with_truth(metric, f"source with its plan: {fact} unchanged", hits, true)
    for name, source in SOURCES.items():
        what = f"source {source}: distance from where the subject truly goes, in widths"
        rows.append(mean(metric, what, column(records, name, "away"), "%"))
    return rows


def measure_loop(case: Case, number: int, harness: Harness) -> Record:
    """Make loops, from words or from a clip; measure the step from the last frame to the first."""
    truth, rest = (
        harness.render(scene, LOOP_SECONDS) for scene in (case.scene, measures.at_rest(case.scene))
    )
    source = None
    if case.kind == "clip":
        source = harness.source(truth[: round(SECONDS * FPS)], harness.plan(case.scene, SECONDS))
    base = harness.request(case.prompt, number, LOOP_SECONDS)
    clip = harness.generate(operations.loop(base, source, LOOP_SECONDS))
    return {
        "kind": case.kind,
        "seam": seam(clip.frames, 0),
        "seam_of_a_cut": seam(truth, 0),
        "motion": float(np.median(changes(clip.frames))),
        "motion_at_rest": float(np.median(changes(rest))),
        "motion_in_truth": float(np.median(changes(truth))),
    }


def loop_rows(records: Sequence[Record]) -> list[Row]:
    metric, rows = "loop", []
    for kind in ("prompt", "clip"):
        seams = column(of_kind(records, kind), "seam")
        if seams:
            what = f"from a {kind}: last to first <= {MAX_SEAM} x the median step"
            rows.append(share(metric, what, [value <= MAX_SEAM for value in seams], MIN_SHARE))
            rows.append(spread(metric, f"from a {kind}: last to first by the median step", seams, "x"))
    cuts = [value <= MAX_SEAM for value in column(records, "seam_of_a_cut")]
    rows.append(share(metric, "last to first of a clip that was not looped (floor)", cuts))
    return [*rows, *_motion_rows(metric, records)]
