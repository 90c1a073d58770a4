"""What the check measures: rows that are printed at once, and files with everything."""

from __future__ import annotations

import json
import logging
import os
import signal
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

log = logging.getLogger("gpu-check")


class OutOfTime(BaseException):
    """A part took longer than it may; no handler of errors catches it."""


class Report:
    """The results of one process.

    Attributes:
        folder: where its files are: NAME.json, and NAME.log of everything that libraries print.
        values: everything that was noted, by key.
    """

    def __init__(self, folder: Path, name: str, budget: float) -> None:
        """
        Args:
            folder: created if it does not exist.
            name: of the files.
            budget: seconds until everything has to be over.
        """
        self.folder = folder
        self.values: dict[str, Any] = {}
        self._file = folder / f"{name}.json"
        self._deadline = time.time() + budget
        folder.mkdir(parents=True, exist_ok=True)
        log_file = folder / f"{name}.log"
        layout = "%(asctime)s %(name)s %(levelname)s %(message)s"
        logging.basicConfig(filename=log_file, level=logging.INFO, force=True, format=layout)
        os.dup2(os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)

    @property
    def remaining(self) -> float:
        """Seconds that are left."""
        return self._deadline - time.time()

    def note(self, key: str, value: object) -> None:
        """Keep a value, in the file too."""
        self.values[key] = value
        self._file.write_text(json.dumps(self.values, indent=1, default=str))

    def row(self, text: str) -> None:
        """Print a row of the report."""
        self.note("rows", [*self.values.get("rows", ()), text])
        log.info(text)
        print(text, flush=True)

    def run(self, name: str, part: Callable[[], None], *, seconds: float, minimum: float = 3.0) -> bool:
        """Run one part, and note how it ended.

        Args:
            name: of the part.
            part: what to do.
            seconds: how long it may take.
            minimum: it is left out if fewer seconds remain.

        Returns:
            Whether it succeeded.
        """
        limit = min(seconds, self.remaining - 3)
        if limit < minimum:
            self.row(f"{name}: left out, {self.remaining:.0f} s remain")
            self.note(f"{name}.status", "left out")
            return False
        log.info("%s, at most %.0f s", name, limit)
        start, status = time.time(), "ok"

        def interrupt(*_: object) -> None:
            raise OutOfTime(f"longer than {limit:.0f} s")

        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, limit)
        try:
            part()
        except (Exception, OutOfTime) as error:
            log.exception("part %s", name)
            status = f"{type(error).__name__}: {error}"
            self.row(f"{name}: FAILED, {status[:300]}")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.note(f"{name}.seconds", round(time.time() - start, 2))
        self.note(f"{name}.status", status)
        return status == "ok"

    def summary(self) -> str:
        """How every part ended, in one line."""
        names = [key.removesuffix(".status") for key in self.values if key.endswith(".status")]
        return "; ".join(
            f"{name} {self.values[f'{name}.status'].split(':')[0]} {self.values.get(f'{name}.seconds', '')}"
            for name in names
        )


def median_step(seconds: Sequence[float]) -> float:
    """Seconds of a typical step; the first one is left out if there are more."""
    return statistics.median(seconds[1:] or seconds or [0.0])


def gigabytes(count: float) -> str:
    """Bytes in GB."""
    return f"{count / 1e9:.2f} GB"
