"""Training by one process, by two that each keep everything, and by two that keep half each (`--shard`): the
memory of a process, and clips per second.

All take the same steps on the same batches, without compiling; each mode is a `torchrun` with one thread per
process. Bytes are exact. Speeds are ratios within one run, and mean something only if every process has a
core of its own.
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

MODES = {"one process": (1, False), "data parallel": (2, False), "sharded": (2, True)}
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
    options = parser.parse_args(words)
    length = options.recipe, options.clips, options.steps
    if options.worker:
        work(*length, options.out, sharded=options.worker == "sharded")
        return
    results = {name: launch(*length, *mode) for name, mode in MODES.items()}
    if options.json:
        print(json.dumps(results))
        return
    single = results["one process"]
    print("{}, batches of {} clips, {} steps; MiB of the largest process".format(*length))
    print(f"  {'':<14}" + "".join(f"{kind:>12}" for kind in (*KINDS, "total", "peak", "clips/s", "ratio")))
    for name, result in results.items():
        sizes = [result[kind] for kind in KINDS]
        figures = [f"{size / 2**20:12.1f}" for size in (*sizes, sum(sizes), result["peak"])]
        speed = f"{result['clips_per_s']:12.2f}{result['clips_per_s'] / single['clips_per_s']:12.2f}"
        print(f"  {name:<14}{''.join(figures)}{speed}")


def launch(recipe: str, clips: int, steps: int, processes: int, sharded: bool) -> dict[str, float]:
    """Figures of one mode: of each kind of memory the maximum of all processes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={processes}", "-m", "benchmarks", "parallel", "--recipe", recipe]
        command += ["--clips", str(clips), "--steps", str(steps), "--out", folder]
        command += ["--worker", "sharded" if sharded else "whole"]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        parts = [json.loads(file.read_text()) for file in Path(folder).glob("*.json")]
    return {name: max(part[name] for part in parts) for name in parts[0]}


def work(name: str, clips: int, steps: int, out: Path, *, sharded: bool) -> None:
    """Train, and write the figures of this process."""
    import torch

    from hinode.training import data
    from hinode.training.distributed.parallel import join_team
    from hinode.training.distributed.sharding import local
    from hinode.training.recipes import RECIPES, Stage
    from hinode.training.trainer import Trainer

    torch.set_num_threads(1)
    recipe = RECIPES[name]()
    bucket = dataclasses.replace(recipe.shapes[0], batch_size=clips)
    recipe = dataclasses.replace(
        recipe, stages=(Stage(1.0, ((bucket, 1.0),)),), validation=bucket, compile=False
    )
    cpu = torch.device("cpu")
    with join_team(cpu, shard=sharded) as team:
        trainer = Trainer(recipe, out, cpu, team)

        def step(number: int) -> None:
            batch = data.training_batch(trainer.recipe, number, 0.5, trainer.vocabulary, multiple=16)
            trainer.learn(batch, data.render_batch(team.share(batch), cpu), 1e-3)

        step(0)
        states: list[dict[str, Any]] = [s for o in trainer.optimisers for s in o.state.values()]
        optimisers = sum(local(value).nbytes for state in states for value in state.values())
        weights = sum(local(weight).nbytes for weight in trainer.weights)
        start = time.monotonic()
        for number in range(1, steps + 1):
            step(number)
        team.sum(torch.zeros(1))  # waits for all processes
        seconds = time.monotonic() - start
        result = {
            "weights": weights,
            "gradients": weights,  # of the same shapes; gone after each step
            "average": sum(local(weight).nbytes for weight in trainer.averages),
            "optimisers": optimisers,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "clips_per_s": steps * clips / seconds,
        }
    (out / f"{team.rank}.json").write_text(json.dumps(result))
