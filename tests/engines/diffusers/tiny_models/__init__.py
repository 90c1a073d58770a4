"""Tiny models: for each family a checkpoint of a few megabytes with random weights, laid out on disk exactly
like a published one. Loading, quantisation, LoRAs and single files run on it for real, in seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from hinode.engines.diffusers.loading.tiny_decoder import TinyDecoder
from hinode.registry.families import FAMILIES
from hinode.registry.tiny_decoders import Layout
from tests.engines.diffusers.tiny_models import cogvideox, hunyuan, ltx, wan

SEED = 20_261_121


@dataclass(frozen=True)
class TinyModel:
    """A checkpoint of tiny size.

    Attributes:
        build: makes the pipeline, with random weights.
        size: width and height to sample in tests.
        frames: number of frames to sample in tests.
    """

    build: Callable[[], Any]
    size: tuple[int, int] = (64, 48)
    frames: int = 9


TINY_MODELS = {
    "wan2.1-t2v": TinyModel(wan.t2v),
    "wan2.1-t2v-distilled": TinyModel(wan.t2v),
    "wan2.1-i2v": TinyModel(wan.i2v),
    "wan2.1-flf2v": TinyModel(wan.flf2v),
    "wan2.1-i2v-distilled": TinyModel(wan.i2v),
    "wan2.1-vace": TinyModel(wan.vace),
    "wan2.2-ti2v": TinyModel(wan.ti2v, (64, 64)),
    "wan2.2-t2v-a14b": TinyModel(wan.a14b_t2v),
    "wan2.2-t2v-a14b-distilled": TinyModel(wan.a14b_t2v),
    "wan2.2-i2v-a14b": TinyModel(wan.a14b_i2v),
    "wan2.2-i2v-a14b-distilled": TinyModel(wan.a14b_i2v),
    "ltx-video": TinyModel(ltx.ltx_video, (64, 64)),
    "ltx-video-0.9.5": TinyModel(ltx.ltx_video_0_9_5, (64, 64)),
    "cogvideox": TinyModel(cogvideox.t2v),
    "cogvideox-i2v": TinyModel(cogvideox.i2v),
    "cogvideox-1.5": TinyModel(cogvideox.t2v_1_5, frames=17),
    "cogvideox-1.5-i2v": TinyModel(cogvideox.i2v_1_5, frames=17),
    "hunyuanvideo-1.5-t2v": TinyModel(hunyuan.t2v, (64, 64)),
    "hunyuanvideo-1.5-i2v": TinyModel(hunyuan.i2v, (64, 64)),
    "ltx-2": TinyModel(ltx.ltx_2, (64, 64)),
}
"""By family; every family has one."""

# How the tensors of a Wan denoiser are called in diffusers, and how in the files of its makers.
WAN_NAMES = (
    ("condition_embedder.image_embedder.norm1", "img_emb.proj.0"),
    ("condition_embedder.image_embedder.ff.net.0.proj", "img_emb.proj.1"),
    ("condition_embedder.image_embedder.ff.net.2", "img_emb.proj.3"),
    ("condition_embedder.image_embedder.norm2", "img_emb.proj.4"),
    ("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
    ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
    ("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
    ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
    ("condition_embedder.time_proj", "time_projection.1"),
    ("attn1.", "self_attn."),
    ("attn2.", "cross_attn."),
    (".to_out.0.", ".o."),
    (".to_q.", ".q."),
    (".to_k.", ".k."),
    (".to_v.", ".v."),
    (".add_k_proj.", ".k_img."),
    (".add_v_proj.", ".v_img."),
    (".norm_added_k.", ".norm_k_img."),
    ("ffn.net.0.proj", "ffn.0"),
    ("ffn.net.2", "ffn.2"),
    ("norm2.", "norm3."),
)
# The same of LTX-Video, and what LTX-2 adds.
LTX_NAMES = (("norm_q", "q_norm"), ("norm_k", "k_norm"), ("time_embed.", "adaln_single."))
LTX_2_NAMES = (
    ("av_cross_attn_video_scale_shift.", "av_ca_video_scale_shift_adaln_single."),
    ("av_cross_attn_video_a2v_gate.", "av_ca_a2v_gate_adaln_single."),
    ("av_cross_attn_audio_scale_shift.", "av_ca_audio_scale_shift_adaln_single."),
    ("av_cross_attn_audio_v2a_gate.", "av_ca_v2a_gate_adaln_single."),
    ("video_a2v_cross_attn_scale_shift_table", "scale_shift_table_a2v_ca_video"),
    ("audio_a2v_cross_attn_scale_shift_table", "scale_shift_table_a2v_ca_audio"),
)


def write(family: str, folder: Path) -> Path:
    """Write the tiny model of `family` into `folder`, which is created."""
    with _fixed_seed():
        pipeline = TINY_MODELS[family].build()
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def tensors(folder: Path, part: str = "transformer") -> dict[str, torch.Tensor]:
    """The denoiser of a tiny model under the names of diffusers."""
    return safetensors.torch.load_file(folder / part / "diffusion_pytorch_model.safetensors")


def original_tensors(folder: Path, part: str = "transformer") -> dict[str, torch.Tensor]:
    """The denoiser of a tiny Wan or LTX under the names of its makers."""
    rename = _ltx_name if "proj_in.weight" in tensors(folder, part) else _wan_name
    return {rename(name): tensor for name, tensor in tensors(folder, part).items()}


def write_single_file(folder: Path, file: Path, part: str = "transformer") -> Path:
    """Write the denoiser of a tiny model as one safetensors file, as its makers and others publish it."""
    safetensors.torch.save_file(original_tensors(folder, part), file)
    return file


def write_gguf(folder: Path, file: Path, part: str = "transformer") -> Path:
    """Write the denoiser of a tiny model as GGUF, its matrices in blocks of eight bits."""
    import gguf

    writer = gguf.GGUFWriter(file, "video")
    kind = gguf.GGMLQuantizationType.Q8_0
    for name, tensor in original_tensors(folder, part).items():
        values = tensor.float().numpy()
        # Tables are no matrices of a layer, and those who make such files do not quantise them.
        if values.ndim == 2 and values.shape[-1] % 32 == 0 and "scale_shift_table" not in name:
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def write_lora(folder: Path, file: Path, *parts: str, rank: int = 4) -> Path:
    """Write a LoRA for the attention of some parts, by default the denoiser, with a visible effect."""
    generator = torch.Generator().manual_seed(SEED)
    pairs = {}
    for part in parts or ("transformer",):
        for name, tensor in tensors(folder, part).items():
            if name.endswith(("attn1.to_q.weight", "attn1.to_v.weight")):
                layer = f"{part}.{name.removesuffix('.weight')}"
                pairs[f"{layer}.lora_A.weight"] = torch.randn(rank, tensor.shape[1], generator=generator)
                pairs[f"{layer}.lora_B.weight"] = torch.randn(tensor.shape[0], rank, generator=generator)
    safetensors.torch.save_file(pairs, file)
    return file


def write_tiny_decoder(family: str, folder: Path, file: Path) -> Path:
    """Write a tiny decoder for the tiny model in `folder`: narrow, otherwise as published."""
    config = json.loads((folder / "vae" / "config.json").read_text())
    shape = FAMILIES[family].shape
    growth = {4: (1, 2, 2), 8: (2, 2, 2)}[shape.frames_per_latent]
    channels = config.get("z_dim") or config["latent_channels"]
    with _fixed_seed():
        decoder = TinyDecoder(Layout(channels, (16, 12, 8, 8), growth, shape.pixels_per_latent // 8))
        weights = {name: 2 * tensor.half() for name, tensor in decoder.state_dict().items()}
    # The files contain an encoder too; nothing reads it.
    weights["encoder.0.weight"] = torch.zeros(64, 3, 3, 3, dtype=torch.float16)
    safetensors.torch.save_file(weights, file)
    return file


def _wan_name(name: str) -> str:
    for library, makers in WAN_NAMES:
        name = name.replace(library, makers)
    if name.startswith("vace_blocks."):
        name = name.replace(".proj_in.", ".before_proj.").replace(".proj_out.", ".after_proj.")
    elif name.startswith("proj_out."):
        name = name.replace("proj_out", "head.head")
    if name.endswith("scale_shift_table"):
        name = name.replace("scale_shift_table", "modulation") if "blocks" in name else "head.modulation"
    return name


def _ltx_name(name: str) -> str:
    for library, makers in LTX_2_NAMES + LTX_NAMES:
        name = name.replace(library, makers)
    if name.startswith(("proj_in.", "audio_proj_in.")):
        name = name.replace("proj_in", "patchify_proj")
    return f"model.diffusion_model.{name}"


@contextmanager
def _fixed_seed() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        yield
