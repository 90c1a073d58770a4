"""Several processes that train one model, as `torchrun` starts them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from hinode.errors import BadInput
from hinode.training import data, trainer
from hinode.training.distributed.parallel import Team, join_team
from hinode.training.recipes import RECIPES
from hinode.training.run import train
from hinode.training.trainer import Trainer
from tests.training.distributed.test_sharding import move, torch_muon

CPU = torch.device("cpu")
SMOKE = RECIPES["smoke"]()
STEPS, SAVED_AT = 6, 3

WORKER = """
import copy
import sys
from pathlib import Path
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor
from hinode.training import data, trainer
from hinode.training.distributed.parallel import join_team
from hinode.training.distributed.sharding import ShardedMuon, gather_state
from tests.training.distributed.test_parallel import CPU, SAVED_AT, SMOKE, STEPS, count_bytes, train_steps
from tests.training.distributed.test_sharding import move

torch.set_num_threads(1)
trainer.compute_type = lambda device: torch.float32
data.VALIDATION_SCENES = 16
out, other, shard = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "sharded"
with join_team(CPU, shard=shard) as team:
    model = trainer.Trainer(SMOKE, out, CPU, team)
    result = {"losses": train_steps(model, range(SAVED_AT))}
    model.save()
    result["losses"] += train_steps(model, range(SAVED_AT, STEPS))
    result["weights"] = gather_state(model.model.state_dict(), keep=team.is_main)
    result["validation"] = model.validate()["validation"]
    result["bytes"] = count_bytes(model)

    second = trainer.Trainer(SMOKE, other if team.is_main else out / "nothing here", CPU, team)
    assert second.restore()
    states = gather_state([optimiser.state_dict() for optimiser in second.optimisers], keep=team.is_main)
    result["restored"] = copy.deepcopy(states)
    result["resumed"] = train_steps(second, range(SAVED_AT, STEPS))

    mesh = init_device_mesh("cpu", (team.size,))
    result["moved"] = move(
        lambda matrices: ShardedMuon(matrices, lr=0.1, weight_decay=0.01, dtype=torch.bfloat16),
        lambda matrix: distribute_tensor(matrix, mesh, [Shard(0)]),
    )
    torch.save(result, out / f"result-{team.rank}.pt")
"""


def train_steps(model: Trainer, steps: range) -> list[float]:
    losses = []
    for step in steps:
        batch = data.training_batch(model.recipe, step, 0.9, model.vocabulary, multiple=8)
        loss, _ = model.learn(batch, data.render_batch(model.team.share(batch), CPU), 1e-3)
        losses.append(float(loss.value))
    return losses


def count_bytes(model: Trainer) -> dict[str, int]:
    """Bytes that this process keeps, of each kind."""

    def size(tensors: Iterable[Any]) -> int:
        return sum(trainer.local(tensor).nbytes for tensor in tensors)

    states = [state for optimiser in model.optimisers for state in optimiser.state.values()]
    return {
        "weights": size(model.weights),
        "average": size(model.averages),
        "optimisers": sum(size(state.values()) for state in states),
    }


def torchrun(processes: int, *arguments: str) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*launcher, f"--nproc-per-node={processes}", *arguments]


def environment(**more: str) -> dict[str, str]:
    root = str(Path(__file__).parents[3])
    paths = [path for path in (root, os.environ.get("PYTHONPATH")) if path]
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths), **more}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def run_pair(*arguments: str) -> None:
    """Two processes with the environment that `torchrun` would give them, without its third process."""
    master = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [sys.executable, *arguments],
            env=environment(**master, RANK=rank, LOCAL_RANK=rank, LOCAL_WORLD_SIZE="2"),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("mode", ["whole", pytest.param("sharded", marks=pytest.mark.slow)])
def test_two_processes_learn_what_one_does(tmp_path: Path, mode: str) -> None:
    """The same losses, from the start and from each other's saved states."""
    single, pair = tmp_path / "single", tmp_path / "pair"
    single.mkdir()
    pair.mkdir()
    model = Trainer(SMOKE, single, CPU)
    losses = train_steps(model, range(SAVED_AT))
    model.save()
    losses += train_steps(model, range(SAVED_AT, STEPS))

    (tmp_path / "worker.py").write_text(WORKER)
    run_pair(str(tmp_path / "worker.py"), str(pair), str(single), mode)
    first, second = (torch.load(pair / f"result-{rank}.pt") for rank in (0, 1))
    assert first["losses"] == second["losses"] == pytest.approx(losses, rel=5e-4)
    assert first["losses"][:SAVED_AT] == pytest.approx(losses[:SAVED_AT], rel=5e-5)  # then roundings grow
    saved = torch.load(single / trainer.STATE_FILE)["optimisers"]
    for restored, optimiser in zip(first["restored"], saved, strict=True):
        assert restored["param_groups"] == optimiser["param_groups"]
        assert restored["state"].keys() == optimiser["state"].keys()
        for number, values in optimiser["state"].items():
            assert all(torch.equal(restored["state"][number][name], values[name]) for name in values)
    assert first["resumed"] == second["resumed"] == pytest.approx(losses[SAVED_AT:], rel=5e-4)
    validation = pytest.approx(model.validate()["validation"], rel=1e-3)
    assert first["validation"] == second["validation"] == validation
    resumed = Trainer(SMOKE, pair, CPU)
    assert resumed.restore()
    assert train_steps(resumed, range(SAVED_AT, STEPS)) == pytest.approx(losses[SAVED_AT:], rel=1e-4)
    # Muon makes every direction of a gradient as long as every other, the smallest and least exact too.
    ours, theirs = (
        torch.cat([part.flatten() for part in weights.values()])
        for weights in (model.model.state_dict(), first["weights"])
    )
    assert (ours - theirs).norm() < 0.01 * ours.norm()

    for kind, size in count_bytes(model).items():
        parts = [result["bytes"][kind] for result in (first, second)]
        if mode == "whole":
            assert parts == [size, size]
        else:
            assert max(parts) < 0.51 * size
            assert sum(parts) == pytest.approx(size, rel=0.01)  # each counts its steps

    expected = move(torch_muon, lambda matrix: matrix)
    for result in (first, second):
        for moved, matrix in zip(result["moved"], expected, strict=True):
            assert torch.allclose(moved, matrix, rtol=0, atol=1e-2)


@pytest.mark.slow
def test_the_command_runs_under_torchrun(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("--out", str(out), "--minutes", "0.02", "--threads", "1", "--device", "cpu")
    result = subprocess.run(
        torchrun(2, "-m", "hinode", "train", "smoke", *arguments),
        capture_output=True,
        text=True,
        env=environment(),
        timeout=280,
    )
    assert result.returncode == 0, result.stderr
    first, *_, last = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert (first["event"], first["processes"], first["sharded"]) == ("start", 2, False)
    assert last["event"] == "done"
    assert (out / "model.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("exact")
def test_shards_are_saved_at_a_signal_and_continue_in_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "VALIDATION_SCENES", 64)  # as the command has it
    arguments = ("--out", str(tmp_path), "--minutes", "50", "--threads", "1", "--device", "cpu", "--shard")
    with subprocess.Popen(
        torchrun(2, "-m", "hinode", "train", "smoke", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        reports = []
        for line in process.stdout:
            if not line.startswith("{"):  # the path of the model, at the end
                continue
            reports.append(json.loads(line))
            if len(reports) == 3:
                process.send_signal(signal.SIGTERM)
    start, first, second, *_, stopped = reports
    assert (start["event"], start["processes"], start["sharded"]) == ("start", 2, True)
    assert stopped["event"] == "stopped"
    steps = second["step"] - first["step"]
    samples = second["clips"] + second["images"] - first["clips"] - first["images"]
    assert samples == 4 * steps  # of the whole batch: the first part of this recipe is images
    assert second["samples_per_s"] == pytest.approx(4 * second["steps_per_s"], rel=0.01)
    single = Trainer(SMOKE, tmp_path, CPU)
    assert single.restore()
    assert single.progress.step == stopped["steps"] >= second["step"]
    assert single.validate()["validation"] == pytest.approx(stopped["validation"], rel=0.02)


def test_a_batch_is_shared_completely() -> None:
    batch = data.training_batch(SMOKE, 0, 0.9, data.vocabulary(), multiple=8)
    parts = [Team(rank, 2).share(batch) for rank in (0, 1)]
    assert sorted(map(id, batch.scenes)) == sorted(id(scene) for part in parts for scene in part.scenes)
    assert sum(len(part.ids) for part in parts) == len(batch.ids)
    assert sum(len(part.camera_hints) for part in parts) == len(batch.camera_hints)


def test_more_processes_than_clips_are_refused_before_the_first_step() -> None:
    Team(0, 2).check(SMOKE)
    with pytest.raises(BadInput, match=r"3 processes cannot share batches of 2 clips.*; start 2 or fewer"):
        Team(0, 3).check(SMOKE)
    with pytest.raises(BadInput, match="11 processes cannot share batches of 10 clips"):
        Team(0, 11).check(RECIPES["nano"]())


def test_a_single_process_cannot_shard(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is one; start several with torchrun") as caught:
        train("smoke", tmp_path, shard=True, device="cpu")
    assert caught.value.field == "shard"


def test_there_must_be_a_gpu_for_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "4", "LOCAL_RANK": "3"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(BadInput, match="2 GPUs for 4 processes; start 2"), join_team(torch.device("cuda")):
        pass
