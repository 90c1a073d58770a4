"""How long a quote takes beside the plainest route of the same server, with many runs and a long queue.

The times are of one process and one client; the ratio says more about the code than the milliseconds do.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from starlette.testclient import TestClient

from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.engines.protocol import Cost
from hinode.money.quoting import runs
from hinode.money.quoting.predict import Run, Work
from hinode.money.quoting.runs import Kind
from hinode.records.database import Database
from hinode.settings import Settings

BAR = 0.050
BODY = {"model": "native/book", "prompt": "a red kite over the hills", "size": "640x360", "seconds": 2}
PROFILES = ("draft", "standard", "best")


def measure(jobs: int, count: int) -> dict[str, float | int | bool]:
    """Median seconds of a quote, of one ten seconds later, and of the plainest route."""
    with tempfile.TemporaryDirectory(prefix="hinode-") as folder:
        settings = Settings(home=Path(folder), threads=1, device="cpu")
        database = Database(settings.database_url)
        database.upgrade()
        shift = [0.0]
        context = Context(settings, database, lambda: time.time() + shift[0])
        with database.write() as connection:
            for number in range(runs.MAX_RUNS * len(PROFILES)):
                steps = 3 + number % 3
                work = Work(Cost(5488, steps, 2 * steps, 1_404_928), 32 * 640 * 360)
                run = Run(work, {"load": 0.3, "sample": steps * 1.5, "encode": 1.0})
                kind = Kind("native", "book", "a processor", PROFILES[number % 3])
                runs.record(connection, (kind, run), context.clock())
        context.tenants.create_project("benchmark")
        key = context.tenants.create_key("benchmark", project="benchmark").key
        with TestClient(create_app(context), headers={"authorization": f"Bearer {key}"}) as client:
            for number in range(jobs):
                client.post("/v1/videos", json={**BODY, "seconds": 1 + number % 8 / 2}).raise_for_status()

            def quote() -> None:
                client.post("/v1/videos/quote", json=BODY).raise_for_status()

            def quote_anew() -> None:
                shift[0] += 11  # the runs are looked at again
                quote()

            result = {
                "jobs": jobs,
                "anew": _median(quote_anew, count),
                "quote": _median(quote, count),
                "plain": _median(lambda: client.get("/v1/models/native/book"), count),
            }
        database.close()
    return {**result, "ratio": result["quote"] / result["plain"], "torch": "torch" in sys.modules}


def _median(call: Callable[[], object], count: int) -> float:
    call()
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks quote", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--jobs", type=int, default=200, help="jobs that wait (default 200)")
    parser.add_argument("--count", type=int, default=30, help="requests of each kind (default 30)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    result = measure(options.jobs, options.count)
    if options.json:
        print(json.dumps(result))
        return
    print(
        f"{result['jobs']} jobs waiting, {runs.MAX_RUNS} runs of a profile, torch loaded: {result['torch']}"
    )
    for name, what in (
        ("plain", "GET /v1/models/{id}"),
        ("quote", "POST /v1/videos/quote"),
        ("anew", "the same after 10 s"),
    ):
        print(f"  {what:<24}{result[name] * 1e3:8.1f} ms, {result[name] / result['plain']:.1f} x")
    print(f"quote {result['quote'] * 1e3:.1f} ms (bar: {BAR * 1e3:.0f} ms)")


if __name__ == "__main__":
    main(sys.argv[1:])
