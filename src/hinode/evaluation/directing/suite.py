"""The whole suite: cases are read, played in turn, kept on disk if so asked, and summed up."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hinode.engines.native import catalog
from hinode.errors import BadInput, join_names
from hinode.evaluation.directing import edits, shots, transitions
from hinode.evaluation.directing.cases import Case, read
from hinode.evaluation.directing.ensemble import BatchedEngine
from hinode.evaluation.directing.memory import memory_rows
from hinode.evaluation.directing.metrics import Metric, Record
from hinode.evaluation.directing.rows import Row
from hinode.evaluation.directing.stage import Stage
from hinode.settings import Settings

BARS: Mapping[str, Metric] = {
    "frames": Metric(transitions.measure_frames, transitions.frames_rows),
    "extension": Metric(transitions.measure_extension, transitions.extension_rows),
    "loop": Metric(transitions.measure_loop, transitions.loop_rows),
    "region": Metric(edits.measure_region, edits.region_rows),
    "remix": Metric(edits.measure_remix, edits.remix_rows),
    "storyboard": Metric(shots.measure_storyboard, shots.storyboard_rows, together=4),
    "trajectory": Metric(shots.measure_trajectory, shots.trajectory_rows),
    "minute": Metric(shots.measure_minute, shots.minute_rows, together=4),
    "framing": Metric(shots.measure_framing, shots.framing_rows),
}
"""Bars that have cases, in the order of the table."""

MEMORY = "memory"
"""The bar that has none: two processes, one clip each."""

NAMES = (*BARS, MEMORY)


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
    """Play the suite.

    Args:
        folder: with a file of cases for each bar.
        model: to measure, by default the best.
        settings: where models are.
        only: names of bars, by default all.
        limit: only the first cases of each bar.
        steps: sampling steps, by default the model's own number.
        keep: folder for what is measured in each case; a run that was stopped goes on from there.

    Returns:
        {"model", "drawn_by", "weights", "steps", "rows": see `Row.as_json`, "drift": see `shots.drift`,
        "seconds": per case and bar, of the cases that were played by this call}. `drawn_by` is who draws for
        the model, which may be a student; weights and steps are theirs.

    Raises:
        BadInput: a bar or the model is not known, there are no cases, or `keep` holds records of others.
    """
    names = tuple(only) or NAMES
    for name in names:
        if name not in NAMES:
            raise BadInput(f"there is no bar {name!r}", f"name some of {join_names(NAMES)}", field="only")
    card = catalog.find(model, settings.models)
    weights = catalog.fingerprint(card.name, settings.models)
    files = {name: folder / f"{name}.jsonl" for name in names if name in BARS}
    cases = {name: read(path)[:limit] for name, path in files.items()}
    rows: list[Row] = []
    curves: dict[str, list[float]] = {}
    spent: dict[str, float] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        tempfile.TemporaryDirectory(prefix="hinode-suite-") as scratch,
        Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress,
    ):
        stage = Stage(BatchedEngine(settings), card, Path(scratch), steps)
        plan = stage.ensemble.native.plan(stage.request("a clip", 0, 1.0))
        for name in names:
            if name == MEMORY:
                rows += memory_rows(card.name, steps=steps)
                continue
            digest = hashlib.sha256(files[name].read_bytes()).hexdigest()
            kept = Kept(keep, name, {"weights": weights, "steps": steps, "cases": digest})
            task = progress.add_task(name, total=len(cases[name]), completed=len(kept.records))
            before, begun = len(kept.records), time.perf_counter()
            while len(kept.records) < len(cases[name]):
                first = len(kept.records)
                kept.add(_played(name, cases[name][first : first + BARS[name].together], first, stage))
                progress.update(task, completed=len(kept.records))
            records = kept.records[: len(cases[name])]
            if played := len(kept.records) - before:
                spent[name] = round((time.perf_counter() - begun) / played, 3)
            rows += BARS[name].rows(records)
            if name == "minute":
                curves = shots.drift(records)
    return {
        "model": card.name,
        "drawn_by": plan.card.name,
        "weights": plan.card.fingerprint(),
        "steps": plan.sampling.steps,
        "rows": [row.as_json() for row in rows],
        "drift": curves,
        "seconds": spent,
    }


def _played(name: str, cases: Sequence[Case], first: int, stage: Stage) -> list[Record]:
    """Play some cases; the files that they need are gone afterwards."""
    with tempfile.TemporaryDirectory(dir=stage.folder) as folder:
        return BARS[name].measure(cases, first, dataclasses.replace(stage, folder=Path(folder)))


class Kept:
    """Records of one bar, in memory and, if so asked, in a file of a line each."""

    def __init__(self, folder: Path | None, name: str, of: Mapping[str, Any]) -> None:
        """
        Args:
            folder: where the file is or will be; None for memory alone.
            name: of the bar.
            of: what they are records of; the first line of the file.

        Raises:
            BadInput: the file holds records of something else.
        """
        self.records: list[Record] = []
        self.path = None if folder is None else folder / f"{name}.jsonl"
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.is_file():
            self.path.write_text(json.dumps(dict(of)) + "\n", encoding="utf-8")
            return
        head, *lines = self.path.read_text(encoding="utf-8").split("\n")[:-1]
        if json.loads(head) != of:
            raise BadInput(
                f"{self.path} holds records of other weights, steps or cases",
                "name another folder",
                field="keep",
            )
        self.records = [json.loads(line) for line in lines]

    def add(self, records: Sequence[Record]) -> None:
        """Add records, and write them down."""
        # As they will be read: what a run that went on gives is what an unbroken one gives.
        lines = [json.dumps(record) for record in records]
        self.records += [json.loads(line) for line in lines]
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in lines))
