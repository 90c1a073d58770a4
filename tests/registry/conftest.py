"""A home without models, and a small checkpoint beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.registry.checkpoints import write_pipeline


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_pipeline(tmp_path / "my weights")
