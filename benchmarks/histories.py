"""Many short lives of the job service, each with its own faults, against the invariants of
docs/explanation/jobs.md.

    python -m benchmarks histories --count 10000
    python -m benchmarks histories --seed 4711        one history again

See `benchmarks.history` for what happens in one. Ctrl-C ends the run and prints what came of it so far.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.history import Broken, live_through

BAR = 10_000
CHUNK = 20  # histories that share a database


def _live(seeds: range) -> tuple[int, Counter[str], str]:
    """How many histories were lived through, what happened in them, and what broke."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return len(seeds), live_through(f"sqlite:///{Path(folder) / 'histories.db'}", seeds), ""
        except Broken as broken:
            return len(seeds), Counter(), str(broken)


def main(words: list[str]) -> None:
    """Run histories and print what happened in them; the exit status tells whether an invariant broke."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks histories", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--count", type=int, default=BAR, help="how many histories (default: 10,000)")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="default: one for each processor"
    )
    parser.add_argument("--database", help="URL of an empty database (default: SQLite in new folders)")
    options = parser.parse_args(words)
    seeds = range(options.count) if options.seed is None else range(options.seed, options.seed + 1)
    start = time.monotonic()
    done, happened, problems = 0, Counter[str](), []
    if options.database:
        happened, done = live_through(options.database, seeds), len(seeds)
    else:
        chunks = [seeds[first : first + CHUNK] for first in range(0, len(seeds), CHUNK)]
        with multiprocessing.get_context("spawn").Pool(min(options.processes, len(chunks))) as pool:
            try:
                for count, counts, problem in pool.imap_unordered(_live, chunks):
                    done += count
                    happened += counts
                    problems += [problem] if problem else []
                    left = (time.monotonic() - start) / done * (len(seeds) - done)
                    print(
                        f"\r{done:,} of {len(seeds):,}, {len(problems)} violations, {left:.0f} s left ",
                        end="",
                        file=sys.stderr,
                        flush=True,
                    )
            except KeyboardInterrupt:
                pool.terminate()
        print(file=sys.stderr)
    print(f"{done:,} histories in {time.monotonic() - start:.0f} s, {len(problems)} violations")
    for name, count in sorted(happened.items()):
        print(f"  {name:<22}{count:>9,}")
    for problem in problems:
        print(problem)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main(sys.argv[1:])
