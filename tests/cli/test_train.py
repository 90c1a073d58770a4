from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("judge", "--start", "toy"), "the judge is trained from random weights; leave --start out"),
        (("upscaler", "--start", "toy"), "the upscaler is trained from random weights; leave --start out"),
        (("upscaler", "--minutes", "1"), "the upscaler is trained for a number of steps; give --steps"),
        (("nano", "--steps", "1"), "nano is trained for a time; give --minutes"),
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


def test_training_starts_only_with_a_model_of_its_recipe(run: Run) -> None:
    result = run("train", "smoke", "--start", "toy", "--out", "out", "--threads", "1")
    assert result.exit_code == 1
    assert "is a different network than the recipe smoke trains" in result.stderr
    assert not list(Path("out").glob("*.pt"))


def test_training_prints_the_path_of_the_model(run: Run) -> None:
    result = run("train", "smoke", "--out", "out", "--minutes", "0.0001", "--threads", "1")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == str(Path("out", "model.safetensors"))
    assert Path("out", "model.safetensors").is_file()


def test_only_what_a_recipe_trained_is_distilled(run: Run) -> None:
    unknown = run("distil", "sora", "--out", "student")
    assert unknown.exit_code == 2
    assert "there is no model 'sora'; choose toy" in unknown.stderr
    toy = run("distil", "toy", "--out", "student")
    assert toy.exit_code == 1
    assert "trained by no known recipe; distil nano, mini or smoke" in toy.stderr
    assert not Path("student").exists()
