"""The ways in which weights come: single files, GGUF, LoRA, 8 bits; and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hinode.engines.diffusers.loading.model import Model
from hinode.engines.diffusers.memory.plan import MemoryBudget
from hinode.errors import ModelError
from hinode.registry.entries import Lora
from tests.engines.diffusers import twins
from tests.engines.diffusers.conftest import Shelf, drawn

FAMILY = "wan2.1-t2v"


def far_apart(one: Any, other: Any) -> float:
    return float(np.abs(one.frames.astype(int) - other.frames).mean())


def test_a_single_file_draws_nearly_what_its_folder_draws(shelf: Shelf, tmp_path: Path) -> None:
    shelf.add(FAMILY)
    file = twins.write_single_file(shelf.twin(FAMILY), tmp_path / "wan.safetensors")
    shelf.add(FAMILY, "single", source=str(file), base=str(shelf.twin(FAMILY)))
    one, other = drawn(shelf.run("single")), drawn(shelf.run(FAMILY))
    # From a folder, diffusers keeps norms and tables in float32; from a single file it does not.
    assert far_apart(one, other) < 0.5


def test_a_gguf_file_draws_nearly_what_its_folder_draws(shelf: Shelf, tmp_path: Path) -> None:
    shelf.add(FAMILY)
    file = twins.write_gguf(shelf.twin(FAMILY), tmp_path / "wan-Q8_0.gguf")
    shelf.add(FAMILY, "gguf", source=str(file), base=str(shelf.twin(FAMILY)))
    run = shelf.run("gguf")
    whole = drawn(shelf.run(FAMILY))
    clip = drawn(run)
    kinds = {str(p.dtype) for p in run.model.parts["transformer"].parameters()}
    assert "torch.uint8" in kinds  # the blocks of few bits stay what they are
    assert far_apart(clip, whole) < 2
    states = []
    for progress in (again := shelf.run("gguf")):
        if progress.stage == "sample":
            states.append(again.state())
    assert np.array_equal(drawn(shelf.engine().start(shelf.request("gguf"), states[2])).frames, clip.frames)


def test_a_single_file_without_a_base_says_what_is_missing(shelf: Shelf, tmp_path: Path) -> None:
    file = twins.write_single_file(shelf.twin(FAMILY), tmp_path / "wan.safetensors")
    shelf.add(FAMILY, "alone", source=str(file))
    with pytest.raises(ModelError, match="as its base"):
        shelf.run("alone")


@pytest.mark.parametrize("family", [FAMILY, "wan2.2-t2v-a14b", "ltx-video", "cogvideox", "ltx-2"])
def test_a_lora_changes_what_is_drawn_as_strongly_as_its_weight_says(
    shelf: Shelf, tmp_path: Path, family: str
) -> None:
    shelf.add(family)
    file = twins.write_lora(shelf.twin(family), tmp_path / "style.safetensors")
    clips = {}
    for weight in (0.0, 0.05, 1.0):
        shelf.add(family, f"{family}-lora", loras=(Lora(str(file), weight),))
        run = shelf.run(f"{family}-lora")
        clips[weight] = drawn(run)
        assert all(
            list(run.model.parts[name].peft_config) == ["lora_0"]
            for name in run.task.family.denoisers
            if name in run.model.parts
        )
    without = drawn(shelf.run(family))
    assert far_apart(clips[0.0], without) < 0.5
    assert far_apart(clips[0.05], without) < far_apart(clips[1.0], without)


def test_a_lora_is_put_over_the_second_network_alone(shelf: Shelf, tmp_path: Path) -> None:
    family = "wan2.2-t2v-a14b"
    file = twins.write_lora(shelf.twin(family), tmp_path / "style.safetensors")
    shelf.add(family, "second", loras=(Lora(str(file), 0.5),))
    model = shelf.run("second").model
    assert list(model.load("transformer_2").peft_config) == ["lora_0"]
    assert "transformer" not in model.parts


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`:UserWarning")  # two LoRAs, as meant
def test_a_lora_for_connectors_counts_from_the_first_clip_on_and_stays_out_of_the_best(
    shelf: Shelf, tmp_path: Path
) -> None:
    family = "ltx-2"
    shelf.add(family)
    both = twins.write_lora(shelf.twin(family), tmp_path / "both.safetensors", "transformer", "connectors")
    one = twins.write_lora(shelf.twin(family), tmp_path / "one.safetensors")
    draft = {"profiles": ("draft",)}
    shelf.add(family, "both", loras=(Lora(str(both), 0.5, **draft), Lora(str(one), 0.1, **draft)))
    shelf.add(family, "one", loras=(Lora(str(one), 0.5, **draft), Lora(str(one), 0.1, **draft)))
    engine = shelf.engine()
    best = drawn(engine.start(shelf.request("both"))).frames
    clips = [drawn(engine.start(shelf.request("both", profile="draft"))).frames for _ in range(2)]
    assert np.array_equal(*clips)
    assert engine._resident is not None
    assert list(engine._resident.parts["connectors"].peft_config) == ["lora_0"]
    assert not np.array_equal(clips[0], drawn(shelf.run("one", profile="draft")).frames)
    for name in ("both", family):
        assert np.array_equal(drawn(engine.start(shelf.request(name, profile="best"))).frames, best)


def test_a_lora_for_something_else_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    file = twins.write_lora(shelf.twin("ltx-video"), tmp_path / "other.safetensors")
    shelf.add(FAMILY, "misfit", loras=(Lora(str(file), 1.0),))
    with pytest.raises(ModelError, match=r"other\.safetensors"):
        drawn(shelf.run("misfit"))


def test_weights_in_8_bits_take_half_the_memory_and_draw_nearly_the_same(shelf: Shelf) -> None:
    shelf.add(FAMILY)
    whole = shelf.run(FAMILY)
    clip = drawn(whole)
    sizes = []
    for light in (False, True):
        model = Model(whole.task.entry, whole.task.family, shelf.home, whole.model.device, whole.model.dtype)
        model.light = light
        model.load("transformer")
        sizes.append(model.held)
    assert sizes[1] < 0.7 * sizes[0]
    run = shelf.engine(room=MemoryBudget(2**40, 2**40)).start(shelf.request(FAMILY))
    run.model.light = True
    assert 0 < far_apart(drawn(run), clip) < 20


def test_a_folder_that_asks_for_code_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(shelf.twin(FAMILY), folder)
    index = json.loads((folder / "model_index.json").read_text())
    for wrong in (
        {"_class_name": ["pipeline", "Evil"]},
        {"transformer": ["os.path", "join"]},
        {"transformer": ["diffusers", "DiffusionPipeline"]},
        {"vae": ["my_code", "AutoencoderKLWan"]},
    ):
        (folder / "model_index.json").write_text(json.dumps({**index, **wrong}))
        shelf.add(FAMILY, "evil", source=str(folder))
        with pytest.raises(ModelError):
            drawn(shelf.run("evil"))


def test_a_damaged_part_is_one_plain_sentence(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(shelf.twin(FAMILY), folder)
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:4000])
    shelf.add(FAMILY, "damaged", source=str(folder))
    with pytest.raises(ModelError, match="transformer"):
        drawn(shelf.run("damaged"))
