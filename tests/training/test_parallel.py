"""Several processes that train one model, as `torchrun` starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from hinode.errors import BadInput
from hinode.training import data, trainer
from hinode.training.distributed.parallel import Team, joined
from hinode.training.distributed.sharding import ShardedMuon, owners, rows
from hinode.training.muon import Muon, orthogonal
from hinode.training.recipes import RECIPES
from hinode.training.trainer import Trainer, train

CPU = torch.device("cpu")
TYPES = (torch.float32, torch.bfloat16)
SMOKE = RECIPES["smoke"]()
STEPS, SAVED_AT = 6, 3
SHAPES = ((96, 32), (32, 96), (7, 16), (1, 8), (64, 64))
"""Of matrices, some of which two processes cannot cut in half."""

CURVE = """
import copy
import sys
from pathlib import Path
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor
from hinode.training import trainer
from hinode.training.distributed.parallel import joined
from hinode.training.distributed.sharding import ShardedMuon, put_together
from tests.training.test_parallel import CPU, SAVED_AT, SHAPES, SMOKE, STEPS, held, learn, moved_by

torch.set_num_threads(1)
trainer.compute_type = lambda device: torch.float32
out, other, shard = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "sharded"
with joined(CPU, shard=shard) as team:
    student = trainer.Trainer(SMOKE, out, CPU, team)
    found = {"costs": learn(student, range(SAVED_AT))}
    student.save()
    found["costs"] += learn(student, range(SAVED_AT, STEPS))
    found["weights"] = put_together(student.model.state_dict(), keep=team.leads)
    found["validation"] = student.validate()["validation"]
    found["bytes"] = held(student)

    follower = trainer.Trainer(SMOKE, other if team.leads else out / "nothing here", CPU, team)
    assert follower.restore()
    restored = put_together([one.state_dict() for one in follower.optimisers], keep=team.leads)
    found["restored"] = copy.deepcopy(restored)
    found["resumed"] = learn(follower, range(SAVED_AT, STEPS))

    mesh = init_device_mesh("cpu", (team.size,))
    found["moved"] = moved_by(
        lambda matrices: ShardedMuon(matrices, lr=0.1, weight_decay=0.01, dtype=torch.bfloat16),
        lambda matrix: distribute_tensor(matrix, mesh, [Shard(0)]),
    )
    torch.save(found, out / f"found-{team.rank}.pt")
"""


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """float32 on any machine, and one thread, so that numbers can be compared."""
    monkeypatch.setattr(trainer, "compute_type", lambda device: torch.float32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def learn(student: Trainer, steps: range) -> list[float]:
    costs = []
    for step in steps:
        script = data.step_script(student.recipe, step, 0.9, student.vocabulary, multiple=8)
        result, _ = student.learn(script, data.draw(student.team.share(script), CPU), 1e-3)
        costs.append(float(result.value))
    return costs


def held(student: Trainer) -> dict[str, int]:
    """Bytes that this process keeps, of each kind."""

    def size(tensors: Any) -> int:
        return sum(trainer.local(one).nbytes for one in tensors)

    states = [state for optimiser in student.optimisers for state in optimiser.state.values()]
    return {
        "weights": size(student.weights),
        "average": size(student.averages),
        "optimisers": sum(size(state.values()) for state in states),
    }


def moved_by(optimiser: Any, placed: Any) -> list[torch.Tensor]:
    """Where two steps of an optimiser bring some matrices."""
    draw = torch.Generator().manual_seed(3)
    matrices = [torch.nn.Parameter(placed(torch.randn(shape, generator=draw))) for shape in SHAPES]
    steps = optimiser(matrices)
    for _ in range(2):
        for matrix, shape in zip(matrices, SHAPES, strict=True):
            matrix.grad = placed(torch.randn(shape, generator=draw))
        steps.step()
    full = [one.full_tensor() if hasattr(one, "full_tensor") else one for one in matrices]
    return [one.detach() for one in full]


def command(processes: int, *arguments: str) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*launcher, f"--nproc-per-node={processes}", *arguments]


def environment() -> dict[str, str]:
    here = str(Path(__file__).parents[2])
    paths = [path for path in (here, os.environ.get("PYTHONPATH")) if path]
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}


def launched(processes: int, *arguments: str) -> None:
    done = subprocess.run(
        command(processes, *arguments), capture_output=True, text=True, env=environment(), timeout=280
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("how", ["whole", "sharded"])
def test_two_processes_learn_what_one_does(tmp_path: Path, exact: None, how: str) -> None:
    """The same losses, from the start and from each other's saved states."""
    alone, together = tmp_path / "one", tmp_path / "two"
    alone.mkdir()
    together.mkdir()
    one = Trainer(SMOKE, alone, CPU)
    costs = learn(one, range(SAVED_AT))
    one.save()
    costs += learn(one, range(SAVED_AT, STEPS))

    (tmp_path / "curve.py").write_text(CURVE)
    launched(2, str(tmp_path / "curve.py"), str(together), str(alone), how)
    first, second = (torch.load(together / f"found-{rank}.pt") for rank in (0, 1))
    assert first["costs"] == second["costs"] == pytest.approx(costs, rel=5e-4)
    assert first["costs"][:SAVED_AT] == pytest.approx(costs[:SAVED_AT], rel=5e-5)  # then roundings grow
    saved = torch.load(alone / trainer.STATE_FILE)["optimisers"]
    for restored, optimiser in zip(first["restored"], saved, strict=True):
        assert restored["param_groups"] == optimiser["param_groups"]
        assert restored["state"].keys() == optimiser["state"].keys()
        for number, values in optimiser["state"].items():
            assert all(torch.equal(restored["state"][number][name], values[name]) for name in values)
    assert first["resumed"] == second["resumed"] == pytest.approx(costs[SAVED_AT:], rel=5e-4)
    assert (
        first["validation"] == second["validation"] == pytest.approx(one.validate()["validation"], rel=1e-3)
    )
    follower = Trainer(SMOKE, together, CPU)
    assert follower.restore()
    assert learn(follower, range(SAVED_AT, STEPS)) == pytest.approx(costs[SAVED_AT:], rel=1e-4)
    # Muon makes every direction of a gradient as long as every other, the smallest and least exact too.
    mine, theirs = (
        torch.cat([part.flatten() for part in weights.values()])
        for weights in (one.model.state_dict(), first["weights"])
    )
    assert (mine - theirs).norm() < 0.01 * mine.norm()

    whole = held(one)
    for kind, size in whole.items():
        parts = [found["bytes"][kind] for found in (first, second)]
        if how == "whole":
            assert parts == [size, size]
        else:
            assert max(parts) < 0.51 * size
            assert sum(parts) == pytest.approx(size, rel=0.01)  # each counts its steps

    exactly = moved_by(
        lambda matrices: torch.optim.Muon(
            matrices, lr=0.1, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
        ),
        lambda matrix: matrix,
    )
    for found in (first, second):
        for ours, muons in zip(found["moved"], exactly, strict=True):
            assert torch.allclose(ours, muons, rtol=0, atol=1e-2)


def test_the_command_runs_under_torchrun(tmp_path: Path) -> None:
    out = tmp_path / "out"
    launched(
        2, "-m", "hinode", "train", "smoke", "--out", str(out), "--minutes", "0.02", "--threads", "1",
        "--device", "cpu",
    )  # fmt: skip
    first, *_, last = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert (first["event"], first["processes"], first["sharded"]) == ("start", 2, False)
    assert last["event"] == "done"
    assert (out / "model.safetensors").is_file()


def test_shards_are_saved_at_a_signal_and_go_on_alone(tmp_path: Path, exact: None) -> None:
    words = ("train", "smoke", "--out", str(tmp_path), "--minutes", "50", "--threads", "1", "--device", "cpu")
    with subprocess.Popen(
        command(2, "-m", "hinode", *words, "--shard"),
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
    start, one, two, *_, stopped = reports
    assert (start["event"], start["processes"], start["sharded"]) == ("start", 2, True)
    assert stopped["event"] == "stopped"
    steps, samples = two["step"] - one["step"], two["clips"] + two["images"] - one["clips"] - one["images"]
    assert samples == 4 * steps  # of the whole batch: the first part of this recipe is images
    assert two["samples_per_s"] == pytest.approx(4 * two["steps_per_s"], rel=0.01)
    alone = Trainer(SMOKE, tmp_path, CPU)
    assert alone.restore()
    assert alone.progress.step == stopped["steps"] >= two["step"]
    assert alone.validate()["validation"] == pytest.approx(stopped["validation"], rel=0.02)


def test_a_batch_is_shared_out_whole() -> None:
    script = data.step_script(SMOKE, 0, 0.9, data.vocabulary(), multiple=8)
    parts = [Team(rank, 2).share(script) for rank in (0, 1)]
    assert sorted(map(id, script.scenes)) == sorted(id(one) for part in parts for one in part.scenes)
    assert sum(len(part.ids) for part in parts) == len(script.ids)


def test_more_processes_than_clips_are_refused_before_the_first_step() -> None:
    Team(0, 2).check(SMOKE)
    with pytest.raises(BadInput, match=r"3 processes cannot share batches of 2 clips.*; start 2 or fewer"):
        Team(0, 3).check(SMOKE)
    with pytest.raises(BadInput, match="11 processes cannot share batches of 10 clips"):
        Team(0, 11).check(RECIPES["nano"]())


def test_one_process_cannot_share_its_weights_out(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is one; start several with torchrun") as caught:
        train("smoke", tmp_path, shard=True, device="cpu")
    assert caught.value.field == "shard"


def test_there_must_be_a_gpu_for_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "4", "LOCAL_RANK": "3"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(BadInput, match="2 GPUs for 4 processes; start 2"), joined(torch.device("cuda")):
        pass


def test_rows_are_cut_as_tensors_are() -> None:
    for count in range(20):
        for processes in range(1, 7):
            parts = [len(part) for part in torch.arange(count).chunk(processes)] if count else []
            assert rows(count, processes) == parts + [0] * (processes - len(parts))


def test_the_work_of_making_orthogonal_is_shared() -> None:
    shapes = [(768, 256), (256, 256), (1024, 256), (256, 1024)] * 8
    owner = owners(shapes, 4)
    work = [sum(a * b for (a, b), one in zip(shapes, owner, strict=True) if one == rank) for rank in range(4)]
    assert max(work) < 1.1 * min(work)
    assert owners(shapes, 1) == [0] * len(shapes)


@pytest.mark.parametrize("dtype", TYPES)
def test_our_muon_is_torchs_in_either_type(dtype: torch.dtype) -> None:
    muons = moved_by(
        lambda some: torch.optim.Muon(some, lr=0.1, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        lambda matrix: matrix,
    )
    ours = moved_by(lambda some: Muon(some, lr=0.1, weight_decay=0.01, dtype=dtype), lambda matrix: matrix)
    # bfloat16, and versions of torch differ
    assert all(torch.allclose(a, b, rtol=0, atol=1e-2) for a, b in zip(ours, muons, strict=True))


def test_muon_computes_in_its_type() -> None:
    matrix = torch.randn(24, 40, generator=torch.Generator().manual_seed(1))
    exact, rough = (orthogonal(matrix.to(type), (3.4445, -4.775, 2.0315), 5, 1e-7) for type in TYPES)
    assert (exact.dtype, rough.dtype) == TYPES
    assert 1e-4 < (exact - rough.float()).abs().max() < 2e-2
    values = torch.linalg.svdvals(exact)
    assert 0.5 < values.min() < values.max() < 1.5


def test_a_single_process_may_use_the_sharded_optimiser() -> None:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        ours = moved_by(
            lambda some: ShardedMuon(some, lr=0.1, weight_decay=0.01, dtype=torch.float32),
            lambda matrix: matrix,
        )
    finally:
        dist.destroy_process_group()
    muons = moved_by(
        lambda some: torch.optim.Muon(some, lr=0.1, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        lambda matrix: matrix,
    )
    assert all(torch.allclose(a, b, rtol=0, atol=1e-2) for a, b in zip(ours, muons, strict=True))
