"""Folders that are damaged as downloads and copies damage them are refused when they are added."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from hinode.errors import HinodeError
from hinode.registry.entry import Lora
from tests.engines.diffusers.checkpoint_files import FAMILY, WEIGHTS, add, copy, middle, rewrite
from tests.engines.diffusers.conftest import ModelHome

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
INDEX = f"{WEIGHTS}.index.json"


def shard(part: Path) -> dict[str, str]:
    """Put the weights of a part into two shards; returns the map of its index."""
    tensors = {name: tensor.clone() for name, tensor in safetensors.torch.load_file(part / WEIGHTS).items()}
    names = sorted(tensors)
    shards = {}
    for number, share in enumerate((names[::2], names[1::2]), 1):
        file = f"diffusion_pytorch_model-0000{number}-of-00002.safetensors"
        safetensors.torch.save_file({name: tensors[name] for name in share}, part / file)
        shards |= dict.fromkeys(share, file)
    (part / WEIGHTS).unlink()
    write_index(part, shards)
    return shards


def write_index(part: Path, shards: dict[str, str]) -> None:
    (part / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": shards}))


def unlist(part: Path) -> None:
    shards = shard(part)
    shards.pop(min(shards))
    write_index(part, shards)


def lead_outside(part: Path) -> None:
    shards = shard(part)
    for file in set(shards.values()):
        (part / file).rename(part.parent / file)
    write_index(part, {name: f"../{file}" for name, file in shards.items()})


def link(part: Path, target: Path) -> None:
    (part / WEIGHTS).unlink()
    (part / WEIGHTS).symlink_to(target)


def set_value(file: Path, name: str, value: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | {name: value}))


def to_whole_numbers(tensors: dict[str, torch.Tensor]) -> None:
    name = middle(tensors)
    tensors[name] = tensors[name].to(torch.int8)


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "index without a tensor": (unlist, "lacks weights of the network"),
    "shard outside": (lead_outside, "which is outside its folder"),
    "Git LFS": (lambda part: (part / WEIGHTS).write_bytes(LFS), "is a pointer of Git LFS .* `git lfs pull`"),
    "web page": (lambda part: (part / WEIGHTS).write_bytes(b"<!DOCTYPE html>"), "is a web page"),
    "link to nothing": (lambda part: link(part, part / "gone"), "is a link that leads nowhere"),
    "link to itself": (lambda part: link(part, part / WEIGHTS), "is a link that leads nowhere"),
    "whole numbers": (
        lambda part: rewrite(part / WEIGHTS, to_whole_numbers),
        "in a type that cannot",
    ),
    "config is a list": (lambda part: (part / "config.json").write_text("[1]"), "has no settings"),
    "too many layers": (lambda part: set_value(part / "config.json", "num_layers", 10**9), "num_layers"),
    "no decoder": (
        lambda part: set_value(part.parent / "model_index.json", "vae", [None, None]),
        "it has no vae",
    ),
    "no scheduler": (
        lambda part: (part.parent / "scheduler" / "scheduler_config.json").unlink(),
        "cannot read .*/scheduler",
    ),
    "no vocabulary": (
        lambda part: [file.unlink() for file in (part.parent / "tokenizer").iterdir()],
        "cannot read .*/tokenizer",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_refused_when_it_is_added(models: ModelHome, tmp_path: Path, damage: str) -> None:
    folder = copy(models, tmp_path / "model")
    change, message = DAMAGES[damage]
    change(folder / "transformer")
    with pytest.raises(HinodeError, match=message):
        add(models, folder)


def test_a_link_that_leads_in_a_circle_ends(models: ModelHome, tmp_path: Path) -> None:
    folder = copy(models, tmp_path / "model")
    (folder / "transformer" / "loop").symlink_to(folder)
    assert add(models, folder).load("transformer") is not None


def test_the_memory_plan_counts_loras(models: ModelHome, tmp_path: Path) -> None:
    tensors = safetensors.torch.load_file(models.checkpoint(FAMILY) / "transformer" / WEIGHTS)
    name = next(name for name in sorted(tensors) if name.endswith("attn1.to_q.weight"))
    rows, columns = tensors[name].shape
    pair = {"lora_A": torch.zeros(64, columns), "lora_B": torch.zeros(rows, 64)}
    layer = name.removesuffix(".weight")
    safetensors.torch.save_file(
        {f"{layer}.{kind}.weight": value for kind, value in pair.items()}, tmp_path / "a.safetensors"
    )
    plain = add(models, models.checkpoint(FAMILY)).sizes()
    larger = add(models, models.checkpoint(FAMILY), loras=(Lora(str(tmp_path / "a.safetensors")),)).sizes()
    count = 64 * (rows + columns)
    assert larger.denoisers[0] - plain.denoisers[0] == 4 * count
    assert larger.float8_denoisers[0] - plain.float8_denoisers[0] == 4 * count
