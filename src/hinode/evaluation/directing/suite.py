"""The directing suite: reads the cases, measures every metric, and sums up."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hinode import directing
from hinode.engines.native import catalog
from hinode.evaluation.directing import continuations, edits, generation
from hinode.evaluation.directing.cases import Case, read
from hinode.evaluation.directing.harness import Harness
from hinode.evaluation.directing.memory import memory_rows
from hinode.evaluation.records import Record, RecordLog, check_names
from hinode.evaluation.results import Row
from hinode.progress import progress_bar
from hinode.settings import Settings


@dataclass(frozen=True)
class Metric:
    """One metric of the suite."""

    measure: Callable[[Case, int, Harness], Record]  # of a case and its number
    rows: Callable[[Sequence[Record]], list[Row]]


METRICS: Mapping[str, Metric] = {
    "frames": Metric(continuations.measure_frames, continuations.frames_rows),
    "extension": Metric(continuations.measure_extension, continuations.extension_rows),
    "loop": Metric(continuations.measure_loop, continuations.loop_rows),
    "region": Metric(edits.measure_region, edits.region_rows),
    "remix": Metric(edits.measure_remix, edits.remix_rows),
    "storyboard": Metric(generation.measure_storyboard, generation.storyboard_rows),
    "trajectory": Metric(generation.measure_trajectory, generation.trajectory_rows),
    "framing": Metric(generation.measure_framing, generation.framing_rows),
    "minute": Metric(generation.measure_minute, generation.minute_rows),
}
"""Metrics that have cases, in the order of the table."""

MEMORY = "memory"
"""The metric without cases: two processes, one clip each."""

NAMES = (*METRICS, MEMORY)


def evaluate_directing(
    folder: Path,
    *,
    model: str | None = None,
    settings: Settings,
    only: Sequence[str] = (),
    limit: int | None = None,
    steps: int | None = None,
    keep: Path | None = None,
) -> dict[str, Any]:
    """Measure a model that draws the picture book.

    `folder`: the files of cases, one for each metric. `only`: metrics, by default all. `limit`: only the
    first cases of each. `keep`: folder for the record of each case, from which a stopped run continues.
    Returns {"model", "weights", "steps", "rows": see `Row.as_json`, "drift": see `generation.drift`,
    "seconds": per case and metric, of the cases that this call measured}. BadInput: there is no such metric,
    no such model, there are no cases, or `keep` holds records of others.
    """
    names = check_names(only, NAMES)
    card = catalog.find(model, settings.models)
    weights = card.fingerprint()
    files = {name: folder / f"{name}.jsonl" for name in names if name in METRICS}
    cases = {name: read(path)[:limit] for name, path in files.items()}
    rows: list[Row] = []
    drift: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="hinode-suite-") as scratch, progress_bar(keep=True) as bar:
        harness = Harness(directing.get(catalog.ENGINE, settings), card, Path(scratch), steps)
        for name in names:
            if name == MEMORY:
                rows += memory_rows(card.name, steps=steps)
                continue
            metric = METRICS[name]
            digest = hashlib.sha256(files[name].read_bytes()).hexdigest()
            log = RecordLog(keep, name, {"weights": weights, "steps": steps, "cases": digest})
            before, start = len(log.records), time.perf_counter()
            records = log.complete(cases[name], 1, partial(_measure, metric, harness), bar)
            if count := len(log.records) - before:
                seconds[name] = round((time.perf_counter() - start) / count, 3)
            rows += [row for row in metric.rows(records) if row.n]
            if name == "minute":
                drift = generation.drift(records)
    return {
        "model": card.name,
        "weights": weights,
        "steps": steps or card.steps,
        "rows": [row.as_json() for row in rows],
        "drift": drift,
        "seconds": seconds,
    }


def _measure(metric: Metric, harness: Harness, cases: Sequence[Case], first: int) -> list[Record]:
    """Measure some cases; the files that each needs are removed afterwards."""
    records = []
    for number, case in enumerate(cases, first):
        with tempfile.TemporaryDirectory(dir=harness.folder) as folder:
            records.append(metric.measure(case, number, dataclasses.replace(harness, folder=Path(folder))))
    return records
