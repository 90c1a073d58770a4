from __future__ import annotations

from pathlib import Path

import pytest

from hinode.errors import BadInput
from hinode.settings import Settings


def test_home_is_what_the_environment_says(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {"HINODE_HOME": str(tmp_path), "HINODE_THREADS": "2", "HINODE_DEVICE": "cpu"}
    )
    assert settings == Settings(tmp_path, 2, "cpu")
    assert settings.models == tmp_path / "models"
    assert settings.logs == tmp_path / "logs"


def test_without_settings_the_platform_decides() -> None:
    settings = Settings.from_environment({"HINODE_HOME": "", "HINODE_THREADS": " "})
    assert settings.home.is_absolute()
    assert settings.home.name == "hinode"
    assert (settings.threads, settings.device) == (None, None)


def test_a_relative_home_is_made_absolute() -> None:
    assert Settings.from_environment({"HINODE_HOME": "here"}).home == Path.cwd() / "here"


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "٣", "9" * 5000])
def test_threads_are_a_sensible_number(text: str) -> None:
    with pytest.raises(BadInput, match="HINODE_THREADS") as caught:
        Settings.from_environment({"HINODE_THREADS": text})
    assert caught.value.field == "HINODE_THREADS"
    assert len(str(caught.value)) < 200


def test_a_device_is_one_that_torch_could_have() -> None:
    assert Settings.from_environment({"HINODE_DEVICE": "cuda:1"}).device == "cuda:1"
    with pytest.raises(BadInput, match="HINODE_DEVICE"):
        Settings.from_environment({"HINODE_DEVICE": "toaster"})
