"""Run experiments, each arm once; stopped arms continue.

    python -m runs.experiments scaling spaces captions      # without names: all of them
    python -m runs.experiments_page                         # draw docs/notes/experiments.md from the results

One thread, so that arms can run beside other work: results depend on the arithmetic and not on the clock.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from research.arms import FAMILIES, find_arms
from research.experiments import run_arm

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Train and measure the named arms that have no result yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "names", nargs="*", default=list(FAMILIES), help=f"families ({', '.join(FAMILIES)}) or arms"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "runs" / "out" / "experiments", help="states and weights"
    )
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "experiments", help="results")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.results.mkdir(parents=True, exist_ok=True)
    prompts = ROOT / "benchmarks" / "prompts"
    for arm in find_arms(arguments.names):
        if not run_arm(arm, arguments.results, arguments.out, prompts, lambda line: print(line, flush=True)):
            print(f"stopped during {arm.name}; the same command continues", flush=True)
            return


if __name__ == "__main__":
    main()
