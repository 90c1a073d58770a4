from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("planner", "--start", "toy"), "the planner is trained from random weights; leave --start out"),
        (("reader", "--start", "toy"), "the reader is trained from random weights; leave --start out"),
        (("decoder", "--start", "toy"), "the decoder is trained from random weights; leave --start out"),
        (("drawing-smoke", "--start", "sora"), "there is no model 'sora'; choose toy"),
        (
            ("giant",),
            "there is no recipe 'giant'; choose planner, reader, decoder, drawing-nano, drawing-mini or"
            " drawing-smoke",
        ),
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
    result = run("train", "drawing-smoke", "--start", "toy", "--out", "out", "--threads", "1")
    assert result.exit_code == 1
    assert "is of another network; start with a model of the same recipe" in result.stderr
    assert not list(Path("out").glob("*.pt"))


@pytest.mark.slow
def test_training_prints_the_path_of_its_state(run: Run) -> None:
    result = run("train", "drawing-smoke", "--out", "out", "--minutes", "0.0001", "--threads", "1")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == str(Path("out", "state.pt"))
    assert Path("out", "state.pt").is_file()
