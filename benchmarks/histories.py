"""Many short histories of the job service with random faults, against the invariants of
docs/explanation/jobs.md.

    python -m benchmarks histories --count 10000
    python -m benchmarks histories --seed 4711        one history again

`benchmarks.history` says what happens in one. Ctrl-C ends the run and prints the results so far.
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

from benchmarks.history import InvariantBroken, run_histories

BAR = 10_000
CHUNK = 20  # histories that share a database


def _run(seeds: range) -> tuple[int, Counter[str], str]:
    """The number of histories, how often each thing happened in them, and which invariant broke."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return len(seeds), run_histories(f"sqlite:///{Path(folder) / 'histories.db'}", seeds), ""
        except InvariantBroken as error:
            return len(seeds), Counter(), str(error)


def main(words: list[str]) -> None:
    """Run histories and print the counts; the exit status is 1 if an invariant broke."""
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
    done, counts, problems = 0, Counter[str](), []
    if options.database:
        counts, done = run_histories(options.database, seeds), len(seeds)
    else:
        chunks = [seeds[first : first + CHUNK] for first in range(0, len(seeds), CHUNK)]
        with multiprocessing.get_context("spawn").Pool(min(options.processes, len(chunks))) as pool:
            try:
                for count, more, problem in pool.imap_unordered(_run, chunks):
                    done += count
                    counts += more
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
    for name, count in sorted(counts.items()):
        print(f"  {name:<22}{count:>9,}")
    for problem in problems:
        print(problem)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main(sys.argv[1:])
