"""How well the memory plan of the diffusers engine foretells the peak, on a toy network of real weight.

Each case is a process of its own: the growth of its resident memory from just before the model is loaded to
the end of the clip, beside what the plan said.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

CASES = ((128, 128, 9, 0.0), (192, 128, 9, 0.0), (192, 192, 9, 0.0), (256, 192, 17, 0.0), (192, 192, 9, 2.2))
"""Width, height, frames, and gigabytes that the plan is told there are; 0 for plenty."""
FAMILY = "wan2.1-t2v"
EVERY_SECONDS = 0.004


def main(words: list[str]) -> None:
    """Measure every case, or the one of `--case` in this process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks memory")
    parser.add_argument("--json", action="store_true", help="one JSON object a case")
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.case is not None:
        print(json.dumps(measured(options.folder, *CASES[options.case])))
        return
    with tempfile.TemporaryDirectory() as place:
        for number in range(len(CASES)):
            command = [sys.executable, "-m", "benchmarks", "memory", "--case", str(number), "--folder", place]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            found = json.loads(done.stdout.splitlines()[-1])
            if options.json:
                print(json.dumps(found))
            else:
                print(
                    "{clip}: predicted {predicted:.2f} GB, measured {measured:.2f} GB, "
                    "ratio {ratio:.3f}; {plan}".format(**found)
                )


def measured(folder: Path, width: int, height: int, frames: int, gigabytes: float) -> dict[str, object]:
    """Draw one clip and watch the memory."""
    import psutil

    from hinode.engines import registry
    from hinode.engines.diffusers.engine import DiffusersEngine
    from hinode.engines.diffusers.plan import Room
    from hinode.engines.families import FAMILIES
    from hinode.request import Request
    from hinode.settings import Settings

    source = folder / "model"
    if not source.is_dir():
        # Not here: what building it leaves behind would count as ours.
        subprocess.run(
            [sys.executable, "-c", f"import benchmarks.memory as m; m.build({str(source)!r})"], check=True
        )
    files = {file.relative_to(source).as_posix(): "0" * 64 for file in source.rglob("*") if file.is_file()}
    entry = registry.Entry("large", "diffusers", FAMILY, str(source), "", files, "best", (), "Apache-2.0")
    registry.save(entry, folder / "home")
    room = Room(int((gigabytes or 1000) * 1e9), int((gigabytes or 1000) * 1e9))
    engine = DiffusersEngine(Settings(home=folder / "home", threads=1, device="cpu"), room=room)
    seconds = frames / FAMILIES[FAMILY].fps
    request = Request("a red balloon", width, height, seconds, engine="diffusers", model="large", steps=1)
    run = engine.start(request)
    import diffusers
    import transformers

    # Code is not what the plan is about.
    _ = diffusers.WanPipeline, diffusers.AutoencoderKLWan, diffusers.WanTransformer3DModel
    _ = transformers.UMT5EncoderModel
    me = psutil.Process()
    gc.collect()
    before = most = me.memory_info().rss
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(EVERY_SECONDS):
            most = max(most, me.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in run:
        pass
    over.set()
    watcher.join()
    return {
        "clip": f"{width}x{height}, {frames} frames",
        "plan": run.plan.place.value,
        "predicted": run.plan.peak / 1e9,
        "measured": (most - before) / 1e9,
        "ratio": run.plan.peak / (most - before),
    }


def build(folder: str) -> None:
    """Write a Wan of twelve layers with 1.5 GB of weights in bfloat16."""
    import diffusers
    import torch

    from tests.engines.diffusers import parts, toy_wan

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    diffusers.WanPipeline(
        tokenizer=parts.tokenizer(),
        text_encoder=parts.t5(),
        vae=toy_wan.wan_vae(base_dim=32, dim_mult=[1, 2, 4, 4], num_res_blocks=2),
        scheduler=toy_wan.unipc(3.0),
        transformer=toy_wan.wan_transformer(32, num_layers=12, ffn_dim=6144),
    ).save_pretrained(folder)
