"""How weights come: folders, single files, GGUF, LoRAs, 8 bits; and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from hinode.clip import Clip
from hinode.engines.diffusers.loading.acceleration import UNACCELERATED
from hinode.engines.diffusers.loading.model import Model
from hinode.errors import ModelError
from hinode.registry.entry import Lora
from hinode.registry.families import FAMILIES
from tests.engines.diffusers import tiny_models
from tests.engines.diffusers.conftest import ModelHome, finish

FAMILY = "wan2.1-t2v"


def difference(clip: Clip, other: Clip) -> float:
    """Mean difference of two clips in levels of 0..255."""
    return float(np.abs(clip.frames.astype(int) - other.frames).mean())


def test_a_single_file_gives_nearly_the_clip_of_its_folder(models: ModelHome, tmp_path: Path) -> None:
    models.add(FAMILY)
    file = tiny_models.write_single_file(models.checkpoint(FAMILY), tmp_path / "wan.safetensors")
    models.add(FAMILY, "single", source=str(file), base=str(models.checkpoint(FAMILY)))
    # From a folder, diffusers keeps norms and tables in float32; from a single file it does not.
    assert difference(models.clip("single"), models.clip(FAMILY)) < 0.5


def test_a_gguf_file_gives_nearly_the_clip_of_its_folder(models: ModelHome, tmp_path: Path) -> None:
    models.add(FAMILY)
    file = tiny_models.write_gguf(models.checkpoint(FAMILY), tmp_path / "wan-Q8_0.gguf")
    models.add(FAMILY, "gguf", source=str(file), base=str(models.checkpoint(FAMILY)))
    run, states = models.run("gguf"), []
    for progress in run:
        if progress.stage == "sample":
            states.append(run.state())
    clip = run.clip()
    types = {parameter.dtype for parameter in run.model.parts["transformer"].parameters()}
    assert torch.uint8 in types  # the blocks of few bits stay what they are
    assert difference(clip, models.clip(FAMILY)) < 2
    resumed = models.engine().start(models.request("gguf"), states[2])
    assert np.array_equal(finish(resumed).frames, clip.frames)


def test_a_single_file_without_a_base_is_refused(models: ModelHome, tmp_path: Path) -> None:
    file = tiny_models.write_single_file(models.checkpoint(FAMILY), tmp_path / "wan.safetensors")
    models.add(FAMILY, "alone", source=str(file))
    with pytest.raises(ModelError, match="--base"):
        models.run("alone")


@pytest.mark.parametrize(
    "family",
    [
        "wan2.2-t2v-a14b",
        "ltx-2",
        *(pytest.param(family, marks=pytest.mark.slow) for family in (FAMILY, "ltx-video", "cogvideox")),
    ],
)
def test_the_weight_of_a_lora_is_the_strength_of_its_effect(
    models: ModelHome, tmp_path: Path, family: str
) -> None:
    models.add(family)
    file = tiny_models.write_lora(models.checkpoint(family), tmp_path / "style.safetensors")
    clips = {}
    for weight in (0.0, 0.05, 1.0):
        models.add(family, f"{family}-lora", loras=(Lora(str(file), weight),))
        run = models.run(f"{family}-lora", steps=2)
        clips[weight] = finish(run)
        assert all(
            list(run.model.parts[name].peft_config) == ["lora_0"]
            for name in FAMILIES[family].denoisers
            if name in run.model.parts
        )
    without = models.clip(family, steps=2)
    assert difference(clips[0.0], without) < 0.5
    assert difference(clips[0.05], without) < difference(clips[1.0], without)


def test_a_lora_is_added_to_the_second_denoiser_alone(models: ModelHome, tmp_path: Path) -> None:
    family = "wan2.2-t2v-a14b"
    file = tiny_models.write_lora(models.checkpoint(family), tmp_path / "style.safetensors")
    models.add(family, "second", loras=(Lora(str(file), 0.5),))
    model = models.run("second").model
    assert list(model.load("transformer_2").peft_config) == ["lora_0"]
    assert "transformer" not in model.parts


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`:UserWarning")  # two LoRAs, on purpose
def test_a_lora_for_connectors_counts_from_the_first_clip_and_not_in_other_profiles(
    models: ModelHome, tmp_path: Path
) -> None:
    family, folder = "ltx-2", models.checkpoint("ltx-2")
    models.add(family)
    both = tiny_models.write_lora(folder, tmp_path / "both.safetensors", "transformer", "connectors")
    single = tiny_models.write_lora(folder, tmp_path / "single.safetensors")
    other = Lora(str(single), 0.1, ("draft",))
    models.add(family, "both", loras=(Lora(str(both), 0.5, ("draft",)), other))
    models.add(family, "single", loras=(Lora(str(single), 0.5, ("draft",)), other))
    engine = models.engine()
    best = finish(engine.start(models.request("both"))).frames
    drafts = [finish(engine.start(models.request("both", profile="draft"))).frames for _ in range(2)]
    assert np.array_equal(*drafts)
    assert engine._resident is not None
    assert list(engine._resident.parts["connectors"].peft_config) == ["lora_0"]
    assert not np.array_equal(drafts[0], models.clip("single", profile="draft").frames)
    for name in ("both", family):
        assert np.array_equal(finish(engine.start(models.request(name, profile="best"))).frames, best)


def test_a_lora_of_another_family_is_refused(models: ModelHome, tmp_path: Path) -> None:
    file = tiny_models.write_lora(models.checkpoint("ltx-video"), tmp_path / "other.safetensors")
    models.add(FAMILY, "misfit", loras=(Lora(str(file), 1.0),))
    with pytest.raises(ModelError, match=r"other\.safetensors"):
        models.clip("misfit")


def test_float8_storage_takes_half_the_memory_and_gives_nearly_the_same_clip(models: ModelHome) -> None:
    models.add(FAMILY)
    run = models.run(FAMILY)
    clip, entry = finish(run), run.task.entry
    sizes = []
    for float8_storage in (False, True):
        model = Model(entry, FAMILIES[FAMILY], models.home, run.model.device, torch.float32)
        model.configure(float8_storage, UNACCELERATED)
        model.load("transformer")
        sizes.append(sum(model.ledger.device.values()))
    assert sizes[1] < 0.7 * sizes[0]
    run = models.run(FAMILY)
    run.model.configure(True, UNACCELERATED)
    assert 0 < difference(finish(run), clip) < 20


def test_a_folder_that_asks_for_code_is_refused(models: ModelHome, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(models.checkpoint(FAMILY), folder)
    index = json.loads((folder / "model_index.json").read_text())
    for change in (
        {"_class_name": ["pipeline", "Evil"]},
        {"transformer": ["os.path", "join"]},
        {"transformer": ["diffusers", "DiffusionPipeline"]},
        {"vae": ["my_code", "AutoencoderKLWan"]},
    ):
        (folder / "model_index.json").write_text(json.dumps({**index, **change}))
        models.add(FAMILY, "evil", source=str(folder))
        with pytest.raises(ModelError):
            models.clip("evil")


def test_a_damaged_part_is_one_sentence(models: ModelHome, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(models.checkpoint(FAMILY), folder)
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:4000])
    models.add(FAMILY, "damaged", source=str(folder))
    with pytest.raises(ModelError, match="transformer"):
        models.clip("damaged")
