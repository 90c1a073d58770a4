from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch

from hinode.model.dit import DiT
from hinode.training import data
from hinode.training.recipes import RECIPES, Bucket, Recipe
from hinode.world.caption import DENSITIES


@pytest.fixture(params=list(RECIPES))
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return RECIPES[request.param]()


def buckets(recipe: Recipe) -> set[Bucket]:
    return {bucket for stage in recipe.stages for bucket, _ in stage.mix}


def parameters(recipe: Recipe) -> int:
    config = dataclasses.replace(recipe.model, vocabulary=len(data.vocabulary()))
    with torch.device("meta"):
        return DiT(config).parameters_count()


def test_a_recipe_has_the_name_that_it_is_listed_by() -> None:
    assert {name: make().name for name, make in RECIPES.items()} == {name: name for name in RECIPES}


def test_every_bucket_fits_the_network(recipe: Recipe) -> None:
    merged = 2 * recipe.model.patch_size  # the coarse blocks join 2x2 patches
    for bucket in (*buckets(recipe), recipe.validation, *recipe.shapes):
        assert (bucket.frames - 1) % recipe.model.patch_frames == 0, bucket.name
        assert bucket.width % merged == bucket.height % merged == 0, bucket.name
        assert bucket.batch_size > 0
        assert bucket.fps > 0


def test_stages_cover_the_run_and_weigh_their_buckets(recipe: Recipe) -> None:
    ends = [stage.until for stage in recipe.stages]
    assert ends == sorted(set(ends))
    assert ends[0] > 0
    assert ends[-1] == 1.0
    for stage in recipe.stages:
        names = [bucket.name for bucket, _ in stage.mix]
        assert len(set(names)) == len(names)
        assert all(weight > 0 for _, weight in stage.mix)
        assert sum(weight for _, weight in stage.mix) == pytest.approx(1.0)


def test_the_mix_changes_where_a_stage_ends(recipe: Recipe) -> None:
    for before, after in itertools.pairwise(recipe.stages):
        assert recipe.mix(before.until - 1e-9) == before.mix
        assert recipe.mix(before.until) == after.mix
    assert recipe.mix(0.0) == recipe.stages[0].mix
    assert recipe.mix(1.0) == recipe.mix(2.0) == recipe.stages[-1].mix


def test_a_model_offers_only_what_it_was_trained_on(recipe: Recipe) -> None:
    trained = {bucket.name for bucket in buckets(recipe)}
    assert {shape.name for shape in recipe.shapes} <= trained
    assert recipe.validation.name in trained
    assert recipe.shapes[0].frames > 1
    assert len(set(recipe.shapes)) == len(recipe.shapes)


def test_densities_have_weights(recipe: Recipe) -> None:
    assert tuple(name for name, _ in recipe.densities) == DENSITIES
    assert all(weight > 0 for _, weight in recipe.densities)
    assert sum(weight for _, weight in recipe.densities) == pytest.approx(1.0)


def test_the_learning_rate_warms_up_holds_and_ends_at_nothing(recipe: Recipe) -> None:
    top = recipe.learning_rate
    warm = [recipe.rate(step, 0.0) for step in range(recipe.warmup_steps)]
    assert warm[0] == pytest.approx(top / recipe.warmup_steps)
    assert all(after > before for before, after in itertools.pairwise(warm))
    assert warm[-1] == pytest.approx(top)
    assert recipe.rate(10_000, recipe.decay_from) == pytest.approx(top)
    half = (1 + recipe.decay_from) / 2
    assert recipe.rate(10_000, half) == pytest.approx(top / 2)
    assert recipe.rate(10_000, 0.999) < 0.01 * top
    assert recipe.rate(10_000, 1.0) == recipe.rate(10_000, 1.3) == 0.0
    assert recipe.rate(0, 1.0) == 0.0


@pytest.mark.parametrize(
    ("name", "minimum", "maximum"), [("nano", 11e6, 13e6), ("mini", 30e6, 33e6), ("smoke", 0, 1e6)]
)
def test_a_network_has_its_documented_size(name: str, minimum: float, maximum: float) -> None:
    assert minimum < parameters(RECIPES[name]()) <= maximum


def test_the_largest_shipped_file_stays_within_66_megabytes() -> None:
    header = 60_000  # vocabulary, sizes, facts and the names of the tensors
    assert max(2 * parameters(RECIPES[name]()) + header for name in ("nano", "mini")) <= 66e6


def test_buckets_have_readable_names() -> None:
    assert Bucket(17, 8, 112, 64, 14).name == "17x112x64@8"
    assert Bucket(1, 23.976, 64, 64, 1).name == "1x64x64@23.976"


def test_recipes_are_independent_and_immutable() -> None:
    assert RECIPES["nano"]() == RECIPES["nano"]()
    with pytest.raises(dataclasses.FrozenInstanceError):
        RECIPES["nano"]().minutes = 1.0  # type: ignore[misc]
