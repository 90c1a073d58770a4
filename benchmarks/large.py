"""Checkpoints with random weights of 1 GB and more, one for each kind of network, with decoders built like
the real ones but narrower: what a memory plan can be held against on a small machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

HEADS, HEAD = 32, 64
"""Heads of every denoiser, and their width."""


def build(family: str, folder: Path) -> None:
    """Write the checkpoint of a family, in bfloat16."""
    import torch

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    LARGE[family]().save_pretrained(folder)


def wan() -> Any:
    import diffusers

    from tests.engines.diffusers import parts, toy_wan

    return diffusers.WanPipeline(
        tokenizer=parts.tokenizer(),
        text_encoder=parts.t5(),
        vae=toy_wan.wan_vae(base_dim=32, dim_mult=[1, 2, 4, 4], num_res_blocks=2),
        scheduler=toy_wan.unipc(3.0),
        transformer=toy_wan.wan_transformer(32, num_layers=12, ffn_dim=6144),
    )


def wan_ti2v() -> Any:
    import diffusers

    from tests.engines.diffusers import parts, toy_wan

    vae = toy_wan.wan_vae(
        z_dim=48,
        is_residual=True,
        base_dim=40,
        decoder_base_dim=64,
        dim_mult=[1, 2, 4, 4],
        num_res_blocks=2,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
        latents_mean=[0.0] * 48,
        latents_std=[1.0] * 48,
    )
    return diffusers.WanPipeline(
        tokenizer=parts.tokenizer(),
        text_encoder=parts.t5(),
        vae=vae,
        scheduler=toy_wan.unipc(5.0),
        transformer=toy_wan.wan_transformer(32, num_layers=12, ffn_dim=6144, in_channels=48, out_channels=48),
        expand_timesteps=True,
    )


def ltx() -> Any:
    import diffusers

    from tests.engines.diffusers import toy_others

    small = toy_others.ltx(1)
    vae = diffusers.AutoencoderKLLTXVideo(
        latent_channels=128,
        block_out_channels=(64, 128, 256, 256),
        decoder_block_out_channels=(64, 128, 256),
        layers_per_block=(2, 2, 2, 2, 2),
        decoder_layers_per_block=(2, 2, 2, 2),
        spatio_temporal_scaling=(True, True, True, False),
        decoder_spatio_temporal_scaling=(True, True, True),
        decoder_inject_noise=(False, False, False, False),
        upsample_residual=(True, True, True),
        upsample_factor=(2, 2, 2),
        timestep_conditioning=True,
    )
    transformer = diffusers.LTXVideoTransformer3DModel(
        num_attention_heads=HEADS,
        attention_head_dim=HEAD,
        cross_attention_dim=HEADS * HEAD,
        num_layers=10,
        caption_channels=32,
    )
    return _with(small, vae=vae, transformer=transformer)


def cogvideox() -> Any:
    import diffusers

    from tests.engines.diffusers import toy_others

    small = toy_others.cogvideox(1)
    vae = diffusers.AutoencoderKLCogVideoX(
        block_out_channels=(64, 128, 128, 256), latent_channels=16, layers_per_block=2
    )
    transformer = type(small.transformer)(
        **{
            **small.transformer.config,
            "num_attention_heads": HEADS,
            "attention_head_dim": HEAD,
            "in_channels": 16,
            "out_channels": 16,
            "num_layers": 11,
            "sample_width": 90,
            "sample_height": 60,
            "sample_frames": 49,
        }
    )
    return _with(small, vae=vae, transformer=transformer)


def hunyuan() -> Any:
    import diffusers

    from tests.engines.diffusers import toy_others

    small = toy_others.hunyuan_t2v(1)
    vae = diffusers.AutoencoderKLHunyuanVideo15(
        latent_channels=32, block_out_channels=(64, 128, 256, 256, 256), layers_per_block=2
    )
    transformer = type(small.transformer)(
        **{
            **small.transformer.config,
            "in_channels": 65,
            "out_channels": 32,
            "num_attention_heads": HEADS,
            "attention_head_dim": HEAD,
            "rope_axes_dim": (16, 24, 24),
            "mlp_ratio": 4.0,
            "num_layers": 5,
        }
    )
    return _with(small, vae=vae, transformer=transformer)


def ltx2() -> Any:
    import diffusers

    from tests.engines.diffusers import toy_others

    small = toy_others.ltx2(1)
    vae = diffusers.AutoencoderKLLTX2Video(
        latent_channels=128,
        block_out_channels=(64, 128, 256, 512),
        decoder_block_out_channels=(64, 128, 256),
        layers_per_block=(2, 2, 2, 2, 2),
        decoder_layers_per_block=(2, 2, 2, 2),
    )
    transformer = type(small.transformer)(
        **{
            **small.transformer.config,
            "in_channels": 128,
            "out_channels": 128,
            "num_attention_heads": HEADS,
            "attention_head_dim": HEAD,
            "cross_attention_dim": HEADS * HEAD,
            "audio_num_attention_heads": HEADS,
            "audio_attention_head_dim": HEAD // 4,
            "audio_cross_attention_dim": HEADS * HEAD // 4,
            "num_layers": 8,
        }
    )
    return _with(small, vae=vae, transformer=transformer)


def _with(pipeline: Any, **parts: Any) -> Any:
    """The same pipeline with other parts."""
    return type(pipeline)(**{**pipeline.components, **parts})


LARGE: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {
        "wan2.1-t2v": wan,
        "wan2.2-ti2v": wan_ti2v,
        "ltx-video": ltx,
        "ltx-2": ltx2,
        "cogvideox": cogvideox,
        "hunyuanvideo-1.5-t2v": hunyuan,
    }
)
"""How each is made, by its family."""
