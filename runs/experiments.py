"""Run experiments, each arm once, and go on where they were stopped.

    python -m runs.experiments scaling spaces captions      # or every one of them, without names
    python -m runs.experiments_page                         # draw docs/experiments.md from the results

One thread, so that arms can run beside other work: results follow the arithmetic and not the clock.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from research.experiments import FAMILIES, arms, run_arm

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Train and measure the arms that are named and have no result yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "names", nargs="*", default=list(FAMILIES), help=f"families ({', '.join(FAMILIES)}) or arms"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "runs" / "out" / "experiments", help="states and weights"
    )
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "experiments", help="results")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.results.mkdir(parents=True, exist_ok=True)
    for arm in arms(given.names):
        if not run_arm(
            arm, given.results, given.out, ROOT / "benchmarks" / "prompts", lambda s: print(s, flush=True)
        ):
            print(f"stopped amid {arm.name}; the same line goes on", flush=True)
            return


if __name__ == "__main__":
    main()
