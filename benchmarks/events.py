"""How long does a change made at one API server take to a stream of events at another?

Two real `hinode serve` on one PostgreSQL. A client follows a project at the second; the queue of the project
is paused and resumed, by turns through the API of the first, which sends a hint, and by a statement in the
database, which sends none and so is found by the look that comes each half second. Times are from the end of
the change to the event.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg

from benchmarks.postgres import PostgreSQL
from benchmarks.serving import ServerHarness

EVENT_SECONDS = 30.0
"""Until an event counts as lost."""
LOOK_SECONDS = 0.5


class Follower:
    """Follows a project in a thread, and says when the queue has changed."""

    def __init__(self, server: ServerHarness, key: str) -> None:
        self.following = threading.Event()
        self.told = threading.Event()
        self._headers = {"Authorization": f"Bearer {key}"}
        self._url = f"{server.base_url}/events"
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        options: dict[str, Any] = {"headers": self._headers, "timeout": None, "trust_env": False}
        with httpx.stream("GET", self._url, **options) as answer:
            for line in answer.iter_lines():
                self.following.set()
                if line == "event: queue.changed":
                    self.told.set()

    def seconds_until_told(self, change: Callable[[bool], object], paused: bool) -> float:
        """Seconds from the end of a change to its event."""
        self.told.clear()
        change(paused)
        start = time.perf_counter()
        if not self.told.wait(EVENT_SECONDS):
            raise RuntimeError(f"no event came in {EVENT_SECONDS:g} s")
        return time.perf_counter() - start


def measure(changes: int) -> dict[str, Any]:
    """Make so many changes of each kind."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hinode-events-")))
        url = stack.enter_context(PostgreSQL()).create()
        environment = {"HINODE_DATABASE_URL": url, "HINODE_STORE": str(folder / "store")}
        first, second = (
            stack.enter_context(ServerHarness(folder / name, workers=0, environment=environment))
            for name in ("first", "second")
        )
        key = first.key("events")
        follower = Follower(second, key)
        follower.thread.start()
        follower.following.wait(EVENT_SECONDS)
        database = stack.enter_context(psycopg.connect(url, autocommit=True))

        def by_api(paused: bool) -> None:
            first.request("POST", f"/v1/queue/{'pause' if paused else 'resume'}", key=key)

        def by_statement(paused: bool) -> None:
            database.execute("UPDATE projects SET paused_at = %s", (time.time() if paused else None,))

        times: dict[str, list[float]] = {"hint": [], "no_hint": []}
        randomness = random.Random(1)
        for number in range(2 * changes):
            kind, change = (("hint", by_api), ("no_hint", by_statement))[number // 2 % 2]
            # At any point between two looks.
            time.sleep(LOOK_SECONDS * (1 + randomness.random()))
            times[kind].append(follower.seconds_until_told(change, number % 2 == 0))
    medians = {kind: statistics.median(values) for kind, values in times.items()}
    return {
        "changes": changes,
        **{f"{kind}_median": medians[kind] for kind in times},
        **{f"{kind}_worst": max(values) for kind, values in times.items()},
        "ratio": medians["no_hint"] / medians["hint"],
    }


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks events", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("--changes", type=int, default=40, help="of each kind, default 40")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    results = measure(options.changes)
    if options.json:
        print(json.dumps(results))
        return
    print(f"{'from a change to its event':<28}{'median':>10}{'worst':>10}")
    for kind, name in (("hint", "with a hint"), ("no_hint", "without a hint")):
        median, worst = (results[f"{kind}_{part}"] * 1e3 for part in ("median", "worst"))
        print(f"  {name:<26}{median:7.0f} ms{worst:7.0f} ms")
    print(f"  {'ratio of the medians':<26}{results['ratio']:7.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
