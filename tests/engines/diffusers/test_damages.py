"""A checkpoint of any network, damaged in any of six ways, is refused in one sentence when it is added, or
drawn as if it were whole; values that are not numbers are refused before there is a clip.

The quick tests are of the first family.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from hinode.clip import Clip
from hinode.engines.diffusers.loading.model import Model
from hinode.errors import HinodeError
from hinode.registry import acquisition
from hinode.registry.families import FAMILIES
from tests.engines.diffusers.checkpoint_files import WEIGHTS, add, copy, middle, rewrite
from tests.engines.diffusers.conftest import ModelHome, finish

STEPS = 2
SCALES = (
    ".scale_weight",
    ".weight_scale",
    ".weight_scale_inv",
    ".scale_input",
    ".input_scale",
    ".weight_scale_2",
    ".SCB",
    ".weight.absmax",
)
"""Ends of names that programs for weights in few bits write beside `.weight`."""
# A distilled family has the network of another one.
first, *others = [name for name in FAMILIES if not name.endswith("-distilled")]
each_family = pytest.mark.parametrize(
    "family", [first, *(pytest.param(family, marks=pytest.mark.slow) for family in others)]
)


@pytest.fixture(scope="module")
def whole(models: ModelHome) -> Callable[[str, str], Clip]:
    """The clip of a family in an input mode, of a checkpoint without damage."""

    @functools.cache
    def draw(family: str, mode: str) -> Clip:
        return clip(models, add(models, models.checkpoint(family), family), mode)

    return draw


def clip(models: ModelHome, model: Model, mode: str) -> Clip:
    return finish(models.run(model.checkpoint.entry.name, mode, steps=STEPS))


def first_mode(family: str) -> str:
    return next(iter(FAMILIES[family].pipelines))


def weight_files(folder: Path) -> list[Path]:
    """The weights of each part."""
    files = sorted(folder.glob("*/*.safetensors"))
    assert len(files) >= 3
    return files


def same(one: Clip, other: Clip) -> bool:
    sounds = [np.zeros(0) if made.sound is None else made.sound.samples for made in (one, other)]
    return np.array_equal(one.frames, other.frames) and np.array_equal(*sounds)


def is_one_sentence(error: HinodeError) -> bool:
    return "\n" not in str(error) and len(error.message) < 400 and bool(error.remedy)


def refused(models: ModelHome, folder: Path, family: str) -> HinodeError:
    """The error with which a checkpoint is refused."""
    with pytest.raises(HinodeError) as caught:
        add(models, folder, family)
    assert is_one_sentence(caught.value), caught.value
    return caught.value


@each_family
def test_a_missing_tensor(models: ModelHome, tmp_path: Path, family: str) -> None:
    folder = copy(models, tmp_path / "model", family)
    for file in weight_files(folder):
        content = file.read_bytes()
        names = sorted(safetensors.torch.load_file(file))
        for name in (names[0], names[len(names) // 2], names[-1]):
            rewrite(file, lambda tensors, name=name: tensors.pop(name))
            assert f"{file.parent.name} lacks weights" in str(refused(models, folder, family)), name
        file.write_bytes(content)
    assert add(models, folder, family).checkpoint.entry.pulled


@each_family
def test_a_tensor_that_is_unknown_or_of_another_size(models: ModelHome, tmp_path: Path, family: str) -> None:
    folder = copy(models, tmp_path / "model", family)
    for file in weight_files(folder):
        content = file.read_bytes()
        rewrite(file, lambda tensors: tensors.update({middle(tensors): torch.ones(2, 3)}))
        assert f"{file.parent.name} is of another size" in str(refused(models, folder, family))
        file.write_bytes(content)
        if file.name == WEIGHTS:  # encoders have parts that are not used
            rewrite(file, lambda tensors: tensors.update(extra=torch.ones(1)))
            assert "the network does not have: 'extra'" in str(refused(models, folder, family))
            file.write_bytes(content)


@each_family
def test_scales_without_a_format(models: ModelHome, tmp_path: Path, family: str) -> None:
    folder = copy(models, tmp_path / "model", family)
    for file in weight_files(folder):
        content = file.read_bytes()
        tensors = safetensors.torch.load_file(file)
        layer = next(name for name in tensors if name.endswith(".weight")).removesuffix(".weight")
        for end in SCALES:
            safetensors.torch.save_file({**tensors, f"{layer}{end}": torch.ones(1)}, file)
            message = f"{file.parent.name} has weights that the network does not have"
            assert message in str(refused(models, folder, family)), end
        file.write_bytes(content)


@pytest.mark.slow
@each_family
def test_another_family(models: ModelHome, reference: Callable[..., Any], family: str) -> None:
    own = add(models, models.checkpoint(family), family)
    for other in FAMILIES:
        model = attempt(models, models.checkpoint(other), family)
        if model is None or layouts(model) == layouts(own):
            continue
        # A newer network that the pipelines of the older one draw too.
        assert (family, other) == ("ltx-video", "ltx-video-0.9.5")
        run = models.run(model.checkpoint.entry.name, steps=4)
        frames = finish(run).frames / np.float32(255)
        assert float(np.abs(frames - reference(run)[run.task.clip_indices]).max()) <= 1 / 255


@pytest.mark.slow
@each_family
def test_a_part_of_another_family(models: ModelHome, tmp_path: Path, family: str) -> None:
    """Where both have the same network, nothing but its values tells the part from the right one."""
    own = add(models, models.checkpoint(family), family)
    for part in [file.parent.name for file in weight_files(own.checkpoint.folder)]:
        for other in FAMILIES:
            source = models.checkpoint(other) / part
            if not source.is_dir():
                continue
            folder = copy(models, tmp_path / "model", family)
            shutil.rmtree(folder / part)
            shutil.copytree(source, folder / part)
            model = attempt(models, folder, family)
            if model is not None:
                # With an autoencoder of 0.9.5 it is a checkpoint of 0.9.5, which this family draws too.
                newer = (family, other, part) == ("ltx-video", "ltx-video-0.9.5", "vae")
                assert newer or layouts(model) == layouts(own), (part, other)
            shutil.rmtree(folder)


def attempt(models: ModelHome, folder: Path, family: str) -> Model | None:
    """A model, or None if its checkpoint is refused."""
    with suppress(HinodeError):
        return add(models, folder, family)
    refused(models, folder, family)
    return None


def layouts(model: Model) -> dict[str, dict[str, torch.Size]]:
    """Shapes of all tensors by part."""
    names = model.checkpoint.part_names
    found = {name: model.checkpoint.layout(name) or {} for name in names}
    return {part: {name: tensor.shape for name, tensor in found[part].items()} for part in found}


@pytest.mark.slow
@each_family
def test_a_part_that_is_a_link(
    models: ModelHome, tmp_path: Path, whole: Callable[[str, str], Clip], family: str
) -> None:
    folder, shared = copy(models, tmp_path / "model", family), tmp_path / "shared"
    shared.mkdir()
    for part in [path for path in folder.iterdir() if path.is_dir()]:
        part.rename(shared / part.name)
        part.symlink_to(shared / part.name, target_is_directory=True)
    model = add(models, folder, family)
    assert same(clip(models, model, first_mode(family)), whole(family, first_mode(family)))
    files = weight_files(shared)
    assert {f"{file.parent.name}/{file.name}" for file in files} <= model.checkpoint.entry.files.keys()
    for file in files:
        content = file.read_bytes()
        rewrite(file, lambda tensors: tensors.update({middle(tensors): -tensors[middle(tensors)]}))
        verification = acquisition.verify(model.checkpoint.entry, models.home)
        assert verification.changed == (f"{file.parent.name}/{file.name}",)
        rewrite(file, lambda tensors: tensors.pop(middle(tensors)))
        assert "lacks weights" in str(refused(models, folder, family))
        file.write_bytes(content)


@each_family
def test_hidden_copies_of_another_system(
    models: ModelHome, tmp_path: Path, whole: Callable[[str, str], Clip], family: str
) -> None:
    folder = copy(models, tmp_path / "model", family)
    for file in [path for path in folder.rglob("*") if path.is_file()]:
        file.with_name(f"._{file.name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
        file.with_name(".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    model = add(models, folder, family)
    assert not [name for name in model.checkpoint.entry.files if "/." in name or name.startswith(".")]
    assert model.sizes() == add(models, models.checkpoint(family), family).sizes()
    assert same(clip(models, model, first_mode(family)), whole(family, first_mode(family)))


@pytest.mark.slow
@each_family
def test_values_that_are_not_numbers(
    models: ModelHome, tmp_path: Path, whole: Callable[[str, str], Clip], family: str
) -> None:
    """A value that the clip does not depend on changes nothing."""
    folder, modes = copy(models, tmp_path / "model", family), [*FAMILIES[family].pipelines]
    refusals = 0
    for file in weight_files(folder):
        content = file.read_bytes()
        for (name, value), mode in zip(chosen(file).items(), (modes[0], modes[-1]), strict=False):
            rewrite(file, functools.partial(spoil, name=name, value=value))
            made, error = attempt_clip(models, add(models, folder, family), mode)
            if made is not None:
                assert same(made, whole(family, mode)), (file.parent.name, name, value, mode)
            else:
                assert error is not None
                assert is_one_sentence(error)
                refusals += 1
            file.write_bytes(content)
    assert refusals


def attempt_clip(models: ModelHome, model: Model, mode: str) -> tuple[Clip | None, HinodeError | None]:
    """The clip of a model, or the error that it ends with."""
    try:
        return clip(models, model, mode), None
    except HinodeError as error:
        return None, error


def spoil(tensors: dict[str, torch.Tensor], name: str, value: float) -> None:
    tensors[name].view(-1)[:1].fill_(value)


def chosen(file: Path) -> dict[str, float]:
    """Names of tensors and the value that one of their numbers gets."""
    tensors = safetensors.torch.load_file(file)
    return {middle(tensors): float("inf"), max(tensors): float("nan")}
