"""Denoisers from single files: for each family, under the names of diffusers, of its makers, and as GGUF."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from hinode.engines.diffusers.loading.model import Model
from hinode.errors import BadInput, ModelError
from hinode.registry import acquisition, entries
from hinode.registry.entry import Entry
from hinode.registry.families import FAMILIES
from tests.engines.diffusers import tiny_models
from tests.engines.diffusers.conftest import ModelHome, finish

CONVERTED = [name for name, family in FAMILIES.items() if family.converted]
NOT_CONVERTED = [name for name, family in FAMILIES.items() if not family.converted]
A14B = "wan2.2-t2v-a14b"


def add(models: ModelHome, family: str, **options: Any) -> Model:
    """A model that was added as the command does it, with nothing loaded yet."""
    name = f"single-{len(entries.names(models.home))}"
    entry = acquisition.add(Entry(name, "diffusers", family, licence="Apache-2.0", **options), models.home)
    return Model(entry, FAMILIES[family], models.home, torch.device("cpu"), torch.float32)


def assert_same_weights(model: Model, folder: Path) -> None:
    """Its denoisers have every weight that those of a folder have."""
    for name in model.family.denoisers:
        weights, expected = model.load(name).state_dict(), tiny_models.tensors(folder, name)
        assert weights.keys() == expected.keys()
        for key in expected:
            assert torch.equal(weights[key].float(), expected[key].float()), key


def single_files(
    models: ModelHome, family: str, folder: Path, write: Callable[..., Path], suffix: str = ".safetensors"
) -> dict[str, str]:
    """A single file for each denoiser, as arguments of `acquisition.add`."""
    base = models.checkpoint(family)
    files = [str(write(base, folder / f"{part}{suffix}", part=part)) for part in FAMILIES[family].denoisers]
    return dict(zip(("source", "second"), files, strict=False)) | {"base": str(base)}


def write_diffusers_names(folder: Path, file: Path, part: str) -> Path:
    safetensors.torch.save_file(tiny_models.tensors(folder, part), file)
    return file


@pytest.mark.parametrize("family", FAMILIES)
def test_names_of_diffusers_are_read(models: ModelHome, tmp_path: Path, family: str) -> None:
    model = add(models, family, **single_files(models, family, tmp_path, write_diffusers_names))
    assert_same_weights(model, models.checkpoint(family))


@pytest.mark.parametrize("family", CONVERTED)
def test_names_of_the_makers_are_read(models: ModelHome, tmp_path: Path, family: str) -> None:
    options = single_files(models, family, tmp_path, tiny_models.write_single_file)
    library = tiny_models.tensors(models.checkpoint(family))
    makers = safetensors.torch.load_file(options["source"])
    assert len(library.keys() & makers.keys()) < len(library) / 10
    assert_same_weights(add(models, family, **options), models.checkpoint(family))


@pytest.mark.parametrize("family", ["wan2.1-vace", A14B, "ltx-video", "ltx-2"])
def test_gguf_gives_nearly_the_same_clip(models: ModelHome, tmp_path: Path, family: str) -> None:
    models.add(family)
    full = models.clip(family, steps=2).frames.astype(int)
    options = single_files(models, family, tmp_path, tiny_models.write_gguf, ".gguf")
    run = models.run(add(models, family, **options).checkpoint.entry.name, steps=2)
    frames = finish(run).frames
    parameters = run.model.parts["transformer"].parameters()
    assert any(parameter.dtype == torch.uint8 for parameter in parameters)
    # Eight bits, and what the library keeps in float32 from a folder alone.
    assert np.abs(frames - full).mean() < 0.1 * full.std()
    assert frames.std() > 5


@pytest.mark.parametrize("family", NOT_CONVERTED)
def test_a_file_that_cannot_be_read_is_refused_when_it_is_added(
    models: ModelHome, tmp_path: Path, family: str
) -> None:
    weights = tiny_models.tensors(models.checkpoint(family))
    file = tmp_path / "makers.safetensors"
    safetensors.torch.save_file({f"double_{name}": tensor for name, tensor in weights.items()}, file)
    gguf = tiny_models.write_gguf(models.checkpoint("wan2.1-t2v"), tmp_path / "makers.gguf")
    for source in (file, gguf):
        with pytest.raises(
            BadInput, match=r"have its own names, and .makers.* is no such file; add the folder"
        ):
            add(models, family, source=str(source), base=str(models.checkpoint(family)))
    with pytest.raises(BadInput, match="no such file"):
        add(models, family, source="org/repo/makers.gguf", base="org/repo")


def test_two_denoisers_need_two_files_and_one_takes_no_second(models: ModelHome, tmp_path: Path) -> None:
    options = single_files(models, A14B, tmp_path, write_diffusers_names)
    with pytest.raises(BadInput, match=r"two networks, and one file is named; .*--second"):
        add(models, A14B, source=options["source"], base=options["base"])
    with pytest.raises(BadInput, match="one network, and two files are named") as caught:
        add(models, "wan2.1-t2v", **options | {"base": str(models.checkpoint("wan2.1-t2v"))})
    assert caught.value.field == "second"
    swapped = {
        "source": "org/repo/wan_low_noise.safetensors",
        "second": "org/repo/wan_high_noise.safetensors",
    }
    with pytest.raises(BadInput, match="the source is for low noise"):
        add(models, A14B, **swapped, base="org/base")
    with pytest.raises(BadInput, match="a whole pipeline needs no second file"):
        add(models, A14B, source=options["base"], second=options["second"])


def test_a_base_needs_the_config_of_the_denoiser_and_not_its_weights(
    models: ModelHome, tmp_path: Path
) -> None:
    family = "wan2.1-t2v"
    base = tmp_path / "base"
    shutil.copytree(models.checkpoint(family), base)
    (base / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    shards = '{"weight_map": {"a": "diffusion_pytorch_model-00001-of-00002.safetensors"}}'
    (base / "transformer" / "diffusion_pytorch_model.safetensors.index.json").write_text(shards)
    file = tiny_models.write_single_file(models.checkpoint(family), tmp_path / "wan.safetensors")
    assert_same_weights(add(models, family, source=str(file), base=str(base)), models.checkpoint(family))
    (base / "transformer" / "config.json").unlink()
    with pytest.raises(BadInput, match="has no settings of its transformer") as caught:
        add(models, family, source=str(file), base=str(base))
    assert caught.value.field == "base"


@pytest.mark.parametrize("family", ["wan2.1-t2v", "cogvideox"])
def test_an_error_names_a_file_that_lacks_weights(models: ModelHome, tmp_path: Path, family: str) -> None:
    weights = tiny_models.tensors(models.checkpoint(family))
    missing = next(name for name in weights if "blocks.1." in name)
    del weights[missing]
    file = tmp_path / "half.safetensors"
    safetensors.torch.save_file(weights, file)
    model = add(models, family, source=str(file), base=str(models.checkpoint(family)))
    with pytest.raises(ModelError, match=rf"half\.safetensors lacks weights .*{missing}"):
        model.load("transformer")
