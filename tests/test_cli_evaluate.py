"""`hinode train` and `hinode evaluate` from their options to their output."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hinode import cli
from hinode.settings import Settings

Run = Callable[..., Any]


@pytest.fixture
def run(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in an empty folder, with the toy model."""
    monkeypatch.setenv("HINODE_HOME", str(settings.home))
    monkeypatch.setenv("HINODE_DEVICE", "cpu")
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return lambda *arguments: CliRunner().invoke(cli.app, arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("upscaler", "--minutes", "1"), "the upscaler is trained for a number of steps; give --steps"),
        (("nano", "--steps", "1"), "nano is trained for a time; give --minutes"),
        (("upscaler", "--start", "toy"), "the upscaler is trained from random weights; leave --start out"),
        (("giant",), "there is no recipe called giant; choose one of nano, mini, smoke"),
    ],
)
def test_options_that_do_not_fit_the_recipe_are_refused(
    run: Run, arguments: tuple[str, ...], message: str
) -> None:
    result = run("train", *arguments, "--out", "out")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(Path().glob("out/*"))


def test_training_prints_the_path_of_the_model(run: Run) -> None:
    result = run("train", "smoke", "--out", "out", "--minutes", "0.0001", "--threads", "1")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == str(Path("out", "model.safetensors"))
    assert Path("out", "model.safetensors").is_file()


def test_scores_and_floors_are_printed_or_given_as_json(run: Run) -> None:
    prompt = {"prompt": "a red balloon at noon", "expect": {"subject": "balloon", "time": "noon"}}
    Path("prompts.jsonl").write_text(json.dumps(prompt) + "\n")
    result = run("evaluate", "--prompts", "prompts.jsonl", "--floors", "--steps", "1")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "toy"
    assert "ground truth" in lines
    assert any(line.startswith("  whole prompt ") for line in lines)
    assert lines[-1] == "1 prompts; in brackets, 95 % intervals"
    result = run("evaluate", "--prompts", "prompts.jsonl", "--steps", "1", "--json")
    assert json.loads(result.stdout)["n"] == 1


def test_a_suite_prints_its_table(run: Run) -> None:
    options = ("evaluate", "--suite", "physics", "--only", "around", "--limit", "1", "--steps", "1")
    lines = run(*options).stdout.splitlines()
    assert lines[0].startswith("metric  what")
    assert lines[1].startswith("around  there again")
    assert lines[-1] == "model toy, 1 steps"
    assert json.loads(run(*options, "--json").stdout)["model"] == "toy"
