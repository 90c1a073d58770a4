"""The benchmark of the engine's overhead runs on a processor; its figures are not judged."""

from __future__ import annotations

import pytest

from benchmarks import overhead
from benchmarks.diffusers_speed import TINY


@pytest.mark.slow
def test_plain_diffusers_and_the_engine_are_measured_in_turns() -> None:
    result = overhead.measure(pairs=2, cold=0, steps=2, geometry=TINY)
    assert {name: ratio["pairs"] for name, ratio in result["ratios"].items()} == {
        "warm, end to end": 2,
        "warm, processor": 2,
        "warm, sampling": 2,
    }
    for ratio in result["ratios"].values():
        assert ratio["range"][0] <= ratio["ratio"] <= ratio["range"][1]
        assert ratio["plain"] > 0
