"""Metrics of clips from words and directions: storyboards, paths, shapes of frames, a minute."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hinode.evaluation.book.poses import FPS
from hinode.evaluation.directing.cases import SECONDS, Case
from hinode.evaluation.directing.harness import Harness
from hinode.evaluation.directing.measures import column, with_truth
from hinode.evaluation.directing.reader import EVERY, Reading
from hinode.evaluation.records import Record
from hinode.evaluation.results import Row, mean, share
from hinode.request import Segment

SHOTS = 6
MAX_DISTANCE = 0.05
"""Frame widths between a subject and its path."""
SHAPES = {"1:1": (1, 1), "16:9": (16, 9), "9:16": (9, 16)}
EDGE = 0.02
"""Short sides by which half of a subject may be fitted too large."""
MINUTE = 60.0
STARTS = (*range(0, 60, 5), 58)
"""Seconds of a minute from which on two seconds are read."""
DRIFT = ("subject", "color", "place", "time", "weather")
SAME = ("subject", "color", "place", "time")


def measure_storyboard(case: Case, number: int, harness: Harness) -> Record:
    """Make a film of six shots of one subject, and read each shot."""
    shots = tuple(Segment(SECONDS, prompt=prompt, cut=k > 0) for k, prompt in enumerate(case.shots))
    film = harness.generate(
        harness.request(case.prompt, number, SECONDS * len(shots), operation="storyboard", segments=shots)
    )
    facts, true_plan = case.facts(*SAME), harness.plan(case.scene, SECONDS)
    film_facts, true = [], []
    for index in range(len(shots)):
        reader, reading = harness.read(film, index * SECONDS, true_plan, facts)
        film_facts.append(reading.right)
        true.append(reader.true.right)
    return {"right": {name: column(film_facts, name) for name in SAME},
            "right_in_truth": {name: column(true, name) for name in SAME}}  # fmt: skip


def storyboard_rows(records: Sequence[Record]) -> list[Row]:
    metric = "storyboard"

    def same(name: str) -> list[bool]:
        return [all(right["subject"]) and all(right["color"]) for right in column(records, name)]

    what = f"same subject and colour in all {SHOTS} shots"
    rows = with_truth(metric, what, same("right"), same("right_in_truth"), 0.9)
    for name in SAME:
        hits, true = ([hit for shots in column(records, which, name) for hit in shots]
                      for which in ("right", "right_in_truth"))  # fmt: skip
        rows += with_truth(metric, f"{name} as asked, by shot", hits, true)
    return rows


def measure_trajectory(case: Case, number: int, harness: Harness) -> Record:
    """Give a path, and measure how far from it the subject is."""
    clip = harness.generate(harness.request(case.prompt, number, SECONDS, path=case.path))
    facts = case.facts("subject", "color")
    reader, reading = harness.read(clip, 0.0, harness.plan(case.scene, SECONDS), facts)
    true = reader.true
    seconds, x, y = zip(*case.path, strict=True)
    at = np.arange(len(reading.x)) * EVERY / FPS
    path = [np.interp(at, seconds, values).tolist() for values in (x, y)]
    return {
        "away": reader.distance(reading, *path),
        "away_in_truth": reader.distance(true, *path),
        "path": path,
        "places": [reading.x, reading.y],
    }


def trajectory_rows(records: Sequence[Record]) -> list[Row]:
    metric, away = "trajectory", column(records, "away")
    others = [*records[1:], *records[:1]] if len(records) > 1 else []
    far = []
    for record, other in zip(records, others, strict=False):
        (x, y), (u, v) = np.array(record["places"]), np.array(other["path"])
        far.append(float(np.median(np.hypot(x - u, (y - v) * 9 / 16))))
    return [
        mean(metric, "distance from the drawn path, in widths", away, "%", maximum=MAX_DISTANCE),
        mean(metric, "distance from the drawn path (truth)", column(records, "away_in_truth"), "%"),
        mean(metric, "distance from another case's path (floor)", far, "%"),
        share(metric, f"within {MAX_DISTANCE:.0%} of the width", [value <= MAX_DISTANCE for value in away]),
    ]


def measure_framing(case: Case, number: int, harness: Harness) -> Record:
    """Generate the same words and seed in three shapes; measure how often the subject is completely in the
    frame."""
    record: Record = {}
    for name, shape in SHAPES.items():
        size = harness.card.shape_for(shape, None).size
        clip = harness.generate(harness.request(case.prompt, number, SECONDS, size))
        facts, true_plan = case.facts("subject", "color"), harness.plan(case.scene, SECONDS)
        reader, film_facts = harness.read(clip, 0.0, true_plan, facts)
        record[name] = _share_inside(film_facts, reader.aspect) if film_facts.right["subject"] else 0.0
        record[f"{name} in truth"] = _share_inside(reader.true, reader.aspect)
    return record


def _share_inside(reading: Reading, aspect: float) -> float:
    """At how many of the looks the subject was found, and is completely in the frame, 0..1."""
    wide, high = max(aspect, 1.0), max(1 / aspect, 1.0)
    x, y, half = (np.array(values) for values in (reading.x, reading.y, reading.half))
    reach = half - EDGE
    inside = (np.minimum(x, 1 - x) * wide >= reach) & (np.minimum(y, 1 - y) * high >= reach)
    return float(np.mean(inside & np.array(reading.presence)))


def framing_rows(records: Sequence[Record]) -> list[Row]:
    metric, rows = "framing", []
    for note in ("", " in truth"):
        shares = {name: column(records, f"{name}{note}") for name in SHAPES}
        mark = " (truth)" if note else ""
        rows += [mean(metric, f"{name}: moments with the subject completely in the frame{mark}", values, "%")
                 for name, values in shares.items()]  # fmt: skip
        for name in ("16:9", "9:16"):
            gain = [value - square for square, value in zip(shares["1:1"], shares[name], strict=True)]
            rows.append(mean(metric, f"{name} less 1:1{mark}", gain, "%", minimum=None if note else 0.0))
    return rows


def measure_minute(case: Case, number: int, harness: Harness) -> Record:
    """Generate a minute, and read two seconds of it every five seconds."""
    film = harness.generate(harness.request(case.prompt, number, MINUTE))
    facts, true_plan = case.facts(*DRIFT), harness.plan(case.scene, SECONDS)
    starts = [start for start in STARTS if start + SECONDS <= MINUTE]
    readings = [harness.read(film, start, true_plan, facts) for start in starts]
    right = {name: [reading.right[name] for _, reading in readings] for name in DRIFT}
    return {"starts": starts, "right": right, "right_in_truth": readings[-1][0].true.right}


def minute_rows(records: Sequence[Record]) -> list[Row]:
    metric, what = "minute", "subject and place right in the last two seconds"
    facts, starts = column(records, "right"), records[0]["starts"] if records else []

    def both(index: int) -> list[bool]:
        return [hits["subject"][index] and hits["place"][index] for hits in facts]

    true = column(records, "right_in_truth")
    rows = with_truth(metric, what, both(-1), [right["subject"] and right["place"] for right in true], 0.8)
    for name in DRIFT:
        hits = [right[name][-1] for right in facts]
        rows += with_truth(metric, f"{name} right in the last two seconds", hits, column(true, name))
    return rows + [
        share(metric, f"subject and place right from second {second} on", both(starts.index(second)))
        for second in (0, 15, 30, 45) if second in starts
    ]  # fmt: skip


def drift(records: Sequence[Record]) -> dict[str, list[float]]:
    """Under "seconds" where what was read of minutes begins, and for each fact the share of minutes in which
    it is right there."""
    shares = {name: np.mean(column(records, "right", name), 0).round(4).tolist() for name in DRIFT}
    return {"seconds": records[0]["starts"], **shares} if records else {}
