from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hinode.directing.engine import DirectedEngine
from hinode.engines.native.engine import NativeEngine
from hinode.settings import Settings
from hinode.training.data import vocabulary
from tests.tiny_model import save_tiny_model, tiny_config, tiny_model


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the model "toy", which reads control channels, and "basic", which does not: it takes a
    first frame and a guide, and no other reference."""
    words = vocabulary()
    config = tiny_config(len(words), control=True)
    home = tmp_path_factory.mktemp("home")
    facts = {"shapes": [[25, 8, 32, 32], [25, 8, 64, 32]], "sampling": {"steps": 3, "guidance": 2.0}}
    model = tiny_model(config, seed=4, std=0.05)
    save_tiny_model(home / "models" / "toy.safetensors", model, words, facts)
    basic = tiny_model(dataclasses.replace(config, control=False), seed=4, std=0.05)
    save_tiny_model(home / "models" / "basic.safetensors", basic, words, facts)
    return home


@pytest.fixture(scope="session")
def settings(home: Path) -> Settings:
    return Settings(home=home, threads=1, device="cpu")


@pytest.fixture
def engine(settings: Settings) -> DirectedEngine:
    return DirectedEngine(NativeEngine(settings))
