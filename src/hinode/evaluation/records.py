"""What a suite measures case by case, on disk, so that a stopped run continues where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.progress import Progress

from hinode.errors import BadInput, join_names

C = TypeVar("C")
Record = dict[str, Any]
"""What was measured in one case, in plain values."""
Measure = Callable[[Sequence[C], int], list[Record]]
"""Measures some cases; the number is that of the first of them."""


class RecordLog:
    """Records of one metric, in memory and, if there is a folder, in a file of one line each."""

    def __init__(self, folder: Path | None, name: str, header: Mapping[str, Any]) -> None:
        """`header`: what the records are of; the first line of the file. BadInput if that differs."""
        self.name = name
        self.records: list[Record] = []
        self.path = None if folder is None else folder / f"{name}.jsonl"
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.is_file():
            self.path.write_text(json.dumps(dict(header)) + "\n", encoding="utf-8")
            return
        first, *lines = self.path.read_text(encoding="utf-8").split("\n")[:-1]
        if json.loads(first) != header:
            message = f"{self.path} holds records of other weights, steps or cases"
            raise BadInput(message, "name another folder", field="keep")
        self.records = [json.loads(line) for line in lines]

    def complete(self, cases: Sequence[C], batch: int, measure: Measure[C], bar: Progress) -> list[Record]:
        """Measure the cases that have no record yet, `batch` at a time, and return the records of all."""
        task = bar.add_task(self.name, total=len(cases), completed=len(self.records))
        while (first := len(self.records)) < len(cases):
            lines = [json.dumps(record) for record in measure(cases[first : first + batch], first)]
            # As a resumed run will read them: both then give the same results.
            self.records += map(json.loads, lines)
            if self.path is not None:
                with self.path.open("a", encoding="utf-8") as file:
                    file.writelines(f"{line}\n" for line in lines)
            bar.update(task, completed=len(self.records))
        return self.records[: len(cases)]


def check_names(names: Sequence[str], available: Sequence[str]) -> tuple[str, ...]:
    """The metrics of these names, by default all. BadInput for any other name."""
    if unknown := [name for name in names if name not in available]:
        remedy = f"choose from {join_names(tuple(available))}"
        raise BadInput(f"there is no metric {unknown[0]!r}", remedy, field="only")
    return tuple(names) or tuple(available)
