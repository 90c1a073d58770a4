"""Bars of what is drawn over a clip: a masked region, and all of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hinode.evaluation.directing.cases import SECONDS, Case
from hinode.evaluation.directing.measures import masks, true_places
from hinode.evaluation.directing.metrics import Record, every, of_kind, strayed
from hinode.evaluation.directing.rows import Row, share, spread
from hinode.evaluation.directing.stage import Stage, with_references

FRAMED = 0.10
"""Frame widths that a subject of a remix may be from where it was, for the framing to be kept."""


def measure_region(cases: Sequence[Case], first: int, stage: Stage) -> list[Record]:
    """Change the subject within a mask, and count what changed outside."""
    truths = stage.rendered([case.scene for case in cases], SECONDS)
    requests, white = [], []
    for number, (case, truth) in enumerate(zip(cases, truths, strict=True), first):
        mask = masks(case.scene, len(truth), stage.fps, *stage.size, still=case.kind == "still mask")
        request = stage.request(case.prompt, number, SECONDS)
        requests.append(with_references(request, "edit", stage.source(truth), stage.mask(mask)))
        white.append(np.broadcast_to(mask[..., 0] > 0, truth.shape[:3]))
    clips = stage.drawn(requests)
    expected = [case.expected() for case in cases]
    right, before = stage.right(clips, expected), stage.right(truths, expected)
    return [
        {
            "kind": case.kind,
            "attribute": next(iter(case.change)),
            "outside": int((clip != truth).any(-1)[~mask].sum()),
            "masked": float(mask.mean()),
            "right": facts,
            "right_before": earlier,
        }
        for case, clip, truth, mask, facts, earlier in zip(
            cases, clips, truths, white, right, before, strict=True
        )
    ]


def region_rows(records: Sequence[Record]) -> list[Row]:
    """See `Bar.rows`."""
    bar = "region"
    most = max((one["outside"] for one in records), default=0)
    rows = [
        Row(bar, "differing pixels outside the mask, worst case", most, 0, most, "all cases",
            len(records), "px", "<= 0 px", bool(records) and most == 0),
        share(bar, "asked attribute changed inside", _changed(records), 0.8),
    ]  # fmt: skip
    for name in ("color", "subject"):
        some = [one for one in records if one["attribute"] == name]
        rows.append(share(bar, f"{name} changed", _changed(some)))
    for kind in ("still mask", "moving mask"):
        rows.append(share(bar, f"changed inside a {kind}", _changed(of_kind(records, kind))))
    return [
        *rows,
        share(bar, "all that was not asked for as before", _others(records)),
        share(bar, "asked attribute in the source (floor)", _changed(records, "right_before")),
        spread(bar, "share of the picture inside the mask", every(records, "masked"), "%"),
    ]


def measure_remix(cases: Sequence[Case], first: int, stage: Stage) -> list[Record]:
    """Change one attribute of a whole clip, and look whether place and framing stay."""
    truths = stage.rendered([case.scene for case in cases], SECONDS)
    requests = [
        with_references(stage.request(case.prompt, number, SECONDS), "remix", stage.source(truth))
        for number, (case, truth) in enumerate(zip(cases, truths, strict=True), first)
    ]
    clips = stage.drawn(requests)
    expected = [case.expected() for case in cases]
    right, before = stage.right(clips, expected), stage.right(truths, expected)
    real = true_places([case.scene for case in cases], stage.aspect)
    away, elsewhere = strayed(clips, real, stage), strayed(clips, real.roll(1, 0), stage)
    return [
        {
            "attribute": next(iter(case.change)),
            "right": right[index],
            "right_before": before[index],
            "away": away[index],
            "away_from_another": elsewhere[index],
        }
        for index, case in enumerate(cases)
    ]


def remix_rows(records: Sequence[Record]) -> list[Row]:
    """See `Bar.rows`."""
    bar = "remix"
    framed = [one["away"] <= FRAMED for one in records]
    place = [one["right"]["place"] for one in records]
    both = [one and other for one, other in zip(framed, place, strict=True)]
    rows = [
        share(bar, "asked attribute changed", _changed(records), 0.8),
        share(bar, "place and framing kept", both, 0.8),
    ]
    for name in ("color", "subject", "time", "weather"):
        rows.append(
            share(bar, f"{name} changed", _changed([one for one in records if one["attribute"] == name]))
        )
    return [
        *rows,
        share(bar, "place kept", place),
        share(bar, f"subject within {FRAMED:.0%} of the width from where it was", framed),
        share(bar, "camera kept", [one["right"]["camera"] for one in records]),
        share(bar, "asked attribute in the source (floor)", _changed(records, "right_before")),
        share(bar, "subject as near to that of another case (floor)",
              [one["away_from_another"] <= FRAMED for one in records]),
    ]  # fmt: skip


def _changed(records: Sequence[Record], name: str = "right") -> list[bool]:
    return [one[name][one["attribute"]] for one in records]


def _others(records: Sequence[Record]) -> list[bool]:
    return [all(hit for name, hit in one["right"].items() if name != one["attribute"]) for one in records]
