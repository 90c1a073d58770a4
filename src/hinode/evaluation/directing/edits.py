"""Metrics of edited clips: a masked region, and all of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hinode.directing import operations
from hinode.evaluation.book.poses import FPS
from hinode.evaluation.directing.cases import SECONDS, VALUES, Case
from hinode.evaluation.directing.continuations import SOURCES
from hinode.evaluation.directing.harness import Harness
from hinode.evaluation.directing.measures import column, of_kind, subject_mask, with_truth
from hinode.evaluation.directing.reader import Reader
from hinode.evaluation.records import Record
from hinode.evaluation.results import Row, share, spread
from hinode.media.reading.references import save_frames, save_picture
from hinode.media.timeline import frame_rate
from hinode.request import MASK

MAX_SHIFT = 0.10
"""Frame widths that the subject of a remix may be away from its place in the source."""
FACTS = ("subject", "color", "place", "time", "weather")
MIN_CHANGED = 0.8


def measure_region(case: Case, number: int, harness: Harness) -> Record:
    """Change the subject within a mask, and count what changed outside."""
    truth, plan = harness.render(case.scene, SECONDS), harness.plan(case.scene, SECONDS)
    still = case.kind == "still mask"
    white = subject_mask(plan, len(truth), harness.size, still=still)
    mask = (save_picture(white[0], MASK, harness.folder) if still
            else save_frames(white, frame_rate(FPS), MASK, harness.folder))  # fmt: skip
    base = harness.request(case.prompt, number, SECONDS)
    clip = harness.generate(operations.redraw(base, "edit", harness.source(truth, plan), None, mask))
    masked = np.broadcast_to(white[..., 0] > 0, truth.shape[:3])
    reader = Reader(plan, case.facts(*FACTS), len(truth), harness.size)
    return {
        "kind": case.kind,
        "attribute": next(iter(case.change)),
        "outside": int((clip.frames != truth).any(-1)[~masked].sum()),
        "masked": float(masked.mean()),
        "right": reader.read(clip.frames).right,
        "right_in_truth": reader.true.right,
        "right_before": reader.read(truth).right,
    }


def region_rows(records: Sequence[Record]) -> list[Row]:
    metric, what = "region", "asked fact changed inside"
    worst = max(column(records, "outside"), default=0)
    hits, true = _changed(records, "right"), _changed(records, "right_in_truth")
    return [
        Row(metric, "differing pixels outside the mask, worst case", worst, 0, worst, "all cases",
            len(records), "px", "<= 0 px", bool(records) and worst == 0),
        *with_truth(metric, what, hits, true, MIN_CHANGED),
        share(metric, f"{what} (source, floor)", _changed(records, "right_before")),
        *(share(metric, f"changed inside a {kind}", _changed(of_kind(records, kind), "right"))
          for kind in ("still mask", "moving mask")),
        spread(metric, "share of the picture inside the mask", column(records, "masked"), "%"),
    ]  # fmt: skip


def measure_remix(case: Case, number: int, harness: Harness) -> Record:
    """Change one fact of a whole clip, from a file with its plan and from one without; measure whether place
    and framing are kept."""
    truth, plan = harness.render(case.scene, SECONDS), harness.plan(case.scene, SECONDS)
    facts = case.facts(*FACTS)
    (path,) = plan.subjects
    true_reader = Reader(plan, facts, len(truth), harness.size)
    record: Record = {
        "attribute": next(iter(case.change)),
        "right_in_truth": true_reader.true.right,
        "right_before": true_reader.read(truth).right,
        "away_in_truth": true_reader.distance(true_reader.true, path.x, path.y),
    }
    for name, inside in (("plan", plan), ("bare", None)):
        base = harness.request(case.prompt, number, SECONDS)
        clip = harness.generate(operations.redraw(base, "remix", harness.source(truth, inside), None))
        reader, reading = harness.read(clip, 0.0, plan, facts)
        record[name] = {"right": reading.right, "away": reader.distance(reading, path.x, path.y)}
    return record


def remix_rows(records: Sequence[Record]) -> list[Row]:
    metric, rows = "remix", []
    true_framed = [value <= MAX_SHIFT for value in column(records, "away_in_truth")]
    true_both = _both(true_framed, column(records, "right_in_truth", "place"))
    true = _changed(records, "right_in_truth")
    for name, source in SOURCES.items():
        what, minimum = f"source {source}: ", MIN_CHANGED if name == "plan" else None
        framed = [value <= MAX_SHIFT for value in column(records, name, "away")]
        place = column(records, name, "right", "place")
        hits, both = _changed(records, name, "right"), _both(framed, place)
        rows += with_truth(metric, f"{what}asked fact changed", hits, true, minimum)
        rows += with_truth(metric, f"{what}place and framing unchanged", both, true_both, minimum)
        rows += [
            *(share(metric, f"{what}{fact} changed", _changed(_of_fact(records, fact), name, "right"))
              for fact in VALUES),
            share(metric, f"{what}place unchanged", place),
            share(metric, f"{what}subject within {MAX_SHIFT:.0%} of the width from where it was", framed),
        ]  # fmt: skip
    return [*rows, share(metric, "asked fact changed (source, floor)", _changed(records, "right_before"))]


def _both(first: Sequence[bool], second: Sequence[bool]) -> list[bool]:
    return [a and b for a, b in zip(first, second, strict=True)]


def _of_fact(records: Sequence[Record], fact: str) -> list[Record]:
    return [record for record in records if record["attribute"] == fact]


def _changed(records: Sequence[Record], *path: str) -> list[bool]:
    facts = zip(column(records, *path), column(records, "attribute"), strict=True)
    return [right[attribute] for right, attribute in facts]
