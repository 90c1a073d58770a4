from __future__ import annotations

from pathlib import Path

from .conftest import Run


def test_training_begins_only_with_a_model_of_its_recipe(run: Run) -> None:
    judge = run("train", "judge", "--start", "toy", "--out", "out")
    assert judge.exit_code == 2
    assert "the judge begins with no model; leave --start out" in judge.stderr
    smoke = run("train", "smoke", "--start", "toy", "--out", "out", "--threads", "1")
    assert "is a different network than the recipe smoke trains" in smoke.stderr
    assert not list(Path("out").glob("*.pt"))


def test_only_what_a_recipe_trained_is_distilled(run: Run) -> None:
    unknown = run("distil", "sora", "--out", "student")
    assert unknown.exit_code == 2
    assert "there is no model 'sora'; choose toy" in unknown.stderr
    toy = run("distil", "toy", "--out", "student")
    assert toy.exit_code == 1
    assert "trained by no known recipe; distil nano, mini or smoke" in toy.stderr
    assert not Path("student").exists()


def test_a_suite_is_named_and_has_cases(run: Run) -> None:
    nothing = run("evaluate")
    assert nothing.exit_code == 2
    assert "there is nothing to draw" in nothing.stderr
    unknown = run("evaluate", "--suite", "painting")
    assert unknown.exit_code == 2
    assert "there is no suite 'painting'; name directing" in unknown.stderr
    no_cases = run("evaluate", "--suite", "directing", "--only", "loop", "--model", "toy")
    assert no_cases.exit_code == 2
    assert "loop.jsonl cannot be read" in no_cases.stderr
