"""Two processes that train one drawing network, as `torchrun` starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hinode.errors import BadInput
from hinode.training.parallel import join_team

ROOT = Path(__file__).parents[3]

GRADIENTS = """
import os
import torch
from hinode.training.parallel import join_team

with join_team(torch.device("cpu")) as team:
    first, second = (torch.nn.Parameter(torch.zeros(3)) for _ in range(2))
    first.grad = torch.full((3,), float(team.rank + 1))
    if team.is_main:  # the other process saw nothing that this parameter is for
        second.grad = torch.ones(3)
    team.average_gradients([first, second])
    clock, stop = team.agree(7.0 + team.rank, team.rank == 1)
    line = f"{first.grad[0].item()} {second.grad[0].item()} {clock} {stop}\\n"
    os.write(1, line.encode())  # at once: the lines of two processes must not mix
"""


def torchrun(*arguments: str) -> str:
    """Standard output of two processes; they are started as `torchrun` does it."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [*launcher, *arguments], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_processes_average_gradients_and_agree(tmp_path: Path) -> None:
    script = tmp_path / "gradients.py"
    script.write_text(GRADIENTS)
    assert torchrun(str(script)).splitlines() == ["1.5 0.5 7.0 True"] * 2


@pytest.mark.slow
def test_two_processes_train_one_network(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ("train", "drawing-smoke", "--minutes", "0.1", "--threads", "1", "--device", "cpu")
    torchrun("-m", "hinode", *words, "--out", str(out))
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert lines[0] == {"event": "start", "recipe": "drawing-smoke", "processes": 2}
    progress = torch.load(out / "state.pt")["progress"]
    assert progress["images"] % 2 == progress["clips"] % 2 == 0
    assert progress["step"] > 0


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "3", "LOCAL_RANK": "2", "LOCAL_WORLD_SIZE": "3"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(BadInput, match="2 GPUs for 3 processes"), join_team(torch.device("cuda")):
        pass
