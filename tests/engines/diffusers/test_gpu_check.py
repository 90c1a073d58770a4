"""The GPU check goes through all of its parts with a tiny network on a processor."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu_check
from benchmarks.diffusers_speed import WAN_1_3B
from benchmarks.gpu_check.command import PARTS


def run(folder: Path, *options: str) -> None:
    command = [sys.executable, "-m", "benchmarks", "gpu-check", "--tiny", "--out", str(folder), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_every_part_succeeds_and_the_best_equals_plain_diffusers(tmp_path: Path) -> None:
    run(tmp_path, "--budget", "280")
    values = json.loads((tmp_path / "gpu-check.json").read_text())
    assert {name: values[f"{name}.status"] for name in PARTS} == dict.fromkeys(PARTS, "ok")
    assert values["best1"]["difference"] == "max 0 mean 0.000"
    first, second = (plan["plan"].split(";")[0] for plan in values["second-plan"]["plans"])
    assert first == second
    for name in ("resident", "resumed after step 2", "staged", "turns", "resident again"):
        assert values[f"residences.{name}"]["difference"] == "max 0 mean 0.000"
    assert values["standard"]["values"]["standard warm, every pass in full"]["execution"].startswith(
        "compiled"
    )


@pytest.mark.slow
def test_the_profiles_are_measured_by_the_same_command(tmp_path: Path) -> None:
    run(tmp_path, "--only", "profiles")
    lines = json.loads((tmp_path / "profiles.json").read_text())["lines"]
    draft = lines["few-draft"]
    assert (draft["steps"], draft["passes"], draft["reused"], draft["size"]) == (4, 4, 0, "96x64")
    assert draft["cold"] > draft["warm"] > draft["stages"]["sample"] > 0
    assert draft["rate"] > 0
    assert draft["bytes"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        gpu_check.main([])
    assert caught.value.code == 2
    assert "there is no GPU" in capsys.readouterr().err


def test_operations_are_those_of_the_published_network() -> None:
    assert WAN_1_3B.tokens == 21 * 30 * 52
    # 198 T of them are the products of self-attention, which grow with the square of the tokens.
    assert WAN_1_3B.operations() == pytest.approx(283e12, rel=0.01)
    assert WAN_1_3B.operations(layers=1) * 30 == WAN_1_3B.operations()
