from __future__ import annotations

import itertools
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from hinode.training import data, distillation, loop, trainer


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """float32 on any machine and one thread, so that numbers can be compared; a small validation set."""
    for module in (trainer, distillation):
        monkeypatch.setattr(module, "compute_type", lambda device: torch.float32)
    monkeypatch.setattr(data, "VALIDATION_SCENES", 16)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by which every step takes 150 ms: runs take the same steps on any machine."""
    ticks = itertools.count()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(ticks) * 0.15))
