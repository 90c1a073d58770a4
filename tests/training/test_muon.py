from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from hinode.training.muon import Muon, orthogonalize

TYPES = (torch.float32, torch.bfloat16)
SHAPES = ((24, 40), (40, 24), (16, 16))

Matrices = list[torch.nn.Parameter]


def move(make: Callable[[Matrices], torch.optim.Optimizer]) -> list[torch.Tensor]:
    """Some matrices after two steps of an optimiser."""
    generator = torch.Generator().manual_seed(3)
    matrices = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]
    optimiser = make(matrices)
    for _ in range(2):
        for matrix in matrices:
            matrix.grad = torch.randn(matrix.shape, generator=generator)
        optimiser.step()
    return [matrix.detach() for matrix in matrices]


def torch_muon(matrices: Matrices) -> torch.optim.Optimizer:
    return torch.optim.Muon(matrices, lr=0.1, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")


@pytest.mark.parametrize("dtype", TYPES)
def test_our_muon_is_torchs_in_either_type(dtype: torch.dtype) -> None:
    expected = move(torch_muon)
    matrices = move(lambda some: Muon(some, lr=0.1, weight_decay=0.01, dtype=dtype))
    # bfloat16, and versions of torch differ
    assert all(torch.allclose(a, b, rtol=0, atol=1e-2) for a, b in zip(matrices, expected, strict=True))


def test_muon_computes_in_its_type() -> None:
    matrix = torch.randn(24, 40, generator=torch.Generator().manual_seed(1))
    group = {"ns_coefficients": (3.4445, -4.775, 2.0315), "ns_steps": 5, "eps": 1e-7}
    exact, rough = (orthogonalize(matrix.to(type), group) for type in TYPES)
    assert (exact.dtype, rough.dtype) == TYPES
    assert 1e-4 < (exact - rough.float()).abs().max() < 2e-2
    values = torch.linalg.svdvals(exact)
    assert 0.5 < values.min() < values.max() < 1.5
