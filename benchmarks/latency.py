"""How fast does the API answer while the machine is busy making videos?

A real `hinode serve` with two workers that generate with the native engine, one job after another, and 50
clients that each ask for their own video once a second over a connection of their own, as the SDKs' polling
does. Server, workers and clients share the machine. An answer counts as an error unless it is the video.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from benchmarks.serving import ServerHarness

BAR = 0.100
PROMPT = "a red balloon rising over the mountains at noon"
WARM_UP = 120.0


class Client:
    """One that polls: a connection, a video, and what came of every question."""

    def __init__(self, url: str, key: str) -> None:
        self.http = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30.0, trust_env=False
        )
        self.video = ""
        self.seconds: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.errors: list[str] = []

    async def create(self) -> None:
        answer = await self.http.post(
            "/v1/videos", json={"model": "sora-2", "prompt": PROMPT, "seconds": "4"}
        )
        answer.raise_for_status()
        self.video = answer.json()["id"]

    async def poll(self, begin: float, until: float) -> None:
        """Ask once a second, at the same point of every second, until the time is over."""
        due = begin
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            start = time.perf_counter()
            try:
                answer = await self.http.get(f"/v1/videos/{self.video}")
                body = answer.json()
                if answer.status_code == 200 and body["id"] == self.video:
                    self.statuses[body["status"]] += 1
                else:
                    self.errors.append(f"{answer.status_code}: {answer.text[:200]}")
            except (httpx.HTTPError, ValueError, KeyError) as error:
                self.errors.append(f"{type(error).__name__}: {error}")
            self.seconds.append(time.perf_counter() - start)
            due += 1.0


async def ask(url: str, key: str, clients: int, seconds: float) -> dict[str, Any]:
    """Let the clients poll for so long, and say what they met; times in seconds."""
    pollers = [Client(url, key) for _ in range(clients)]
    await asyncio.gather(*(poller.create() for poller in pollers))
    await generating(pollers[0], 2)
    begin = time.perf_counter()
    spread = [begin + number / clients for number in range(clients)]
    await asyncio.gather(
        *(poller.poll(due, begin + seconds) for poller, due in zip(pollers, spread, strict=True))
    )
    still = await running(pollers[0])
    for poller in pollers:
        await poller.http.aclose()
    times = sorted(one for poller in pollers for one in poller.seconds)
    errors = [error for poller in pollers for error in poller.errors]
    return {
        "clients": clients,
        "answers": len(times),
        "seconds": seconds,
        "p50": times[len(times) // 2],
        "p99": times[int(len(times) * 0.99)],
        "worst": times[-1],
        "errors": len(errors),
        "first_errors": errors[:3],
        "generating_at_the_end": still,
        "load_average": os.getloadavg()[0],
    }


async def running(client: Client) -> int:
    """How many of the newest hundred videos are being made."""
    listed = (await client.http.get("/v1/videos", params={"limit": 100})).json()["data"]
    return sum(video["status"] == "in_progress" for video in listed)


async def generating(client: Client, count: int) -> None:
    """Wait until so many videos are being made: the workers have loaded the model by then."""
    end = time.perf_counter() + WARM_UP
    while await running(client) < count:
        if time.perf_counter() > end:
            raise SystemExit(f"after {WARM_UP:g} s there are still no {count} videos being made")
        await asyncio.sleep(0.5)


def measure(clients: int, workers: int, seconds: float) -> dict[str, Any]:
    """Start a server in a new home, ask, and stop it."""
    with tempfile.TemporaryDirectory() as folder:
        # One thread for each worker: what a person would set who wants the machine to stay usable.
        environment = {"HINODE_THREADS": "1", "HINODE_MODELS": "sora-2=native/book"}
        with ServerHarness(Path(folder) / "home", workers=workers, environment=environment) as server:
            key = server.key("bench")
            results = asyncio.run(ask(server.origin, key, clients, seconds))
            server.stop()
    return {"workers": workers, **results}


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks latency", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("--clients", type=int, default=50, help="default 50")
    parser.add_argument("--workers", type=int, default=2, help="default 2")
    parser.add_argument("--seconds", type=float, default=30.0, help="default 30")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    results = measure(options.clients, options.workers, options.seconds)
    if options.json:
        print(json.dumps(results))
        return
    print(f"{results['clients']} clients polling at 1 Hz, {results['workers']} workers generating", end="")
    print(f" ({results['generating_at_the_end']} still were at the end)")
    for name in ("p50", "p99", "worst"):
        print(f"  {name:<22}{results[name] * 1e3:8.1f} ms")
    print(
        f"  {'load average':<22}{results['load_average']:8.1f}   (more than the machine has cores: too busy)"
    )
    for error in results["first_errors"]:
        print(f"  {error}")
    print(f"answers {results['answers']:,}, errors {results['errors']} (bar: 0)")
    print(f"p99 {results['p99'] * 1e3:.1f} ms (bar: {BAR * 1e3:g} ms)")


if __name__ == "__main__":
    main(sys.argv[1:])
