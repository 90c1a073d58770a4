"""Tiny twins: for each family a checkpoint of a few megabytes with random weights, laid out on disk exactly
as the real one is. Loading, quantisation, LoRA and single files run for real on it, in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

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


ORIGINAL_NAMES = (
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
    ("ffn.net.0.proj", "ffn.0"),
    ("ffn.net.2", "ffn.2"),
    ("norm2.", "norm3."),
    ("proj_out", "head.head"),
)
"""How the tensors of a Wan denoiser are called in diffusers, and how in the files of its makers."""


def original(folder: Path) -> dict[str, torch.Tensor]:
    """The denoiser of a Wan twin under the names of its makers."""
    tensors = safetensors.torch.load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")
    renamed = {}
    for name, tensor in tensors.items():
        for ours, theirs in ORIGINAL_NAMES:
            name = name.replace(ours, theirs)
        if name.endswith("scale_shift_table"):
            name = name.replace("scale_shift_table", "modulation") if "blocks" in name else "head.modulation"
        renamed[name] = tensor
    return renamed


def write_single_file(folder: Path, file: Path) -> Path:
    """Write the denoiser of a Wan twin as one safetensors file, as its makers and others publish it."""
    safetensors.torch.save_file(original(folder), file)
    return file


def write_gguf(folder: Path, file: Path, kind: str = "Q8_0") -> Path:
    """Write the denoiser of a Wan twin as GGUF, its matrices in blocks of few bits."""
    import gguf

    writer = gguf.GGUFWriter(file, "wan")
    wanted = gguf.GGMLQuantizationType[kind]
    for name, tensor in original(folder).items():
        values = tensor.float().numpy()
        if values.ndim == 2 and values.shape[-1] % 32 == 0:
            writer.add_tensor(name, gguf.quants.quantize(values, wanted), raw_dtype=wanted)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def write_lora(folder: Path, file: Path, *, rank: int = 4, part: str = "transformer") -> Path:
    """Write a LoRA for the attention of a twin's denoiser, strong enough to be seen."""
    tensors = safetensors.torch.load_file(folder / part / "diffusion_pytorch_model.safetensors")
    generator = torch.Generator().manual_seed(SEED)
    pairs = {}
    for name, tensor in tensors.items():
        if name.endswith(("attn1.to_q.weight", "attn1.to_v.weight")):
            layer = f"{part}.{name.removesuffix('.weight')}"
            pairs[f"{layer}.lora_A.weight"] = torch.randn(rank, tensor.shape[1], generator=generator)
            pairs[f"{layer}.lora_B.weight"] = torch.randn(tensor.shape[0], rank, generator=generator)
    safetensors.torch.save_file(pairs, file)
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
        Twin("wan2.1-i2v", toy_wan.wan_i2v),
        Twin("wan2.1-vace", toy_wan.wan_vace),
        Twin("wan2.2-ti2v", toy_wan.wan_ti2v, (64, 64)),
        Twin("wan2.2-t2v-a14b", toy_wan.wan_a14b),
        Twin("wan2.2-i2v-a14b", toy_wan.wan_a14b_i2v),
        Twin("ltx-video", toy_others.ltx, (64, 64)),
        Twin("cogvideox", toy_others.cogvideox),
        Twin("cogvideox-i2v", toy_others.cogvideox_i2v),
        Twin("hunyuanvideo-1.5-t2v", toy_others.hunyuan_t2v, (64, 64)),
        Twin("hunyuanvideo-1.5-i2v", toy_others.hunyuan_i2v, (64, 64)),
        Twin("ltx-2", toy_others.ltx2, (64, 64)),
    )
}
"""Every twin by its family. Families that differ from one of these in numbers alone share its twin."""
