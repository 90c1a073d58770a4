"""Metrics of clips that have to fit to something: given frames, extensions, loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hinode.evaluation.directing import measures
from hinode.evaluation.directing.cases import SECONDS, Case
from hinode.evaluation.directing.harness import Harness
from hinode.evaluation.directing.measures import changes, column, of_kind, psnr, ratios, seam
from hinode.evaluation.evaluate import reencode
from hinode.evaluation.records import Record, to_records
from hinode.evaluation.results import Row, lowest, mean, share, spread
from hinode.request import FIRST_FRAME, KEYFRAME, Segment

MIN_SHARE = 0.95
"""Target where a metric has to hold for nearly all cases."""
MIN_DB = 35.0
MAX_SEAM = 1.5
SOURCE_SECONDS = 1.25
LOOP_SECONDS = 3.0


def measure_frames(cases: Sequence[Case], first: int, harness: Harness) -> list[Record]:
    """Give frames of the truth; measure whether they are in the clip and whether it moves around them."""
    truths = harness.render([case.scene for case in cases], SECONDS)
    rests = harness.render([measures.at_rest(case.scene) for case in cases], SECONDS)
    requests, indices = [], []
    for number, (case, truth) in enumerate(zip(cases, truths, strict=True), first):
        at = [min(round(moment * harness.fps), len(truth) - 1) for moment in case.at]
        role = FIRST_FRAME if case.kind == "first" else KEYFRAME
        pictures = [harness.picture(truth[index], role, index / harness.fps) for index in at]
        requests.append(harness.request(case.prompt, number, SECONDS, references=tuple(pictures)))
        indices.append(at)
    records = []
    clips = harness.generate(requests)
    for case, at, frames, truth, rest in zip(cases, indices, clips, truths, rests, strict=True):
        others = [step for step in range(len(frames) - 1) if not {step, step + 1} & set(at)]
        decoded = reencode(frames, harness.fps)
        clips_by_name = {"motion": frames, "motion_at_rest": rest, "motion_in_truth": truth}
        record = {
            "kind": case.kind,
            "psnr": min(psnr(frames[index], truth[index]) for index in at),
            "psnr_in_file": min(psnr(decoded[index], truth[index]) for index in at),
            "psnr_elsewhere": psnr(np.delete(frames, at, 0), np.delete(truth, at, 0)),
        }
        motion = {name: float(changes(clip)[others].mean()) for name, clip in clips_by_name.items()}
        records.append(record | motion)
    return records


def frames_rows(records: Sequence[Record]) -> list[Row]:
    metric = "frames"
    kinds = [(kind, of_kind(records, kind)) for kind in ("first", "last", "keyframes")]
    return [
        *(lowest(metric, f"{kind}: PSNR of the worst given frame", column(part, "psnr"), "dB", MIN_DB)
          for kind, part in kinds if part),
        *_motion_rows(metric, records),
        spread(metric, "motion at rest as a multiple of the truth's (floor)",
               ratios(records, "motion_at_rest", "motion_in_truth"), "x"),
        spread(metric, "PSNR of the given frames after H.264", column(records, "psnr_in_file"), "dB"),
        spread(metric, "PSNR of the other frames to the truth's", column(records, "psnr_elsewhere"), "dB"),
    ]  # fmt: skip


def _motion_rows(metric: str, records: Sequence[Record]) -> list[Row]:
    hits = [record["motion"] > record["motion_at_rest"] for record in records]
    multiples = ratios(records, "motion", "motion_in_truth")
    return [
        share(metric, "moves more than the scene at rest", hits, MIN_SHARE),
        spread(metric, "motion as a multiple of the truth's", multiples, "x"),
    ]


def measure_extension(cases: Sequence[Case], first: int, harness: Harness) -> list[Record]:
    """Extend a true clip by two seconds, forward or backward. The part that is generated is the world's
    seconds 0 to 2, which the judge knows best."""
    length, more = round(SOURCE_SECONDS * harness.fps), round(SECONDS * harness.fps)
    requests, truths, frozen = [], [], []
    for number, case in enumerate(cases, first):
        forward = case.kind == "forward"
        start = -length / harness.fps if forward else 0.0
        (truth,) = harness.render([case.scene], (length + more) / harness.fps, start)
        source = harness.reference(truth[:length] if forward else truth[more:])
        backward = Segment(more / harness.fps), Segment(length / harness.fps, keep=source.digest)
        parts: dict[str, Any] = {"references": (source,), "segments": () if forward else backward}
        edge = length - 1 if forward else more
        seconds = (length + more) / harness.fps
        requests.append(harness.request(case.prompt, number, seconds, operation="extend", **parts))
        truths.append(truth)
        frozen.append(np.repeat(truth[edge : edge + 1], more, 0))
    clips = harness.generate(requests)
    joins = [length if case.kind == "forward" else more for case in cases]
    spans = [slice(length, None) if case.kind == "forward" else slice(0, more) for case in cases]
    new = [clip[span] for clip, span in zip(clips, spans, strict=True)]
    places = measures.true_places([case.scene for case in cases], harness.aspect)
    return to_records(
        kind=[case.kind for case in cases],
        seam=list(map(seam, clips, joins)),
        seam_in_truth=list(map(seam, truths, joins)),
        away=measures.mean_distances(new, places, harness),
        right=harness.check(new, cases),
        right_in_truth=harness.check([t[span] for t, span in zip(truths, spans, strict=True)], cases),
        right_if_held=harness.check(frozen, cases),
    )


def extension_rows(records: Sequence[Record]) -> list[Row]:
    metric, rows = "extension", []
    for kind in ("forward", "backward"):
        part = of_kind(records, kind)
        if not part:
            continue
        for name, note, minimum in (("seam", "", MIN_SHARE), ("seam_in_truth", " (truth)", None)):
            what = f"{kind}: seam <= {MAX_SEAM} x the median step{note}"
            rows.append(share(metric, what, [value <= MAX_SEAM for value in column(part, name)], minimum))
        rows.append(spread(metric, f"{kind}: seam by the median step", column(part, "seam"), "x"))
        floors = ("right_in_truth", " (truth)", None), ("right_if_held", " (last frame held)", None)
        for name, note, minimum in (("right", "", MIN_SHARE), *floors):
            hits = [all(facts.values()) for facts in column(part, name)]
            rows.append(share(metric, f"{kind}: all attributes unchanged{note}", hits, minimum))
        for name in part[0]["right"]:
            rows.append(share(metric, f"{kind}: {name} unchanged", column(part, "right", name)))
    return [*rows, mean(metric, "distance from where the subject truly goes", column(records, "away"), "%")]


def measure_loop(cases: Sequence[Case], first: int, harness: Harness) -> list[Record]:
    """Make loops, from words or from a clip; measure the step from the last frame to the first."""
    truths = harness.render([case.scene for case in cases], LOOP_SECONDS)
    rests = harness.render([measures.at_rest(case.scene) for case in cases], LOOP_SECONDS)
    requests = []
    for number, (case, truth) in enumerate(zip(cases, truths, strict=True), first):
        start = truth[: round(SECONDS * harness.fps)]
        sources = (harness.reference(start),) if case.kind == "clip" else ()
        parts: dict[str, Any] = {"operation": "loop", "references": sources, "looped": True}
        requests.append(harness.request(case.prompt, number, LOOP_SECONDS, **parts))
    clips = harness.generate(requests)
    return to_records(
        kind=[case.kind for case in cases],
        seam=[seam(clip, 0) for clip in clips],
        seam_of_a_cut=[seam(truth, 0) for truth in truths],
        motion=[float(np.median(changes(clip))) for clip in clips],
        motion_at_rest=[float(np.median(changes(rest))) for rest in rests],
        motion_in_truth=[float(np.median(changes(truth))) for truth in truths],
        right=harness.check(clips, cases),
    )


def loop_rows(records: Sequence[Record]) -> list[Row]:
    metric, rows = "loop", []
    for kind in ("prompt", "clip"):
        seams = column(of_kind(records, kind), "seam")
        if seams:
            what = f"from a {kind}: last to first <= {MAX_SEAM} x the median step"
            rows.append(share(metric, what, [value <= MAX_SEAM for value in seams], MIN_SHARE))
            rows.append(spread(metric, f"from a {kind}: last to first by the median step", seams, "x"))
    return [
        *rows,
        *_motion_rows(metric, records),
        share(metric, "last to first of a clip that was not looped (floor)",
              [value <= MAX_SEAM for value in column(records, "seam_of_a_cut")]),
        *(share(metric, f"{name} as asked", column(records, "right", name))
          for name in ("subject", "color", "place")),
    ]  # fmt: skip
