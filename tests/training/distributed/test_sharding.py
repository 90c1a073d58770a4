"""Rows of matrices, owners, and the optimiser that shares the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist

from hinode.training.distributed.sharding import ShardedMuon, owners, rows

SHAPES = ((96, 32), (32, 96), (7, 16), (1, 8), (64, 64))
"""Of matrices, some of which two processes cannot halve."""

Matrices = list[torch.nn.Parameter]


def move(
    make: Callable[[Matrices], torch.optim.Optimizer], place: Callable[[torch.Tensor], torch.Tensor]
) -> list[torch.Tensor]:
    """Some matrices after two steps of an optimiser."""
    generator = torch.Generator().manual_seed(3)
    matrices = [torch.nn.Parameter(place(torch.randn(shape, generator=generator))) for shape in SHAPES]
    optimiser = make(matrices)
    for _ in range(2):
        for matrix, shape in zip(matrices, SHAPES, strict=True):
            matrix.grad = place(torch.randn(shape, generator=generator))
        optimiser.step()
    full: list[Any] = [m.full_tensor() if hasattr(m, "full_tensor") else m for m in matrices]
    return [matrix.detach() for matrix in full]


def torch_muon(matrices: Matrices) -> torch.optim.Optimizer:
    return torch.optim.Muon(matrices, lr=0.1, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")


def test_rows_are_divided_as_tensors_are() -> None:
    for count in range(20):
        for processes in range(1, 7):
            parts = [len(part) for part in torch.arange(count).chunk(processes)] if count else []
            assert rows(count, processes) == parts + [0] * (processes - len(parts))


def test_the_work_of_orthogonalizing_is_shared() -> None:
    shapes = [(768, 256), (256, 256), (1024, 256), (256, 1024)] * 8
    owner = owners(shapes, 4)
    work = [sum(a * b for (a, b), n in zip(shapes, owner, strict=True) if n == rank) for rank in range(4)]
    assert max(work) < 1.1 * min(work)
    assert owners(shapes, 1) == [0] * len(shapes)


def test_a_single_process_may_use_the_sharded_optimiser() -> None:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        sharded = move(
            lambda matrices: ShardedMuon(matrices, lr=0.1, weight_decay=0.01, dtype=torch.float32),
            lambda matrix: matrix,
        )
    finally:
        dist.destroy_process_group()
    expected = move(torch_muon, lambda matrix: matrix)
    assert all(torch.allclose(a, b, rtol=0, atol=1e-2) for a, b in zip(sharded, expected, strict=True))
