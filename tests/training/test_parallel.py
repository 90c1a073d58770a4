"""Several processes that train one model, as `torchrun` starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hinode.errors import BadInput
from hinode.training import data
from hinode.training.parallel import Team
from hinode.training.recipes import RECIPES

STEPS = 6
CURVE = f"""
import dataclasses, sys
from pathlib import Path
import torch
from hinode.training import data, trainer
from hinode.training.parallel import joined
from hinode.training.recipes import RECIPES

torch.set_num_threads(1)
trainer.compute_type = lambda device: torch.float32
cpu = torch.device("cpu")
with joined(cpu) as team:
    student = trainer.Trainer(RECIPES["smoke"](), Path(sys.argv[1]), cpu, team)
    costs = []
    for step in range({STEPS}):
        script = data.step_script(student.recipe, step, 0.9, student.vocabulary, multiple=8)
        result, norm = student.learn(script, data.draw(team.share(script), cpu), 1e-3)
        counted = (result.levels < 1).sum().float()
        both = team.add(torch.stack((result.value.detach() * counted, counted)))
        costs.append((both[0] / both[1]).item())
    if team.leads:
        torch.save({{"costs": costs, "weights": student.model.state_dict()}}, sys.argv[1] + "/curve.pt")
"""


def launched(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *arguments], check=True, capture_output=True, text=True, env=environment, timeout=300
    )


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    (tmp_path / "curve.py").write_text(CURVE)
    found = {}
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        launched(processes, str(tmp_path / "curve.py"), str(folder))
        found[processes] = torch.load(folder / "curve.pt")
    assert found[1]["costs"] == pytest.approx(found[2]["costs"], rel=1e-4)
    # Muon makes every direction of a gradient as long as every other, the smallest and least exact too.
    one, two = (torch.cat([part.flatten() for part in found[n]["weights"].values()]) for n in (1, 2))
    assert (one - two).norm() < 0.01 * one.norm()


def test_the_command_runs_under_torchrun(tmp_path: Path) -> None:
    out = tmp_path / "out"
    launched(
        2, "-m", "hinode", "train", "smoke", "--out", str(out), "--minutes", "0.02", "--threads", "1",
        "--device", "cpu",
    )  # fmt: skip
    first, *_, last = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert (first["event"], first["processes"]) == ("start", 2)
    assert last["event"] == "done"
    assert (out / "model.safetensors").is_file()


def test_a_batch_is_shared_out_whole() -> None:
    recipe = RECIPES["smoke"]()
    script = data.step_script(recipe, 0, 0.9, data.vocabulary(), multiple=8)
    parts = [Team(rank, 2).share(script) for rank in (0, 1)]
    assert sorted(map(id, script.scenes)) == sorted(id(one) for part in parts for one in part.scenes)
    assert sum(len(part.ids) for part in parts) == len(script.ids)
    with pytest.raises(BadInput, match="9 processes cannot share batches of"):
        Team(8, 9).share(script)
