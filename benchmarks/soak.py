"""Two projects share a server with 256 descriptors, one of them hostile, and the disk is full for a minute.

Everything that the server writes is on a small disk of its own (tmpfs, in a namespace of this process), which
is filled after a while and emptied later. The hostile project keeps 600 silent connections, 60 bodies that
never end and 500 event streams open. The other project polls over a connection that it keeps, opens a new one
every second, requests a small video every two seconds, and has a batch in progress.

    kept         answering times of the other project's kept connection
    new          from the first attempt to connect until there is an answer, over all attempts
    lost         jobs that were accepted and did not end as a video
    log          bytes that the server logged
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.hostile import attack
from benchmarks.serving import ROOT, ServerHarness

NAMESPACE = ("unshare", "--map-root-user", "--mount")
"""Runs a command in a namespace where it may mount a disk; Linux only."""
DISK, DESCRIPTORS = "96m", 256
MAX_KEPT_SECONDS, MAX_NEW_SECONDS, MAX_LOG_BYTES = 1.0, 10.0, 1_000_000
BATCH_LINES = 5
JOB_SECONDS = 180.0
"""For the accepted jobs, when all is over."""


@dataclass
class Report:
    """What the other project met; times in seconds.

    Attributes:
        streams: of the hostile project, by status.
        max_streams: how many of them were open at once.
        bodies: that never ended, by status.
        kept: times over the kept connection.
        kept_statuses: its answers.
        new: times over new connections.
        refused: of requests for videos, by status, among them those of a full disk.
        accepted: jobs.
        lost: of these.
        log_bytes: of the server's log.
    """

    streams: Counter[int] = field(default_factory=Counter)
    max_streams: int = 0
    bodies: Counter[int] = field(default_factory=Counter)
    kept: list[float] = field(default_factory=list)
    kept_statuses: Counter[str] = field(default_factory=Counter)
    new: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    lost: int = 0
    log_bytes: int = 0

    @property
    def problems(self) -> list[str]:
        """What is beyond its bar."""
        checks = {
            "no stream over its share got 429": not self.streams[429],
            "streams over their share were closed without an answer": self.streams[0]
            > self.streams[429] / 10,
            "the kept connection is slow": percentile(self.kept, 0.99) > MAX_KEPT_SECONDS,
            "the kept connection had errors": set(self.kept_statuses) != {"200"},
            "new connections wait": max(self.new, default=99.0) > MAX_NEW_SECONDS,
            "accepted jobs are lost": self.lost > 0 or not self.accepted,
            "the log is large": self.log_bytes > MAX_LOG_BYTES,
        }
        return [sentence for sentence, holds in checks.items() if holds]


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)] if values else float("inf")


class Neighbour:
    """The other project: what it does, each in a thread of its own."""

    def __init__(self, server: ServerHarness, key: str, report: Report) -> None:
        self.server, self.report = server, report
        self.headers = {"Authorization": f"Bearer {key}"}
        self.videos: list[str] = []
        self.batch = ""
        self._over = threading.Event()
        loops = ((self.poll, 0.25), (self.connect, 1.0), (self.request, 2.0))
        self._threads = [threading.Thread(target=self._repeat, args=loop) for loop in loops]
        self._kept = httpx.Client(base_url=server.base_url, headers=self.headers, timeout=30, trust_env=False)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, action: Callable[[], None], interval: float) -> None:
        while not self._over.wait(interval):
            action()

    def poll(self) -> None:
        """One answer over the kept connection."""
        begin = time.perf_counter()
        try:
            status = str(self._kept.get("/videos", params={"limit": 1}).status_code)
        except httpx.HTTPError as error:
            status = type(error).__name__
        self.report.kept.append(time.perf_counter() - begin)
        self.report.kept_statuses[status] += 1

    def connect(self) -> None:
        """One answer over a new connection, tried again until there is one."""
        begin = time.perf_counter()
        while not self._over.is_set() or time.perf_counter() - begin < MAX_NEW_SECONDS:
            with suppress(httpx.HTTPError):
                url = f"{self.server.base_url}/videos"
                with httpx.Client(headers=self.headers, timeout=MAX_NEW_SECONDS, trust_env=False) as client:
                    if client.get(url, params={"limit": 1}).status_code == 200:
                        break
            time.sleep(0.05)
        self.report.new.append(time.perf_counter() - begin)

    def request(self) -> None:
        """One video, over a new connection."""
        body = {"prompt": "a kite", "seconds": "1", "size": "96x64", "seed": len(self.videos)}
        headers = {**self.headers, "Idempotency-Key": f"soak-{time.time_ns()}"}
        for _ in range(20):  # with no answer, nobody knows whether it was accepted
            try:
                answer = httpx.post(
                    f"{self.server.base_url}/videos", json=body, headers=headers, timeout=30, trust_env=False
                )
            except httpx.HTTPError:
                time.sleep(0.1)
                continue
            if answer.status_code == 200:
                self.videos.append(answer.json()["id"])
            else:
                self.report.refused[str(answer.status_code)] += 1
            return
        self.report.refused["no answer"] += 1

    def send_batch(self) -> None:
        """Request a batch of videos."""
        body = {"prompt": "a kite", "seconds": "1", "size": "96x64"}
        line = {"method": "POST", "url": "/v1/videos", "body": body}
        lines = [json.dumps({**line, "custom_id": str(number)}) for number in range(BATCH_LINES)]
        files = {"file": ("lines.jsonl", "\n".join(lines).encode())}
        file = self._post("/files", files=files, data={"purpose": "batch"})
        order = {"input_file_id": file["id"], "endpoint": "/v1/videos", "completion_window": "24h"}
        self.batch = self._post("/batches", json=order)["id"]

    def _post(self, path: str, **body: Any) -> dict[str, Any]:
        """The answer to a request, sent again until there is one."""
        while True:
            with suppress(httpx.TransportError):
                answer = self._kept.post(path, **body).raise_for_status()
                return dict(answer.json())

    def batch_counts(self) -> dict[str, int] | None:
        """How its requests ended, None before that."""
        batch = self._kept.get(f"/batches/{self.batch}").raise_for_status().json()
        return batch["request_counts"] if batch["status"] == "completed" else None


def soak(disk: Path, log: Path, *, before: float, full: float, after: float) -> Report:
    """Attack a server and fill its disk.

    Args:
        disk: folder of a small file system, empty.
        log: file for the log of the server, on another disk.
        before: seconds until the disk is full.
        full: seconds for which it is full.
        after: seconds of attack after that.
    """
    report, context = Report(), multiprocessing.get_context("spawn")
    server = ServerHarness(disk / "home", environment={"TMPDIR": str(disk)}, descriptors=DESCRIPTORS)
    server.log = log
    with server:
        keys = []
        for name in ("hostile", "neighbour"):
            server.command("projects", "create", "--name", name)
            keys.append(server.key(name, "--project", name))
        hostile, own = keys
        jobs = [server.submit(hostile, seconds="4", size="640x360", seed=seed) for seed in range(60)]
        here, there = context.Pipe()
        attacker = context.Process(target=attack, args=(server.port, hostile, jobs[-1], there), daemon=True)
        neighbour = Neighbour(server, own, report)
        attacker.start()
        neighbour.start()
        time.sleep(before)
        neighbour.send_batch()
        fill(disk / "filler", full)
        time.sleep(after)
        here.send(None)
        report.bodies, report.streams, report.max_streams = here.recv()
        attacker.join()
        neighbour.stop()
        report.accepted = len(neighbour.videos) + len(jobs) + BATCH_LINES
        ends = [finish(server, own, video) for video in neighbour.videos]
        ends += [finish(server, hostile, video) for video in jobs]
        report.lost = sum(end != "completed" for end in ends) + BATCH_LINES
        report.lost -= server.wait_for(neighbour.batch_counts, JOB_SECONDS)["completed"]
        report.log_bytes = log.stat().st_size
    return report


def finish(server: ServerHarness, key: str, video: str) -> str:
    """How a job ends, or how it is when the time is over."""

    def status() -> str | None:
        now = str(server.video(key, video)["status"])
        return now if now in ("completed", "failed") else None

    try:
        return server.wait_for(status, JOB_SECONDS)
    except RuntimeError as error:
        return str(error)


def fill(file: Path, seconds: float) -> None:
    """Keep the disk of a file full for so long."""
    end = time.monotonic() + seconds
    with file.open("ab", buffering=0) as filler:
        while time.monotonic() < end:
            for size in (1 << 20, 1 << 12):
                with suppress(OSError):
                    while filler.write(bytes(size)) == size:
                        pass
            time.sleep(0.05)
    file.unlink()


def summary(report: Report) -> list[str]:
    """The results, one line each."""
    kept, new = report.kept, report.new
    return [
        f"streams by status {dict(report.streams)}, at once {report.max_streams} (over the share: 429)",
        f"bodies that never end, by status {dict(report.bodies)}",
        f"kept p50 {percentile(kept, 0.5):.3f} s, p99 {percentile(kept, 0.99):.3f} s (bar: "
        f"{MAX_KEPT_SECONDS:g} s), {len(kept)} answers {dict(report.kept_statuses)}",
        f"new p50 {percentile(new, 0.5):.3f} s, worst {max(new, default=0):.3f} s of {len(new)} (bar: "
        f"{MAX_NEW_SECONDS:g} s)",
        f"accepted {report.accepted}, lost {report.lost} (bar: 0); refused {dict(report.refused)}",
        f"log {report.log_bytes:,} bytes (bar: {MAX_LOG_BYTES:,})",
        *report.problems,
    ]


def main(words: list[str]) -> None:
    """Measure in a namespace where this process may mount a disk, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--before", type=float, default=20.0, help="default 20")
    parser.add_argument("--full", type=float, default=60.0, help="default 60")
    parser.add_argument("--after", type=float, default=20.0, help="default 20")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--log", type=Path, help="keep the log of the server in this new file")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.inside is None:
        with tempfile.TemporaryDirectory() as folder:
            command = [*NAMESPACE, sys.executable, "-m", "benchmarks", "soak"]
            sys.exit(subprocess.run([*command, "--inside", folder, *words], cwd=ROOT).returncode)
    disk = options.inside / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", disk], check=True)
    times = {"before": options.before, "full": options.full, "after": options.after}
    report = soak(disk, options.log or options.inside / "server.log", **times)
    results: dict[str, Any] = {**vars(report), "problems": report.problems}
    print(json.dumps(results) if options.json else "\n".join(summary(report)))
    sys.exit(bool(report.problems))
