"""LoRAs in the layouts of their trainers: each changes exactly the weights that it should, or is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from hinode.engines.diffusers.loading.model import Model
from hinode.errors import ModelError
from hinode.registry.entry import Lora
from hinode.registry.families import FAMILIES
from hinode.registry.loras import noise_of
from tests.engines.diffusers import tiny_models
from tests.engines.diffusers.conftest import ModelHome, finish

FAMILY, A14B = "wan2.1-t2v", "wan2.2-t2v-a14b"
QUERY, VALUE = "blocks.0.self_attn.q", "blocks.1.self_attn.v"
LAYERS = {QUERY: "blocks.0.attn1.to_q", VALUE: "blocks.1.attn1.to_v"}
"""Two of the 20 linear layers, as the makers call them and in diffusers."""
RANK, WIDTH, WEIGHT = 4, 64, 0.5


def matrices(layer: str) -> tuple[Tensor, Tensor]:
    """The matrices of a layer's LoRA: [RANK, WIDTH] and [WIDTH, RANK]."""
    generator = torch.Generator().manual_seed(list(LAYERS).index(layer))
    down = torch.randn(RANK, WIDTH, generator=generator)
    return down, torch.randn(WIDTH, RANK, generator=generator)


def pairs(
    call: str, down: str = "lora_A", up: str = "lora_B", alpha: float | None = None
) -> dict[str, Tensor]:
    """The LoRA of both layers under other names; `call` has the makers' name in it, or that of diffusers."""
    tensors = {}
    for makers, library in LAYERS.items():
        name = call.format(makers=makers, library=library, under=makers.replace(".", "_"))
        first, second = matrices(makers)
        tensors |= {f"{name}.{down}.weight": first, f"{name}.{up}.weight": second}
        if alpha is not None:
            tensors[f"{name}.alpha"] = torch.tensor(alpha)
    return tensors


def load(models: ModelHome, file: Path, family: str = FAMILY, **options: Any) -> Any:
    """The denoiser of a model with the LoRA in a file, in float32."""
    entry = models.add(family, f"{family}-lora", loras=(Lora(str(file), WEIGHT),), **options)
    return Model(entry, FAMILIES[family], models.home, torch.device("cpu"), torch.float32).load("transformer")


def change(models: ModelHome, part: Any, layer: str) -> Tensor:
    """By how much the weight of a layer differs from that of the model alone."""
    module = part.get_submodule(layer)
    weight = getattr(module, "base_layer", module).weight.detach().clone()
    if hasattr(module, "get_delta_weight"):
        weight += module.get_delta_weight("lora_0")
    return weight - tiny_models.tensors(models.checkpoint(FAMILY))[f"{layer}.weight"].float()


@pytest.mark.parametrize(
    ("tensors", "scale"),
    [
        (pairs("transformer.{library}"), 1.0),
        (pairs("diffusion_model.{makers}"), 1.0),
        (pairs("diffusion_model.{makers}", "lora_down", "lora_up", alpha=2.0), 0.5),
        (pairs("lora_unet_{under}", "lora_down", "lora_up", alpha=1.0), 0.25),
        (pairs("lora_unet__{under}", "lora_down", "lora_up", alpha=12.0), 3.0),
        (pairs("{makers}", "lora_A.default", "lora_B.default"), 1.0),
        (pairs("base_model.model.{makers}"), 1.0),
        (pairs("base_model.model.{library}", alpha=8.0), 2.0),
    ],
    ids=["diffusers", "comfyui", "lightning", "musubi", "kohya", "diffsynth", "peft", "peft-alpha"],
)
def test_the_names_of_each_trainer_are_read_for_any_subset_of_the_layers(
    models: ModelHome, tmp_path: Path, tensors: dict[str, Tensor], scale: float
) -> None:
    file = tmp_path / "style.safetensors"
    safetensors.torch.save_file(tensors, file)
    part = load(models, file)
    for makers, library in LAYERS.items():
        down, up = matrices(makers)
        assert torch.allclose(change(models, part, library), WEIGHT * scale * up @ down, atol=1e-5)


@pytest.mark.parametrize("place", ["header", "beside"])
def test_the_strength_that_peft_notes_counts(models: ModelHome, tmp_path: Path, place: str) -> None:
    file = tmp_path / "adapter_model.safetensors"
    settings = {"r": RANK, "lora_alpha": 16, "use_rslora": True}
    header = {"lora_adapter_metadata": json.dumps({f"transformer.{k}": v for k, v in settings.items()})}
    safetensors.torch.save_file(pairs("transformer.{library}"), file, header if place == "header" else None)
    if place == "beside":
        (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    down, up = matrices(QUERY)
    expected = WEIGHT * 16 / RANK**0.5 * up @ down
    assert torch.allclose(change(models, load(models, file), LAYERS[QUERY]), expected, atol=1e-4)


def test_what_is_not_low_rank_is_added_to_the_weights(models: ModelHome, tmp_path: Path) -> None:
    small, large = torch.randn(8, 8), torch.randn(8, 8)
    down, up = matrices(QUERY)
    tensors = {
        f"lycoris_{QUERY.replace('.', '_')}.lokr_w1": small,
        f"lycoris_{QUERY.replace('.', '_')}.lokr_w2_a": large[:, :2].contiguous(),
        f"lycoris_{QUERY.replace('.', '_')}.lokr_w2_b": large[:2].contiguous(),
        f"lycoris_{QUERY.replace('.', '_')}.alpha": torch.tensor(1.0),
        f"diffusion_model.{VALUE}.hada_w1_a": up,
        f"diffusion_model.{VALUE}.hada_w1_b": down,
        f"diffusion_model.{VALUE}.hada_w2_a": up.clone(),
        f"diffusion_model.{VALUE}.hada_w2_b": down.clone(),
        "diffusion_model.blocks.0.norm3.diff": torch.ones(WIDTH),
        "diffusion_model.blocks.0.ffn.0.diff_b": torch.ones(96),
        "diffusion_model.blocks.0.diff_m": torch.ones(1, 6, WIDTH),
    }
    file = tmp_path / "all.safetensors"
    safetensors.torch.save_file(tensors, file)
    part, plain = load(models, file), tiny_models.tensors(models.checkpoint(FAMILY))
    kronecker = torch.kron(small, large[:, :2] @ large[:2]) / 2
    assert torch.allclose(change(models, part, LAYERS[QUERY]), WEIGHT * kronecker, atol=1e-4)
    assert torch.allclose(change(models, part, LAYERS[VALUE]), WEIGHT * (up @ down) ** 2, atol=1e-3)
    for name in ("blocks.0.norm2.weight", "blocks.0.ffn.net.0.proj.bias", "blocks.0.scale_shift_table"):
        assert torch.allclose(part.get_parameter(name), plain[name] + WEIGHT, atol=1e-6), name


def test_a_bias_beside_the_matrices_has_their_scale(models: ModelHome, tmp_path: Path) -> None:
    file = tmp_path / "style.safetensors"
    bias = {f"{QUERY}.lora_B.bias": torch.ones(WIDTH)}
    safetensors.torch.save_file(pairs("{makers}", alpha=8.0) | bias, file)
    name = f"{LAYERS[QUERY]}.bias"
    part = load(models, file)
    own = part.get_submodule(LAYERS[QUERY]).base_layer.bias
    plain = tiny_models.tensors(models.checkpoint(FAMILY))[name]
    assert torch.allclose(own, plain + WEIGHT * 2.0, atol=1e-6)


def test_the_weights_of_gguf_are_not_changed(models: ModelHome, tmp_path: Path) -> None:
    base = models.checkpoint(FAMILY)
    gguf = tiny_models.write_gguf(base, tmp_path / "wan.gguf")
    file, pair = tmp_path / "lokr.safetensors", tmp_path / "pair.safetensors"
    safetensors.torch.save_file(
        {f"{QUERY}.lokr_w1": torch.ones(8, 8), f"{QUERY}.lokr_w2": torch.eye(8)}, file
    )
    safetensors.torch.save_file(pairs("{makers}"), pair)
    options = {"source": str(gguf), "base": str(base)}
    with pytest.raises(ModelError, match=r"the LoRA lokr\.safetensors changes .* not possible in GGUF"):
        load(models, file, **options)
    assert list(load(models, pair, **options).peft_config) == ["lora_0"]


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({f"{QUERY}.dora_scale": torch.ones(1)}, "is a DoRA"),
        (
            {"blocks.0.attn.hypernetwork": torch.ones(1)},
            "has a tensor 'blocks.0.attn.hypernetwork', which is none",
        ),
        ({f"{QUERY}.lora_A.weight": torch.ones(4, 64)}, "is incomplete at blocks.0.attn1.to_q"),
        (
            {f"{QUERY}.lora_A.weight": torch.ones(4, 32), f"{QUERY}.lora_B.weight": torch.ones(64, 4)},
            "is for a network of another size",
        ),
        (
            {"layers.0.q.lora_A.weight": torch.ones(4, 64), "layers.0.q.lora_B.weight": torch.ones(64, 4)},
            "changes nothing",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    models: ModelHome, tmp_path: Path, tensors: dict[str, Tensor], message: str
) -> None:
    file = tmp_path / "style.safetensors"
    safetensors.torch.save_file(tensors, file)
    with pytest.raises(ModelError, match=rf"the LoRA style\.safetensors {message}"):
        load(models, file)


@pytest.mark.parametrize("family", ["hunyuanvideo-1.5-t2v", "ltx-video", "ltx-2"])
def test_a_lora_of_every_maker_is_added(models: ModelHome, tmp_path: Path, family: str) -> None:
    file = tmp_path / "style.safetensors"
    name = next(
        name.removesuffix(".weight")
        for name, tensor in tiny_models.tensors(models.checkpoint(family)).items()
        if name.endswith("to_q.weight") and tensor.shape == tensor.T.shape
    )
    width = len(tiny_models.tensors(models.checkpoint(family))[f"{name}.weight"])
    tensors = {f"diffusion_model.{name}.lora_A.weight": torch.ones(RANK, width)}
    tensors |= {f"diffusion_model.{name}.lora_B.weight": torch.ones(width, RANK)}
    tensors |= {f"diffusion_model.{name}.alpha": torch.tensor(2.0)}
    safetensors.torch.save_file(tensors, file)
    module = load(models, file, family).get_submodule(name)
    assert torch.allclose(module.get_delta_weight("lora_0"), torch.full((width, width), WEIGHT * 2.0))


@pytest.mark.parametrize(
    ("name", "noise"),
    [
        ("slow_motion", ""),
        ("yellow_dress", ""),
        ("low_poly_style", ""),
        ("adapter_model", ""),
        ("high_low", ""),
        ("wan-high", "high"),
        ("HighNoise_v2", "high"),
        ("style_HN", "high"),
        ("Wan22_T2V_HIGH_4steps_lora_rank128_fp16", "high"),
        ("style-L", "low"),
        ("style_low_v2_fp16", "low"),
        ("low_noise/adapter_model", "low"),
    ],
)
def test_the_name_of_a_file_says_for_which_network_it_is(name: str, noise: str) -> None:
    assert noise_of(Lora(f"/loras/{name}.safetensors")) == noise
    assert noise_of(Lora(f"/loras/{name}.safetensors", noise="low")) == "low"
    assert noise_of(Lora(f"/loras/{name}.safetensors", noise="both")) == ""


@pytest.mark.parametrize(
    ("name", "noise", "parts"),
    [
        pytest.param("slow_motion", "", {"transformer", "transformer_2"}, marks=pytest.mark.slow),
        pytest.param("style-high", "", {"transformer"}, marks=pytest.mark.slow),
        ("style-high", "low", {"transformer_2"}),
    ],
)
def test_each_network_gets_the_loras_that_are_for_it_and_the_clip_says_so(
    models: ModelHome, tmp_path: Path, name: str, noise: str, parts: set[str]
) -> None:
    file = tiny_models.write_lora(models.checkpoint(A14B), tmp_path / f"{name}.safetensors")
    models.add(A14B, "noise", loras=(Lora(str(file), WEIGHT, noise=noise),))
    run = models.run("noise")
    clip = finish(run)
    for part in ("transformer", "transformer_2"):
        assert hasattr(run.model.load(part), "peft_config") == (part in parts)
    which = {1: {"transformer": "high", "transformer_2": "low"}[min(parts)], 2: "high and low"}[len(parts)]
    assert f"LoRA {name}.safetensors for {which} noise" in clip.provenance.read_as


@pytest.mark.slow
def test_a_clip_says_how_many_layers_of_a_lora_do_not_exist(models: ModelHome, tmp_path: Path) -> None:
    tensors = pairs("diffusion_model.{makers}") | {
        "diffusion_model.blocks.7.self_attn.q.lora_A.weight": torch.ones(RANK, WIDTH),
        "diffusion_model.blocks.7.self_attn.q.lora_B.weight": torch.ones(WIDTH, RANK),
    }
    safetensors.torch.save_file(tensors, tmp_path / "deep.safetensors")
    models.add(FAMILY, "deep", loras=(Lora(str(tmp_path / "deep.safetensors"), 0.1),))
    assert (
        "LoRA deep.safetensors, without 1 of its 3 layers" in models.clip("deep", steps=1).provenance.read_as
    )
