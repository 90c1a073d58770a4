"""How well quotes foretell runs of the native engine that they have not seen.

Every clip is quoted by the API of a real server before it is made, so each is held out from what its quote
rests on; then its run counts for the quotes after it. The first clips are for learning and are not judged.
Sizes, durations, steps and operations are drawn by chance, with a seed. The load of the machine is printed
beside the figures: a machine that is busy with something else makes seconds that nobody can foretell. So the
same predictor is also tried, clip by clip, on the processor seconds of the runs, which other processes hardly
change: that row says how good its form is.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from benchmarks.serving import ServerHarness
from hinode.engines.protocol import Cost
from hinode.money.quoting.predict import MIN_RUNS, Run, Work, fit
from hinode.records.database import Database
from hinode.records.tables import runs

SIZES = ("160x90", "320x180", "480x272", "640x360", "360x640")
SECONDS = (1, 2, 3, 4)
STEPS = (None, 2, 3, 4, 6)
OPERATIONS = ("generate", "generate", "generate", "remix", "edit", "extend")
PROMPTS = ("a red kite over the hills at noon", "a white owl flies left over the forest at night")
BAR_ERROR, BAR_COVER, BAR_SPREAD = 0.15, 0.85, 1.5
WAIT_SECONDS = 900.0
PROCESSOR = "processor seconds"
ROUTES = {"generate": "videos", "edit": "videos/edits", "extend": "videos/extensions"}


@dataclass(frozen=True)
class Trial:
    """A clip: the seconds that were quoted, and those of its run."""

    operation: str
    p50: float
    p90: float
    seconds: float

    @property
    def error(self) -> float:
        """The share by which the quote missed the run."""
        return abs(self.p50 / self.seconds - 1.0)


def summary(trials: Sequence[Trial]) -> dict[str, float]:
    """The three figures of the bar, of trials that are at least one."""
    return {
        "clips": len(trials),
        "error": statistics.median(trial.error for trial in trials),
        "cover": statistics.fmean(trial.seconds <= trial.p90 for trial in trials),
        "spread": statistics.median(trial.p90 / trial.p50 for trial in trials),
    }


def measure(clips: int, training: int, seed: int, minutes: float) -> list[Trial]:
    """Quote and make clips one after another; the trials after those for learning, fewer than `clips` if the
    minutes have passed before."""
    end = time.monotonic() + 60 * minutes
    dice = random.Random(seed)
    trials, history = [], []
    with tempfile.TemporaryDirectory(prefix="hinode-") as folder:
        home = Path(folder)
        with ServerHarness(home, environment={"HINODE_MODELS": ""}) as server:
            database = Database(f"sqlite:///{home / 'hinode.db'}")
            key = server.key("quotes")
            source = ""
            for number in range(training + clips):
                if time.monotonic() > end:
                    break
                operation = dice.choice(OPERATIONS) if source else "generate"
                body = _body(dice, operation, source)
                quote = _post(server, key, "videos/quote", {**body, "operation": operation})["eta"]
                path = ROUTES.get(operation, f"videos/{source}/remix")
                if operation == "remix":
                    del body["video"]
                video = _post(server, key, path, body)["id"]
                finished = server.finished_video(key, video, WAIT_SECONDS)
                if finished["status"] != "completed":
                    raise RuntimeError(f"the clip {video} of the operation {operation} was not made")
                if operation == "generate" and body["seconds"] <= 2:
                    source = video
                work, seconds = _last_run(database)
                stages = finished["usage"]["stages"]
                run = Run(work, {name: stage["cpu_seconds"] or 0.0 for name, stage in stages.items()})
                if number >= training:
                    trials.append(Trial(operation, quote["p50"], quote["p90"], seconds))
                    eta = fit(history, (), {}).predict(work).eta
                    trials.append(Trial(PROCESSOR, eta.p50, eta.p90, run.seconds))
                history.append(run)
            database.close()
    return trials


def _body(dice: random.Random, operation: str, source: str) -> dict[str, Any]:
    """A request; what an operation takes from its source is left out."""
    body: dict[str, Any] = {"prompt": dice.choice(PROMPTS), "seed": dice.randrange(1000)}
    if (steps := dice.choice(STEPS)) is not None:
        body["steps"] = steps
    if operation == "generate":
        return {**body, "model": "native/book", "size": dice.choice(SIZES), "seconds": dice.choice(SECONDS)}
    body["video"] = {"id": source}
    if operation == "extend":
        body["seconds"] = dice.choice(SECONDS[:2])
    return body


def _post(server: ServerHarness, key: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    status, content = server.request("POST", f"/v1/{path}", key=key, body=body)
    if status != 200:
        raise RuntimeError(f"POST {path} answered {status}: {content.decode()}")
    return dict(json.loads(content))


def _last_run(database: Database) -> tuple[Work, float]:
    """The work of the last run, and the seconds of all of its stages."""
    with database.read() as connection:
        row = connection.execute(select(runs).order_by(runs.c.id.desc()).limit(1)).one()
    cost = Cost(row.tokens, row.steps, row.passes, row.pixels)
    return Work(cost, row.file_pixels), float(sum(row.stage_seconds.values()))


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks quote-accuracy", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("--clips", type=int, default=60, help="clips that are judged (default 60)")
    parser.add_argument("--training", type=int, default=30, help="clips before them (default 30)")
    parser.add_argument("--minutes", type=float, default=60.0, help="at most (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the requests (default 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    if options.training < MIN_RUNS:
        parser.error(f"give --training {MIN_RUNS} or more: with fewer runs nothing is fitted")
    before = os.getloadavg()[0]
    trials = measure(options.clips, options.training, options.seed, options.minutes)
    if not trials:
        sys.exit("the minutes passed before a clip could be judged; give --minutes more")
    groups = defaultdict(list)
    for trial in trials:
        groups[trial.operation].append(trial)
    quoted = [trial for trial in trials if trial.operation != PROCESSOR]
    rows = {"all": summary(quoted), **{name: summary(group) for name, group in sorted(groups.items())}}
    load = f"{before:.1f} at the start, {os.getloadavg()[0]:.1f} at the end, {os.cpu_count()} processors"
    if options.json:
        print(json.dumps({**rows, "load": load}))
        return
    print(f"{options.training} clips for learning; load of the machine {load}")
    for name, row in rows.items():
        print(
            f"  {name:<18}{row['clips']:>4} clips: median error {row['error']:6.1%}, p90 covers "
            f"{row['cover']:6.1%}, median p90/p50 {row['spread']:.2f}"
        )
    print(f"bar: error {BAR_ERROR:.0%} at most, p90 covers {BAR_COVER:.0%} at least, p90/p50 {BAR_SPREAD}")


if __name__ == "__main__":
    main(sys.argv[1:])
