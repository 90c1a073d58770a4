"""Engines of this package and of other distributions, found by their entry points."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hinode import cli, engines
from hinode.engines.protocol import EngineEntry
from hinode.engines.testcard.engine import TestcardEngine
from hinode.errors import BadInput, ModelError
from hinode.settings import Settings

OWN = ("native", "diffusers", "remote", "testcard")
ENGINE = EngineEntry(f"{__name__}:PluginEngine")


class PluginEngine(TestcardEngine):
    """The engine of another distribution."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def test_the_own_engines_are_there_the_default_first() -> None:
    assert engines.names() == OWN
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    declared = project["entry-points"][engines.GROUP]
    assert declared == {name: f"hinode.engines.{name}:ENGINE" for name in OWN}


def test_they_need_no_metadata(install_entry_points: Callable[..., None]) -> None:
    """A package that is installed in place keeps the metadata of its first version."""
    install_entry_points()
    assert engines.names() == OWN
    assert engines.get("testcard", Settings(Path())).name == "testcard"


def test_an_unknown_engine_is_refused_with_the_installed_ones(settings: Settings) -> None:
    with pytest.raises(BadInput, match="choose native, diffusers, remote or testcard") as caught:
        engines.get("sora", settings)
    assert caught.value.field == "engine"


def test_an_engine_of_another_distribution_is_one_of_them(
    install_entry_points: Callable[..., None], settings: Settings
) -> None:
    install_entry_points(plugin=f"{__name__}:ENGINE")
    assert engines.names() == (*OWN, "plugin")
    assert type(engines.get("plugin", settings)).__name__ == "PluginEngine"
    assert engines.capabilities("plugin", settings).model == "testcard"
    assert engines.models("plugin", settings) == ("testcard",)
    assert "plugin" in engines.reserved_names(settings)


def test_the_command_generates_with_it(
    install_entry_points: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINODE_HOME", str(tmp_path / "home"))
    install_entry_points(plugin=f"{__name__}:ENGINE")
    words = ["generate", "a kite", "--engine", "plugin", "--size", "64x36", "--seconds", "0.5", "--json"]
    result = CliRunner().invoke(cli.app, [*words, "-o", str(tmp_path / "kite.mp4")])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["size"] == "64x36"


@pytest.mark.parametrize(
    "target", ["hinode_is_not_installed:ENGINE", f"{__name__}:OWN", f"{__name__}:MISSING"]
)
def test_a_broken_engine_is_named_and_leaves_the_others_alone(
    install_entry_points: Callable[..., None], settings: Settings, target: str
) -> None:
    install_entry_points(plugin=target)
    with pytest.raises(ModelError, match=r"the engine plugin .*; update or remove it"):
        engines.get("plugin", settings)
    assert engines.get("testcard", settings).name == "testcard"


def test_the_registration_imports_no_torch() -> None:
    code = (
        "import sys; from hinode import engines\n"
        "for point in engines._entry_points().values(): point.load()\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
