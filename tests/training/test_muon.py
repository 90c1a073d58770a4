from __future__ import annotations

import pytest
import torch

from hinode.training.muon import Muon, orthogonalize
from tests.training.distributed.test_sharding import move, torch_muon

TYPES = (torch.float32, torch.bfloat16)


@pytest.mark.parametrize("dtype", TYPES)
def test_our_muon_is_torchs_in_either_type(dtype: torch.dtype) -> None:
    expected = move(torch_muon, lambda matrix: matrix)
    matrices = move(lambda some: Muon(some, lr=0.1, weight_decay=0.01, dtype=dtype), lambda matrix: matrix)
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
