from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from hinode.training import loop


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by which every step takes 150 ms: runs take the same steps on any machine."""
    ticks = itertools.count()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(ticks) * 0.15))
