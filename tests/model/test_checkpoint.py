from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from hinode.errors import ModelError
from hinode.model import checkpoint
from hinode.model.dit import DiT, DiTConfig
from hinode.model.text import Vocabulary

WORDS = Vocabulary(("ball", "kite", "red"))
CONFIG = DiTConfig(
    vocabulary=len(WORDS),
    fine_width=64,
    fine_out=1,
    width=64,
    depth=1,
    text_width=64,
    text_depth=1,
    conditioning=64,
    noise_scale=2.0,
)
FACTS = {"recipe": "toy", "steps": 12, "shapes": [[17, 8, 64, 64]], "losses": [0.5, None], "näme": "日の出"}


def network(seed: int = 1) -> DiT:
    torch.manual_seed(seed)
    model = DiT(CONFIG)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model.requires_grad_(False)


@pytest.fixture(scope="module")
def model() -> DiT:
    return network()


def saved(path: Path, model: DiT, **more: Any) -> list[Path]:
    return checkpoint.save(path, model.state_dict(), CONFIG, WORDS, FACTS, **more)


def answer(model: DiT) -> Tensor:
    z = torch.randn(1, 2, 4, 4, 768, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        out: Tensor = model(z, torch.full((1, 2), 0.5), model.encode_text(torch.tensor([[2, 4, 3]])), 8.0)
    return out


def test_a_model_comes_back_with_all_that_is_known_of_it(tmp_path: Path, model: DiT) -> None:
    path = tmp_path / "not" / "yet" / "there" / "model.safetensors"
    assert saved(path, model) == [path]
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
    assert torch.allclose(answer(loaded.model), answer(model), atol=0.05 * float(answer(model).std()))


def test_a_file_takes_two_bytes_a_parameter(tmp_path: Path, model: DiT) -> None:
    (path,) = saved(tmp_path / "model.safetensors", model)
    weights = 2 * model.parameters_count()
    assert weights < path.stat().st_size < weights + 30_000
    assert {value.dtype for value in load_file(path).values()} == {torch.bfloat16}
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["hinode"])["vocabulary"] == list(WORDS.words)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_and_computation_are_of_the_type_asked_for(
    tmp_path: Path, model: DiT, dtype: torch.dtype
) -> None:
    (path,) = saved(tmp_path / "model.safetensors", model)
    loaded = checkpoint.load(path, dtype=dtype).model
    assert {parameter.dtype for parameter in loaded.parameters()} == {dtype}
    assert loaded.compute == dtype
    assert answer(loaded).dtype == torch.float32


def test_shards_hold_the_model_between_them(tmp_path: Path, model: DiT) -> None:
    limit = 100_000
    path = tmp_path / "big.safetensors"
    shards = saved(path, model, shard_bytes=limit)
    assert len(shards) > 3
    assert [shard.name for shard in shards] == [
        f"big-{k:05d}-of-{len(shards):05d}.safetensors" for k in range(1, len(shards) + 1)
    ]
    assert sorted(tmp_path.iterdir()) == shards
    parts = [load_file(shard) for shard in shards]
    for part in parts:
        assert len(part) == 1 or sum(value.nbytes for value in part.values()) <= limit
    # No shard could have taken in the next one's first tensor.
    for before, after in itertools.pairwise(parts):
        first = next(name for name in model.state_dict() if name in after)
        assert sum(value.nbytes for value in before.values()) + after[first].nbytes > limit
    loaded = checkpoint.load(path)
    assert loaded.facts == FACTS
    (whole,) = saved(tmp_path / "whole.safetensors", model)
    assert torch.equal(answer(loaded.model), answer(checkpoint.load(whole).model))


def test_one_tensor_larger_than_a_shard_gets_one_of_its_own(tmp_path: Path, model: DiT) -> None:
    shards = saved(tmp_path / "model.safetensors", model, shard_bytes=1)
    assert len(shards) == len(model.state_dict())
    loaded = checkpoint.load(tmp_path / "model.safetensors").model
    assert torch.equal(loaded.embed.weight, model.embed.weight.bfloat16().float())


def test_a_missing_model_and_a_missing_shard_are_told(tmp_path: Path, model: DiT) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(ModelError, match="There is no model at"):
        checkpoint.load(path)
    shards = saved(path, model, shard_bytes=100_000)
    shards[1].unlink()
    with pytest.raises(ModelError, match=f"{len(shards) - 1} of the {len(shards)} shards"):
        checkpoint.load(path)


@pytest.mark.parametrize("keep", [0, 4, 200, 0.5, 0.999])
def test_a_cut_off_file_is_told(tmp_path: Path, model: DiT, keep: float) -> None:
    (path,) = saved(tmp_path / "model.safetensors", model)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep if keep >= 1 else keep * len(content))])
    with pytest.raises(ModelError, match="cannot be read"):
        checkpoint.load(path)


def test_a_cut_off_shard_is_told(tmp_path: Path, model: DiT) -> None:
    shards = saved(tmp_path / "model.safetensors", model, shard_bytes=100_000)
    shards[2].write_bytes(shards[2].read_bytes()[:-8])
    with pytest.raises(ModelError, match=f"{shards[2].name} cannot be read"):
        checkpoint.load(tmp_path / "model.safetensors")


def rewritten(path: Path, changes: Mapping[str, Any], weights: Mapping[str, Tensor] | None = None) -> None:
    """Write the same file with another header or other weights."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["hinode"])
    state = load_file(path)
    save_file(dict(weights or state), path, {"hinode": json.dumps({**header, **changes})})


def test_a_file_of_another_kind_is_told(tmp_path: Path, model: DiT) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match="not a Hinode model of format 1"):
        checkpoint.load(path)
    saved(path, model)
    rewritten(path, {"format": 2})
    with pytest.raises(ModelError, match="not a Hinode model of format 1"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "config",
    [
        {"width": 128},
        {"width": 100},
        {"depth": 2},
        {"guidance_embedded": True},
        {"telepathy": 3},
        {"vocabulary": "many"},
    ],
)
def test_weights_that_do_not_fit_their_description_are_told(
    tmp_path: Path, model: DiT, config: dict[str, Any]
) -> None:
    (path,) = saved(tmp_path / "model.safetensors", model)
    rewritten(path, {"config": {**dataclasses.asdict(CONFIG), **config}})
    with pytest.raises(ModelError, match="do not fit"):
        checkpoint.load(path)


def test_weights_that_are_not_all_there_are_told(tmp_path: Path, model: DiT) -> None:
    (path,) = saved(tmp_path / "model.safetensors", model)
    state = load_file(path)
    state.pop("embed.weight")
    rewritten(path, {}, state)
    with pytest.raises(ModelError, match="do not fit"):
        checkpoint.load(path)


def test_a_failure_while_writing_leaves_the_old_model_whole(
    tmp_path: Path, model: DiT, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"

    def full_disk(shard: dict[str, Tensor], file: Path, metadata: dict[str, str]) -> None:
        Path(file).write_bytes(b"half a mo")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", full_disk)
        with pytest.raises(OSError, match="No space"):
            saved(path, model)
        assert not path.exists()
    saved(path, model)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", full_disk)
        with pytest.raises(OSError, match="No space"):
            saved(path, network(2))
    assert path.read_bytes() == before
    assert checkpoint.load(path).facts == FACTS


def test_writing_replaces_the_old_model_and_leaves_nothing_beside_it(tmp_path: Path, model: DiT) -> None:
    path = tmp_path / "model.safetensors"
    saved(path, model)
    old = answer(checkpoint.load(path).model)
    saved(path, network(2))
    assert list(tmp_path.iterdir()) == [path]
    assert not torch.equal(answer(checkpoint.load(path).model), old)
