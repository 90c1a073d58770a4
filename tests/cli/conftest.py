from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hinode import cli
from hinode.settings import Settings

Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in an empty folder, with the toy model."""
    monkeypatch.setenv("HINODE_HOME", str(settings.home))
    monkeypatch.setenv("HINODE_DEVICE", "cpu")
    monkeypatch.setenv("HINODE_THREADS", "1")
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return lambda *words: CliRunner().invoke(cli.app, [str(word) for word in words])
