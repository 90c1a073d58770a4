"""Measures the coefficients that are shipped for times without recorded runs: python -m runs.priors.

It draws clips of several lengths, sizes and profiles here, and writes src/hinode/money/quoting/priors.json.
It counts processor time of one thread, so it may share the machine. `ASSUMED` is not measured.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from itertools import product
from pathlib import Path

import torch

from hinode import directing, pipeline
from hinode.money.quoting import quotes
from hinode.money.quoting.hardware import hardware
from hinode.money.quoting.predict import TERMS, Run, fit
from hinode.output import replace_file
from hinode.request import Request
from hinode.settings import Settings
from hinode.trust.provenance.marking import Marking

TARGET = Path("src/hinode/money/quoting/priors.json")
SECONDS, PROFILES = (1.0, 2.0, 4.0), ("draft", "standard", "best")
SIZES = {"native": ((640, 360), (1280, 720)), "testcard": ((640, 360), (1280, 720))}
ONE_THREAD = {"HINODE_THREADS": "1", "HINODE_DEVICE": "cpu"}
PROMPT = "a red kite over the hills at sunset"
# Of a checkpoint of the size of Wan 2.1 1.3B: 2 FLOP for each parameter and token, 4 for each channel and
# pair of tokens in 30 blocks of width 1536; at 5e10 FLOP/s on a processor and 5e13 on a GPU.
TOKEN, PAIR = 2 * 1.3e9, 4 * 30 * 1536.0
ASSUMED = {
    "diffusers": {"load": [20.0], "text": [10.0], "sample": [0.0, TOKEN / 5e10, PAIR / 5e10],
                  "decode": [0.0, 0.0, 0.0, 5e-6], "encode": [0.0, 0.0, 0.0, 0.0, 1e-7]},
    "diffusers on a GPU": {"load": [20.0], "text": [2.0], "sample": [0.0, TOKEN / 5e13, PAIR / 5e13],
                           "decode": [0.0, 0.0, 0.0, 2e-7], "encode": [0.0, 0.0, 0.0, 0.0, 1e-7]},
    "remote": {"sample": [30.0], "fetch": [1.0], "encode": [0.0, 0.0, 0.0, 0.0, 1e-7]},
    "*": {"load": [5.0], "sample": [0.0, 1e-4], "encode": [0.0, 0.0, 0.0, 0.0, 1e-7]},
}  # fmt: skip


def measure(settings: Settings, engine_name: str, folder: Path) -> dict[str, list[float]]:
    """The coefficients of each stage of an engine's default model."""
    engine = directing.get(engine_name, settings)
    profiles = engine.capabilities().profiles or (None,)
    runs: list[Run] = []
    for size, seconds, profile in product(SIZES[engine_name], SECONDS, profiles):
        if size != SIZES[engine_name][0] and seconds != SECONDS[1]:
            continue
        request = Request(PROMPT, *size, seconds=seconds, engine=engine_name, profile=profile)
        result = pipeline.generate(request, engine, folder / "clip.mp4", "mp4", marking=Marking(settings))
        _, run = quotes.measured(request, settings, result.provenance.stage_seconds)
        print(f"{engine_name} {size[0]}x{size[1]}, {seconds:g} s, {profile}: {run.seconds:.2f} s", flush=True)
        runs.append(run)
    return {name: list(values) for name, values in fit(runs, (), {}).stages.items()}


def main() -> None:
    """Measure and write the file."""
    settings = Settings.from_environment({**os.environ, **ONE_THREAD})
    torch.set_num_threads(1)
    time.perf_counter = time.process_time  # which the stages are timed with
    with tempfile.TemporaryDirectory(prefix="hinode-") as folder:
        measured = {name: measure(settings, name, Path(folder)) for name in SIZES}
    values = {**measured, **ASSUMED}
    coefficients = {
        name: {
            stage: [float(f"{value:.3g}") for value in (*known, *([0.0] * (len(TERMS) - len(known))))]
            for stage, known in stages.items()
        }
        for name, stages in values.items()
    }
    facts = {"terms": TERMS, "hardware": hardware(settings), "assumed": list(ASSUMED)}
    with replace_file(TARGET) as part:
        part.write_text(json.dumps({**facts, "coefficients": coefficients}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
