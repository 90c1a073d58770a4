from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hinode.engines.native import catalog
from hinode.engines.native.catalog import Shape
from hinode.errors import BadInput, ModelError
from hinode.settings import Settings


def test_reads_the_card_of_a_model(settings: Settings) -> None:
    card = catalog.find(None, settings.models)
    assert (card.name, card.span, card.patch, card.licence) == ("toy", 8, 16, "Apache-2.0")
    assert card.shapes[0] == Shape(17, 8, 32, 32)
    assert (card.steps, card.guidance) == (3, 1.0)
    assert card.seconds == 17 / 8


@pytest.mark.parametrize(
    ("size", "fps", "shape"),
    [
        ((640, 640), None, (32, 32)),
        ((1920, 1080), None, (64, 32)),
        ((1080, 1920), None, (32, 64)),
        ((16, 4096), None, (32, 64)),
        ((400, 300), None, (32, 32)),
    ],
)
def test_draws_at_the_nearest_shape(
    settings: Settings, size: tuple[int, int], fps: float | None, shape: tuple[int, int]
) -> None:
    assert catalog.find("toy", settings.models).shape_for(size, fps).size == shape


def test_draws_at_the_requested_rate_if_it_was_trained(settings: Settings) -> None:
    card = catalog.find("toy", settings.models)
    assert card.shape_for((64, 64), None).fps == 8
    assert card.shape_for((64, 64), 12.0).fps == 12
    assert card.shape_for((64, 64), 30.0).fps == 8
    assert card.shape_for((640, 360), 12.0).fps == 8  # that shape knows only one rate


def test_the_best_shipped_model_is_the_default(
    tmp_path: Path, toy_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, home = tmp_path / "package", tmp_path / "home"
    for folder, names in (
        (package, ("book", "other")),
        (home, ("aaa", "book")),
    ):
        folder.mkdir()
        for name in names:
            shutil.copy(toy_home / "models" / "toy.safetensors", folder / f"{name}.safetensors")
    monkeypatch.setattr(catalog, "shipped", lambda: package)
    models = catalog.installed(home)
    assert list(models) == ["book", "aaa", "other"]
    assert models["book"] == home / "book.safetensors"  # the person's own goes first
    assert models["other"] == package / "other.safetensors"
    assert catalog.find(None, home).name == "book"


def test_profiles_are_numbers_of_steps(settings: Settings) -> None:
    card = catalog.find(None, settings.models)
    assert {name: each.steps for name, each in catalog.profiles(card).items()} == {
        "draft": 2, "standard": 3, "best": 6
    }  # fmt: skip


def test_an_unknown_model_is_refused_with_the_installed_ones(settings: Settings) -> None:
    with pytest.raises(BadInput, match="choose toy") as caught:
        catalog.find("sora", settings.models)
    assert caught.value.field == "model"


def test_without_any_model_it_says_how_to_get_one(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="hinode train"):
        catalog.find(None, tmp_path / "empty")


@pytest.mark.parametrize("keep", [0, 4, 100, 20_000, -1])
def test_a_truncated_file_is_one_sentence(settings: Settings, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes((settings.models / "toy.safetensors").read_bytes()[:keep])
    with pytest.raises(ModelError, match="cut off or damaged") as caught:
        catalog.find("cut", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_kind_is_one_sentence(settings: Settings, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="not a model of the native engine"):
        catalog.find("other", tmp_path)


def test_equal_weights_have_equal_fingerprints(settings: Settings, tmp_path: Path) -> None:
    card = catalog.find("toy", settings.models)
    data = bytearray(card.path.read_bytes())
    (tmp_path / "same.safetensors").write_bytes(data)
    data[-1] ^= 1
    (tmp_path / "other.safetensors").write_bytes(data)
    assert catalog.find("same", tmp_path).fingerprint() == card.fingerprint()
    assert catalog.find("other", tmp_path).fingerprint() != card.fingerprint()


def test_other_weights_are_no_models(tmp_path: Path) -> None:
    assert list(catalog.installed(tmp_path)) == ["book"]
