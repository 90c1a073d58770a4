from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from hinode.engines.native import checkpoint
from hinode.errors import ModelError, OutputError
from hinode.model.dit import DiT
from hinode.model.text import Vocabulary
from tests.tiny_model import tiny_config, tiny_model

WORDS = Vocabulary(("ball", "kite", "red"))
CONFIG = tiny_config(len(WORDS), noise_scale=2.0, control=True)
FACTS = {"recipe": "toy", "steps": 12, "shapes": [[17, 8, 64, 64]], "losses": [0.5, None], "näme": "日の出"}


@pytest.fixture(scope="module")
def model() -> DiT:
    return tiny_model(CONFIG)


def save(path: Path, model: DiT) -> Path:
    checkpoint.save(path, model.state_dict(), CONFIG, WORDS, FACTS)
    return path


def predict(model: DiT) -> Tensor:
    z = torch.randn(1, 2, 4, 4, 768, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        out: Tensor = model(z, torch.full((1, 2), 0.5), model.encode_text(torch.tensor([[2, 4, 3]])), 8.0)
    return out


def test_a_model_is_read_as_it_was_written(tmp_path: Path, model: DiT) -> None:
    path = tmp_path / "not" / "yet" / "there" / "model.safetensors"
    save(path, model)
    loaded = checkpoint.load(path)
    assert loaded.model.config == CONFIG
    assert loaded.vocabulary == WORDS
    assert loaded.facts == FACTS
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    rounded = {name: value.bfloat16().float() for name, value in model.state_dict().items()}
    state = loaded.model.state_dict()
    assert state.keys() == rounded.keys()
    assert all(torch.equal(state[name], rounded[name]) for name in rounded)
    assert torch.allclose(predict(loaded.model), predict(model), atol=0.05 * float(predict(model).std()))


def test_a_file_takes_two_bytes_a_parameter(tmp_path: Path, model: DiT) -> None:
    path = save(tmp_path / "model.safetensors", model)
    weights = 2 * model.parameters_count()
    assert weights < path.stat().st_size < weights + 30_000
    assert {value.dtype for value in load_file(path).values()} == {torch.bfloat16}
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["hinode"])["vocabulary"] == list(WORDS.words)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_and_computation_have_the_requested_type(
    tmp_path: Path, model: DiT, dtype: torch.dtype
) -> None:
    path = save(tmp_path / "model.safetensors", model)
    loaded = checkpoint.load(path, dtype=dtype).model
    assert {parameter.dtype for parameter in loaded.parameters()} == {dtype}
    assert loaded.compute == dtype
    assert predict(loaded).dtype == torch.float32


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model at"):
        checkpoint.load(tmp_path / "model.safetensors")


def test_a_file_of_format_1_is_read_under_the_names_of_today(tmp_path: Path, model: DiT) -> None:
    path = save(tmp_path / "model.safetensors", model)
    names = {today: old for old, today in checkpoint.RENAMED.items()}
    state = {
        names.get(name, name).replace("mlp.fc_in", "mlp.rise").replace("mlp.fc_out", "mlp.fall"): value
        for name, value in load_file(path).items()
    }
    config = {**dataclasses.asdict(CONFIG), "hints": True, "guidance_embedded": False}
    config.pop("control")
    rewrite(path, {"format": 1, "config": config}, state)
    loaded = checkpoint.load(path).model
    assert loaded.config == CONFIG
    assert torch.equal(predict(loaded), predict(checkpoint.load(save(path, model)).model))


@pytest.mark.parametrize("keep", [0, 4, 200, 0.5, 0.999])
def test_a_cut_off_file_is_refused(tmp_path: Path, model: DiT, keep: float) -> None:
    path = save(tmp_path / "model.safetensors", model)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep if keep >= 1 else keep * len(content))])
    with pytest.raises(ModelError, match="cannot be read"):
        checkpoint.load(path)


def rewrite(path: Path, changes: Mapping[str, Any], weights: Mapping[str, Tensor] | None = None) -> None:
    """Write the same file with another header or other weights."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["hinode"])
    state = load_file(path)
    save_file(dict(weights or state), path, {"hinode": json.dumps({**header, **changes})})


def test_a_file_of_another_kind_is_refused(tmp_path: Path, model: DiT) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match="not a model of the native engine"):
        checkpoint.load(path)
    save(path, model)
    rewrite(path, {"format": 3})
    with pytest.raises(ModelError, match="not a Hinode model of format 2"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "config",
    [
        {"width": 128},
        {"width": 100},
        {"depth": 2},
        {"control": False},
        {"telepathy": 3},
        {"vocabulary": "many"},
    ],
)
def test_weights_that_do_not_fit_their_description_are_refused(
    tmp_path: Path, model: DiT, config: dict[str, Any]
) -> None:
    path = save(tmp_path / "model.safetensors", model)
    rewrite(path, {"config": {**dataclasses.asdict(CONFIG), **config}})
    with pytest.raises(ModelError, match="do not fit their description"):
        checkpoint.load(path)


def test_incomplete_weights_are_refused(tmp_path: Path, model: DiT) -> None:
    path = save(tmp_path / "model.safetensors", model)
    state = load_file(path)
    state.pop("embed.weight")
    rewrite(path, {}, state)
    with pytest.raises(ModelError, match="do not fit their description"):
        checkpoint.load(path)


def test_a_failure_while_writing_leaves_the_old_model_whole(
    tmp_path: Path, model: DiT, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"

    def full_disk(weights: dict[str, Tensor], file: Path, metadata: dict[str, str]) -> None:
        file.write_bytes(b"half a mo")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", full_disk)
        with pytest.raises(OutputError, match="disk is full"):
            save(path, model)
        assert not path.exists()
    before = save(path, model).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", full_disk)
        with pytest.raises(OutputError, match="disk is full"):
            save(path, tiny_model(CONFIG, seed=2))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_writing_replaces_the_old_model(tmp_path: Path, model: DiT) -> None:
    path = save(tmp_path / "model.safetensors", model)
    old = predict(checkpoint.load(path).model)
    save(path, tiny_model(CONFIG, seed=2))
    assert list(tmp_path.iterdir()) == [path]
    assert not torch.equal(predict(checkpoint.load(path).model), old)
