"""Wan, 2.1 and 2.2, in toy size."""

from __future__ import annotations

from typing import Any

from tests.engines.diffusers.parts import clip_vision, shaken, t5, tokenizer


def wan_transformer(scale: int = 1, **changes: Any) -> Any:
    from diffusers import WanTransformer3DModel

    heads = 2 * scale
    return shaken(
        WanTransformer3DModel(
            **{
                "patch_size": (1, 2, 2),
                "num_attention_heads": heads,
                "attention_head_dim": 32,
                "in_channels": 16,
                "out_channels": 16,
                "text_dim": 32,
                "freq_dim": 32,
                "ffn_dim": 96 * scale,
                "num_layers": 2,
                "cross_attn_norm": True,
                "qk_norm": "rms_norm_across_heads",
                "rope_max_seq_len": 64,
                **changes,
            }
        )
    )


def wan_vae(**changes: Any) -> Any:
    from diffusers import AutoencoderKLWan

    return shaken(
        AutoencoderKLWan(**{"base_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1, **changes})
    )


def wan_vae_22() -> Any:
    return wan_vae(
        z_dim=48,
        is_residual=True,
        dim_mult=[1, 1, 1, 1],
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
        latents_mean=[0.01 * place for place in range(48)],
        latents_std=[1.0 + 0.01 * place for place in range(48)],
    )


def unipc(shift: float) -> Any:
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=shift
    )


def wan_t2v(scale: int) -> Any:
    from diffusers import WanPipeline

    return WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=t5(),
        vae=wan_vae(),
        scheduler=unipc(3.0),
        transformer=wan_transformer(scale),
    )


def wan_i2v(scale: int) -> Any:
    from diffusers import WanImageToVideoPipeline

    image_encoder, image_processor = clip_vision()
    return WanImageToVideoPipeline(
        tokenizer=tokenizer(),
        text_encoder=t5(),
        vae=wan_vae(),
        scheduler=unipc(3.0),
        image_encoder=image_encoder,
        image_processor=image_processor,
        transformer=wan_transformer(scale, in_channels=36, image_dim=32, added_kv_proj_dim=64 * scale),
    )


def wan_flf2v(scale: int) -> Any:
    pipeline = wan_i2v(scale)
    seen = pipeline.image_encoder.config
    places = (seen.image_size // seen.patch_size) ** 2 + 1
    pipeline.register_modules(
        transformer=wan_transformer(
            scale,
            in_channels=36,
            image_dim=32,
            added_kv_proj_dim=64 * scale,
            pos_embed_seq_len=2 * places,  # 514 in the real one, whose encoder sees 16 x 16 patches
        )
    )
    return pipeline


def wan_ti2v(scale: int) -> Any:
    from diffusers import WanPipeline

    return WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=t5(),
        vae=wan_vae_22(),
        scheduler=unipc(5.0),
        transformer=wan_transformer(scale, in_channels=48, out_channels=48),
        expand_timesteps=True,
    )


def wan_a14b(scale: int) -> Any:
    from diffusers import WanPipeline

    return WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=t5(),
        vae=wan_vae(),
        scheduler=unipc(3.0),
        transformer=wan_transformer(scale),
        transformer_2=wan_transformer(scale),
        boundary_ratio=0.875,
    )


def wan_a14b_i2v(scale: int) -> Any:
    from diffusers import WanImageToVideoPipeline

    return WanImageToVideoPipeline(
        tokenizer=tokenizer(),
        text_encoder=t5(),
        vae=wan_vae(),
        scheduler=unipc(5.0),
        transformer=wan_transformer(scale, in_channels=36),
        transformer_2=wan_transformer(scale, in_channels=36),
        boundary_ratio=0.9,
    )


def wan_vace(scale: int) -> Any:
    from diffusers import WanVACEPipeline, WanVACETransformer3DModel

    transformer = WanVACETransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2 * scale,
        attention_head_dim=32,
        in_channels=16,
        out_channels=16,
        text_dim=32,
        freq_dim=32,
        ffn_dim=96 * scale,
        num_layers=3,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=64,
        vace_layers=[0, 2],
        vace_in_channels=96,
    )
    return WanVACEPipeline(
        tokenizer=tokenizer(),
        text_encoder=t5(),
        vae=wan_vae(),
        scheduler=unipc(3.0),
        transformer=shaken(transformer),
    )
