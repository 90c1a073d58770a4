"""Plain diffusers against `standard` and `draft` on a GPU, with a network of the size of Wan 2.1 1.3B.

The weights are random, which suffices for timing but for one thing: how often blocks can be reused between
steps depends on what the weights draw, so `full` shows `standard` without that. MFU is the share of the GPU's
dense bfloat16 rate that the passes make use of, whatever type they compute in; the operations are counted by
the formula in `Geometry.operations`.
"""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks.drawing import TOY, WAN_1_3B
from benchmarks.profiles import arguments, table, tell

RATES = {"B200": 2250e12, "H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12, "GH200": 989e12}
RATES |= {"L40S": 362e12, "RTX 4090": 165e12, "A100": 312e12, "L4": 121e12}
"""Dense bfloat16 operations in a second by the makers' data sheets; the first name that fits counts."""
MATRIX = 8192
TARGETS = {"standard": 2.0, "few": 10.0, "few-draft": 10.0}
"""How many times as quick as plain diffusers, warm."""
LINES = ["plain", "full", "standard", "few", "few-draft"]


def main(words: list[str]) -> None:
    """Measure and print; without a GPU say so and end with status 2."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description=__doc__.split("\n")[0])
    arguments(parser, steps=30)
    parser.add_argument("--toy", action="store_true", help="a toy network on the processor, to try the road")
    asked = parser.parse_args(words)
    import torch

    if asked.toy:
        asked.steps, asked.warm = min(asked.steps, 4), min(asked.warm, 1)
        asked.only = asked.only or ["plain", "standard", "few-draft"]
        torch.set_num_threads(1)
        tell(table(TOY, asked, device="cpu", threads=1), asked, "processor, 1 thread", _matrices("cpu", 512))
        return
    if not torch.cuda.is_available():
        print("there is no GPU that PyTorch can use here; --toy tries the road without one", file=sys.stderr)
        sys.exit(2)
    name = torch.cuda.get_device_name()
    known = next((rate for part, rate in RATES.items() if part in name), 0.0)
    asked.only = asked.only or LINES
    ceiling = known or _matrices("cuda", MATRIX)
    torch.cuda.empty_cache()
    source = "by its data sheet" if known else "as large matrix products were measured"
    found = table(WAN_1_3B, asked, device="cuda", threads=torch.get_num_threads())
    machine = f"{name}, {ceiling / 1e12:.0f} T operations a second {source}, PyTorch {torch.__version__}"
    tell(found, asked, machine, ceiling)
    if not asked.json:
        for row, target in TARGETS.items():
            line = found["lines"].get(row)
            if line and line["warm_ratio"]:
                print(f"{row}: {line['warm_ratio']:.2f}x (target: {target:g}x)")


def _matrices(device: str, side: int) -> float:
    """Operations in a second in large products of random matrices in bfloat16."""
    import torch

    one, other = (torch.randn(side, side, device=device).to(torch.bfloat16) for _ in range(2))
    best = 0.0
    for _ in range(10):
        start = time.perf_counter()
        product = one @ other
        product[0, 0].item()  # waits for the device
        best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best
