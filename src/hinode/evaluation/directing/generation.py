"""Metrics of clips from words and directions: storyboards, paths, shapes of frames, a minute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from hinode.evaluation.directing import measures
from hinode.evaluation.directing.cases import SECONDS, Case
from hinode.evaluation.directing.harness import Harness
from hinode.evaluation.directing.measures import PLACE_SECONDS, column, inside, mean_distances, true_places
from hinode.evaluation.records import Record, to_records
from hinode.evaluation.results import Row, mean, share
from hinode.request import Segment, Trajectory

SHOTS = 6
MAX_DISTANCE = 0.05
"""Frame widths between a subject and its path."""
HALF_SUBJECT = 0.16
"""Half of a cut-out of nominal size, in short sides."""
SHAPES = {"1:1": (1, 1), "16:9": (16, 9), "9:16": (9, 16)}
MINUTE = 60.0
DRIFT = ("subject", "color", "place", "time", "weather")


def measure_storyboard(cases: Sequence[Case], first: int, harness: Harness) -> list[Record]:
    """Make a film of six shots of one subject, and judge each shot."""
    requests = []
    for number, case in enumerate(cases, first):
        shots = tuple(Segment(SECONDS, prompt=prompt, cut=k > 0) for k, prompt in enumerate(case.shots))
        parts: dict[str, Any] = {"operation": "storyboard", "segments": shots}
        requests.append(harness.request(case.prompt, number, SECONDS * len(shots), **parts))
    length = round(SECONDS * harness.fps)
    records = []
    for case, film in zip(cases, harness.generate(requests), strict=True):
        clips = [film[index * length : (index + 1) * length] for index in range(len(case.shots))]
        facts = harness.check(clips, [case] * len(clips))
        records.append({name: column(facts, name) for name in ("subject", "color", "place", "time")})
    return records


def storyboard_rows(records: Sequence[Record]) -> list[Row]:
    metric = "storyboard"
    same = [all(record["subject"]) and all(record["color"]) for record in records]
    return [
        share(metric, f"same subject and colour in all {SHOTS} shots", same, 0.9),
        *(share(metric, f"{name} as asked in all shots", [all(hits) for hits in column(records, name)])
          for name in ("subject", "color", "place", "time")),
        *(share(metric, f"{name} as asked, by shot", [hit for hits in column(records, name) for hit in hits])
          for name in ("subject", "color")),
    ]  # fmt: skip


def measure_trajectory(cases: Sequence[Case], first: int, harness: Harness) -> list[Record]:
    """Give a path, and measure how far from it the subject is."""
    clips = harness.generate(harness.requests(cases, first, SECONDS))
    paths = torch.stack([_places(case.path) for case in cases])
    scenes = [case.scene for case in cases]
    truths = harness.render(scenes, SECONDS)
    return to_records(
        right=harness.check(clips, cases),
        away=mean_distances(clips, paths, harness),
        away_from_another=mean_distances(clips, paths.roll(1, 0), harness),
        away_in_truth=mean_distances(truths, true_places(scenes, harness.aspect), harness),
    )


def _places(path: Trajectory) -> torch.Tensor:
    """Where a path is when the judge locates the subject: [8, 2]."""
    seconds, x, y = zip(*path, strict=True)
    places = [np.interp(PLACE_SECONDS, seconds, values) for values in (x, y)]
    return torch.from_numpy(np.stack(places, -1)).float()


def trajectory_rows(records: Sequence[Record]) -> list[Row]:
    metric, away = "trajectory", column(records, "away")
    return [
        mean(metric, "distance from the drawn path, in widths", away, "%", maximum=MAX_DISTANCE),
        share(metric, f"within {MAX_DISTANCE:.0%} of the width", [value <= MAX_DISTANCE for value in away]),
        mean(metric, "the same of renders from their own path (what is measured at best)",
             column(records, "away_in_truth"), "%"),
        mean(metric, "distance from another case's path (floor)", column(records, "away_from_another"), "%"),
        *(share(metric, f"{name} as asked", column(records, "right", name))
          for name in ("subject", "color", "place")),
    ]  # fmt: skip


def measure_framing(cases: Sequence[Case], first: int, harness: Harness) -> list[Record]:
    """Generate the same words and seed in three shapes; measure how often the subject is completely in the
    frame."""
    by_shape: dict[str, list[Record]] = {}
    scenes = [case.scene for case in cases]
    sizes = torch.tensor([scene.subjects[0].size / 2 for scene in scenes])[:, None]
    for name, shape in SHAPES.items():
        size = harness.card.shape_for(shape, None).size
        aspect = size[0] / size[1]
        clips = harness.generate(harness.requests(cases, first, SECONDS, size))
        subjects = column(harness.check(clips, cases), "subject")
        places = true_places(scenes, aspect)
        truths = measures.locate(harness.render(scenes, SECONDS, size=size), harness)
        true = inside(places, sizes.expand(places.shape[:2]), aspect)
        read_in_truth = inside(truths, HALF_SUBJECT, aspect)
        read = inside(measures.locate(clips, harness), HALF_SUBJECT, aspect)
        shares = zip(read.float().mean(1).tolist(), subjects, strict=True)
        by_shape[name] = to_records(
            inside=[share if subject else 0.0 for share, subject in shares],
            inside_in_truth=true.float().mean(1).tolist(),
            read_in_truth=read_in_truth.float().mean(1).tolist(),
            agreement=(read_in_truth == true).float().mean(1).tolist(),
            subject=subjects,
        )
    return to_records(**by_shape)


def framing_rows(records: Sequence[Record]) -> list[Row]:
    metric = "framing"
    shares = {name: column(records, name, "inside") for name in SHAPES}
    rows = [mean(metric, f"{name}: moments with the subject fully in frame", values, "%")
            for name, values in shares.items()]  # fmt: skip
    for name in ("16:9", "9:16"):
        gain = [value - square for square, value in zip(shares["1:1"], shares[name], strict=True)]
        rows.append(mean(metric, f"{name} less 1:1", gain, "%", minimum=0.0))
    for name in SHAPES:
        rows += [
            mean(metric, f"{name}: the same of renders", column(records, name, "inside_in_truth"), "%"),
            mean(metric, f"{name}: moments of renders read as they are", column(records, name, "agreement"),
                 "%"),
            share(metric, f"{name}: subject as asked", column(records, name, "subject")),
        ]  # fmt: skip
    return rows


def measure_minute(cases: Sequence[Case], first: int, harness: Harness) -> list[Record]:
    """Generate a minute, and judge two seconds from each second on."""
    films = harness.generate(harness.requests(cases, first, MINUTE))
    seconds, length = round(MINUTE - SECONDS), round(SECONDS * harness.fps)
    ends = harness.render([case.scene for case in cases], SECONDS, float(seconds))
    right_at_end = harness.check(ends, cases)
    starts = [round(second * harness.fps) for second in range(seconds + 1)]
    records: list[Record] = []
    for case, film, end in zip(cases, films, right_at_end, strict=True):
        clips = [film[start : start + length] for start in starts]
        facts = harness.check(clips, [case] * len(clips))
        right = {name: column(facts, name) for name in DRIFT}
        records.append({"right": right, "right_in_truth": {name: end[name] for name in DRIFT}})
    return records


def minute_rows(records: Sequence[Record]) -> list[Row]:
    metric = "minute"

    def both(second: int) -> list[bool]:
        facts = column(records, "right")
        return [hits["subject"][second] and hits["place"][second] for hits in facts]

    judged = len(records[0]["right"]["subject"]) if records else 0
    truth = [facts["subject"] and facts["place"] for facts in column(records, "right_in_truth")]
    return [
        share(metric, "subject and place right in the last two seconds", both(-1), 0.8),
        share(metric, "the same of renders", truth),
        *(share(metric, f"{name} right in the last two seconds",
                [hits[-1] for hits in column(records, "right", name)]) for name in DRIFT),
        *(share(metric, f"subject and place right from second {second} on", both(second))
          for second in (0, 5, 15, 30, 45) if second < judged),
    ]  # fmt: skip


def drift(records: Sequence[Record]) -> dict[str, list[float]]:
    """Share of minutes in which an attribute is right, by the second from which on it was judged."""
    return {name: np.mean(column(records, "right", name), 0).round(4).tolist() for name in DRIFT}
