"""Checkpoints with random weights of 1 GB and more, one for each kind of network, with decoders built like
the published ones but narrower: to compare a memory plan with the memory in use on a small machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

HEADS, HEAD = 32, 64
"""Attention heads of every denoiser, and their width."""


def write(family: str, folder: Path) -> None:
    """Write the checkpoint of a family in bfloat16."""
    import torch

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    LARGE_MODELS[family]().save_pretrained(folder)


def _wan_2_1() -> Any:
    import diffusers

    from tests.engines.diffusers.tiny_models import parts, wan

    return diffusers.WanPipeline(
        tokenizer=parts.tokenizer(),
        text_encoder=parts.t5(),
        vae=wan.vae(base_dim=32, dim_mult=[1, 2, 4, 4], num_res_blocks=2),
        scheduler=wan.scheduler(3.0),
        transformer=wan.transformer(num_attention_heads=64, num_layers=12, ffn_dim=6144),
    )


def _wan_2_2() -> Any:
    import diffusers

    from tests.engines.diffusers.tiny_models import parts, wan

    vae = wan.vae(
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
        scheduler=wan.scheduler(5.0),
        transformer=wan.transformer(
            num_attention_heads=64, num_layers=12, ffn_dim=6144, in_channels=48, out_channels=48
        ),
        expand_timesteps=True,
    )


def _ltx_video() -> Any:
    import diffusers

    from tests.engines.diffusers.tiny_models import ltx

    small = ltx.ltx_video()
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
    return _replace(small, vae=vae, transformer=transformer)


def _cogvideox() -> Any:
    import diffusers

    from tests.engines.diffusers.tiny_models import cogvideox

    small = cogvideox.t2v()
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
    return _replace(small, vae=vae, transformer=transformer)


def _hunyuan() -> Any:
    import diffusers

    from tests.engines.diffusers.tiny_models import hunyuan

    small = hunyuan.t2v()
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
    return _replace(small, vae=vae, transformer=transformer)


def _ltx_2() -> Any:
    import diffusers

    from tests.engines.diffusers.tiny_models import ltx

    small = ltx.ltx_2()
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
    return _replace(small, vae=vae, transformer=transformer)


def _replace(pipeline: Any, **parts: Any) -> Any:
    return type(pipeline)(**{**pipeline.components, **parts})


LARGE_MODELS: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {
        "wan2.1-t2v": _wan_2_1,
        "wan2.2-ti2v": _wan_2_2,
        "ltx-video": _ltx_video,
        "ltx-2": _ltx_2,
        "cogvideox": _cogvideox,
        "hunyuanvideo-1.5-t2v": _hunyuan,
    }
)
"""How each is made, by its family."""

if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
