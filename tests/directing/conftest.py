from __future__ import annotations

from pathlib import Path

import pytest

from hinode.directing.engine import DirectedEngine
from hinode.engines.native.engine import NativeEngine
from hinode.settings import Settings
from tests.tiny_book import save_tiny_book


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the model "toy"."""
    home = tmp_path_factory.mktemp("home")
    save_tiny_book(home / "models" / "toy.safetensors", shapes=((41, 8, 32, 32), (41, 8, 64, 32)), seed=4)
    return home


@pytest.fixture(scope="session")
def settings(home: Path) -> Settings:
    return Settings(home=home, threads=1, device="cpu")


@pytest.fixture
def engine(settings: Settings) -> DirectedEngine:
    return DirectedEngine(NativeEngine(settings))
