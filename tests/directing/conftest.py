from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
import torch

from hinode.directing.engine import DirectedEngine
from hinode.engines.native.engine import NativeEngine
from hinode.model import checkpoint
from hinode.model.dit import DiT, DiTConfig
from hinode.settings import Settings
from hinode.training.data import vocabulary


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a network of toy size lies that reads hints; what it draws is noise, but it keeps what it is
    given."""
    words = vocabulary()
    config = DiTConfig(
        vocabulary=len(words),
        fine_width=64,
        fine_out=1,
        width=64,
        depth=1,
        text_width=64,
        text_depth=1,
        conditioning=64,
        hints=True,
    )
    torch.manual_seed(4)
    model = DiT(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    home = tmp_path_factory.mktemp("home")
    (home / "models").mkdir()
    facts = {"shapes": [[25, 8, 32, 32], [25, 8, 64, 32]], "sampling": {"steps": 3, "guidance": 2.0}}
    checkpoint.save(home / "models" / "toy.safetensors", model.state_dict(), config, words, facts)
    # The same without hints: it is given a first frame and footage to draw over, and no more.
    plain = dataclasses.replace(config, hints=False)
    state = {name: value for name, value in model.state_dict().items() if name != "hints.weight"}
    checkpoint.save(home / "models" / "unhinted.safetensors", state, plain, words, facts)
    return home


@pytest.fixture(scope="session")
def settings(home: Path) -> Settings:
    return Settings.from_environment({**os.environ, "HINODE_HOME": str(home)})


@pytest.fixture
def engine(settings: Settings) -> DirectedEngine:
    return DirectedEngine(NativeEngine(settings))
