"""The benchmarks of this engine go their whole way on a processor; what they print is not judged."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from benchmarks import gpu, overhead
from benchmarks.drawing import TOY, WAN_1_3B


def test_the_overhead_is_measured_in_turns() -> None:
    found = overhead.measure(pairs=2, cold=0, steps=2, geometry=TOY)
    assert {name: one["pairs"] for name, one in found["ratios"].items()} == {
        "warm, end to end": 2,
        "warm, processor": 2,
        "warm, sampling": 2,
    }
    for one in found["ratios"].values():
        assert one["range"][0] <= one["ratio"] <= one["range"][1]
        assert one["plain"] > 0


def test_the_gpus_road_can_be_gone_without_one() -> None:
    words = [
        sys.executable,
        "-m",
        "benchmarks",
        "gpu",
        "--toy",
        "--json",
        "--only",
        "few-draft",
        "--warm",
        "1",
    ]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = json.loads(done.stdout.splitlines()[-1])
    draft = found["lines"]["few-draft"]
    assert (draft["steps"], draft["passes"], draft["reused"], draft["drawn"]) == (4, 4, 0, "96x64")
    assert draft["cold"] > draft["warm"] > draft["stages"]["sample"] > 0
    assert draft["mfu"] > 0
    assert draft["bytes"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        gpu.main([])
    assert caught.value.code == 2
    assert "there is no GPU" in capsys.readouterr().err


def test_operations_are_those_of_the_published_network() -> None:
    assert WAN_1_3B.tokens == 21 * 30 * 52
    # 198 T of them are the products of self-attention, which grow with the square of the tokens.
    assert WAN_1_3B.operations() == pytest.approx(283e12, rel=0.01)
    assert WAN_1_3B.operations(layers=1) * 30 == WAN_1_3B.operations()
