"""What workers on Ray cost beside workers of the server itself, for the same clips: ratios of one run.

Two servers are up, one with each executor. They get the same clips in rounds, in turn, and the ratio is the
median of the ratios of neighbours. A cold actor is one that is started for the first clip of a server whose
`fleet.toml` has a minimum of none; the time is from the request to the finished clip.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.serving import ServerHarness

BAR, COLD_BAR = 1.05, 10.0
OPTIONS = ("--executor", "ray")
KINDS: dict[str, dict[str, Any]] = {
    "testcard": {"model": "testcard", "seconds": "2", "size": "320x180"},
    "native": {"model": "native/book", "seconds": "1", "size": "160x96", "steps": 4},
}
FLEET = '[[workers]]\nname = "default"\nmaximum = {workers}\nminimum = {workers}\n'
"""As many workers as the other server has, at all times."""
COLD_FLEET = '[[workers]]\nname = "default"\nmaximum = 1\n'
ATTACH_SECONDS = 60.0
CLIP_SECONDS = 30.0
"""For one clip, on a busy machine; longer is a failure."""


def environment() -> dict[str, str]:
    """Variables of both servers."""
    return {"HINODE_MODELS": "", "HINODE_TESTCARD_STEP_SECONDS": "0.02"}


def measure(rounds: int, clips: int, workers: int, kinds: Sequence[str]) -> dict[str, Any]:
    """All figures as plain numbers; times in seconds."""
    result: dict[str, Any] = {"rounds": rounds, "clips": clips, "workers": workers, "kinds": {}}
    with tempfile.TemporaryDirectory(prefix="hinode-ray-") as place:
        local = ServerHarness(Path(place) / "local", workers=workers, environment=environment())
        on_ray = ServerHarness(
            Path(place) / "ray", workers=workers, environment=environment(), options=OPTIONS
        )
        on_ray.home.mkdir()
        (on_ray.home / "fleet.toml").write_text(FLEET.format(workers=workers), encoding="utf-8")
        with local, on_ray:
            on_ray.wait_for(lambda: len(on_ray.workers_running()) == workers, ATTACH_SECONDS)
            keys = {server: server.key("overhead") for server in (local, on_ray)}
            for name in kinds:
                fields = KINDS[name]
                for server in (local, on_ray):  # warm: every worker has the model, as the autoscaler permits
                    for _ in range(2):
                        play(server, keys[server], fields, 4 * workers)
                pairs = []
                for number in range(rounds):
                    order = (local, on_ray) if number % 2 == 0 else (on_ray, local)
                    times = {server: play(server, keys[server], fields, clips) for server in order}
                    pairs.append((times[local], times[on_ray]))
                ratios = sorted(ray / plain for plain, ray in pairs)
                result["kinds"][name] = {
                    "local": statistics.median(plain for plain, _ in pairs),
                    "ray": statistics.median(ray for _, ray in pairs),
                    "ratio": statistics.median(ratios),
                    "total_ratio": sum(ray for _, ray in pairs) / sum(plain for plain, _ in pairs),
                    "range": (ratios[0], ratios[-1]),
                }
        for name in kinds:
            result["kinds"][name]["cold"] = cold(Path(place) / f"cold-{name}", KINDS[name])
    return result


def play(server: ServerHarness, key: str, fields: dict[str, Any], clips: int) -> float:
    """Seconds until so many clips, requested at once, are finished."""
    start = time.monotonic()
    videos = [server.submit(key, seed=number, **fields) for number in range(clips)]
    for video in videos:
        if server.finished_video(key, video, CLIP_SECONDS * clips)["status"] != "completed":
            raise RuntimeError(f"{video} failed:\n{server.last_words()}")
    return time.monotonic() - start


def cold(home: Path, fields: dict[str, Any]) -> float:
    """Seconds from the first request to its clip, where no worker is there."""
    home.mkdir(parents=True)
    (home / "fleet.toml").write_text(COLD_FLEET, encoding="utf-8")
    with ServerHarness(home, workers=1, environment=environment(), options=OPTIONS) as server:
        key = server.key("cold")
        server.wait_for(lambda: "attached to Ray" in server.log.read_text(), ATTACH_SECONDS)
        return play(server, key, fields, 1)


def main(words: list[str]) -> None:
    """Measure and print; the exit status is 0 if every bar was met."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks ray-overhead", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--rounds", type=int, default=10, help="rounds of each kind (default 10)")
    parser.add_argument("--clips", type=int, default=20, help="clips in a round (default 20)")
    parser.add_argument("--workers", type=int, default=2, help="workers of each server (default 2)")
    parser.add_argument("--kind", choices=tuple(KINDS), help="clips of one engine only")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    result = measure(
        options.rounds, options.clips, options.workers, [options.kind] if options.kind else list(KINDS)
    )
    if options.json:
        print(json.dumps(result))
    else:
        print(f"{options.rounds} rounds of {options.clips} clips, {options.workers} workers; medians")
        for name, row in result["kinds"].items():
            low, high = row["range"]
            print(
                f"  {name:<10}local {row['local']:7.2f} s, ray {row['ray']:7.2f} s, ratio {row['ratio']:.3f} "
                f"({low:.3f} to {high:.3f}); whole run {row['total_ratio']:.3f}; cold {row['cold']:.1f} s"
            )
        print(f"bars: ratio {BAR:g}, cold {COLD_BAR:g} s")
    rows = result["kinds"].values()
    sys.exit(any(row["ratio"] > BAR or row["cold"] > COLD_BAR for row in rows))
