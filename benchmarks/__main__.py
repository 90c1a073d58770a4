"""Run one benchmark by name, or all the short ones: `python -m benchmarks [NAME] [OPTIONS]`.

    speed       the default clip: whole process, stages, sampling over its floor, memory
    busy        the default clip beside a busy process, as a ratio to the clip alone
    fairness    waits under the scheduler and under simpler ones, with a virtual clock
    queue       jobs claimed and finished per second by several processes on one SQLite file
    quote       answering time of a quote behind a long queue, as a ratio to a plain route
    marking     what marks and the signature cost: in a running worker, and in the process of the command
    latency     answering times of the API while workers generate and clients poll

and, only by name, because they take long:

    admission   accepting a video with quote and hold, as a ratio to a free one
    autoscale   waits and cost of the autoscaler on four traces, with a virtual clock
    capacity    waits by formula beside the queue clip by clip, with a virtual clock
    compose     the services of deploy/compose.yaml as processes: a clip from one API server to the other
    events      from a change at one API server to its event at another, with a hint and without
    first-load  the studio's first page until it can be used, as a ratio to an empty page
    fleet-fairness  waits of light projects beside a dump, on two servers with three executors
    frames      frames of this version against those of another commit, bit for bit
    ledger      holds and captures a second; random operations by processes that are killed
    histories   simulated lives of the job service with random faults, against its invariants
    library     the studio's library of 10,000 clips in Chromium: first clips, memory while scrolling
    memory      peak memory of the diffusers engine beside what its plan foretold
    overhead    what the diffusers engine adds to plain diffusers, as a ratio
    profiles    clips by plain diffusers and under each profile, cold and warm
    queue-postgresql  jobs per second on PostgreSQL beside a bare psycopg loop, as a ratio
    scale       a day of 10 million clips on 20,000 GPUs: one PostgreSQL, cells, a loss, spot GPUs
    quote-accuracy  quotes beside the runs that they foretell, held out, with the native engine
    ray-overhead  what workers on Ray cost beside those of the server, as a ratio
    screening   recall of screening on adversarial prompts, over-block on harmless ones, per category
    gpu-check   whether the diffusers engine works on a GPU, and how fast it is there
    storage     files into a bucket and back, as ratios to plain HTTP
    soak        a hostile project, few descriptors and a full disk, beside another project
    torture     workers and servers killed at random points, again and again
    upgrade     an old and a new version together while the tables are migrated: waits, lost jobs
    watermark   marks found again after encoders, crops and the like, and false positives

Options go to the benchmark that is named; NAME --help lists them. With --json alone each of the short ones
prints one JSON object on a line.
"""

from __future__ import annotations

import importlib
import os
import sys

from hinode.settings import thread_variables

SHORT = ("speed", "busy", "fairness", "queue", "quote", "marking", "latency")
NAMES = (
    *SHORT,
    "admission",
    "autoscale",
    "capacity",
    "compose",
    "events",
    "first-load",
    "fleet-fairness",
    "frames",
    "histories",
    "ledger",
    "library",
    "memory",
    "overhead",
    "profiles",
    "queue-postgresql",
    "quote-accuracy",
    "ray-overhead",
    "scale",
    "screening",
    "gpu-check",
    "storage",
    "soak",
    "torture",
    "upgrade",
    "watermark",
)


def run(name: str, words: list[str]) -> None:
    """Run benchmark `name` with the command-line words that are meant for it."""
    module = name.replace("-", "_")
    importlib.import_module(f"benchmarks.{module}").main(words)


def main(words: list[str]) -> None:
    """Run what the command line names."""
    os.environ.update(thread_variables(os.environ))  # before torch is imported, as in the command
    if words and words[0] in NAMES:
        run(words[0], words[1:])
    elif words in ([], ["--json"]):
        for name in SHORT:
            run(name, words)
    else:
        print((__doc__ or "").strip())
        sys.exit(0 if words in (["-h"], ["--help"]) else 2)


if __name__ == "__main__":
    main(sys.argv[1:])
