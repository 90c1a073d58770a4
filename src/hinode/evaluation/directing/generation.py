"""Bars of what is drawn from words and directions: storyboards, drawn paths, shapes of frames, a minute."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from hinode.evaluation.directing.cases import SECONDS, Case
from hinode.evaluation.directing.measures import SEEN_AT, inside, true_places
from hinode.evaluation.directing.metrics import Record, every, located, strayed
from hinode.evaluation.directing.rows import Row, mean, share
from hinode.evaluation.directing.stage import Stage
from hinode.request import Segment, Trajectory

SHOTS = 6
MAX_DISTANCE = 0.05
"""Frame widths between a subject and its drawn path."""
HALF = 0.16
"""Half of a cut-out of usual size, in short sides."""
SHAPES = {"1:1": (1, 1), "16:9": (16, 9), "9:16": (9, 16)}
MINUTE = 60.0
DRIFT = ("subject", "color", "place", "time", "weather")


def measure_storyboard(cases: Sequence[Case], first: int, stage: Stage) -> list[Record]:
    """Make a film of six shots of one subject, and judge each shot."""
    requests = []
    for number, case in enumerate(cases, first):
        shots = tuple(
            Segment(SECONDS, prompt=prompt, cut=index > 0) for index, prompt in enumerate(case.shots)
        )
        request = stage.request(case.prompt, number, SECONDS * len(shots))
        requests.append(dataclasses.replace(request, operation="storyboard", segments=shots))
    films = stage.drawn(requests)
    length = round(SECONDS * stage.fps)
    records = []
    for case, film in zip(cases, films, strict=True):
        facts = stage.right(
            [film[index * length : (index + 1) * length] for index in range(len(case.shots))],
            [case.expected()] * len(case.shots),
        )
        records.append({name: [one[name] for one in facts] for name in ("subject", "color", "place", "time")})
    return records


def storyboard_rows(records: Sequence[Record]) -> list[Row]:
    """See `Bar.rows`."""
    bar = "storyboard"
    same = [all(one["subject"]) and all(one["color"]) for one in records]
    return [
        share(bar, f"same subject and colour in all {SHOTS} shots", same, 0.9),
        *(share(bar, f"{name} as asked in all shots", [all(one[name]) for one in records])
          for name in ("subject", "color", "place", "time")),
        *(share(bar, f"{name} as asked, by shot", [hit for one in records for hit in one[name]])
          for name in ("subject", "color")),
    ]  # fmt: skip


def measure_trajectory(cases: Sequence[Case], first: int, stage: Stage) -> list[Record]:
    """Draw a path, and look how far from it the subject is."""
    requests = [
        dataclasses.replace(stage.request(case.prompt, number, SECONDS), path=case.path)
        for number, case in enumerate(cases, first)
    ]
    clips = stage.drawn(requests)
    paths = torch.stack([_followed(case.path) for case in cases])
    scenes = [case.scene for case in cases]
    real = true_places(scenes, stage.aspect)
    found = {
        "away": strayed(clips, paths, stage),
        "away_from_another": strayed(clips, paths.roll(1, 0), stage),
        "away_in_truth": strayed(stage.rendered(scenes, SECONDS), real, stage),
    }
    right = stage.right(clips, [case.expected() for case in cases])
    return [
        {"right": right[index], **{name: values[index] for name, values in found.items()}}
        for index in range(len(cases))
    ]


def _followed(path: Trajectory) -> torch.Tensor:
    """Where a drawn path is when the subject's place is read: [8, 2]."""
    when, x, y = zip(*path, strict=True)
    places = [np.interp(SEEN_AT, when, values) for values in (x, y)]
    return torch.from_numpy(np.stack(places, -1)).float()


def trajectory_rows(records: Sequence[Record]) -> list[Row]:
    """See `Bar.rows`."""
    bar = "trajectory"
    return [
        mean(bar, "distance from the drawn path, in widths", every(records, "away"), "%", most=MAX_DISTANCE),
        share(
            bar, f"within {MAX_DISTANCE:.0%} of the width", [one["away"] <= MAX_DISTANCE for one in records]
        ),
        mean(bar, "the same of renders from their own path (what is measured at best)",
             every(records, "away_in_truth"), "%"),
        mean(bar, "distance from another case's path (floor)", every(records, "away_from_another"), "%"),
        *(share(bar, f"{name} as asked", [one["right"][name] for one in records])
          for name in ("subject", "color", "place")),
    ]  # fmt: skip


def measure_framing(cases: Sequence[Case], first: int, stage: Stage) -> list[Record]:
    """Draw the same words and seed in three shapes, and look whether the subject is all in the picture."""
    records: list[Record] = [{} for _ in cases]
    scenes = [case.scene for case in cases]
    for name, wanted in SHAPES.items():
        size = stage.card.shape_for(wanted, None).size
        aspect = size[0] / size[1]
        clips = stage.drawn(
            [stage.request(case.prompt, number, SECONDS, size) for number, case in enumerate(cases, first)]
        )
        truths = stage.rendered(scenes, SECONDS, size=size)
        right = stage.right(clips, [case.expected() for case in cases])
        real = true_places(scenes, aspect)
        halves = torch.tensor([scene.subjects[0].size / 2 for scene in scenes])[:, None].expand(
            real.shape[:2]
        )
        really = inside(real, halves, aspect)
        read = inside(located(truths, stage), HALF, aspect)
        seen = inside(located(clips, stage), HALF, aspect)
        for index, record in enumerate(records):
            there = right[index]["subject"]
            record[name] = {
                "inside": float(seen[index].float().mean()) if there else 0.0,
                "inside_in_truth": float(really[index].float().mean()),
                "read_in_truth": float(read[index].float().mean()),
                "agreement": float((read[index] == really[index]).float().mean()),
                "subject": there,
            }
    return records


def framing_rows(records: Sequence[Record]) -> list[Row]:
    """See `Bar.rows`."""
    bar = "framing"
    shares = {name: [one[name]["inside"] for one in records] for name in SHAPES}
    rows = [mean(bar, f"{name}: moments with the subject fully in frame", values, "%")
            for name, values in shares.items()]  # fmt: skip
    for name in ("16:9", "9:16"):
        more = [other - one for one, other in zip(shares["1:1"], shares[name], strict=True)]
        rows.append(mean(bar, f"{name} less 1:1", more, "%", least=0.0))
    for name in SHAPES:
        some = [one[name] for one in records]
        rows += [
            mean(bar, f"{name}: the same of renders", every(some, "inside_in_truth"), "%"),
            mean(bar, f"{name}: moments of renders read as they are", every(some, "agreement"), "%"),
            share(bar, f"{name}: subject as asked", [one["subject"] for one in some]),
        ]
    return rows


def measure_minute(cases: Sequence[Case], first: int, stage: Stage) -> list[Record]:
    """Draw a minute, and judge two seconds from each second on."""
    films = stage.drawn(
        [stage.request(case.prompt, number, MINUTE) for number, case in enumerate(cases, first)]
    )
    seconds = round(MINUTE - SECONDS)
    ends = stage.rendered([case.scene for case in cases], SECONDS, float(seconds))
    right = stage.right(ends, [case.expected() for case in cases])
    records: list[Record] = []
    for case, film, end in zip(cases, films, right, strict=True):
        begins = [round(second * stage.fps) for second in range(seconds + 1)]
        looks = stage.right(
            [film[begin : begin + round(SECONDS * stage.fps)] for begin in begins],
            [case.expected()] * len(begins),
        )
        records.append({
            "right": {name: [one[name] for one in looks] for name in DRIFT},
            "right_in_truth": {name: end[name] for name in DRIFT},
        })  # fmt: skip
    return records


def minute_rows(records: Sequence[Record]) -> list[Row]:
    """See `Bar.rows`."""
    bar = "minute"

    def both(second: int) -> list[bool]:
        return [one["right"]["subject"][second] and one["right"]["place"][second] for one in records]

    judged = len(records[0]["right"]["subject"]) if records else 0
    truth = [one["right_in_truth"]["subject"] and one["right_in_truth"]["place"] for one in records]
    return [
        share(bar, "subject and place right in the last two seconds", both(-1), 0.8),
        share(bar, "the same of renders", truth),
        *(share(bar, f"{name} right in the last two seconds", [one["right"][name][-1] for one in records])
          for name in DRIFT),
        *(share(bar, f"subject and place right from second {second} on", both(second))
          for second in (0, 5, 15, 30, 45) if second < judged),
    ]  # fmt: skip


def drift(records: Sequence[Record]) -> dict[str, list[float]]:
    """Share of minutes in which an attribute is right, by the second from which on it was judged."""
    return {name: np.mean([one["right"][name] for one in records], 0).round(4).tolist() for name in DRIFT}
