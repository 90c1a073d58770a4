"""Compare the frames that two versions of this repository draw, bit for bit.

Both versions run the same requests of the `hinode` command on this machine, each in one process with one
thread; the command writes PNG, so nothing is lost between the frames and the comparison. The other version is
a commit, checked out into a temporary worktree. The exit status is 1 if any frame differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
BALLOON = "a red balloon rising over the mountains at noon"

# Files that some requests start from; the older version writes them, and both versions read the same ones.
SOURCES = (
    ("generate", "a green kite circling over the hills at dusk", "--seed", "11", "-o", "video.mp4", "-q"),
    ("generate", "a blue boat drifting right", "--seed", "12", "--format", "png", "-o", "stills", "-q"),
)
VIDEO, FIRST, LAST = "video.mp4", "stills/0001.png", "stills/0048.png"

REQUESTS = (
    ("generate", BALLOON, "--seed", "1"),
    ("generate", BALLOON, "--seed", "2", "--profile", "draft", "--size", "320x320"),
    ("generate", BALLOON, "--seed", "3", "--profile", "best", "--size", "360x640"),
    ("generate", "a purple star", "--seed", "4", "--size", "512x288", "--steps", "12"),
    ("generate", "a purple star", "--seed", "5", "--size", "448x256", "--no-sound"),
    ("generate", "an orange boat in the rain at night", "--seed", "6", "--seconds", "4", "--size", "256x256"),
    ("generate", "a bird in the snow", "--seed", "7", "--fps", "12", "--size", "256x256"),
    ("generate", "a red ball bouncing over the desert", "--seed", "8", "--size", "640x288"),
    ("generate", "a yellow kite above the sea, pan right", "--seed", "9", "--size", "320x192"),
    ("generate", "a red ball left of a blue star", "--seed", "10", "--profile", "best", "--size", "448x256"),
    ("generate", "a red balloon behind a green kite", "--seed", "11", "--size", "448x256"),
    ("generate", BALLOON, "--seed", "12", "--camera", "zoom in, pan left 0.5", "--size", "256x256"),
    ("generate", BALLOON, "--seed", "13", "--path", "0,0.2,0.7; 2,0.8,0.3", "--size", "448x256"),
    ("generate", "a blue boat", "--seed", "14", "--image", FIRST),
    ("generate", "a blue boat", "--seed", "15", "--image", FIRST, "--last-image", LAST, "--profile", "best"),
    ("generate", "a rocket", "--seed", "16", "--keyframe", f"{FIRST}@1", "--camera", "pan right"),
    ("remix", VIDEO, "a yellow kite", "--seed", "17", "--strength", "0.6"),
    ("edit", VIDEO, "a red kite", "--seed", "18"),
    ("edit", VIDEO, "a red kite", "--seed", "18", "--mask", FIRST),
    ("extend", VIDEO, "--seconds", "2.5", "--seed", "19"),
    ("loop", VIDEO, "--seed", "20"),
    ("negative", "a red boat at night", "stars", "--seed", "21"),
)

# Runs in a process of its own, with the package of one version on its path. The command has no option for a
# negative prompt, so the engine itself draws that request.
DRAW = """
import json, os, pathlib, sys
from PIL import Image
from hinode import engines
from hinode.cli import app
from hinode.request import Request
from hinode.settings import Settings

def draw(prompt, negative_prompt, seed, folder):
    settings = Settings.from_environment(os.environ)
    run = engines.get("native", settings).start(
        Request(prompt, seed=int(seed), negative_prompt=negative_prompt)
    )
    for _ in run:
        pass
    pathlib.Path(folder).mkdir()
    for number, frame in enumerate(run.clip().frames):
        Image.fromarray(frame).save(f"{folder}/frame-{number:05d}.png")

for command, *words in json.load(sys.stdin):
    if command == "negative":
        draw(words[0], words[1], words[3], words[-1])
    elif status := app([command, *words], standalone_mode=False):
        sys.exit(status)
"""


def main(words: list[str]) -> None:
    """Draw all requests with both versions and print where they differ."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks frames", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("--before", metavar="COMMIT", required=True, help="the version to compare with")
    parser.add_argument("--limit", type=int, default=len(REQUESTS), help="only the first requests")
    options = parser.parse_args(words)
    requests = REQUESTS[: options.limit]
    with tempfile.TemporaryDirectory() as name, worktree(options.before) as other:
        folder = Path(name)
        wait(start(other, SOURCES, folder))
        outputs: list[Path] = []
        processes = []
        for version, tree in (("before", other), ("after", ROOT)):
            output = folder / version
            output.mkdir()
            commands = [
                (*request, "--quiet", "--format", "png", "-o", f"{version}/{number}")
                for number, request in enumerate(requests)
            ]
            outputs.append(output)
            processes.append(start(tree, commands, folder))
        for process in processes:
            wait(process)
        same = [
            compare(*(output / str(number) for output in outputs), " ".join(request))
            for number, request in enumerate(requests)
        ]
    print(f"{sum(same)} of {len(same)} clips are the same as those of {options.before}")
    sys.exit(0 if all(same) else 1)


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """A checkout of a commit for the duration of the block."""
    git = ("git", "-C", str(ROOT), "worktree")
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        subprocess.run((*git, "add", "--quiet", "--detach", str(tree), commit), check=True)
        try:
            yield tree
        finally:
            subprocess.run((*git, "remove", "--force", str(tree)), check=True)


def start(tree: Path, commands: object, folder: Path) -> subprocess.Popen[str]:
    """Run commands of the version in `tree`, in `folder`."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HINODE_")},
        "PYTHONPATH": str(tree / "src"),
        "HINODE_HOME": str(folder / "home"),
        "HINODE_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        (sys.executable, "-c", DRAW),
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    with process.stdin:
        json.dump(commands, process.stdin)
    return process


def wait(process: subprocess.Popen[str]) -> None:
    """Wait for the commands; a failure ends the benchmark."""
    if process.wait():
        sys.exit(f"the command failed with exit status {process.returncode}")


def compare(before: Path, after: Path, request: str) -> bool:
    """Print whether two folders hold the same frames."""
    clips = read(before), read(after)
    same = clips[0].shape == clips[1].shape and bool((clips[0] == clips[1]).all())
    frames, height, width, _ = clips[1].shape
    verdict = "same"
    if clips[0].shape != clips[1].shape:
        verdict = f"shape was {clips[0].shape}"
    elif not same:
        difference = np.abs(clips[0].astype(int) - clips[1])
        share = (difference > 0).mean()
        verdict = f"differs in {share:.2%} of the values, by {difference.max()} at most"
    print(f"{verdict:<6} {frames:>3} frames of {width}x{height}: {request}", flush=True)
    return same


def read(folder: Path) -> npt.NDArray[np.uint8]:
    """The frames in a folder of PNG files, [T, H, W, 3]."""
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))])


if __name__ == "__main__":
    main(sys.argv[1:])
