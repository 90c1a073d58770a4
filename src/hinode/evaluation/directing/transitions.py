"""Bars of what has to fit to something: given frames, extensions, loops."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hinode.clip import Frames
from hinode.evaluation.directing.cases import SECONDS, Case
from hinode.evaluation.directing.measures import changes, joint, psnr, resting, true_places
from hinode.evaluation.directing.metrics import MAX_CASES, Record, every, of_kind, ratios, strayed
from hinode.evaluation.directing.rows import Row, lowest, mean, share, spread
from hinode.evaluation.directing.stage import Stage, with_references
from hinode.media.label import Label
from hinode.media.timeline import Timeline
from hinode.media.video import read_video, write_mp4
from hinode.request import FIRST_FRAME, KEYFRAME, Segment

MIN_DB = 35.0
MAX_SEAM = 1.5
SOURCE_SECONDS = 1.25
LOOP_SECONDS = 3.0


def measure_frames(cases: Sequence[Case], first: int, stage: Stage) -> list[Record]:
    """Give frames of the truth, and look whether they are in the clip and whether it moves around them."""
    truths = stage.rendered([case.scene for case in cases], SECONDS)
    rests = stage.rendered([resting(case.scene) for case in cases], SECONDS)
    requests, given = [], []
    for number, (case, truth) in enumerate(zip(cases, truths, strict=True), first):
        at = [min(round(moment * stage.fps), len(truth) - 1) for moment in case.at]
        role = FIRST_FRAME if case.kind == "first" else KEYFRAME
        pictures = [stage.picture(truth[index], role, index / stage.fps) for index in at]
        request = stage.request(case.prompt, number, SECONDS)
        requests.append(with_references(request, "generate", *pictures))
        given.append(at)
    records = []
    for case, at, frames, truth, rest in zip(cases, given, stage.drawn(requests), truths, rests, strict=True):
        elsewhere = [step for step in range(len(frames) - 1) if not {step, step + 1} & set(at)]
        back = _through_file(frames, stage)
        records.append(
            {
                "kind": case.kind,
                "psnr": min(psnr(frames[index], truth[index]) for index in at),
                "psnr_in_file": min(psnr(back[index], truth[index]) for index in at),
                "psnr_elsewhere": psnr(np.delete(frames, at, 0), np.delete(truth, at, 0)),
                "motion": float(changes(frames)[elsewhere].mean()),
                "motion_at_rest": float(changes(rest)[elsewhere].mean()),
                "motion_in_truth": float(changes(truth)[elsewhere].mean()),
            }
        )
    return records


def frames_rows(records: Sequence[Record]) -> list[Row]:
    """See `Bar.rows`."""
    bar = "frames"
    moves = [one["motion"] > one["motion_at_rest"] for one in records]
    kinds = [(kind, of_kind(records, kind)) for kind in ("first", "last", "keyframes")]
    return [
        *(
            lowest(bar, f"{kind}: PSNR of the worst given frame", every(some, "psnr"), "dB", MIN_DB)
            for kind, some in kinds
            if some
        ),
        share(bar, "moves more than the scene at rest", moves, MAX_CASES),
        spread(bar, "motion as a multiple of the truth's", ratios(records, "motion", "motion_in_truth"), "x"),
        spread(bar, "motion at rest as a multiple of the truth's (floor)",
               ratios(records, "motion_at_rest", "motion_in_truth"), "x"),
        spread(bar, "PSNR of the given frames after H.264", every(records, "psnr_in_file"), "dB"),
        spread(bar, "PSNR of the other frames to the truth's", every(records, "psnr_elsewhere"), "dB"),
    ]  # fmt: skip


def measure_extension(cases: Sequence[Case], first: int, stage: Stage) -> list[Record]:
    """Extend a clip of the world by two seconds, into the future or into the past.

    The part that is drawn is the world's seconds 0 to 2, which the judge knows best.
    """
    kept, more = round(SOURCE_SECONDS * stage.fps), round(SECONDS * stage.fps)
    requests, truths = [], []
    for number, case in enumerate(cases, first):
        forward = case.kind == "forward"
        start = -kept / stage.fps if forward else 0.0
        (truth,) = stage.rendered([case.scene], (kept + more) / stage.fps, start)
        source = stage.source(truth[:kept] if forward else truth[more:])
        request = stage.request(case.prompt, number, (kept + more) / stage.fps)
        request = with_references(request, "extend", source)
        if not forward:
            parts = Segment(more / stage.fps), Segment(kept / stage.fps, keep=source.digest)
            request = dataclasses.replace(request, segments=parts)
        requests.append(request)
        truths.append(truth)
    clips = stage.drawn(requests)
    ahead = [case.kind == "forward" for case in cases]
    spans = [slice(kept, None) if one else slice(0, more) for one in ahead]
    new = [clip[span] for clip, span in zip(clips, spans, strict=True)]
    real = [truth[span] for truth, span in zip(truths, spans, strict=True)]
    held = [
        np.repeat(truth[kept - 1 : kept] if one else truth[more : more + 1], more, 0)
        for truth, one in zip(truths, ahead, strict=True)
    ]
    expected = [case.expected() for case in cases]
    found = {
        "right": stage.right(new, expected),
        "right_in_truth": stage.right(real, expected),
        "right_if_held": stage.right(held, expected),
    }
    away = strayed(new, true_places([case.scene for case in cases], stage.aspect), stage)
    return [
        {
            "kind": case.kind,
            "seam": joint(clips[index], kept if ahead[index] else more),
            "seam_in_truth": joint(truths[index], kept if ahead[index] else more),
            "away": away[index],
            **{name: values[index] for name, values in found.items()},
        }
        for index, case in enumerate(cases)
    ]


def extension_rows(records: Sequence[Record]) -> list[Row]:
    """See `Bar.rows`."""
    bar, rows = "extension", []
    for kind in ("forward", "backward"):
        some = of_kind(records, kind)
        if not some:
            continue
        for name, what in (("seam", ""), ("seam_in_truth", " (truth)")):
            good = [one[name] <= MAX_SEAM for one in some]
            wanted = MAX_CASES if name == "seam" else None
            rows.append(share(bar, f"{kind}: seam <= {MAX_SEAM} x the median step{what}", good, wanted))
        rows.append(spread(bar, f"{kind}: seam by the median step", every(some, "seam"), "x"))
        for name, what in (
            ("right", ""),
            ("right_in_truth", " (truth)"),
            ("right_if_held", " (last frame held)"),
        ):
            good = [all(one[name].values()) for one in some]
            wanted = MAX_CASES if name == "right" else None
            rows.append(share(bar, f"{kind}: all attributes unchanged{what}", good, wanted))
        rows += [
            share(bar, f"{kind}: {name} unchanged", [one["right"][name] for one in some])
            for name in some[0]["right"]
        ]
    return [*rows, mean(bar, "distance from where the subject truly goes", every(records, "away"), "%")]


def measure_loop(cases: Sequence[Case], first: int, stage: Stage) -> list[Record]:
    """Make loops, from words or going on from a clip, and step from the last frame to the first."""
    truths = stage.rendered([case.scene for case in cases], LOOP_SECONDS)
    rests = stage.rendered([resting(case.scene) for case in cases], LOOP_SECONDS)
    requests = []
    for number, (case, truth) in enumerate(zip(cases, truths, strict=True), first):
        request = dataclasses.replace(
            stage.request(case.prompt, number, LOOP_SECONDS), operation="loop", looped=True
        )
        if case.kind == "clip":
            source = stage.source(truth[: round(SECONDS * stage.fps)])
            request = dataclasses.replace(request, references=(source,))
        requests.append(request)
    clips = stage.drawn(requests)
    right = stage.right(clips, [case.expected() for case in cases])
    return [
        {
            "kind": case.kind,
            "seam": joint(clip, 0),
            "seam_of_a_cut": joint(truth, 0),
            "motion": float(np.median(changes(clip))),
            "motion_at_rest": float(np.median(changes(rest))),
            "motion_in_truth": float(np.median(changes(truth))),
            "right": facts,
        }
        for case, clip, truth, rest, facts in zip(cases, clips, truths, rests, right, strict=True)
    ]


def loop_rows(records: Sequence[Record]) -> list[Row]:
    """See `Bar.rows`."""
    bar, rows = "loop", []
    for kind in ("prompt", "clip"):
        some = of_kind(records, kind)
        if some:
            good = [one["seam"] <= MAX_SEAM for one in some]
            rows += [
                share(bar, f"from a {kind}: last to first <= {MAX_SEAM} x the median step", good, MAX_CASES),
                spread(bar, f"from a {kind}: last to first by the median step", every(some, "seam"), "x"),
            ]
    moves = [one["motion"] > one["motion_at_rest"] for one in records]
    return [
        *rows,
        share(bar, "moves more than the scene at rest", moves, MAX_CASES),
        spread(bar, "motion as a multiple of the truth's", ratios(records, "motion", "motion_in_truth"), "x"),
        share(bar, "last to first of a clip that was not looped (floor)",
              [one["seam_of_a_cut"] <= MAX_SEAM for one in records]),
        *(share(bar, f"{name} as asked", [one["right"][name] for one in records])
          for name in ("subject", "color", "place")),
    ]  # fmt: skip


def _through_file(frames: Frames, stage: Stage) -> Frames:
    """A clip after it was written into an MP4, as every finished clip is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_mp4(path, frames, stage.size, Timeline(stage.rate, len(frames) / stage.rate), Label())
        return read_video(path).frames
