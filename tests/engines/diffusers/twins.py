"""Tiny twins: for each family a checkpoint of a few megabytes with random weights, laid out on disk exactly
as the real one is. Loading, quantisation, LoRA and single files run for real on it, in seconds."""

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
from tests.engines.diffusers import toy_others, toy_wan

SEED = 20_261_121


@dataclass(frozen=True)
class Twin:
    """A checkpoint of toy size.

    Attributes:
        family: name of the family it belongs to.
        build: makes the pipeline, with random weights.
        size: width and height to draw at in tests.
        frames: number of frames to draw in tests.
    """

    family: str
    build: Callable[[int], Any]
    size: tuple[int, int] = (64, 48)
    frames: int = 9


def write(family: str, folder: Path, *, scale: int = 1) -> Path:
    """Write the twin of `family` into `folder`.

    Args:
        family: key of `TWINS`.
        folder: made if it is not there.
        scale: how many times as wide as the smallest its denoiser is.
    """
    with _seeded():
        pipeline = TWINS[family].build(scale)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


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
"""How the tensors of a Wan denoiser are called in diffusers, and how in the files of its makers."""
LTX_NAMES = (("norm_q", "q_norm"), ("norm_k", "k_norm"), ("time_embed.", "adaln_single."))
LTX_2_NAMES = (
    ("av_cross_attn_video_scale_shift.", "av_ca_video_scale_shift_adaln_single."),
    ("av_cross_attn_video_a2v_gate.", "av_ca_a2v_gate_adaln_single."),
    ("av_cross_attn_audio_scale_shift.", "av_ca_audio_scale_shift_adaln_single."),
    ("av_cross_attn_audio_v2a_gate.", "av_ca_v2a_gate_adaln_single."),
    ("video_a2v_cross_attn_scale_shift_table", "scale_shift_table_a2v_ca_video"),
    ("audio_a2v_cross_attn_scale_shift_table", "scale_shift_table_a2v_ca_audio"),
)
"""The same of LTX-Video, and what LTX-2 has beside that."""


def tensors(folder: Path, part: str = "transformer") -> dict[str, torch.Tensor]:
    """The denoiser of a twin under the names of diffusers."""
    return safetensors.torch.load_file(folder / part / "diffusion_pytorch_model.safetensors")


def original(folder: Path, part: str = "transformer") -> dict[str, torch.Tensor]:
    """The denoiser of a Wan or LTX twin under the names of its makers."""
    rename = _ltx_name if "proj_in.weight" in tensors(folder, part) else _wan_name
    return {rename(name): tensor for name, tensor in tensors(folder, part).items()}


def _wan_name(name: str) -> str:
    for ours, theirs in WAN_NAMES:
        name = name.replace(ours, theirs)
    if name.startswith("vace_blocks."):
        name = name.replace(".proj_in.", ".before_proj.").replace(".proj_out.", ".after_proj.")
    elif name.startswith("proj_out."):
        name = name.replace("proj_out", "head.head")
    if name.endswith("scale_shift_table"):
        name = name.replace("scale_shift_table", "modulation") if "blocks" in name else "head.modulation"
    return name


def _ltx_name(name: str) -> str:
    for ours, theirs in LTX_2_NAMES + LTX_NAMES:
        name = name.replace(ours, theirs)
    if name.startswith(("proj_in.", "audio_proj_in.")):
        name = name.replace("proj_in", "patchify_proj")
    return f"model.diffusion_model.{name}"


def write_single_file(folder: Path, file: Path, part: str = "transformer") -> Path:
    """Write the denoiser of a twin as one safetensors file, as its makers and others publish it."""
    safetensors.torch.save_file(original(folder, part), file)
    return file


def write_gguf(folder: Path, file: Path, kind: str = "Q8_0", part: str = "transformer") -> Path:
    """Write the denoiser of a twin as GGUF, its matrices in blocks of few bits."""
    import gguf

    writer = gguf.GGUFWriter(file, "video")
    wanted = gguf.GGMLQuantizationType[kind]
    for name, tensor in original(folder, part).items():
        values = tensor.float().numpy()
        # Tables are no matrices of a layer, and those who make such files leave them whole.
        if values.ndim == 2 and values.shape[-1] % 32 == 0 and "scale_shift_table" not in name:
            writer.add_tensor(name, gguf.quants.quantize(values, wanted), raw_dtype=wanted)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def write_lora(folder: Path, file: Path, *parts: str, rank: int = 4) -> Path:
    """Write a LoRA for the attention of a twin's denoiser, or of some parts, strong enough to be seen."""
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


def write_tiny(family: str, folder: Path, file: Path, *, wide: bool = False) -> Path:
    """Write a tiny decoder for the twin of a family that lies in `folder`: narrow, otherwise as published."""
    settings = json.loads((folder / "vae" / "config.json").read_text())
    frames, side = FAMILIES[family].shape.compression
    growth = {4: (1, 2, 2), 8: (2, 2, 2)}[frames]
    channels = settings.get("z_dim") or settings["latent_channels"]
    with _seeded():
        tiny = TinyDecoder(Layout(channels, (16, 12, 8, 8), growth, side // 8, wide))
        tensors = {name: 2 * tensor.half() for name, tensor in tiny.state_dict().items()}
    # The files hold an encoder too; nothing reads it.
    tensors["encoder.0.weight"] = torch.zeros(64, 3, 3, 3, dtype=torch.float16)
    safetensors.torch.save_file(tensors, file)
    return file


@contextmanager
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        yield


TWINS = {
    twin.family: twin
    for twin in (
        Twin("wan2.1-t2v", toy_wan.wan_t2v),
        Twin("wan2.1-t2v-distilled", toy_wan.wan_t2v),
        Twin("wan2.1-i2v", toy_wan.wan_i2v),
        Twin("wan2.1-flf2v", toy_wan.wan_flf2v),
        Twin("wan2.1-i2v-distilled", toy_wan.wan_i2v),
        Twin("wan2.1-vace", toy_wan.wan_vace),
        Twin("wan2.2-ti2v", toy_wan.wan_ti2v, (64, 64)),
        Twin("wan2.2-t2v-a14b", toy_wan.wan_a14b),
        Twin("wan2.2-t2v-a14b-distilled", toy_wan.wan_a14b),
        Twin("wan2.2-i2v-a14b", toy_wan.wan_a14b_i2v),
        Twin("wan2.2-i2v-a14b-distilled", toy_wan.wan_a14b_i2v),
        Twin("ltx-video", toy_others.ltx, (64, 64)),
        Twin("ltx-video-0.9.5", toy_others.ltx_095, (64, 64)),
        Twin("cogvideox", toy_others.cogvideox),
        Twin("cogvideox-i2v", toy_others.cogvideox_i2v),
        Twin("cogvideox-1.5", toy_others.cogvideox_15, frames=17),
        Twin("cogvideox-1.5-i2v", toy_others.cogvideox_15_i2v, frames=17),
        Twin("hunyuanvideo-1.5-t2v", toy_others.hunyuan_t2v, (64, 64)),
        Twin("hunyuanvideo-1.5-i2v", toy_others.hunyuan_i2v, (64, 64)),
        Twin("ltx-2", toy_others.ltx2, (64, 64)),
    )
}
"""Every twin by its family: all families have one."""
