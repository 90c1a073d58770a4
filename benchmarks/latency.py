"""How fast does the API answer while the machine is busy making videos?

A real `hinode serve` with two workers that generate with the native engine, one job after another, and 50
clients that each ask for their own video once a second over a connection of their own, as the SDKs' polling
does. Server, workers and clients share the machine. An answer counts as an error unless it is the video.

With --servers 2 or more, that many API servers share a PostgreSQL, the clients are spread over them, and no
worker runs.
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
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil

from benchmarks.postgres import PostgreSQL
from benchmarks.serving import ServerHarness

BAR, BAR_OF_SEVERAL = 0.100, 0.050
PROMPT = "a red balloon rising over the mountains at noon"
WARM_UP = 120.0
TOGETHER = 50
"""Videos that are requested at once before the polling begins."""


class Client:
    """One that polls: a connection, a video, and what came of every question. It polls with plain bytes,
    since a library would take as much of the machine as the servers."""

    def __init__(self, url: str, key: str) -> None:
        self.http = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30.0, trust_env=False
        )
        self.address = urlsplit(url).netloc
        self.head = f"Host: {self.address}\r\nAuthorization: Bearer {key}\r\n\r\n"
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
        host, port = self.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        question = f"GET /v1/videos/{self.video} HTTP/1.1\r\n{self.head}".encode()
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            start = time.perf_counter()
            try:
                writer.write(question)
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length:")[1].split("\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                if head.split()[1] == "200" and body["id"] == self.video:
                    self.statuses[body["status"]] += 1
                else:
                    self.errors.append(f"{head.split()[1]}: {body}"[:200])
            except (OSError, EOFError, ValueError, LookupError) as error:
                self.errors.append(f"{type(error).__name__}: {error}")
            self.seconds.append(time.perf_counter() - start)
            due += 1.0
        writer.close()


async def ask(
    urls: list[str], key: str, clients: int, workers: int, seconds: float, servers: Sequence[ServerHarness]
) -> dict[str, Any]:
    """Let the clients poll for so long, and say what they met; times in seconds."""
    pollers = [Client(urls[number % len(urls)], key) for number in range(clients)]
    for start in range(0, clients, TOGETHER):
        await asyncio.gather(*(poller.create() for poller in pollers[start : start + TOGETHER]))
    await generating(pollers[0], min(workers, 2))
    used = processor_seconds(servers)
    begin = time.perf_counter()
    spread = [begin + number / clients for number in range(clients)]
    await asyncio.gather(
        *(poller.poll(due, begin + seconds) for poller, due in zip(pollers, spread, strict=True))
    )
    used = processor_seconds(servers) - used
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
        "processor_per_answer": used / len(times),
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


def measure(clients: int, workers: int, servers: int, seconds: float) -> dict[str, Any]:
    """Start the servers in new homes, ask, and stop them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # One thread for each worker: what a person would set who wants the machine to stay usable.
        environment = {"HINODE_THREADS": "1", "HINODE_MODELS": "sora-2=native/book"}
        if servers > 1:
            environment["HINODE_DATABASE_URL"] = stack.enter_context(PostgreSQL()).create()
            environment["HINODE_STORE"] = str(folder / "store")
        running_servers = [
            stack.enter_context(
                ServerHarness(folder / f"home-{number}", workers=workers, environment=environment)
            )
            for number in range(servers)
        ]
        key = running_servers[0].key("bench")
        urls = [server.origin for server in running_servers]
        results = asyncio.run(ask(urls, key, clients, workers, seconds, running_servers))
    return {"servers": servers, "workers": workers, **results}


def processor_seconds(servers: Sequence[ServerHarness]) -> float:
    """Processor time that the servers have used, without their workers."""
    times = [psutil.Process(server.process.pid).cpu_times() for server in servers if server.process]
    return float(sum(time.user + time.system for time in times))


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks latency", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("--clients", type=int, default=50, help="default 50")
    parser.add_argument("--workers", type=int, default=2, help="default 2")
    parser.add_argument("--servers", type=int, default=1, help="default 1; several have no workers")
    parser.add_argument("--seconds", type=float, default=30.0, help="default 30")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    workers, bar = (options.workers, BAR) if options.servers == 1 else (0, BAR_OF_SEVERAL)
    results = measure(options.clients, workers, options.servers, options.seconds)
    if options.json:
        print(json.dumps(results))
        return
    print(f"{results['clients']} clients polling at 1 Hz, {options.servers} API servers", end="")
    print(f", {workers} workers generating", end="")
    print(f" ({results['generating_at_the_end']} still were at the end)")
    for name in ("p50", "p99", "worst", "processor_per_answer"):
        print(f"  {name.replace('_', ' '):<22}{results[name] * 1e3:8.1f} ms")
    print(
        f"  {'load average':<22}{results['load_average']:8.1f}   (more than the machine has cores: too busy)"
    )
    for error in results["first_errors"]:
        print(f"  {error}")
    print(f"answers {results['answers']:,}, errors {results['errors']} (bar: 0)")
    print(f"p99 {results['p99'] * 1e3:.1f} ms (bar: {bar * 1e3:g} ms)")


if __name__ == "__main__":
    main(sys.argv[1:])
