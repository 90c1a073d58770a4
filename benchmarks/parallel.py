"""Training by one process, by two that each keep everything, and by two that keep half each (`--shard`): what
each process holds, and clips a second.

All take the same steps on the same batches, without compiling; each way is a `torchrun` of its own with one
thread per process. Bytes are exact. Speeds are ratios within one run, and mean something only if every
process has a core of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WAYS = {"one process": (1, False), "data parallel": (2, False), "sharded": (2, True)}
KINDS = ("weights", "gradients", "average", "optimisers")


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks parallel", description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", default="nano", help="which network (default nano)")
    parser.add_argument("--clips", type=int, default=8, help="in a batch (default 8)")
    parser.add_argument("--steps", type=int, default=4, help="measured steps (default 4)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--worker", choices=("whole", "sharded"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    if asked.worker:
        work(asked.recipe, asked.clips, asked.steps, asked.out, sharded=asked.worker == "sharded")
        return
    found = {name: launch(asked.recipe, asked.clips, asked.steps, *way) for name, way in WAYS.items()}
    if asked.json:
        print(json.dumps(found))
        return
    alone = found["one process"]
    print(f"{asked.recipe}, batches of {asked.clips} clips, {asked.steps} steps; MiB of the fullest process")
    print(f"  {'':<14}" + "".join(f"{kind:>12}" for kind in (*KINDS, "held", "peak", "clips/s", "ratio")))
    for name, one in found.items():
        sizes = [one[kind] for kind in KINDS]
        figures = [f"{size / 2**20:12.1f}" for size in (*sizes, sum(sizes), one["peak"])]
        speed = f"{one['clips_per_s']:12.2f}{one['clips_per_s'] / alone['clips_per_s']:12.2f}"
        print(f"  {name:<14}{''.join(figures)}{speed}")


def launch(recipe: str, clips: int, steps: int, processes: int, sharded: bool) -> dict[str, float]:
    """Figures of one way: of each kind of memory the most that a process held."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={processes}", "-m", "benchmarks", "parallel", "--recipe", recipe]
        command += ["--clips", str(clips), "--steps", str(steps), "--out", place]
        command += ["--worker", "sharded" if sharded else "whole"]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        parts = [json.loads(file.read_text()) for file in Path(place).glob("*.json")]
    return {name: max(part[name] for part in parts) for name in parts[0]}


def work(name: str, clips: int, steps: int, out: Path, *, sharded: bool) -> None:
    """Train, and write what this process saw."""
    import torch

    from hinode.training import data
    from hinode.training.distributed.parallel import joined
    from hinode.training.distributed.sharding import local
    from hinode.training.recipes import RECIPES, Stage
    from hinode.training.trainer import Trainer

    torch.set_num_threads(1)
    recipe = RECIPES[name]()
    bucket = dataclasses.replace(recipe.shapes[0], batch=clips)
    recipe = dataclasses.replace(
        recipe, stages=(Stage(1.0, ((bucket, 1.0),)),), validation=bucket, compile=False
    )
    cpu = torch.device("cpu")
    with joined(cpu, shard=sharded) as team:
        student = Trainer(recipe, out, cpu, team)

        def step(number: int) -> None:
            script = data.step_script(student.recipe, number, 0.5, student.vocabulary, multiple=16)
            student.learn(script, data.draw(team.share(script), cpu), 1e-3)

        step(0)
        states: list[dict[str, Any]] = [s for o in student.optimisers for s in o.state.values()]
        optimisers = sum(local(value).nbytes for state in states for value in state.values())
        weights = sum(local(one).nbytes for one in student.weights)
        began = time.monotonic()
        for number in range(1, steps + 1):
            step(number)
        team.add(torch.zeros(1))  # all have come so far
        seconds = time.monotonic() - began
        found = {
            "weights": weights,
            "gradients": weights,  # of the same shapes; gone after each step
            "average": sum(local(one).nbytes for one in student.averages),
            "optimisers": optimisers,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "clips_per_s": steps * clips / seconds,
        }
    (out / f"{team.rank}.json").write_text(json.dumps(found))
