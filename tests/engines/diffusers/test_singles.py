"""Denoisers from single files: for each family, under the names of diffusers, of its makers, and as GGUF."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from hinode.engines.diffusers.loading.model import Model
from hinode.errors import BadInput, ModelError
from hinode.registry import acquisition, entries
from hinode.registry.families import FAMILIES
from tests.engines.diffusers import twins
from tests.engines.diffusers.conftest import Shelf, drawn
from tests.engines.diffusers.twins import TWINS

CONVERTED = [family for family in TWINS if FAMILIES[family].converted]
OTHERS = [family for family in TWINS if not FAMILIES[family].converted]


def model(shelf: Shelf, family: str, **changes: Any) -> Model:
    """A model that was added by the front door, with nothing loaded yet."""
    name = f"single-{len(entries.names(shelf.home))}"
    entry = acquisition.add(name, shelf.home, family=family, licence="Apache-2.0", **changes)
    return Model(entry, FAMILIES[family], shelf.home, torch.device("cpu"), torch.float32)


def same(one: Model, folder: Path) -> None:
    """Its denoisers have every weight that those of a folder have."""
    for name in one.family.denoisers:
        got, wanted = one.load(name).state_dict(), twins.tensors(folder, name)
        assert got.keys() == wanted.keys()
        for key in wanted:
            assert torch.equal(got[key].float(), wanted[key].float()), key


def files(shelf: Shelf, family: str, place: Path, write: Any, ending: str) -> dict[str, str]:
    """A single file for each denoiser, as they are named to `acquisition.add`."""
    made = [
        str(write(shelf.twin(family), place / f"{part}{ending}", part=part))
        for part in FAMILIES[family].denoisers
    ]
    return dict(zip(("source", "second"), made, strict=False)) | {"base": str(shelf.twin(family))}


def named(folder: Path, file: Path, part: str) -> Path:
    safetensors.torch.save_file(twins.tensors(folder, part), file)
    return file


@pytest.mark.parametrize("family", TWINS)
def test_names_of_diffusers_are_read(shelf: Shelf, tmp_path: Path, family: str) -> None:
    same(
        model(shelf, family, **files(shelf, family, tmp_path, named, ".safetensors")),
        shelf.twin(family),
    )


@pytest.mark.parametrize("family", CONVERTED)
def test_names_of_the_makers_are_read(shelf: Shelf, tmp_path: Path, family: str) -> None:
    given = files(shelf, family, tmp_path, twins.write_single_file, ".safetensors")
    ours, theirs = twins.tensors(shelf.twin(family)), safetensors.torch.load_file(given["source"])
    assert len(ours.keys() & theirs.keys()) < len(ours) / 10
    same(model(shelf, family, **given), shelf.twin(family))


@pytest.mark.parametrize("family", ["wan2.1-vace", "wan2.2-t2v-a14b", "ltx-video", "ltx-2"])
def test_gguf_draws_nearly_the_same(shelf: Shelf, tmp_path: Path, family: str) -> None:
    shelf.add(family)
    whole = drawn(shelf.run(family, steps=2)).frames.astype(int)
    given = files(shelf, family, tmp_path, twins.write_gguf, ".gguf")
    entry = acquisition.add(f"{family}-gguf", shelf.home, family=family, licence="Apache-2.0", **given)
    run = shelf.run(entry.name, steps=2)
    clip = drawn(run).frames
    assert any(p.dtype == torch.uint8 for p in run.model.parts["transformer"].parameters())
    # Weights in eight bits, and whatever the makers of the library keep in float32 from a folder alone.
    assert np.abs(clip - whole).mean() < 0.1 * whole.std()
    assert clip.std() > 5


@pytest.mark.parametrize("family", OTHERS)
def test_what_cannot_be_read_is_refused_when_it_is_added(shelf: Shelf, tmp_path: Path, family: str) -> None:
    theirs = {f"double_{name}": tensor for name, tensor in twins.tensors(shelf.twin(family)).items()}
    file = tmp_path / "makers.safetensors"
    safetensors.torch.save_file(theirs, file)
    gguf = twins.write_gguf(shelf.twin("wan2.1-t2v"), tmp_path / "makers.gguf")
    for source in (file, gguf):
        with pytest.raises(
            BadInput, match=r"have its own names, and .makers.* is no such file; add the folder"
        ):
            model(shelf, family, source=str(source), base=str(shelf.twin(family)))
    with pytest.raises(BadInput, match="no such file"):
        model(shelf, family, source="org/repo/makers.gguf", base="org/repo")


def test_two_networks_need_two_files_and_one_takes_no_second(shelf: Shelf, tmp_path: Path) -> None:
    base = shelf.twin("wan2.2-t2v-a14b")
    given = files(shelf, "wan2.2-t2v-a14b", tmp_path, named, ".safetensors")
    with pytest.raises(BadInput, match=r"two networks, and one file is named; .*--second"):
        model(shelf, "wan2.2-t2v-a14b", source=given["source"], base=str(base))
    with pytest.raises(BadInput, match="one network, and two files are named") as caught:
        model(shelf, "wan2.1-t2v", **given | {"base": str(shelf.twin("wan2.1-t2v"))})
    assert caught.value.field == "second"
    with pytest.raises(BadInput, match="a whole pipeline needs no second file"):
        model(shelf, "wan2.2-t2v-a14b", source=str(base), second=given["second"])


def test_a_base_needs_the_settings_of_the_denoiser_and_not_its_weights(shelf: Shelf, tmp_path: Path) -> None:
    family = "wan2.1-t2v"
    base = tmp_path / "base"
    shutil.copytree(shelf.twin(family), base)
    (base / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    shards = '{"weight_map": {"a": "diffusion_pytorch_model-00001-of-00002.safetensors"}}'
    (base / "transformer" / "diffusion_pytorch_model.safetensors.index.json").write_text(shards)
    file = twins.write_single_file(shelf.twin(family), tmp_path / "wan.safetensors")
    same(model(shelf, family, source=str(file), base=str(base)), shelf.twin(family))
    (base / "transformer" / "config.json").unlink()
    with pytest.raises(BadInput, match="has no settings of its transformer") as caught:
        model(shelf, family, source=str(file), base=str(base))
    assert caught.value.field == "base"


@pytest.mark.parametrize("family", ["wan2.1-t2v", "cogvideox"])
def test_a_file_that_lacks_something_is_named_with_what_it_lacks(
    shelf: Shelf, tmp_path: Path, family: str
) -> None:
    weights = twins.tensors(shelf.twin(family))
    lost = next(name for name in weights if "blocks.1." in name)
    del weights[lost]
    safetensors.torch.save_file(weights, tmp_path / "half.safetensors")
    half = model(shelf, family, source=str(tmp_path / "half.safetensors"), base=str(shelf.twin(family)))
    with pytest.raises(ModelError, match=r"half\.safetensors lacks weights") as caught:
        half.load("transformer")
    assert (lost in str(caught.value)) == (family in OTHERS)
