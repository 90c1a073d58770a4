"""A checkpoint that is not what its family needs is refused when it is added, or drawn rightly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from typer.testing import CliRunner

from hinode import cli
from hinode.errors import BadInput, HinodeError, ModelError
from hinode.registry import entries, folders
from hinode.registry.entry import Lora
from hinode.registry.families import FAMILIES
from tests.engines.diffusers import tiny_models
from tests.engines.diffusers.checkpoint_files import FAMILY, WEIGHTS, add, copy, middle, rewrite
from tests.engines.diffusers.conftest import ModelHome, finish


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
def test_a_part_that_lost_a_tensor_later_is_not_drawn_with_a_random_one(
    models: ModelHome, tmp_path: Path, part: str
) -> None:
    folder = copy(models, tmp_path / "model")
    model = add(models, folder)
    file = next((folder / part).glob("*.safetensors"))
    rewrite(file, lambda tensors: tensors.pop(middle(tensors)))
    with pytest.raises(ModelError, match=f"/{part} lacks weights"):
        model.load(part)


def test_a_text_encoder_in_float8_with_scales_is_refused(models: ModelHome, tmp_path: Path) -> None:
    folder = copy(models, tmp_path / "model")
    model = add(models, folder)
    scale = {"encoder.block.0.layer.0.SelfAttention.q.scale_weight": torch.ones(1)}
    rewrite(folder / "text_encoder" / "model.safetensors", lambda tensors: tensors.update(scale))
    for load in (lambda: add(models, folder), lambda: model.load("text_encoder")):
        with pytest.raises(ModelError, match=r"/text_encoder has weights that the network does not have"):
            load()


def test_tied_weights_are_stored_once(models: ModelHome, tmp_path: Path) -> None:
    folder = copy(models, tmp_path / "model")
    tensors = safetensors.torch.load_file(folder / "text_encoder" / "model.safetensors")
    assert "shared.weight" in tensors
    rewrite(
        folder / "text_encoder" / "model.safetensors",
        lambda tensors: tensors.pop("encoder.embed_tokens.weight", 0),
    )
    assert add(models, folder).load("text_encoder") is not None


def test_a_folder_fits_the_families_of_its_network_and_no_other(models: ModelHome) -> None:
    for name in (FAMILY, "wan2.2-ti2v", "wan2.2-t2v-a14b", "ltx-video", "cogvideox"):
        for family in FAMILIES.values():
            if family.name in (name, f"{name}-distilled"):
                folders.check_family(models.checkpoint(name), family)
                continue
            with pytest.raises(BadInput, match=r"is no checkpoint of the family .* add it with --family"):
                folders.check_family(models.checkpoint(name), family)


def test_a_setting_of_a_newer_network_is_refused(models: ModelHome, tmp_path: Path) -> None:
    folder = copy(models, tmp_path / "model")
    config = folder / "transformer" / "config.json"
    values = json.loads(config.read_text())
    config.write_text(json.dumps(values | {"window_attention": False}))
    add(models, folder)
    config.write_text(json.dumps(values | {"window_attention": True}))
    with pytest.raises(ModelError, match="does not know 'window_attention' in the config"):
        add(models, folder)


def test_copies_beside_the_weights_are_neither_read_nor_counted(models: ModelHome, tmp_path: Path) -> None:
    folder = copy(models, tmp_path / "model")
    sizes = add(models, folder).sizes()
    shutil.copy(folder / "transformer" / WEIGHTS, folder / "transformer" / "copy.safetensors")
    shutil.copy(folder / "transformer" / WEIGHTS, folder / "transformer" / WEIGHTS.replace(".", ".fp16."))
    (folder / "transformer" / f"._{WEIGHTS}").write_bytes(b"\0\5\x16\7")
    model = add(models, folder)
    assert model.sizes() == sizes
    model.load("transformer")
    (folder / "transformer" / WEIGHTS).rename(folder / "transformer" / "wan.safetensors")
    (folder / "transformer" / WEIGHTS.replace(".", ".fp16.")).unlink()
    with pytest.raises(ModelError, match=r"the library finds no weights in .*transformer"):
        add(models, folder)


def test_pickles_are_not_looked_into_before_they_are_loaded(models: ModelHome, tmp_path: Path) -> None:
    folder = copy(models, tmp_path / "model")
    file = folder / "transformer" / WEIGHTS
    torch.save(safetensors.torch.load_file(file), file.with_suffix(".bin"))
    file.unlink()
    assert add(models, folder, pickle=True).load("transformer") is not None


def test_a_lora_that_does_not_fit_is_refused_when_it_is_added(models: ModelHome, tmp_path: Path) -> None:
    file = tiny_models.write_lora(models.checkpoint("ltx-video"), tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=r"the LoRA other\.safetensors"):
        add(models, models.checkpoint(FAMILY), loras=(Lora(str(file)),))
    own = tiny_models.write_lora(models.checkpoint(FAMILY), tmp_path / "own.safetensors")
    add(models, models.checkpoint(FAMILY), loras=(Lora(str(own)),))


def test_the_command_adds_nothing_that_does_not_fit(
    models: ModelHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINODE_HOME", str(tmp_path / "home"))
    folder = copy(models, tmp_path / "model")
    rewrite(folder / "transformer" / WEIGHTS, lambda tensors: tensors.pop(middle(tensors)))
    result = CliRunner().invoke(
        cli.app, ("models", "add", "wan", "--family", FAMILY, "--source", str(folder))
    )
    assert result.exit_code == 1
    assert "wan/transformer lacks weights of the network" in result.output
    assert entries.names(tmp_path / "home") == ()


# Single files


def scaled(tensors: dict[str, torch.Tensor], convention: str) -> dict[str, torch.Tensor]:
    """Tensors of a denoiser, those of its matrices in float8 with scales as ComfyUI and others write them."""
    result = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)} if convention == "scale_weight" else {}
    for name, tensor in tensors.items():
        if not name.endswith("attn.q.weight"):
            result[name] = tensor
            continue
        layer = name.removesuffix(".weight")
        axis = 1 if convention == "rows" else (0, 1)
        scale = tensor.float().abs().amax(axis, keepdim=convention == "rows") / 448
        result[name] = (tensor.float() / scale).to(torch.float8_e4m3fn)
        end = "scale_weight" if convention == "scale_weight" else "weight_scale"
        result |= {f"{layer}.{end}": scale, f"{layer}.scale_input": torch.ones(())}
        if convention != "scale_weight":
            note = json.dumps({"format": "float8_e4m3fn"}).encode()
            result[f"{layer}.comfy_quant"] = torch.tensor(list(note), dtype=torch.uint8)
    return result


@pytest.mark.parametrize("convention", ["scale_weight", "weight_scale", "rows"])
@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_weights_in_float8_are_multiplied_by_their_scales(
    models: ModelHome, tmp_path: Path, convention: str, prefix: str
) -> None:
    base = models.checkpoint(FAMILY)
    tensors = scaled(tiny_models.original_tensors(base), convention)
    file = tmp_path / "scaled.safetensors"
    safetensors.torch.save_file({prefix + name: tensor for name, tensor in tensors.items()}, file)
    weights = add(models, file, base=str(base)).load("transformer").state_dict()
    for name, expected in tiny_models.tensors(base).items():
        tolerance = 0.07 * float(expected.abs().max()) if name.endswith("to_q.weight") else 0
        assert torch.allclose(weights[name], expected.float(), rtol=0, atol=tolerance), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"{q}.comfy_quant": torch.tensor(list(b'{"format": "nvfp4"}'), dtype=torch.uint8)},
            "in the format 'nvfp4'",
        ),
        ({"{q}.weight_scale": torch.ones(7)}, "is for blocks of weights"),
        (
            {"{q}x.weight_scale": torch.ones(1)},
            "a scale 'blocks.0.self_attn.qx.weight_scale' without a weight",
        ),
        ({"{q}.weight_scale_2": torch.ones(1)}, "that the network does not have"),
    ],
    ids=["format", "blocks", "alone", "unknown"],
)
def test_other_weights_in_few_bits_are_refused(
    models: ModelHome, tmp_path: Path, change: dict[str, torch.Tensor], message: str
) -> None:
    base = models.checkpoint(FAMILY)
    tensors = tiny_models.original_tensors(base)
    tensors |= {name.format(q="blocks.0.self_attn.q"): tensor for name, tensor in change.items()}
    file = tmp_path / "odd.safetensors"
    safetensors.torch.save_file(tensors, file)
    with pytest.raises(ModelError, match=message):
        add(models, file, base=str(base))


def test_only_the_denoiser_of_a_file_with_all_parts_is_read_and_counted(
    models: ModelHome, tmp_path: Path
) -> None:
    family = "ltx-video"
    base = models.checkpoint(family)
    file = tiny_models.write_single_file(base, tmp_path / "all.safetensors")
    sizes = add(models, file, family, base=str(base)).sizes()
    rewrite(
        file,
        lambda tensors: tensors.update(
            {"vae.decoder.weight": torch.ones(9), "text_encoders.x": torch.ones(9)}
        ),
    )
    model = add(models, file, family, base=str(base))
    assert model.sizes() == sizes
    model.load("transformer")


@pytest.mark.parametrize("suffix", [".sft", ".SAFETENSORS", ".pth"])
def test_every_suffix_that_can_be_added_can_be_read(models: ModelHome, tmp_path: Path, suffix: str) -> None:
    base = models.checkpoint(FAMILY)
    file = tmp_path / f"wan{suffix}"
    tensors = tiny_models.original_tensors(base)
    if suffix == ".pth":
        torch.save({"state_dict": tensors}, file)
    else:
        safetensors.torch.save_file(tensors, file)
    weights = add(models, file, base=str(base), pickle=suffix == ".pth").load("transformer").state_dict()
    assert torch.equal(weights["proj_out.weight"], tiny_models.tensors(base)["proj_out.weight"].float())


def test_a_file_of_another_size_or_kind_is_refused_when_it_is_added(
    models: ModelHome, tmp_path: Path
) -> None:
    base = models.checkpoint(FAMILY)
    other = tiny_models.write_single_file(models.checkpoint("wan2.1-i2v"), tmp_path / "i2v.safetensors")
    lora = tiny_models.write_lora(base, tmp_path / "lora.safetensors")
    gguf = tiny_models.write_gguf(models.checkpoint("wan2.2-ti2v"), tmp_path / "5b.gguf")
    for file in (other, lora, gguf):
        with pytest.raises(HinodeError, match=rf"{file.name} (lacks|has weights|is of another size)"):
            add(models, file, base=str(base))


# Values


@pytest.mark.parametrize("part", ["transformer", pytest.param("text_encoder", marks=pytest.mark.slow), "vae"])
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_results_that_are_not_numbers_make_no_black_clip(
    models: ModelHome, tmp_path: Path, part: str
) -> None:
    folder = copy(models, tmp_path / "model")
    file = next((folder / part).glob("*.safetensors"))
    # Embeddings stay: an encoder that scales a word of 1e30 to its norm gives zeros, which are numbers.
    embeddings = ("shared", "embed_tokens")
    rewrite(file, lambda tensors: [
        tensor.fill_(1e30) for key, tensor in tensors.items()
        if tensor.ndim > 1 and not any(word in key for word in embeddings)
    ])  # fmt: skip
    name = add(models, folder).checkpoint.entry.name
    with pytest.raises(HinodeError, match="computed values that are not numbers"):
        finish(models.run(name, steps=1))
