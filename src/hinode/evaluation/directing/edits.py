"""Metrics of edited clips: a masked region, and all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hinode.evaluation.directing.cases import SECONDS, Case
from hinode.evaluation.directing.harness import Harness
from hinode.evaluation.directing.measures import column, mean_distances, of_kind, subject_mask, true_places
from hinode.evaluation.records import Record, to_records
from hinode.evaluation.results import Row, share, spread
from hinode.request import MASK

MAX_SHIFT = 0.10
"""Frame widths that the subject of a remix may be away from its place in the source."""


def measure_region(cases: Sequence[Case], first: int, harness: Harness) -> list[Record]:
    """Change the subject within a mask, and count what changed outside."""
    truths = harness.render([case.scene for case in cases], SECONDS)
    requests, masks = [], []
    for number, (case, truth) in enumerate(zip(cases, truths, strict=True), first):
        still = case.kind == "still mask"
        mask = subject_mask(case.scene, len(truth), harness.fps, harness.size, still=still)
        sources = harness.reference(truth), harness.reference(mask, MASK)
        edit: dict[str, Any] = {"operation": "edit", "references": sources}
        requests.append(harness.request(case.prompt, number, SECONDS, **edit))
        masks.append(np.broadcast_to(mask[..., 0] > 0, truth.shape[:3]))
    clips = harness.generate(requests)
    triples = zip(clips, truths, masks, strict=True)
    return to_records(
        kind=[case.kind for case in cases],
        attribute=[next(iter(case.change)) for case in cases],
        outside=[int((clip != truth).any(-1)[~mask].sum()) for clip, truth, mask in triples],
        masked=[float(mask.mean()) for mask in masks],
        right=harness.check(clips, cases),
        right_before=harness.check(truths, cases),
    )


def region_rows(records: Sequence[Record]) -> list[Row]:
    metric = "region"
    worst = max(column(records, "outside"), default=0)
    others = [all(hit for name, hit in r["right"].items() if name != r["attribute"]) for r in records]
    return [
        Row(metric, "differing pixels outside the mask, worst case", worst, 0, worst, "all cases",
            len(records), "px", "<= 0 px", bool(records) and worst == 0),
        share(metric, "asked attribute changed inside", _changed(records), 0.8),
        *_by_attribute(metric, records, ("color", "subject")),
        *(share(metric, f"changed inside a {kind}", _changed(of_kind(records, kind)))
          for kind in ("still mask", "moving mask")),
        share(metric, "all that was not asked for as before", others),
        share(metric, "asked attribute in the source (floor)", _changed(records, "right_before")),
        spread(metric, "share of the picture inside the mask", column(records, "masked"), "%"),
    ]  # fmt: skip


def measure_remix(cases: Sequence[Case], first: int, harness: Harness) -> list[Record]:
    """Change one attribute of a whole clip; measure whether place and framing are kept."""
    scenes = [case.scene for case in cases]
    truths = harness.render(scenes, SECONDS)
    requests = []
    for number, (case, truth) in enumerate(zip(cases, truths, strict=True), first):
        remix: dict[str, Any] = {"operation": "remix", "references": (harness.reference(truth),)}
        requests.append(harness.request(case.prompt, number, SECONDS, **remix))
    clips = harness.generate(requests)
    places = true_places(scenes, harness.aspect)
    return to_records(
        attribute=[next(iter(case.change)) for case in cases],
        right=harness.check(clips, cases),
        right_before=harness.check(truths, cases),
        away=mean_distances(clips, places, harness),
        away_from_another=mean_distances(clips, places.roll(1, 0), harness),
    )


def remix_rows(records: Sequence[Record]) -> list[Row]:
    metric = "remix"
    framed = [value <= MAX_SHIFT for value in column(records, "away")]
    place = column(records, "right", "place")
    return [
        share(metric, "asked attribute changed", _changed(records), 0.8),
        share(metric, "place and framing kept", [a and b for a, b in zip(framed, place, strict=True)], 0.8),
        *_by_attribute(metric, records, ("color", "subject", "time", "weather")),
        share(metric, "place kept", place),
        share(metric, f"subject within {MAX_SHIFT:.0%} of the width from where it was", framed),
        share(metric, "camera kept", column(records, "right", "camera")),
        share(metric, "asked attribute in the source (floor)", _changed(records, "right_before")),
        share(metric, "subject as near to that of another case (floor)",
              [value <= MAX_SHIFT for value in column(records, "away_from_another")]),
    ]  # fmt: skip


def _by_attribute(metric: str, records: Sequence[Record], names: Sequence[str]) -> list[Row]:
    """How often each attribute was changed where a prompt changes it."""
    parts = {name: [record for record in records if record["attribute"] == name] for name in names}
    return [share(metric, f"{name} changed", _changed(part)) for name, part in parts.items()]


def _changed(records: Sequence[Record], name: str = "right") -> list[bool]:
    return [record[name][record["attribute"]] for record in records]
